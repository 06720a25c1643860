"""The OpenAI Responses API of the fake models.

Source: https://platform.openai.com/docs/api-reference/responses

A call named ``NAMESPACE/TOOL`` is one of a tool in a namespace; one named ``tool_search`` asks the client to look for tools.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.fake_models import chat
from tests.fake_models.script import Reply, Wanted
from tests.fake_models.words import part, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

failed = chat.failed

SEARCH, SEARCH_CALL = "tool_search", "tool_search_call"


def wanted(body: Mapping[str, Any], _path: str) -> Wanted:
    """The parsed request to /v1/responses."""
    tools = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    return Wanted(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={tool["name"]: tool.get("parameters", {}) for tool in tools},
        chosen=part(body, "tool_choice").get("name"),
        form=part(body, "text", "format").get("schema"),
    )


def whole(reply: Reply, asked: Wanted) -> dict[str, Any]:
    """The answer in one piece."""
    cut = reply.stop == "length"
    return {
        **_response(asked),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [_whole_item(item) for item in _items(reply)],
        "usage": {
            "input_tokens": reply.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
    }


def frames(reply: Reply, asked: Wanted) -> Iterator[dict[str, Any]]:
    """The answer in numbered events."""
    numbers = count()
    ended = whole(reply, asked)
    yield {"type": "response.created", "response": _response(asked), "sequence_number": next(numbers)}
    for index, item in enumerate(_items(reply)):
        for event in _item_frames(item):
            yield {**event, "output_index": index, "sequence_number": next(numbers)}
    yield {"type": f"response.{ended['status']}", "response": ended, "sequence_number": next(numbers)}


def _item_frames(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    item_id, done = item["id"], _whole_item(item)
    if item["type"] == "message":
        kind = "refusal" if item["refused"] else "output_text"
        key, place = ("refusal" if item["refused"] else "text"), {"item_id": item_id, "content_index": 0}
        begun: dict[str, Any] = {"type": kind, key: "", **({} if item["refused"] else {"annotations": []})}
        yield {"type": "response.output_item.added", "item": {**done, "content": [], "status": "in_progress"}}
        yield {"type": "response.content_part.added", **place, "part": begun}
        for piece in pieces(item["output"]):
            yield {"type": f"response.{kind}.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": f"response.{kind}.done", **place, key: item["output"], "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": done["content"][0]}
    elif item["type"] == SEARCH_CALL:
        yield {"type": "response.output_item.added", "item": {**done, "status": "in_progress"}}
    else:
        yield {"type": "response.output_item.added", "item": {**done, "arguments": "", "status": "in_progress"}}
        for piece in pieces(item["output"]):
            yield {"type": "response.function_call_arguments.delta", "item_id": item_id, "delta": piece}
        fields = {"item_id": item_id, "arguments": item["output"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **fields}
    yield {"type": "response.output_item.done", "item": done}


def _items(reply: Reply) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if reply.text:
        items.append({"type": "message", "id": "msg_1", "output": reply.text, "refused": reply.stop == "refusal"})
    for call_id, name, given in reply.calls:
        namespace, _, tool = name.rpartition("/")
        kind = SEARCH_CALL if name == SEARCH else "function_call"
        called = {"type": kind, "id": f"fc_{call_id}", "call_id": call_id, "name": tool, "output": given}
        items.append(called | ({"namespace": namespace} if namespace else {}))
    return items


def _whole_item(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] == SEARCH_CALL:
        kept = {key: item[key] for key in ("type", "id", "call_id")}
        return {**kept, "execution": "client", "arguments": json.loads(item["output"]), "status": "completed"}
    if item["type"] == "function_call":
        kept = {key: item[key] for key in ("type", "id", "call_id", "name", "namespace") if key in item}
        return {**kept, "arguments": item["output"], "status": "completed"}
    block: dict[str, Any] = {"type": "output_text", "text": item["output"], "annotations": []}
    if item["refused"]:
        block = {"type": "refusal", "refusal": item["output"]}
    return {"type": "message", "id": item["id"], "role": "assistant", "content": [block], "status": "completed"}


def _response(asked: Wanted) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_767_225_600,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }
