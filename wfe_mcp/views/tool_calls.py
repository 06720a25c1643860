"""Views of the tools that a model used in a phase.

In an attempt's view a line; ``tools:2`` of a phase lists those of its attempt 2, and a pointer such as ``/0`` gives one
whole. No artifact can have such a name.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.core.units import plural
from wfe_mcp.views.pointer_view import part_view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.calls import ToolCallRecord, ToolTotal

__all__ = ["TOOLS", "given_words", "tool_call_view", "tools_listed", "tools_of", "tools_part", "tools_words", "with_tools"]  # fmt: skip

TOOLS = "tools:"
_WORD_CHARS = 80
_LISTED = 60


def with_tools(tx: Tx, found: Overview) -> Overview:
    """``found`` with which tools were used; not asked in a run that has called no model."""
    if found.spending is None:
        return found
    return replace(found, tools=tuple(tx.tool_totals(found.loaded.record.id)))


def tools_of(totals: Iterable[ToolTotal], attempt: Attempt) -> dict[str, Any]:
    """The tools of one attempt: how often each, how many failed, how long; empty without any."""
    own = [one for one in totals if (one.phase, one.attempt) == (attempt.phase, attempt.number)]
    if not own:
        return {}
    view: dict[str, Any] = {
        "artifact": f"{TOOLS}{attempt.number}", "calls": sum(one.calls for one in own),
        "seconds": round(sum(one.duration_ms for one in own) / 1000, 1), "names": {one.name: one.calls for one in own},
    }  # fmt: skip
    failed = sum(one.failed for one in own)
    return view | ({"failed": failed} if failed else {})


def tools_words(view: dict[str, Any]) -> str:
    """``tools_of`` in words."""
    names = ", ".join(f"{name} {number}" for name, number in view["names"].items())
    failed = f", {view['failed']} failed" if "failed" in view else ""
    return f"{plural(view['calls'], 'tool call')}{failed}, {view['seconds']:g} s: {names}"


def tools_listed(found: Overview) -> list[dict[str, Any]]:
    """One line for each attempt in which a model used tools, oldest first."""
    lines: dict[tuple[PhasePath, int], int] = {}
    for one in found.tools:
        lines[one.phase, one.attempt] = lines.get((one.phase, one.attempt), 0) + one.calls
    return [
        {"artifact": f"{TOOLS}{attempt}", "phase": phase, "attempt": attempt, "calls": calls}
        for (phase, attempt), calls in lines.items()
    ]


def tools_part(tx: Tx, found: Overview, phase: str, name: str, pointer: str) -> dict[str, Any]:
    """The tool calls called ``name`` (``tools:2``) of ``phase``: a list of lines, or what ``pointer`` names, whole.

    Refuses ``unknown_artifact``.
    """
    number = name.removeprefix(TOOLS)
    path, attempt = PhasePath(phase), int(number) if number.isdecimal() else 0
    if path not in found.loaded.state.attempts or not 0 < attempt <= len(found.loaded.state.attempts[path]):
        lines = ", ".join(f"{line['artifact']} of {line['phase']}" for line in tools_listed(found)) or "there are none"
        raise Refused("unknown_artifact", f"No tool calls are called {name!r} in phase {phase!r}.",
                      f"Name the phase and its attempt. Tool calls: {lines[:500]}.")  # fmt: skip
    calls = tx.tool_calls(found.loaded.record.id, path, attempt)
    about: dict[str, Any] = {"artifact": name, "phase": phase, "attempt": attempt, "calls": len(calls)}
    if pointer:
        return about | part_view([tool_call_view(call) for call in calls], pointer)
    more = {"left_out": len(calls) - _LISTED} if len(calls) > _LISTED else {}
    hint = "one whole: pointer /0, its output: /0/output"
    return about | {"content": [_line(call) for call in calls[:_LISTED]], "hint": hint} | more


def tool_call_view(call: ToolCallRecord) -> dict[str, Any]:
    """One use of a tool, whole. ``ok`` absent: it never ended."""
    view: dict[str, Any] = {"tool": call.name, "input": call.input}
    optional = {
        "ok": call.ok, "ms": call.duration_ms, "at": call.started_at.isoformat(timespec="milliseconds"),
        "output": call.output, "output_bytes": call.output_bytes, "output_sha256": call.output_sha256,
    }  # fmt: skip
    return view | {key: value for key, value in optional.items() if value is not None}


def given_words(text: str) -> str:
    """What a tool was given, in a few words; ``text`` is the beginning of its input in JSON."""
    try:
        given: Any = json.loads(text)
    except ValueError:  # cut
        given = text
    words = text
    if isinstance(given, dict):
        words = " ".join(str(value) for value in given.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
    words = " ".join(words.split())
    return words if len(words) <= _WORD_CHARS else f"{words[: _WORD_CHARS - 1]}…"


def _line(call: ToolCallRecord) -> str:
    ended = "not ended" if call.ok is None else f"{'ok' if call.ok else 'failed'} {call.duration_ms} ms"
    return f"{call.name} {given_words(json.dumps(call.input, ensure_ascii=False))}: {ended}"
