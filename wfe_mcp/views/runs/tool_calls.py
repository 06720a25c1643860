"""Views of the tools that a model or the client used in a phase.

In an attempt's view a line; ``tools:2`` of a phase lists those of its attempt 2, and a pointer such as ``/0`` gives one
whole. No artifact can have such a name.
"""

import json
from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import cut
from wfe_mcp.core.units import plural
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import ToolCallRecord, ToolTotal
from wfe_mcp.views.values.model import INLINE, JsonObject, PartView, part_view, plain, view_model, view_of

TOOLS = "tools:"
_WORD_CHARS = 80
_LISTED = 60


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
        content=tuple(_line(call) for call in calls[:_LISTED]),
        left_out=max(0, len(calls) - _LISTED),
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
