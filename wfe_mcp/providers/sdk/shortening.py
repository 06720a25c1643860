"""Shortens a long conversation to fit the model's context.

Rules:
1. Only tool results are left out, oldest first; those of the newest message stay.
2. The task, the schema of the output and the last error are never left out.
3. A conversation that is too long is cut to half the limit: smaller cuts in every request would change its beginning
   each time, and invalidate the vendor's cache.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic_ai.messages import ModelRequest, ToolReturnPart

from wfe_mcp.providers.sdk.calls import tokens_of_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_ai.messages import ModelMessage

_LEFT_OUT = (
    "[Left out to save space: {name} returned {size:,} characters, starting: {begin}… Call it again if you need it.]"
)
_BEGIN = 60
_WORTH = 400
"""Results of at most this many characters are kept: the replacement would save too little."""


def shortened(messages: list[ModelMessage], most: int) -> list[ModelMessage]:
    """``messages``, with older tool results left out when the total exceeds ``most`` tokens."""
    size = sum(tokens_of_part(part) for message in messages for part in message.parts)
    if size <= most:
        return messages
    cut = dict[int, ToolReturnPart]()
    for part in _candidates(messages):
        if size <= most // 2:
            break
        less = _left_out(part)
        size -= tokens_of_part(part) - tokens_of_part(less)
        cut[id(part)] = less
    return [_with(message, cut) for message in messages]


def _candidates(messages: Sequence[ModelMessage]) -> list[ToolReturnPart]:
    """The results that may be left out, oldest first."""
    older = [part for message in messages[:-1] for part in message.parts if isinstance(part, ToolReturnPart)]
    every = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    errors = [part for part in every if part.outcome != "success"]
    return [part for part in older if part not in errors[-1:] and len(part.model_response_str()) > _WORTH]


def _left_out(part: ToolReturnPart) -> ToolReturnPart:
    text = part.model_response_str()
    begin = " ".join(text[:_BEGIN].split())
    return replace(part, content=_LEFT_OUT.format(name=part.tool_name, size=len(text), begin=begin))


def _with(message: ModelMessage, cut: dict[int, ToolReturnPart]) -> ModelMessage:
    if not isinstance(message, ModelRequest) or not any(id(part) in cut for part in message.parts):
        return message
    return replace(message, parts=[cut.get(id(part), part) for part in message.parts])
