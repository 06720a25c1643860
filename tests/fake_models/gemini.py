"""The Gemini API of the fake models.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fake_models.script import Reply, Wanted
from tests.fake_models.words import part, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STOPS = {"end": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
_ERRORS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    529: "UNAVAILABLE",
}


def wanted(body: Mapping[str, Any], path: str) -> Wanted:
    """The parsed request to /v1beta/models/MODEL:generateContent or :streamGenerateContent."""
    model, _, verb = path.rsplit("/", 1)[-1].partition(":")
    declared = [each for tool in body.get("tools") or () for each in tool.get("functionDeclarations", ())]
    schemas = {each["name"]: part(each, "parametersJsonSchema") or part(each, "parameters") for each in declared}
    allowed: list[str] = part(body, "toolConfig", "functionCallingConfig").get("allowedFunctionNames") or []
    form = part(body, "generationConfig").get("responseJsonSchema")
    return Wanted(model, verb.startswith("stream"), schemas, allowed[0] if len(allowed) == 1 else None, form)


def whole(reply: Reply, asked: Wanted) -> dict[str, Any]:
    """The answer in one piece."""
    parts: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
    return _response([*parts, *_calls(reply)], reply, asked, ended=True)


def frames(reply: Reply, asked: Wanted) -> Iterator[dict[str, Any]]:
    """The answer in pieces of the same shape."""
    if reply.text:
        for piece in pieces(reply.text):
            yield _response([{"text": piece}], reply, asked, ended=False)
    for call in _calls(reply):
        yield _response([call], reply, asked, ended=False)
    yield _response([], reply, asked, ended=True)


def failed(status: int, message: str, kind: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"error": {"code": status, "message": message, "status": kind or _ERRORS.get(status, "INTERNAL")}}


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {"functionCall": {"id": call, "name": name, "args": json.loads(given)}} for call, name, given in reply.calls
    ]


def _response(parts: list[dict[str, Any]], reply: Reply, asked: Wanted, *, ended: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if ended:
        candidate["finishReason"] = _STOPS[reply.stop]
    usage = {
        "promptTokenCount": reply.input_tokens,
        "candidatesTokenCount": reply.output_tokens,
        "totalTokenCount": reply.input_tokens + reply.output_tokens,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": asked.model, "responseId": "gen_1"}
