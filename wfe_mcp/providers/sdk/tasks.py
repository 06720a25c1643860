"""The tool loop: a model works on a task over HTTP until it submits a valid output or reaches a limit.

task ──► model ──► tools ──► model ──► … ──► output tool ──► validate ──► done
             ▲                                    │ the errors found
             └────────────────────────────────────┘ at most ``invalid_outputs`` times

Shortens a long conversation to fit the model's context.

Rules:
1. Only tool results are left out, oldest first; those of the newest message stay.
2. The task, the schema of the output and the last error are never left out.
3. A conversation that is too long is cut to half the limit: smaller cuts in every request would change its beginning
   each time, and invalidate the vendor's cache.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from collections.abc import AsyncIterable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from time import monotonic
from typing import Any

from pydantic_ai import Agent, ModelRetry, RunContext, StructuredDict, TextOutput, Tool as AiTool, ToolOutput
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.exceptions import ToolFailed, UnexpectedModelBehavior, UsageLimitExceeded, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.usage import UsageLimits
from pydantic_core import SchemaValidator, core_schema

from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import Connection, Listener, Task, Tool, ToolResult, Worked
from wfe_mcp.providers.cancellable import Tally, Watch
from wfe_mcp.providers.sdk.calls import CountedModel, piece_in, tokens_of_part, written_in
from wfe_mcp.providers.sdk.models import model_of, settings_of
from wfe_mcp.providers.sdk.questions import object_in

_OUTPUT = "hand_in"
_HOW = "Submit the whole output. Call it once, when the task is done."
_NO_OUTPUT = f"The task ends when you call {_OUTPUT} with the whole output. Continue, or call it."
_SCHEMA = "The output that you submit must match this JSON Schema:\n{schema}"


async def work_task(connection: Connection, task: Task, listener: Listener, tally: Tally, watch: Watch) -> Worked:
    """How the task ended. Raises ProviderFault."""
    limits = task.limits
    async with model_of(connection) as model:
        agent = _agent(CountedModel(model, connection, listener, tally, watch), connection, task, listener, tally)

        async def on_events(_: RunContext[object], events: AsyncIterable[object]) -> None:
            calls = set[int]()
            async for event in events:
                if text := piece_in(event):
                    tally.add(text)
                if piece := written_in(event, _OUTPUT, calls):
                    listener.said(piece)

        def end_task(how: Any, why: str) -> Worked:
            return Worked(how, None, tally.text, tally.usage, connection.model, why)

        try:
            result = await agent.run(
                task.prompt, usage_limits=UsageLimits(request_limit=limits.requests), event_stream_handler=on_events
            )
        except _TooManyTools:
            return end_task("tool_limit", f"The model reached its limit of {limits.tool_calls} tool calls.")
        except UsageLimitExceeded:
            return end_task("tool_limit", f"The model reached its limit of {limits.requests} requests.")
        except UnexpectedModelBehavior as error:
            return end_task("no_answer", _why(error, task))
    value = {"text": result.output} if isinstance(result.output, str) else dict(result.output)
    return Worked("done", value, tally.text, tally.usage, result.response.model_name or connection.model)


def _agent(
    model: CountedModel, connection: Connection, task: Task, listener: Listener, tally: Tally
) -> Agent[object, Any]:
    limits = task.limits
    most = int(limits.context_tokens * limits.context_share)

    def fitting(messages: list[ModelMessage]) -> list[ModelMessage]:
        return shorten_messages(messages, most)

    def in_words(text: str) -> dict[str, Any]:
        data = object_in(text)
        if data is None:
            raise ModelRetry(_NO_OUTPUT)
        return data

    form, instructions = _form(task)
    submitted = [ToolOutput(form, name=_OUTPUT, description=_HOW), TextOutput(in_words)]
    agent: Agent[object, Any] = Agent(
        model,
        output_type=str if task.is_text else submitted,
        instructions=(task.system if task.is_text else instructions) or None,
        # Every request sends the conversation again: cached by the vendor it costs a tenth.
        model_settings={**settings_of(connection), "cache": True},
        # The model may correct a tool's arguments as often as it may answer at all.
        retries={"tools": limits.requests, "output": limits.invalid_outputs},
        tools=_Workbench(task.tools, listener, limits.tool_calls).tools(),
        capabilities=[ProcessHistory(fitting)],
    )

    def valid(output: dict[str, Any]) -> dict[str, Any]:
        errors = task.validate(output) if task.validate else []
        if errors:
            tally.text, tally.fresh = json.dumps(output, ensure_ascii=False), True
            raise ModelRetry("\n".join(["The output is not valid:", *errors]))
        return output

    if not task.is_text:
        agent.output_validator(valid)
    return agent


def _form(task: Task) -> tuple[type[dict[str, Any]], str]:
    """The output's type in pydantic-ai's form, and the instructions."""
    schema: dict[str, Any] = json.loads(json.dumps(task.schema))
    try:
        return StructuredDict(schema), task.system
    except UserError:
        # A recursive schema: its text goes into the instructions, and ``task.validate`` checks the output.
        more = _SCHEMA.format(schema=json.dumps(schema))
        return StructuredDict({"type": "object"}), f"{task.system}\n\n{more}".strip()


def _why(error: UnexpectedModelBehavior, task: Task) -> str:
    if "retries" in error.message:
        return f"Its output was invalid {task.limits.invalid_outputs + 1} times, which is the limit."
    return (
        "The model was cut off before the end of its output."
        if "token" in error.message
        else "The model submitted nothing."
    )


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


class _TooManyTools(Exception):
    """The model called one tool more than it may."""


class _Workbench:
    """Runs the tools of a task when the model calls them. ``most``: the limit on calls in total.

    1. One at a time, each in a separate thread: the calls of one answer may depend on each other.
    2. Every call is reported to the listener at its start and its end, also when the work is stopped in between.
    3. A refusal or an error is a result: the model gets it and continues.
    """

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
            raise _TooManyTools
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


_LEFT_OUT = (
    "[Left out to save space: {name} returned {size:,} characters, starting: {begin}… Call it again if you need it.]"
)
_BEGIN = 60
_WORTH = 400
"""Results of at most this many characters are kept: the replacement would save too little."""


def shorten_messages(messages: list[ModelMessage], most: int) -> list[ModelMessage]:
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
