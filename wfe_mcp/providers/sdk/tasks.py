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

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_ai import Agent, ModelRetry, RunContext, StructuredDict, TextOutput, ToolOutput
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.exceptions import UnexpectedModelBehavior, UsageLimitExceeded, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.usage import UsageLimits

from wfe_mcp.providers.call import Connection, Listener, Task, Worked
from wfe_mcp.providers.sdk.calls import CountedModel, piece_in, tokens_of_part, written_in
from wfe_mcp.providers.sdk.models import model_of, settings_of
from wfe_mcp.providers.sdk.questions import object_in
from wfe_mcp.providers.sdk.tools import TooManyTools, Workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

    from wfe_mcp.providers.cancellable import Tally, Watch


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
        except TooManyTools:
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
        tools=Workbench(task.tools, listener, limits.tool_calls).tools(),
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
