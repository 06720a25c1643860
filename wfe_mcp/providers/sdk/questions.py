"""One question over HTTP, with a typed answer.

Rules:
1. One question is one request. An answer in another form is a fault; the caller decides whether to retry.
2. The model must call one tool with its answer. For a model that cannot, the option ``structured = "prompt"`` puts the
   schema into the question. In both cases plain text counts when it contains a JSON object.
"""

import json
from typing import Any, cast

from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import BinaryContent, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from wfe_mcp.providers.call import Answer, Connection, Listener, Question, Usage
from wfe_mcp.providers.cancellable import Tally, Watch
from wfe_mcp.providers.faults import fault
from wfe_mcp.providers.sdk.calls import CountedModel, piece_in, written_in
from wfe_mcp.providers.sdk.models import model_of, settings_of

_TOOL = "answer"
_IN_PROMPT = "Answer with one JSON object and nothing else. It must match this JSON Schema:\n{schema}"


async def answer(connection: Connection, question: Question, listener: Listener, tally: Tally, watch: Watch) -> Answer:
    """The answer. Raises ProviderFault."""
    async with model_of(connection) as model:
        counted = CountedModel(model, connection, listener, tally, watch)
        async with model_request_stream(
            counted,
            [_message(connection, question)],
            model_settings=settings_of(connection),
            model_request_parameters=_form(connection, question),
        ) as stream:
            calls = set[int]()
            async for event in stream:
                if text := piece_in(event):
                    tally.add(text)
                if piece := written_in(event, _TOOL, calls):
                    listener.said(piece)
            response = stream.get()
    return _read(response, connection, question, tally.usage)


def _in_prompt(connection: Connection) -> bool:
    return connection.options.get("structured") == "prompt"


def _message(connection: Connection, question: Question) -> ModelRequest:
    parts: list[str | BinaryContent] = [question.prompt]
    if question.schema is not None and _in_prompt(connection):
        parts.append(_IN_PROMPT.format(schema=json.dumps(question.schema)))
    parts += [BinaryContent(data=image.content, media_type=image.media_type) for image in question.images]
    content = question.prompt if len(parts) == 1 else parts
    return ModelRequest(parts=[UserPromptPart(content=content)], instructions=question.system or None)


def _form(connection: Connection, question: Question) -> ModelRequestParameters | None:
    if question.schema is None or _in_prompt(connection):
        return None
    tool = ToolDefinition(
        name=_TOOL,
        description="Give the answer. Call it once, with the whole answer.",
        parameters_json_schema=dict(question.schema),
    )
    return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)


def _read(response: ModelResponse, connection: Connection, question: Question, usage: Usage) -> Answer:
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    if response.finish_reason == "length":
        raise fault("cut_off", connection, usage=usage)
    value: dict[str, Any] | None = None
    if question.schema is not None:
        calls = [part.args for part in response.parts if isinstance(part, ToolCallPart) and part.tool_name == _TOOL]
        arguments = calls[0] if calls else None
        if any(_as_object(call) != _as_object(arguments) for call in calls):
            raise fault("no_value", connection, usage=usage, why=f"it gave {len(calls)} answers that differ")
        value = dict(arguments) if isinstance(arguments, dict) else object_in(arguments or text)
        if value is None:
            why = "it contains no JSON object" if arguments is None else "its argument is not a JSON object"
            raise fault("no_value", connection, usage=usage, why=why)
    return Answer(text, value, usage, response.model_name or connection.model)


def _as_object(args: str | dict[str, Any] | None) -> dict[str, Any] | None:
    return dict(args) if isinstance(args, dict) else object_in(args or "")


def object_in(text: str) -> dict[str, Any] | None:
    """The first complete JSON object in ``text``, alone or within other text; None when there is none.

    The first, because the reasoning that models may print before it contains no complete object.
    """
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    start = text.find("{")
    while start >= 0:
        try:
            data: object = decoder.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        return cast("dict[str, Any]", data)
    return None


def _no_constant(name: str) -> None:
    # NaN and Infinity are not JSON; no artifact can hold them.
    raise ValueError(name)
