"""How does a tool of ours run when the model calls it?

Rules:
1. One at a time, each in a thread of its own: the calls of one answer may depend on each other.
2. Every call is told to the listener when it starts and when it ends, also when the work is stopped in the middle of it.
3. A refusal and an error are answers: the model is told and goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, Any

from pydantic_ai import RunContext
from pydantic_ai import Tool as AiTool
from pydantic_ai.exceptions import ToolFailed
from pydantic_core import SchemaValidator, core_schema

from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.providers.call import Listener, Tool

__all__ = ["TooManyTools", "Workbench"]

_GRACE_S = 5.0


def _no_constants(given: dict[str, Any]) -> dict[str, Any]:
    # NaN and Infinity are Python's own; nothing that records a call can hold them.
    json.dumps(given, allow_nan=False)
    return given


_OBJECT = SchemaValidator(
    core_schema.no_info_after_validator_function(
        _no_constants, core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())
    )
)
_log = logging.getLogger(__name__)


class TooManyTools(Exception):
    """The model called one tool more than it may."""


class Workbench:
    """The tools of a task. ``most``: how many calls may be made altogether."""

    def __init__(self, tools: tuple[Tool, ...], listener: Listener, most: int) -> None:
        self._tools, self._listener, self._left = tools, listener, most

    def tools(self) -> list[AiTool[object]]:
        """The tools as pydantic-ai wants them."""
        return [self._made(tool) for tool in self._tools]

    def _made(self, tool: Tool) -> AiTool[object]:
        async def called(ctx: RunContext[object], /, **given: Any) -> str:
            return await self._call(tool, ctx.tool_call_id or tool.name, given)

        made = AiTool[object].from_schema(
            called, tool.name, tool.description, dict(tool.parameters), takes_ctx=True, sequential=True
        )
        # Made from a schema it takes any JSON, and calls with ``**`` what may be a list.
        made.function_schema.validator = _OBJECT
        return made

    async def _call(self, tool: Tool, call_id: str, given: dict[str, Any]) -> str:
        if self._left <= 0:
            raise TooManyTools
        self._left -= 1
        self._listener.tool_started(call_id, tool.name, given)
        began = monotonic()
        running = asyncio.wrap_future(_in_thread(lambda: tool.run(given)))
        try:
            result = await asyncio.shield(running)
        except asyncio.CancelledError:
            # Whoever stops the work stops the tool too; nothing of it may happen after we said that it ended.
            await asyncio.wait({running}, timeout=_GRACE_S)
            result = _ended(running) or ToolResult("It was still running when the work was stopped.", ok=False)
            self._listener.tool_ended(call_id, tool.name, result, monotonic() - began)
            raise
        except Exception:
            result = _ended(running) or ToolResult("It failed.", ok=False)
        self._listener.tool_ended(call_id, tool.name, result, monotonic() - began)
        if not result.ok:
            raise ToolFailed(result.text)
        return result.text


def _ended(running: asyncio.Future[ToolResult]) -> ToolResult | None:
    """How a tool ended; None when it has not."""
    if not running.done() or running.cancelled():
        return None
    error = running.exception()
    if error is None:
        return running.result()
    if not isinstance(error, Refused):
        _log.error("a tool of the model loop failed", exc_info=error)
    return ToolResult(str(error) or type(error).__name__, ok=False)


def _in_thread(work: Callable[[], ToolResult]) -> Future[ToolResult]:
    """``work`` in a thread that keeps no process alive; an executor would be waited for at exit."""
    future: Future[ToolResult] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        future.set_running_or_notify_cancel()
        try:
            future.set_result(context.run(work))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="wfe-tool", daemon=True).start()
    return future
