"""Calls by the vendors' SDKs, and what their failures mean."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic_ai import RunContext, exceptions as ai
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
    UserPromptPart,
)
from pydantic_ai.models.wrapper import WrapperModel

from wfe_mcp.providers.call import Connection, Estimate, Listener, ProviderFault, Usage
from wfe_mcp.providers.faults import fault, message_in_body, status_fault, transport_fault
from wfe_mcp.providers.prices import IMAGE_TOKENS, tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.usage import RequestUsage

    from wfe_mcp.providers.cancellable import Tally, Watch


_FRAME_TOKENS = 350
"""Tokens that vendors add to a request with tools; Anthropic states 346."""
_PART_TOKENS = 10
"""Tokens around each part of a message: roles, ids, names."""


class CountedModel(WrapperModel):
    """A model whose every request goes through ``before_call`` and ``after_call``. Raises ProviderFault, never an SDK's error."""

    def __init__(self, wrapped: Model, connection: Connection, listener: Listener, tally: Tally, watch: Watch) -> None:
        super().__init__(wrapped)
        self._connection, self._listener, self._tally, self._watch = connection, listener, tally, watch

    @contextlib.asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The streamed answer to one HTTP request."""
        most = Estimate(tokens_in(messages, model_request_parameters), self._connection.max_tokens)
        self._listener.before_call(self._connection, most)
        self._tally.fresh = True
        self._watch.call_until = asyncio.get_running_loop().time() + self._connection.total_s
        stream: StreamedResponse | None = None
        try:
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
                self._refuse_declined(stream)
        except BaseException as error:
            used = self._usage_of(stream)
            provider_fault = self._fault(error, used)
            self._listener.after_call(
                self._connection, used, provider_fault or fault("stopped", self._connection, usage=used)
            )
            if provider_fault is None or isinstance(error, asyncio.CancelledError):
                raise
            raise provider_fault from None
        self._listener.after_call(self._connection, self._usage_of(stream), None)

    def _refuse_declined(self, stream: StreamedResponse) -> None:
        """Raise when the model declined to answer."""
        if stream.get().finish_reason == "content_filter":
            raise fault("declined", self._connection, usage=usage_of(stream.usage), detail=self._tally.text)

    def _usage_of(self, stream: StreamedResponse | None) -> Usage:
        self._watch.call_until = None
        used = Usage(requests=1) if stream is None else usage_of(stream.usage)
        self._tally.usage += used
        return used

    def _fault(self, error: BaseException, used: Usage) -> ProviderFault | None:
        if isinstance(error, ProviderFault):
            return error
        if isinstance(error, asyncio.CancelledError):
            return fault("too_slow" if self._watch.ending == "too_slow" else "stopped", self._connection, usage=used)
        return failure(error, self._connection, used)


def usage_of(used: RequestUsage) -> Usage:
    """The ``Usage`` of one request."""
    return Usage(1, used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens)


def piece_in(event: object) -> str:
    """The piece of text in an event of a stream; empty for other events."""
    match event:
        case PartStartEvent(part=TextPart(content=content)):
            return content
        case PartDeltaEvent(delta=TextPartDelta(content_delta=content)):
            return content
        case _:
            return ""


def written_in(event: object, tool: str, calls: set[int]) -> str:
    """The piece of text in an event, or of the arguments of a call of ``tool``, with which a model hands in its output.

    ``calls``: the parts of the answer so far that are such calls; it is kept from event to event.
    """
    match event:
        case PartStartEvent(index=index, part=ToolCallPart(tool_name=name, args=args)):
            (calls.add if name == tool else calls.discard)(index)
            return args if name == tool and isinstance(args, str) else ""
        case PartDeltaEvent(index=index, delta=ToolCallPartDelta(args_delta=str() as args)):
            return args if index in calls else ""
        case _:
            return piece_in(event)


def tokens_in(messages: list[ModelMessage], parameters: ModelRequestParameters) -> int:
    """An estimate of a request's tokens: messages, instructions, tools."""
    tools = [*parameters.function_tools, *parameters.output_tools]
    total = sum(tokens_of(f"{tool.name}{tool.description}{json.dumps(tool.parameters_json_schema)}") for tool in tools)
    total += (_FRAME_TOKENS if tools else 0) + _PART_TOKENS * sum(len(message.parts) for message in messages)
    for message in messages:
        if isinstance(message, ModelRequest) and message.instructions:
            total += tokens_of(message.instructions)
        total += sum(tokens_of_part(part) for part in message.parts)
    return total


def tokens_of_part(part: object) -> int:
    """An estimate of the tokens in a part of a message."""
    match part:
        case UserPromptPart(content=content) if not isinstance(content, str):
            return sum(IMAGE_TOKENS if isinstance(item, BinaryContent) else tokens_of(str(item)) for item in content)
        case ToolCallPart():
            return tokens_of(part.tool_name + part.args_as_json_str())
        case _:
            return tokens_of(str(getattr(part, "content", "")))


def failure(error: BaseException, connection: Connection, usage: Usage) -> ProviderFault | None:
    """The fault for ``error``; None when it comes from elsewhere (a listener, a tool, a bug in wfe-mcp)."""
    for kind, row in _ROWS:
        if isinstance(error, kind):
            return fault(row, connection, usage=usage, status=529)
    status = getattr(error.__cause__, "status_code", getattr(error.__cause__, "code", 0))  # the latter of google-genai
    if isinstance(status, int) and 300 <= status < 400:
        return fault("moved", connection, usage=usage, status=status)
    match error:
        case ai.ModelHTTPError():
            return _of_status(error, connection, usage)
        case ai.ModelConnectionError() | httpx2.HTTPError() | httpx2.StreamError():
            return transport_fault(error, connection, usage)
        case ai.ModelAPIError():
            return _of_no_status(error, connection, usage)
        case ai.UnexpectedModelBehavior():
            return fault("unreadable", connection, usage=usage, why=_why(error))
        case ValueError() if _from_sdk(error):
            return fault("unreadable", connection, usage=usage, why="it does not have the format of this API")
        case _:
            return None


# Before the rows of HTTP statuses: the same status has several meanings, and errors inside a stream have none.
_ROWS: tuple[tuple[type[BaseException], str], ...] = (
    (ai.ModelQuotaExceededError, "no_quota"),
    (ai.ModelContextWindowExceededError, "too_long"),
)


def _of_no_status(error: ai.ModelAPIError, connection: Connection, usage: Usage) -> ProviderFault:
    if "decode" in error.message or "JSON" in error.message:
        return fault("unreadable", connection, usage=usage, why="it is not JSON")
    return fault("other", connection, usage=usage, detail=error.message)


def _of_status(error: ai.ModelHTTPError, connection: Connection, usage: Usage) -> ProviderFault:
    detail = message_in_body(error.body)
    if isinstance(error, ai.ModelAuthenticationError) and error.status_code not in (401, 403):
        return fault("wrong_key", connection, usage=usage)  # Gemini answers 400 with a reason
    return status_fault(
        connection, error.status_code, detail=detail, ours=bool(detail), headers=error.headers, usage=usage
    )


def _why(error: ai.UnexpectedModelBehavior) -> str:
    # "Streamed response ended without content or tool calls" is the common case: no event had this API's format.
    return "it contains no answer" if "without content" in error.message else error.message


def _from_sdk(error: BaseException) -> bool:
    """True when the error was raised while an SDK read an answer."""
    step = error.__traceback__
    names: set[str] = set()
    while step is not None:
        names.add(step.tb_frame.f_globals.get("__name__", "").partition(".")[0])
        step = step.tb_next
    return bool(names & {"anthropic", "openai", "google", "httpx2"})
