"""What is left out of a long conversation, so that the model can still read it?

Rules:
1. Only results of tools are left out, the oldest first; what the newest answer of the tools says stays.
2. The task, the schema of the output and the last error are never touched.
3. A conversation that is too long is cut to half of what is allowed: cutting a little at every turn would change its
   beginning each time, and what the vendor keeps cached with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic_ai.messages import ModelRequest, ToolReturnPart

from wfe_mcp.providers.sdk.calls import tokens_of_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_ai.messages import ModelMessage

__all__ = ["shortened"]

_LEFT_OUT = (
    "[Left out to save room: {name} said {size:,} characters, which begin: {begin}… Call it again if you need it.]"
)
_BEGIN = 60
_WORTH = 400
"""Characters below which a result is not worth a line that says it is left out."""


def shortened(messages: list[ModelMessage], most: int) -> list[ModelMessage]:
    """``messages``, with older tool results left out when they are more than ``most`` tokens together."""
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
    said = part.model_response_str()
    begin = " ".join(said[:_BEGIN].split())
    return replace(part, content=_LEFT_OUT.format(name=part.tool_name, size=len(said), begin=begin))


def _with(message: ModelMessage, cut: dict[int, ToolReturnPart]) -> ModelMessage:
    if not isinstance(message, ModelRequest) or not any(id(part) in cut for part in message.parts):
        return message
    return replace(message, parts=[cut.get(id(part), part) for part in message.parts])
