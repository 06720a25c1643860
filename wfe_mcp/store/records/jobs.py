"""Jobs, claim limits and queues as plain values, free of SQL."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, Required, TypedDict

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath

TREE_KEYS = "tree:"
"""Prefix of the keys of ``tree_key``."""


class JobStatus(StrEnum):
    """Status of a job. ``parked``: it may not run twice, so a person decides."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"


class Effect(StrEnum):
    """The effect of a second execution: none, none with the same key, or harm."""

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    NON_REPEATABLE = "non_repeatable"


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to do later. A lower ``priority`` runs first; ``dedupe_key`` makes a second enqueue a no-op, for ever.

    ``limit_key`` (``llm:openai``): the limit that it shares besides its queue's, over all projects. ``timeout_s``: its
    time limit, None for its queue's.
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


class NewJobValues(TypedDict, total=False):
    """The values of a new job of a run."""

    payload: Required[Mapping[str, Any]]
    limit_key: str | None
    max_attempts: int
    effect: Effect
    timeout_s: float | None
    dedupe_key: str | None
    phase: PhasePath | None
    attempt: int | None
    run_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job. ``attempt`` is the phase's, ``tries`` the job's own; ``fence`` rises with each claim.

    ``started_at``: its last claim. ``cancel_reason``: the user's reason for cancelling; None where its attempt was over.
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

    @property
    def of_run(self) -> RunId:
        """The run that it works for. Only a question belongs to none."""
        assert self.run_id is not None, f"a job of kind {self.kind} belongs to a run"
        return self.run_id


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit. ``concurrency``: at once; ``per_minute``: begun in any minute. None: unlimited."""

    concurrency: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """The limits on claims, over all processes: by queue, and by the model provider that a job calls."""

    queues: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    providers: Mapping[str, Limit] = field(default_factory=dict[str, Limit])


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """Status of a queue. The averages are over its last jobs, in seconds; None before the first."""

    queue: str
    waiting: int
    running: int
    average_wait_s: float | None
    average_run_s: float | None


def provider_key(provider: str) -> str:
    """The limit key (``NewJob.limit_key``) of jobs that call models of ``provider``, over all projects."""
    return f"provider:{provider}"


def tree_key(worktree: str) -> str:
    """The limit key of jobs in the same folder: one of them runs at a time, independent of other limits."""
    return f"{TREE_KEYS}{worktree}"
