"""Tests of a provider's connection, its list of models, and the discovery of model servers on this machine.

Rules:
1. The list of models costs nothing and comes first; only a minimal real call proves that key and model work.
2. A failed test is a result, not an exception. Only ``list_models`` raises.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import nearest
from wfe_mcp.providers.call import Connection, Listener, ProviderFault, Question, ShouldStop, Usage, never
from wfe_mcp.providers.faults import VENDORS, fault, message_in_body, plainly, status_fault, transport_fault
from wfe_mcp.providers.questions import ask, refuse_unusable
from wfe_mcp.workspace.config.provider_kinds import facts_of

LOCAL: Mapping[str, tuple[int, str]] = {
    "Ollama": (11434, "/v1"),
    "LM Studio": (1234, "/v1"),
    "vLLM": (8000, "/v1"),
    "Docker Model Runner": (12434, "/engines/v1"),
}
"""Programs that serve models on this machine → their default port and path."""

_QUESTION = Question("Answer with the one word: ok")
_MOST_TOKENS = 512
_MOST_BYTES = 4_000_000
_MOST_S = 30.0
_LOCAL_S = 1.0
_NAMED = 5


@dataclass(frozen=True, slots=True)
class ProviderTest:
    """The result of a test. ``latency_s``: of the real call, None without an answer.

    ``model_found``: None when unknown. ``models``: those that the provider lists.
    """

    latency_s: float | None
    model_found: bool | None
    models: tuple[str, ...]
    usage: Usage
    fault: ProviderFault | None

    @property
    def ok(self) -> bool:
        """True when the provider can be used."""
        return self.fault is None


@dataclass(frozen=True, slots=True)
class Local:
    """A program on this machine that serves models. ``needs_key``: it lists them only with a key."""

    name: str
    base_url: str
    models: tuple[str, ...]
    needs_key: bool = False


def try_connection(
    connection: Connection, listener: Listener | None = None, should_stop: ShouldStop = never
) -> ProviderTest:
    """List the models, then make one minimal call, which is announced to ``listener`` like every call."""
    try:
        models = list_models(connection)
    except ProviderFault as raised:
        if raised.kind in ("no_route", "tls", "not_configured", "not_installed"):
            return ProviderTest(None, None, (), raised.usage, raised)
        models = ()  # not every provider lists its models; the call shows whether the key is valid
    least = replace(connection, max_tokens=min(connection.max_tokens, _MOST_TOKENS))
    began = monotonic()
    try:
        usage = ask(least, _QUESTION, listener, should_stop).usage
    except ProviderFault as raised:
        # A model that reasons beyond the small token limit has still answered.
        if raised.kind != "unparsable" or not raised.usage.output_tokens:
            is_served = False if raised.kind == "wrong_model" else connection.model in models or None
            return ProviderTest(None, is_served, models, raised.usage, _with_names(raised, connection, models))
        usage = raised.usage
    return ProviderTest(monotonic() - began, True, models, usage, None)


def list_models(connection: Connection) -> tuple[str, ...]:
    """The names of a provider's models, in its order. Raises ProviderFault."""
    if facts_of(connection.kind).is_installed:
        from wfe_mcp.providers.plugin_calls import models_of_package  # loaded only for such a package

        return models_of_package(connection)
    refuse_unusable(replace(connection, model=connection.model or "any"))
    return plainly(lambda: _names(_get(connection), connection))


def find_local() -> list[Local]:
    """The programs that serve models on this machine, at their usual places."""
    return [local for name, (port, path) in LOCAL.items() if (local := _local(name, f"http://127.0.0.1:{port}{path}"))]


def _local(name: str, base_url: str) -> Local | None:
    connection = Connection(name, "openai-compatible", base_url=base_url, connect_s=_LOCAL_S, response_s=_LOCAL_S)
    try:
        return Local(name, base_url, list_models(connection))
    except ProviderFault as raised:
        return Local(name, base_url, (), needs_key=True) if raised.kind == "wrong_key" else None


def _with_names(raised: ProviderFault, connection: Connection, models: tuple[str, ...]) -> ProviderFault:
    if raised.kind != "wrong_model" or not models:
        return raised
    near = nearest(connection.model, models) or models[:_NAMED]
    raised.hint = f"Set another one. Nearest of its {len(models)} models: {', '.join(near)}."
    return raised


def _get(connection: Connection) -> object:
    """The JSON that lists the models."""
    import httpx2  # 75 ms of CPU

    from wfe_mcp.providers.transport import client_options

    base_url = (connection.base_url or VENDORS[connection.kind]).rstrip("/")
    key = connection.api_key or ""
    path, headers = {
        "anthropic": ("/v1/models?limit=1000", {"x-api-key": key, "anthropic-version": "2023-06-01"}),
        "gemini": ("/v1beta/models?pageSize=1000", {"x-goog-api-key": key}),
    }.get(connection.kind, ("/models", {"authorization": f"Bearer {key}"} if key else {}))
    until = monotonic() + _MOST_S
    silence = min(connection.response_s, _MOST_S)
    options = client_options(connection, base_url, silence_s=silence)
    content = b""
    try:
        with httpx2.Client(**options) as http, http.stream("GET", f"{base_url}{path}", headers=headers) as answer:
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > _MOST_BYTES or monotonic() > until:
                    break
    except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
        raise transport_fault(error, connection) from None
    if 300 <= answer.status_code < 400:
        raise fault("moved", connection, status=answer.status_code)
    body = _json(content)
    if answer.status_code != 200:
        detail = message_in_body(body)
        raise status_fault(connection, answer.status_code, detail=detail, ours=bool(detail), headers=answer.headers)
    return body


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _names(body: object, connection: Connection) -> tuple[str, ...]:
    document = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    every = document.get("models" if connection.kind == "gemini" else "data")
    if not isinstance(every, list):
        raise fault("unreadable", connection, why="it lists no models")
    entries = [cast("dict[str, Any]", item) for item in cast("list[object]", every) if isinstance(item, dict)]
    names = [entry.get("name" if connection.kind == "gemini" else "id") for entry in entries]
    return tuple(name.removeprefix("models/") for name in names if isinstance(name, str))
