"""Hostile requests that the HTTP API must refuse: every operation of its document, by five callers.

``assault`` makes them on a running page and reports forbidden answers; the test and the bench share it.
"""

import http.client
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlencode

from tests.security.hostile_inputs import BOMBS
from wfe_mcp.dashboard.api.app import ROOT, document

WAIT_S = 120
TEXTS: tuple[str, ...] = (
    *("", " ", "\ud800", "a\udfffb", "999999999d", "0001-01-01T00:00:00+14:00"),
    *(each for each in BOMBS if isinstance(each, str)),
)
VALUES: tuple[object, ...] = (
    *TEXTS,
    None,
    True,
    -1,
    0,
    10**30,
    0.5,
    [],
    {},
    *(each for each in BOMBS if not isinstance(each, str)),
)
NO_FIELDS: dict[str, object] = {}
OBJECTS: tuple[object, ...] = (
    NO_FIELDS,
    {"a": 1},
    {"title": "A good title"},
    *(cast("object", each) for each in BOMBS if isinstance(each, dict)),
)
BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'"\\ud800"',
)
"""What is no body of any operation."""
HEADERS: tuple[str, ...] = ("", "-1", "0", "9" * 30, "9" * 5_000, "\xb2", "x" * 20_000)
LAST = "forget_project end_session"
_ENDLESS = "text/event-stream"


@dataclass
class Answers:
    """What came back: how many of each status, and what no request may be answered with."""

    requests: int = 0
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    faults: list[str] = field(default_factory=list[str])


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(Method, path, description) of each operation."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def properties_of(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The keys of the body of an operation."""
    described = operation.get("requestBody")
    return (
        {} if described is None else _resolved(described["content"]["application/json"]["schema"]).get("properties", {})
    )


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def assault(
    port: int,
    callers: Mapping[str, str],
    known: Mapping[str, Sequence[str]],
    each: int,
    *,
    seed: int = 0,
    without: Sequence[str] = (),
) -> Answers:
    """``each`` requests of every operation by each caller (name → token). ``known``: names that exist, by parameter."""
    answers, chance = Answers(), random.Random(seed)
    # What takes away what the others need comes last: the project, and the session of the page.
    for method, path, operation in sorted(operations(), key=lambda one: LAST.find(one[2]["operationId"])):
        if operation["operationId"] in without:
            continue
        for caller, token in callers.items():
            for number in range(each):
                address, body = _request(chance, path, operation, known, number)
                headers = {
                    one["name"]: chance.choice(HEADERS)
                    for one in operation.get("parameters", ())
                    if one["in"] == "header"
                }
                status, text = _sent(port, token, method, address, body, headers)
                answers.requests += 1
                answers.statuses[status] = answers.statuses.get(status, 0) + 1
                if (status >= 500 and '"unavailable"' not in text) or "Traceback" in text:
                    answers.faults.append(
                        f"{status} for {caller}: {method} {address[:300]} {body[:300]!r}: {text[:300]}"
                    )
    return answers


def _request(
    chance: random.Random, path: str, operation: dict[str, Any], known: Mapping[str, Sequence[str]], number: int
) -> tuple[str, bytes]:
    query: dict[str, str] = {}
    for each in operation.get("parameters", ()):
        name = each["name"]
        value = _text(chance, known.get(name, ()))
        if each["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value or "x", safe="", errors="surrogatepass"))
        elif each["in"] == "query" and chance.random() < 0.7:
            query[name] = value
    address = ROOT + path + (f"?{urlencode(query, errors='surrogatepass')}" if query else "")
    described = operation.get("requestBody")
    if described is None:
        return address, b""
    if number % 8 == 7:
        return address, chance.choice(BODIES)
    return address, json.dumps(_body(chance, described["content"]["application/json"]["schema"], known)).encode()


def _text(chance: random.Random, known: Sequence[str]) -> str:
    return chance.choice([*known]) if known and chance.random() < 0.7 else chance.choice(TEXTS)[:2_000]


def _body(chance: random.Random, schema: dict[str, Any], known: Mapping[str, Sequence[str]]) -> object:
    """A body with the right keys: most values fit, one in three does not."""
    schema = _resolved(schema)
    made: dict[str, object] = {}
    required: Sequence[str] = schema.get("required", ())
    for name, about in cast("dict[str, dict[str, Any]]", schema.get("properties", {})).items():
        if name in required or chance.random() < 0.5:
            fits = chance.random() > 0.3 or name == "pin"  # a wrong one would lock out all that follows
            made[name] = _fitting(chance, name, about, known) if fits else chance.choice(VALUES)
    if chance.random() < 0.05:
        made["\ud800"] = 1
    return made


def _fitting(chance: random.Random, name: str, about: dict[str, Any], known: Mapping[str, Sequence[str]]) -> object:
    about = next((each for each in about.get("anyOf", ()) if each.get("type") != "null"), about)
    if "$ref" in about:
        return _body(chance, about, known)
    if "enum" in about:
        return chance.choice(about["enum"])
    kind = about.get("type")
    if kind in ("integer", "number"):
        return chance.choice([0, 1, 2])
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "array":
        return [_fitting(chance, name, about.get("items", {}), known) for _ in range(chance.randrange(3))]
    if kind == "object":
        return chance.choice(OBJECTS)
    return known[name][0] if name == "pin" and name in known else _text(chance, known.get(name, ()))


def _sent(port: int, token: str, method: str, address: str, body: bytes, more: Mapping[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    headers = {"Host": f"localhost:{port}", "Content-Type": "application/json", **more}
    try:
        connection.request(method, address, body, headers | ({"Authorization": f"Bearer {token}"} if token else {}))
        with connection.getresponse() as response:  # one that does not end is left by closing it
            if response.getheader("content-type", "").startswith(_ENDLESS):
                return response.status, ""
            return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
