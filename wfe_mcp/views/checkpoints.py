"""What is told of a checkpoint, and of the newest ones of a run?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.engine.checkpoints import checkpoints_of

if TYPE_CHECKING:
    from wfe_mcp.engine.checkpoints import Checkpoint
    from wfe_mcp.engine.standing import Standing
    from wfe_mcp.store import Tx

__all__ = ["checkpoint_view", "checkpoints_words", "newest_checkpoints"]

_NEWEST = 3
_NOTE_CHARS = 60


def checkpoint_view(taken: Checkpoint) -> dict[str, Any]:
    """One checkpoint."""
    view: dict[str, Any] = {
        "checkpoint": taken.name, "why": taken.why, "phase": taken.phase, "attempt": taken.attempt,
        "at": taken.event.at.isoformat(timespec="seconds"), "commit": (taken.commit or "")[:12], "skipped": taken.skipped,
        "note": taken.note,
    }  # fmt: skip
    return {key: value for key, value in view.items() if value}


def newest_checkpoints(tx: Tx, found: Standing) -> dict[str, Any]:
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
    note = f": {taken.note[:_NOTE_CHARS]}" if taken.note else ""
    return f"{taken.name} ({taken.why}{place}{note})"
