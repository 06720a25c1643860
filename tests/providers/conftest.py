"""Models on loopback, a connection to them of each kind, and a listener that remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from tests.fake_models.server import ModelServer
from wfe_mcp.providers.call import Connection, Estimate, ProviderFault, ToolResult, Usage
from wfe_mcp.workspace.config.provider_kinds import ProviderKind

KEY = "sk-canary-0123456789"
KINDS: tuple[ProviderKind, ...] = ("anthropic", "openai", "openai-compatible")
VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"enum": ["pass", "fail"]}, "why": {"type": "string"}},
    "required": ["verdict"],
}


class Connect(Protocol):
    """Makes a connection to a server; what is given beside it overrides."""

    def __call__(self, server: ModelServer, **other: Any) -> Connection: ...


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> ProviderKind:
    """Each kind that is asked over HTTP and needs no extra; test_gemini.py has the one that does."""
    return request.param


@pytest.fixture
def connect(kind: ProviderKind) -> Connect:
    def made(server: ModelServer, **other: Any) -> Connection:
        base_url = server.origin if kind == "anthropic" else server.v1
        given: dict[str, Any] = {"model": "m-1", "api_key": KEY, "base_url": base_url, "response_s": 30.0, **other}
        return Connection("second", kind, **given)

    return made


@dataclass
class Heard:
    """A listener that remembers everything, in order. ``spoken`` is called with each piece of text."""

    before: list[Estimate] = field(default_factory=list[Estimate])
    after: list[tuple[Usage, str]] = field(default_factory=list[tuple[Usage, str]])
    texts: list[str] = field(default_factory=list[str])
    tools: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    given: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    spoken: Callable[[str], None] = lambda _: None

    def before_call(self, connection: Connection, estimate: Estimate) -> None:
        self.before.append(estimate)

    def after_call(self, connection: Connection, usage: Usage, fault: ProviderFault | None) -> None:
        self.after.append((usage, fault.kind if fault else "answered"))

    def said(self, text: str) -> None:
        self.texts.append(text)
        self.spoken(text)

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        self.tools.append((call_id, name, "started"))
        self.given.append(given)

    def tool_ended(self, call_id: str, name: str, result: ToolResult, duration_s: float) -> None:
        self.tools.append((call_id, name, ("" if result.ok else "refused: ") + result.text))

    @property
    def ends(self) -> list[str]:
        """How each call ended."""
        return [end for _, end in self.after]
