"""The calls of a phase: those of its steps, and the tools that a model or the client used.

In an attempt's view they are shortened, the tools to a line; ``steps:2`` and ``tools:2`` of a phase list those of its attempt 2,
and a pointer such as ``/0/output``, or ``/fetch/output`` by a step's id, gives a part whole. No artifact can have such a name.
"""

import json
from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import cut
from wfe_mcp.core.units import duration, plural
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.enums import StepStatus
from wfe_mcp.store.records.calls import ToolCallRecord, ToolTotal
from wfe_mcp.store.records.runs import StepRecord
from wfe_mcp.views.values.model import INLINE, Json, JsonObject, PartView, part_view, plain, view_model, view_of

STEPS = "steps:"
_FAILED = {StepStatus.FAILED, StepStatus.UNKNOWN}
_STEPS_LISTED = 40
_LISTED_CHARS = 120


@view_model
class CallView:
    """One call, with its input and its answer."""

    step: str
    does: str
    state: str
    error: str = ""
    input: Json = None
    output: Json = None
    took: str = ""


@view_model
class CallsView:
    """The calls of an attempt: shortened, or the part of them that a pointer names."""

    artifact: str
    phase: str
    attempt: int
    calls: int
    part: PartView | None = field(default=None, metadata=INLINE)
    content: tuple[CallView, ...] | None = None
    hint: str = ""
    left_out: int = 0


def has_failed(rows: Iterable[StepRecord]) -> bool:
    """True where a call of the attempt failed: then all its calls are shown."""
    return any(row.status in _FAILED for row in rows)


def steps_part(overview: Overview, phase: str, name: str, pointer: str) -> CallsView:
    """The calls called ``name`` (``steps:2``) of ``phase``: shortened, or what ``pointer`` names, whole.

    Refuses ``unknown_artifact``.
    """
    number = name.removeprefix(STEPS)
    attempt = int(number) if number.isdecimal() else 0
    rows = [row for row in overview.steps if row.attempt == attempt and phase in {"", row.phase}]
    places: set[PhasePath] = {row.phase for row in rows}
    if len(places) > 1:
        several = ", ".join(sorted(places))
        raise Refused(
            "unknown_artifact",
            f"{name!r} may be calls of several phases: {several[:500]}.",
            f"Name the phase too: phase {min(places)} in a call, --phase {min(places)} at a terminal.",
        )
    if not places:
        known = dict.fromkeys(f"{STEPS}{row.attempt} of {row.phase}" for row in overview.steps)
        raise Refused(
            "unknown_artifact",
            f"No calls are called {name!r} in phase {phase!r}.",
            f"Calls: {', '.join(known)[:500] or 'there are none'}.",
        )
    calls = tuple(view_of(CallView, row, state=str(row.status), took=took(row)) for row in rows)
    view = CallsView(artifact=name, phase=places.pop(), attempt=attempt, calls=len(calls))
    if pointer:
        first, _, rest = pointer.removeprefix("/").partition("/")
        number = next((str(at) for at, call in enumerate(calls) if call.step == first), first)
        return replace(view, part=part_view(plain(calls), f"/{number}{rest and '/'}{rest}"))
    short = (
        replace(
            model_call,
            input=clipped_json(model_call.input, _LISTED_CHARS),
            output=clipped_json(model_call.output, _LISTED_CHARS),
        )
        for model_call in calls[:_STEPS_LISTED]
    )
    return replace(
        view,
        content=tuple(short),
        hint=f"one whole: pointer /{calls[0].step}, its answer: /{calls[0].step}/output",
        left_out=max(0, len(calls) - _STEPS_LISTED),
    )


def took(row: StepRecord) -> str:
    """How long a call took; empty where it has not ended."""
    if row.started_at is None or row.finished_at is None:
        return ""
    return duration((row.finished_at - row.started_at).total_seconds())


def clipped_json(value: Json, chars: int) -> str:
    """The beginning of ``value`` as JSON, at most ``chars`` characters; empty for none."""
    if value is None or not chars:
        return ""
    return cut(json.dumps(value, ensure_ascii=False), chars)


TOOLS = "tools:"
_WORD_CHARS = 80
_TOOLS_LISTED = 60


@view_model
class ToolsView:
    """The tools of one attempt: how often each, how many calls failed, how long they took."""

    artifact: str
    calls: int
    seconds: float
    names: dict[str, int]
    failed: int = 0


@view_model
class ToolsLine:
    """An attempt in which a model used tools."""

    artifact: str
    phase: str
    attempt: int
    calls: int


@view_model
class ToolsPart:
    """The tool calls of an attempt: as lines, or the part of them that a pointer names."""

    line: ToolsLine = field(metadata=INLINE)
    part: PartView | None = field(default=None, metadata=INLINE)
    content: tuple[str, ...] | None = None
    hint: str = ""
    left_out: int = 0


@view_model
class ToolCallView:
    """One use of a tool, whole. ``ok`` absent: it never ended."""

    tool: str
    input: JsonObject | None
    ok: bool | None = None
    ms: int | None = None
    at: str
    output: str | None = None
    output_bytes: int | None = None
    output_sha256: str | None = None


@view_model
class PhaseToolCall:
    """One use of a tool, and the attempt that it belongs to."""

    phase: str
    attempt: int
    call: ToolCallView = field(metadata=INLINE)


@view_model
class ToolCallList:
    """Uses of tools in a run, oldest first."""

    calls: tuple[PhaseToolCall, ...]


def with_tools(tx: Tx, overview: Overview) -> Overview:
    """``overview`` with which tools were used, by models that the server called and by the client as far as its hooks record it."""
    return replace(overview, tools=tuple(tx.tool_calls.totals(overview.loaded.record.id)))


def tools_of(totals: Iterable[ToolTotal], attempt: Attempt) -> ToolsView | None:
    """The tools of one attempt; None without any."""
    own = [total for total in totals if (total.phase, total.attempt) == (attempt.phase, attempt.number)]
    if not own:
        return None
    return ToolsView(
        artifact=f"{TOOLS}{attempt.number}",
        calls=sum(total.calls for total in own),
        failed=sum(total.failed for total in own),
        seconds=round(sum(total.duration_ms for total in own) / 1000, 1),
        names={total.name: total.calls for total in own},
    )


def tools_words(view: ToolsView) -> str:
    """``tools_of`` in words."""
    names = ", ".join(f"{name} {number}" for name, number in view.names.items())
    failed = f", {view.failed} failed" if view.failed else ""
    return f"{plural(view.calls, 'tool call')}{failed}, {view.seconds:g} s: {names}"


def tools_listed(overview: Overview) -> list[ToolsLine]:
    """One line for each attempt in which a model used tools, oldest first."""
    lines: dict[tuple[PhasePath, int], int] = {}
    for tool in overview.tools:
        lines[tool.phase, tool.attempt] = lines.get((tool.phase, tool.attempt), 0) + tool.calls
    return [
        ToolsLine(artifact=f"{TOOLS}{attempt}", phase=phase, attempt=attempt, calls=calls)
        for (phase, attempt), calls in lines.items()
    ]


def tools_part(tx: Tx, overview: Overview, phase: str, name: str, pointer: str) -> ToolsPart:
    """The tool calls called ``name`` (``tools:2``) of ``phase``: a list of lines, or what ``pointer`` names, whole.

    Refuses ``unknown_artifact``.
    """
    number = name.removeprefix(TOOLS)
    path, attempt = PhasePath(phase), int(number) if number.isdecimal() else 0
    if path not in overview.loaded.state.attempts or not 0 < attempt <= len(overview.loaded.state.attempts[path]):
        lines = ", ".join(f"{line.artifact} of {line.phase}" for line in tools_listed(overview)) or "there are none"
        raise Refused(
            "unknown_artifact",
            f"No tool calls are called {name!r} in phase {phase!r}.",
            f"Name the phase and its attempt. Tool calls: {lines[:500]}.",
        )
    calls = tx.tool_calls.filter(overview.loaded.record.id, path, attempt)
    about = ToolsLine(artifact=name, phase=phase, attempt=attempt, calls=len(calls))
    if pointer:
        return ToolsPart(line=about, part=part_view(plain([tool_call_view(call) for call in calls]), pointer))
    return ToolsPart(
        line=about,
        content=tuple(_line(call) for call in calls[:_TOOLS_LISTED]),
        left_out=max(0, len(calls) - _TOOLS_LISTED),
        hint="one whole: pointer /0, its output: /0/output",
    )


def tool_call_view(call: ToolCallRecord) -> ToolCallView:
    """One use of a tool."""
    at = call.started_at.isoformat(timespec="milliseconds")
    return view_of(ToolCallView, call, tool=call.name, ms=call.duration_ms, at=at)


def given_words(text: str) -> str:
    """What a tool was given, in a few words; ``text`` is the beginning of its input in JSON."""
    try:
        arguments: Any = json.loads(text)
    except ValueError:  # cut
        arguments = text
    words = text
    if isinstance(arguments, dict):
        words = " ".join(str(value) for value in arguments.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
    return cut(" ".join(words.split()), _WORD_CHARS)


def _line(call: ToolCallRecord) -> str:
    ended = "not ended" if call.ok is None else "ok" if call.ok else "failed"
    ended += "" if call.duration_ms is None else f" {call.duration_ms} ms"
    return f"{call.name} {given_words(json.dumps(call.input, ensure_ascii=False))}: {ended}"
