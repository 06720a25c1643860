"""What is a job, what limits its claim, and what is known of a queue? Plain values, free of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wfe_mcp.core.model import RunId
from wfe_mcp.core.spec import PhasePath

__all__ = [
    "TREE_KEYS", "ClaimLimits", "Effect", "JobRecord", "JobStatus", "Limit", "NewJob", "QueueRecord", "provider_key",
    "tree_key",
]  # fmt: skip

TREE_KEYS = "tree:"
"""How the keys of ``tree_key`` begin."""


class JobStatus(StrEnum):
    """Where a job stands. ``parked``: it may not run twice, so a person looks first."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"


class Effect(StrEnum):
    """What a second execution would do: nothing, nothing when the key is kept, or harm."""

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    NON_REPEATABLE = "non_repeatable"


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to do later. A lower ``priority`` runs first; ``dedupe_key`` makes a second enqueue a no-op, for ever.

    ``limit_key`` (``llm:openai``): what it shares limits with besides its queue, over all projects. ``timeout_s``: its
    time limit, None for that of its queue.
    """

    # generated: Job, given, without run_at
    kind: str
    queue: str
    payload: Mapping[str, Any]
    limit_key: str | None = None
    priority: int = 100
    max_attempts: int = 5
    effect: Effect = Effect.IDEMPOTENT
    timeout_s: float | None = None
    dedupe_key: str | None = None
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None

    run_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job. ``attempt`` is the phase's, ``tries`` the job's own; ``fence`` rises with each claim.

    ``started_at``: its last claim. ``cancel_reason``: why somebody asked to cancel it; None where its attempt was over.
    """

    # generated: Job
    id: str
    kind: str
    queue: str
    status: JobStatus
    run_at: datetime
    tries: int
    fence: int
    lease_owner: str | None
    lease_until: datetime | None
    cancel_requested: bool
    cancel_reason: str | None
    child_pid: int | None
    child_started_at: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    limit_key: str | None = None
    priority: int = 100
    max_attempts: int = 5
    effect: Effect = Effect.IDEMPOTENT
    timeout_s: float | None = None
    dedupe_key: str | None = None
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None


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
