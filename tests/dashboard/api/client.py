"""A program that uses the API. Every answer is checked against the OpenAPI document."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import jsonschema_rs

from wfe_mcp.dashboard.api.app import ROOT

T = TypeVar("T")

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"
WAIT_S = 120.0


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def data(self) -> Any:
        assert self.status == 200, f"{self.status}: {self.body}"
        return self.body.get("data", {})

    @property
    def data_of_refusal(self) -> Any:
        assert self.body["ok"] is False, f"it was not refused: {self.body}"
        return self.body["data"]

    @property
    def code(self) -> str:
        assert self.body["ok"] is False, f"it was not refused: {self.body}"
        return self.body["error"]["code"]


@cache
def _described() -> dict[str, Any]:
    """The OpenAPI document as it is in the docs, which test_document.py compares: to describe all routes takes seconds."""
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


@cache
def schema_of(path: str, method: str, status: int) -> Any:
    """The schema of an answer, with the document's components beside it."""
    responses = _described()["paths"][path][method.lower()]["responses"]
    schema = responses.get(str(status), responses["default"])["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({**schema, "components": _described()["components"]})


@dataclass
class Program:
    """A program with a token."""

    port: int
    token: str = ""

    def get(self, path: str, fill: dict[str, str] | None = None, **query: Any) -> Reply:
        asked = {key: value for key, value in query.items() if value is not None}
        return self._ask("GET", path, fill or {}, f"?{urlencode(asked, doseq=True)}" if asked else "", None)

    def post(self, path: str, fill: dict[str, str] | None = None, **body: Any) -> Reply:
        return self._ask("POST", path, fill or {}, "", json.dumps(body))

    def _ask(self, method: str, path: str, fill: dict[str, str], query: str, body: str | None) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        found = self.raw(method, ROOT + path.format(**fill) + query, body, headers)
        faults = list(schema_of(path, method, found.status).iter_errors(found.body))
        assert not faults, f"{method} {path} {found.status}: {faults[0]}\n{json.dumps(found.body)[:2000]}"
        return found

    def raw(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        sent = {"Host": f"localhost:{self.port}", **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        try:
            connection.request(method, path, body, sent | (headers or {}))
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        is_json = response.getheader("content-type", "").startswith("application/json")
        return Reply(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            json.loads(text) if is_json else text,
        )


def first(look: Callable[[], T]) -> T:
    """The first answer of ``look`` that is not empty."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if found := look():
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"nothing came within {WAIT_S} s")
