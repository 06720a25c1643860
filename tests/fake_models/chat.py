"""The OpenAI Chat Completions API of the fake models, as in Ollama, LM Studio, vLLM and Docker Model Runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fake_models.script import Reply, Wanted
from tests.fake_models.words import part, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STOPS = {"end": "stop", "length": "length", "refusal": "content_filter"}
_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def wanted(body: Mapping[str, Any], _path: str) -> Wanted:
    """The parsed request to /v1/chat/completions."""
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    return Wanted(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={tool["name"]: tool.get("parameters", {}) for tool in tools},
        chosen=part(body, "tool_choice", "function").get("name"),
        form=part(body, "response_format", "json_schema").get("schema"),
    )


def whole(reply: Reply, asked: Wanted) -> dict[str, Any]:
    """The answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [_call(*call) for call in reply.calls]
    choice = {"index": 0, "message": message, "finish_reason": _stop(reply), "logprobs": None}
    return {**_envelope("chat.completion", asked), "choices": [choice], "usage": _usage(reply)}


def frames(reply: Reply, asked: Wanted) -> Iterator[dict[str, Any]]:
    """The answer in chunks; the last one has the usage."""
    chunk = _envelope("chat.completion.chunk", asked)

    def frame(delta: dict[str, Any], stop: str | None = None) -> dict[str, Any]:
        return {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": stop}]}

    yield frame({"role": "assistant", "content": ""})
    if reply.text:
        for piece in pieces(reply.text):
            yield frame({"content": piece})
    for index, (call_id, name, given) in enumerate(reply.calls):
        yield frame({"tool_calls": [{"index": index, **_call(call_id, name, "")}]})
        for piece in pieces(given):
            yield frame({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield frame({}, _stop(reply))
    yield {**chunk, "choices": [], "usage": _usage(reply)}


def failed(status: int, message: str, kind: str) -> dict[str, Any]:
    """The body of a refusal."""
    usual, code = _ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return {"error": {"message": message, "type": kind or usual, "param": None, "code": kind or code}}


def _call(call_id: str, name: str, given: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": given}}


def _envelope(kind: str, asked: Wanted) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_767_225_600, "model": asked.model}


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


def _stop(reply: Reply) -> str:
    return "tool_calls" if reply.calls and reply.stop == "end" else _STOPS[reply.stop]
