"""Scripts of fake models: one reply per request, with text, tool calls, a value, or a failure.

Rules:
1. A reply (``Turn``) is data: the fields in Python are the keys in a JSON file.
2. A server without a script answers with the smallest value that the requested schema accepts, and with ``ok`` where any
   text is valid, so that a whole template can run offline.
"""

from __future__ import annotations

import json
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.testing.values import value_for

if TYPE_CHECKING:
    from collections.abc import Mapping

Stop = Literal["end", "length", "refusal"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model calls. ``given``: its arguments; a string is sent unchanged, even invalid JSON."""

    name: str
    given: Mapping[str, Any] | str = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Turn:
    """The reply to one request.

    Content: ``text``, then ``calls``, then ``value`` (as the call of the output tool, or as JSON where a JSON answer was
    requested in another way). ``auto``: the smallest value that the requested schema accepts. ``stop``: the stop reason.

    Errors: ``status`` of 300 and more, with ``message`` and ``retry_after`` (sent unchanged: seconds, or an HTTP date);
    ``location`` is the target of a redirect. ``error_type`` is the vendor's error type, where it is not the usual one of
    the status. ``late``: the error comes inside a stream that started with 200, after the first half of the content.

    Faults: ``malformed`` sends invalid JSON; ``stall`` sends the first half and then nothing more, ``cut`` disconnects
    there; ``drip_s`` waits that long between any two pieces; ``hold`` sends nothing at all, not even a status.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    value: Mapping[str, Any] | None = None
    auto: bool = False
    stop: Stop = "end"
    input_tokens: int | None = None
    output_tokens: int | None = None
    status: int = 200
    message: str = ""
    error_type: str = ""
    retry_after: str | None = None
    location: str | None = None
    late: bool = False
    malformed: bool = False
    stall: bool = False
    cut: bool = False
    hold: bool = False
    drip_s: float = 0.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Turn:
        """A reply from JSON. ValueError names unknown keys."""
        unknown = sorted(set(given) - {each.name for each in fields(cls)})
        if unknown:
            raise ValueError(
                f"a turn has no {', '.join(unknown)}; it has {', '.join(each.name for each in fields(cls))}"
            )
        calls = tuple(Call(**call) for call in given.get("calls", ()))
        made: dict[str, Any] = {**given, "calls": calls}
        return cls(**made)


AUTO = Turn(auto=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request, independent of the vendor.

    ``tools``: name → JSON Schema, in the order sent. ``chosen``: the tool that must be called. ``form``: the schema of a
    JSON answer requested without a tool.
    """

    model: str
    stream: bool
    tools: Mapping[str, Mapping[str, Any]]
    chosen: str | None = None
    form: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The content of a reply: ``calls`` as (id, name, arguments in JSON)."""

    text: str
    calls: tuple[tuple[str, str, str], ...]
    stop: Stop
    input_tokens: int
    output_tokens: int


def reply_to(turn: Turn, wanted: Wanted, number: int, asked_bytes: int) -> Reply:
    """The content of ``turn`` for request ``number``. Unset token counts are the bytes divided by four."""
    text, calls = turn.text, list(turn.calls)
    # Agents list the output tool after their own tools.
    output = wanted.chosen or next(reversed(list(wanted.tools)), None)
    value = turn.value
    if value is None and turn.auto:
        schema = wanted.form or (wanted.tools[output] if output else None)
        value = value_for(dict(schema)) if schema else None
        text = text or ("" if schema else "ok")
    if value is not None and wanted.form is None and output:
        calls.append(Call(output, value))
    elif value is not None:
        text += json.dumps(value)
    made = tuple((f"call_{number}_{at}", call.name, _given(call)) for at, call in enumerate(calls))
    characters = len(text) + sum(len(given) for _, _, given in made)
    return Reply(
        text,
        made,
        turn.stop,
        asked_bytes // 4 if turn.input_tokens is None else turn.input_tokens,
        max(1, characters // 4) if turn.output_tokens is None else turn.output_tokens,
    )


def _given(call: Call) -> str:
    return call.given if isinstance(call.given, str) else json.dumps(call.given)


def turns_of(given: object) -> dict[str, list[Turn]]:
    """A script from JSON: ``[reply, …]`` for every model, or ``{model: [reply, …]}`` with ``"*"`` for all others."""
    scripts = cast("dict[str, list[dict[str, Any]]]", given if isinstance(given, dict) else {"*": given})
    return {model: [Turn.of(turn) for turn in turns] for model, turns in scripts.items()}
