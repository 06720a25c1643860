"""Runs the tools of a task when the model calls them.

Rules:
1. One at a time, each in a separate thread: the calls of one answer may depend on each other.
2. Every call is reported to the listener at its start and its end, also when the work is stopped in between.
3. A refusal or an error is a result: the model gets it and continues.
"""

import asyncio
import contextvars
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic
from typing import Any

from pydantic_ai import RunContext, Tool as AiTool
from pydantic_ai.exceptions import ToolFailed
from pydantic_core import SchemaValidator, core_schema

from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import Listener, Tool, ToolResult

_GRACE_S = 5.0


def _no_constants(given: dict[str, Any]) -> dict[str, Any]:
    # NaN and Infinity are not JSON; no record of a call can hold them.
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
    """The tools of a task. ``most``: the limit on calls in total."""

    def __init__(self, tools: tuple[Tool, ...], listener: Listener, most: int) -> None:
        self._tools, self._listener, self._left = tools, listener, most

    def tools(self) -> list[AiTool[object]]:
        """The tools in pydantic-ai's form."""
        return [self._wrap_tool(tool) for tool in self._tools]

    def _wrap_tool(self, tool: Tool) -> AiTool[object]:
        async def call_tool(ctx: RunContext[object], /, **given: Any) -> str:
            return await self._call(tool, ctx.tool_call_id or tool.name, given)

        ai_tool = AiTool[object].from_schema(
            call_tool, tool.name, tool.description, dict(tool.parameters), takes_ctx=True, sequential=True
        )
        # Built from a schema, it accepts any JSON and unpacks it with ``**``, which fails for a list.
        ai_tool.function_schema.validator = _OBJECT
        return ai_tool

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
            # A stop of the work stops the tool too; no effect of the tool may follow the report of its end.
            await asyncio.wait({running}, timeout=_GRACE_S)
            result = _result_if_ended(running) or ToolResult(
                "The tool was still running when the work was stopped.", ok=False
            )
            self._listener.tool_ended(call_id, tool.name, result, monotonic() - began)
            raise
        except Exception:
            result = _result_if_ended(running) or ToolResult("The tool failed.", ok=False)
        self._listener.tool_ended(call_id, tool.name, result, monotonic() - began)
        if not result.ok:
            raise ToolFailed(result.text)
        return result.text


def _result_if_ended(running: asyncio.Future[ToolResult]) -> ToolResult | None:
    """The result of a tool; None while it runs."""
    if not running.done() or running.cancelled():
        return None
    error = running.exception()
    if error is None:
        return running.result()
    if not isinstance(error, Refused):
        _log.error("a tool of the model loop failed", exc_info=error)
    return ToolResult(str(error) or type(error).__name__, ok=False)


def _in_thread(work: Callable[[], ToolResult]) -> Future[ToolResult]:
    """Run ``work`` in a daemon thread; the process would wait for an executor's threads at exit."""
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
