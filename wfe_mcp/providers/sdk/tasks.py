"""The tool loop: a model works on a task over HTTP until it submits a valid output or reaches a limit.

task ──► model ──► tools ──► model ──► … ──► output tool ──► validate ──► done
             ▲                                    │ the errors found
             └────────────────────────────────────┘ at most ``invalid_outputs`` times
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic_ai import Agent, ModelRetry, RunContext, StructuredDict, TextOutput, ToolOutput
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.exceptions import UnexpectedModelBehavior, UsageLimitExceeded, UserError
from pydantic_ai.messages import ModelMessage  # noqa: TC002 - pydantic-ai reads the annotations of what it calls
from pydantic_ai.usage import UsageLimits

from wfe_mcp.providers.call import Worked
from wfe_mcp.providers.sdk.calls import Counted, piece_in
from wfe_mcp.providers.sdk.models import model_of, settings_of
from wfe_mcp.providers.sdk.questions import object_in
from wfe_mcp.providers.sdk.shortening import shortened
from wfe_mcp.providers.sdk.tools import TooManyTools, Workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from wfe_mcp.providers.call import Connection, Listener, Task
    from wfe_mcp.providers.cancellable import Tally, Watch

_OUTPUT = "hand_in"
_HOW = "Submit the whole output. Call it once, when the task is done."
_NO_OUTPUT = f"The task ends when you call {_OUTPUT} with the whole output. Continue, or call it."
_SCHEMA = "The output that you submit must match this JSON Schema:\n{schema}"


async def worked(connection: Connection, task: Task, listener: Listener, tally: Tally, watch: Watch) -> Worked:
    """How the task ended. Raises ProviderFault."""
    limits = task.limits
    async with model_of(connection) as model:
        agent = _agent(Counted(model, connection, listener, tally, watch), connection, task, listener, tally)

        async def heard(_: RunContext[object], events: AsyncIterable[object]) -> None:
            async for event in events:
                piece = piece_in(event)
                if piece:
                    tally.add(piece)
                    listener.said(piece)

        def ended(how: Any, why: str) -> Worked:
            return Worked(how, None, tally.text, tally.usage, connection.model, why)

        try:
            result = await agent.run(
                task.prompt, usage_limits=UsageLimits(request_limit=limits.requests), event_stream_handler=heard
            )
        except TooManyTools:
            return ended("tool_limit", f"The model reached its limit of {limits.tool_calls} tool calls.")
        except UsageLimitExceeded:
            return ended("tool_limit", f"The model reached its limit of {limits.requests} requests.")
        except UnexpectedModelBehavior as error:
            return ended("no_answer", _why(error, task))
    return Worked("done", dict(result.output), tally.text, tally.usage, result.response.model_name or connection.model)


def _agent(
    model: Counted, connection: Connection, task: Task, listener: Listener, tally: Tally
) -> Agent[object, dict[str, Any]]:
    limits = task.limits
    most = int(limits.context_tokens * limits.context_share)

    def fitting(messages: list[ModelMessage]) -> list[ModelMessage]:
        return shortened(messages, most)

    def in_words(text: str) -> dict[str, Any]:
        found = object_in(text)
        if found is None:
            raise ModelRetry(_NO_OUTPUT)
        return found

    form, instructions = _form(task)
    agent = Agent(
        model,
        output_type=[ToolOutput(form, name=_OUTPUT, description=_HOW), TextOutput(in_words)],
        instructions=instructions or None,
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
