"""The Anthropic Messages API of the fake models.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fake_models.script import Reply, Wanted
from tests.fake_models.words import part, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STOPS = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def wanted(body: Mapping[str, Any], _path: str) -> Wanted:
    """The parsed request to /v1/messages."""
    return Wanted(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={tool["name"]: tool.get("input_schema", {}) for tool in body.get("tools") or ()},
        chosen=part(body, "tool_choice").get("name"),
        form=part(body, "output_config", "format").get("schema"),
    )


def whole(reply: Reply, asked: Wanted) -> dict[str, Any]:
    """The answer in one piece."""
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    for call_id, name, given in reply.calls:
        content.append({"type": "tool_use", "id": call_id, "name": name, "input": json.loads(given)})
    return {
        **_message(asked, reply),
        "content": content,
        "stop_reason": _stop(reply),
        "usage": {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens},
    }


def frames(reply: Reply, asked: Wanted) -> Iterator[dict[str, Any]]:
    """The answer in events."""
    yield {"type": "message_start", "message": _message(asked, reply)}
    blocks: list[tuple[dict[str, Any], str, str]] = []
    if reply.text:
        blocks.append(({"type": "text", "text": ""}, "text_delta", reply.text))
    for call_id, name, given in reply.calls:
        blocks.append(({"type": "tool_use", "id": call_id, "name": name, "input": {}}, "input_json_delta", given))
    for index, (block, kind, content) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        key = "text" if kind == "text_delta" else "partial_json"
        for piece in pieces(content):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: piece}}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": _stop(reply), "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": reply.output_tokens}}
    yield {"type": "message_stop"}


def failed(status: int, message: str, kind: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"type": "error", "error": {"type": kind or _ERRORS.get(status, "api_error"), "message": message}}


def _message(asked: Wanted, reply: Reply) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": reply.input_tokens, "output_tokens": 1},
    }


def _stop(reply: Reply) -> str:
    return "tool_use" if reply.calls and reply.stop == "end" else _STOPS[reply.stop]
