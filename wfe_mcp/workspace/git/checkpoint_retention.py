"""Selects the checkpoints to delete.

Rules:
1. Of a run, the newest ``keep`` checkpoints stay while it is open, and ``keep_for`` after its end.
2. Safety checkpoints (the files before a restore) are counted separately and stay twice as long: they may be the only
   copy of a user's work. The newest one of an open run always stays, so that its rollback can be undone.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from wfe_mcp.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that a ref keeps. ``run_ended_at``: None while the run is open; for an unknown run, the checkpoint's own time."""

    name: str
    run: str
    taken_at: datetime
    is_safety: bool = False
    run_ended_at: datetime | None = None


def to_drop(checkpoints: Iterable[KeptCheckpoint], *, keep: int, keep_for: timedelta, now: datetime) -> tuple[str, ...]:
    """The names of the checkpoints to delete, in order."""
    dropped: list[str] = []
    seen: dict[tuple[str, bool], int] = {}
    for each in sorted(checkpoints, key=lambda one: (one.taken_at, one.name), reverse=True):
        kind = each.run, each.is_safety
        newer = seen.get(kind, 0)
        seen[kind] = newer + 1
        if _may_go(each, newer, keep, keep_for, now):
            dropped.append(each.name)
    return tuple(sorted(dropped))


def _may_go(each: KeptCheckpoint, newer: int, keep: int, keep_for: timedelta, now: datetime) -> bool:
    """``newer``: how many of its run and kind are newer."""
    if each.is_safety:
        is_last = newer == 0 and each.run_ended_at is None
        return not is_last and now - max(each.taken_at, each.run_ended_at or each.taken_at) > 2 * keep_for
    return newer >= keep or (each.run_ended_at is not None and now - each.run_ended_at > keep_for)
