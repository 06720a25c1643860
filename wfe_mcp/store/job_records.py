"""What limits a claim, and what is known of a queue? Plain values, free of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TREE_KEYS", "ClaimLimits", "Limit", "QueueRecord", "provider_key", "tree_key"]

TREE_KEYS = "tree:"
"""How the keys of ``tree_key`` begin."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be done. ``concurrency``: at once; ``per_minute``: begun in any minute. None: as much as comes."""

    concurrency: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """The limits that a claim keeps, over all processes: by queue, and by the provider of models a job calls."""

    queues: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    providers: Mapping[str, Limit] = field(default_factory=dict[str, Limit])


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A queue as it stands. The averages are those of its last jobs, in seconds; None before there were any."""

    queue: str
    waiting: int
    running: int
    average_wait_s: float | None
    average_run_s: float | None


def provider_key(provider: str) -> str:
    """What jobs that call models of ``provider`` share (``NewJob.limit_key``), over all projects."""
    return f"provider:{provider}"


def tree_key(worktree: str) -> str:
    """What jobs share that must not work in the same folder at once: one of them runs at a time, whatever limits say."""
    return f"{TREE_KEYS}{worktree}"
