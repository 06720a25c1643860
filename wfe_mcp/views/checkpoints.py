"""Views of checkpoints: one, and the newest ones of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.files.checkpoints import checkpoints_of

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.engine.files.checkpoints import Checkpoint
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx

__all__ = ["checkpoint_view", "checkpoints_words", "newest_checkpoints", "not_kept", "not_kept_words"]

_NEWEST = 3
_NOTE_CHARS = 60
_LEFT_OUT = 20


def checkpoint_view(taken: Checkpoint) -> dict[str, Any]:
    """One checkpoint."""
    view: dict[str, Any] = {
        "checkpoint": taken.name, "why": taken.why, "phase": taken.phase, "attempt": taken.attempt,
        "at": taken.event.at.isoformat(timespec="seconds"), "commit": (taken.commit or "")[:12], "skipped": taken.skipped,
        "note": taken.note,
    }  # fmt: skip
    return {key: value for key, value in view.items() if value}


def not_kept(root: Path, commit: str | None) -> list[dict[str, Any]]:
    """What the files of a checkpoint leave out, and why; empty where nothing is left out, or the files are gone."""
    from wfe_mcp.workspace.git.checkpoints import read_snapshot

    try:
        skipped = read_snapshot(root, commit).skipped if commit else ()
    except Refused:
        return []
    return [
        {"path": one.path, "why": one.why} | ({"bytes": one.size_bytes} if one.size_bytes else {})
        for one in skipped[:_LEFT_OUT]
    ]


def not_kept_words(left: list[dict[str, Any]], count: int) -> str:
    """``not_kept`` in words; ``count``: how much there is in all."""
    sizes = (f", {one['bytes']:,} bytes" if "bytes" in one else "" for one in left)
    named = (f"{one['path']} ({one['why']}{size})" for one, size in zip(left, sizes, strict=True))
    more = f", and {count - len(left)} more" if count > len(left) else ""
    return f"not kept: {', '.join(named)}{more}"


def newest_checkpoints(tx: Tx, found: Overview) -> dict[str, Any]:
    """``checkpoints``: how many the run has, and the newest in words, newest first. Empty where it has none."""
    record = found.loaded.record
    taken = [one for one in checkpoints_of(tx, record.id) if one.seq <= record.last_seq]
    newest = [_words(one) for one in reversed(taken[-_NEWEST:])]
    return {"checkpoints": {"count": len(taken), "newest": newest}} if taken else {}


def checkpoints_words(told: dict[str, Any], run: str) -> str:
    """``newest_checkpoints`` in a line that leads to the rest."""
    return f"checkpoints: {', '.join(told['newest'])}; {told['count']} in all: wfe-mcp checkpoints {run}"


def _words(taken: Checkpoint) -> str:
    place = f" of {taken.phase} #{taken.attempt}" if taken.phase else ""
    without = f", without {plural(taken.skipped, 'file')}" if taken.skipped else ""
    note = f": {' '.join(taken.note.split())[:_NOTE_CHARS]}" if taken.note else ""
    return f"{taken.name} ({taken.why}{place}{without}{note})"
