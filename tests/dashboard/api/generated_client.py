"""Writes a Python client from an OpenAPI document, and knows nothing else of the API."""

import re
from collections.abc import Iterator
from typing import Any

_HEAD = '''\
"""Generated from an OpenAPI document."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass


@dataclass
class Client:
    base: str
    token: str

    def _send(self, method, path, query, body):
        asked = {key: value for key, value in query.items() if value is not None}
        url = self.base + path + ("?" + urllib.parse.urlencode(asked, doseq=True) if asked else "")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps({key: value for key, value in body.items() if value is not None}).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as found:
                return found.status, json.load(found)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)
'''


def client_of(document: dict[str, Any]) -> str:
    """The source of a client with one method for each operation: required arguments by their place, others by name."""
    return "\n".join([_HEAD, *_methods(document)])


def _methods(document: dict[str, Any]) -> Iterator[str]:
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "application/json" not in operation["responses"]["200"].get("content", {}):
                continue  # a stream, or lines
            named = [each for each in operation.get("parameters", ()) if each["in"] in {"path", "query"}]
            body = operation.get("requestBody")
            keys: dict[str, Any] = {}
            needed: list[str] = []
            if body is not None and "$ref" not in body["content"]["application/json"]["schema"]:
                continue  # what another system says
            if body is not None:
                schema = schemas[body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
                keys, needed = schema["properties"], schema.get("required", [])
            must = [each["name"] for each in named if each["required"]] + [key for key in keys if key in needed]
            may = [each["name"] for each in named if not each["required"]] + [key for key in keys if key not in needed]
            arguments = ", ".join(
                ["self", *map(_word, must), *(["*"] if may else []), *(f"{_word(each)}=None" for each in may)]
            )
            filled = re.sub(r"\{(\w+)\}", lambda each: "{urllib.parse.quote(" + _word(each[1]) + ", safe='')}", path)
            query = ", ".join(f"{each['name']!r}: {_word(each['name'])}" for each in named if each["in"] == "query")
            sent = "None" if body is None else "{" + ", ".join(f"{key!r}: {_word(key)}" for key in keys) + "}"
            yield f"    def {operation['operationId']}({arguments}):"
            yield f"        return self._send({method.upper()!r}, f{filled!r}, {{{query}}}, {sent})\n"


def _word(name: str) -> str:
    return f"{name}_" if name in {"from", "type", "class", "self"} else name
