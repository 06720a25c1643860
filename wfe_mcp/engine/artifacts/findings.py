"""The findings of a report in short, for the next attempt: one line each, the gravest first, within a fixed size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wfe_mcp.core.model import Feedback
    from wfe_mcp.engine.kernel.run_change import RunChange

MOST_LINES, MOST_CHARS = 20, 1_800
_LINE_CHARS = 240
_GRAVEST = ("critical", "high", "major", "medium", "minor", "low", "info")


def findings_of(change: RunChange, note: Feedback) -> list[Mapping[str, Any]]:
    """The findings of the artifact that ``note`` is about; empty where it has none."""
    tries = change.state.attempts.get(note.source, ())
    if note.artifact is None or not 1 <= note.attempt <= len(tries):
        return []
    record = change.tx.artifacts.revision(change.run.id, note.source, tries[note.attempt - 1].revision)
    content: Any = None if record is None or record.sha256 != note.artifact else json.loads(record.content)
    found: Any = cast("dict[str, Any]", content).get("findings") if isinstance(content, dict) else None
    return (
        [cast("Mapping[str, Any]", each) for each in cast("list[Any]", found) if isinstance(each, dict)]
        if isinstance(found, list)
        else []
    )


def in_short(findings: Iterable[Mapping[str, Any]], rest: str) -> str:
    """A line for each finding: severity, file and line, one sentence. ``rest``: how to read those that are left out."""
    ordered = sorted(findings, key=lambda each: _rank(str(each.get("severity", ""))))
    lines: list[str] = []
    left = MOST_CHARS
    for each in ordered[:MOST_LINES]:
        line = _line(each)
        if len(line) > left:
            break
        lines.append(line)
        left -= len(line) + 1
    if len(lines) < len(ordered):
        lines.append(f"and {plural(len(ordered) - len(lines), 'more finding')}: {rest}")
    return "\n".join(lines)


def _rank(severity: str) -> int:
    return _GRAVEST.index(severity) if severity in _GRAVEST else len(_GRAVEST)


def _line(finding: Mapping[str, Any]) -> str:
    title, advice = (" ".join(str(finding.get(key) or "").split()) for key in ("title", "recommendation"))
    file, number = finding.get("file") or "", finding.get("line") or 0
    where = f" {file}:{number}:" if file and number else f" {file}:" if file else ":"
    text = f"{title.rstrip('.')}. {advice}" if advice else title
    line = f"- {finding.get('severity') or 'note'}{where} {text}"
    return line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 1]}…"
