"""Levels of evidence: how much of what a gate saw could have been arranged for it.

    claimed    the submission says so; nothing was read or run
    worktree   files were read, or a check ran, in the folder that the agent works in
    checkout   the check ran in a fresh copy of exactly the hashed tree
    sandbox    the same, with nothing else to write to and no network unless it was asked for
    runner     the check ran on another machine

A gate, or the policy of a project or user, demands a minimum of the checks that gates run.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

Level = Literal["claimed", "worktree", "checkout", "sandbox", "runner"]

LEVELS: tuple[Level, ...] = get_args(Level)
"""From the least to the most."""

_BY_NAME: dict[str, Level] = {each: each for each in LEVELS}
_READS_FILES = frozenset({"command", "files", "git", "plugin"})


def is_enough(level: Level, minimum: Level | None) -> bool:
    """True when evidence of ``level`` satisfies ``minimum``; None demands nothing."""
    return minimum is None or LEVELS.index(level) >= LEVELS.index(minimum)


def strictest(*minima: Level | None) -> Level | None:
    """The highest of several minima; None where none demands anything."""
    asked = [LEVELS.index(each) for each in minima if each is not None]
    return LEVELS[max(asked)] if asked else None


def level_of(kind: str, data: Mapping[str, Any]) -> Level | None:
    """The level of stored evidence of a gate of ``kind``. None for an approval, which is a decision.

    Evidence from before levels were kept has the level of its kind.
    """
    if kind == "approval":
        return None
    return level_named(data.get("level")) or ("worktree" if kind in _READS_FILES else "claimed")


def level_named(name: object) -> Level | None:
    """The level of this name; None for anything else."""
    return _BY_NAME.get(name) if isinstance(name, str) else None
