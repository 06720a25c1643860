"""Jobs, claim limits and queues as plain values, free of SQL."""

from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Required, TypedDict

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.enums import Effect, JobStatus
from wfe_mcp.store.layout.job_records import JobRecordColumns, NewJobColumns

__all__ = [
    "BEHIND",
    "TRACED",
    "TREE_KEYS",
    "ClaimLimits",
    "Effect",
    "JobRecord",
    "JobStatus",
    "Limit",
    "NewJob",
    "NewJobValues",
    "QueueRecord",
    "labels_key",
    "labels_of",
    "provider_key",
    "tree_key",
]

BEHIND = datetime(9999, 1, 1, tzinfo=UTC)
"""When a job is due that waits for an earlier one of its line (``store/jobs/lines.py``)."""

TRACED = "traceparent"
"""The key of a payload with the trace of what enqueued the job; only where traces are kept."""

_LABELS = "labels:"

TREE_KEYS = "tree:"
"""Prefix of the keys of ``tree_key``."""


@dataclass(frozen=True, slots=True)
class NewJob(NewJobColumns):
    """Work to do later. A lower ``priority`` runs first; ``dedupe_key`` makes a second enqueue a no-op, for ever.

    ``limit_key`` (``llm:openai``): the limit that it shares besides its queue's, over all projects. ``timeout_s``: its
    time limit, None for its queue's.
    """

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
class JobRecord(JobRecordColumns):
    """A job. ``attempt`` is the phase's, ``tries`` the job's own; ``fence`` rises with each claim.

    ``started_at``: its last claim. ``cancel_reason``: the user's reason for cancelling; None where its attempt was over.
    """

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
    """The limits on claims, over all processes: by queue, and by the model provider that a job calls.

    ``team``, ``project``: jobs at once, of all projects and of the one whose queues are claimed from; None: unlimited.
    """

    queues: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    providers: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    team: int | None = None
    project: int | None = None
    closed: frozenset[str] = frozenset()
    """Limit keys of jobs that the caller cannot do."""
    kinds: frozenset[str] | None = None
    """The kinds of jobs that the caller can do; None: every one."""


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """Status of a queue. The averages are over its last jobs, in seconds; None before the first."""

    queue: str
    waiting: int
    running: int
    average_wait_s: float | None = None
    average_run_s: float | None = None


def provider_key(provider: str) -> str:
    """The limit key (``NewJob.limit_key``) of jobs that call models of ``provider``, over all projects."""
    return f"provider:{provider}"


def tree_key(worktree: str) -> str:
    """The limit key of jobs in the same folder: one of them runs at a time, independent of other limits."""
    return f"{TREE_KEYS}{worktree}"


def labels_key(labels: Collection[str]) -> str | None:
    """The limit key of jobs for runners with ``labels``; None for any runner."""
    return f"{_LABELS}{','.join(sorted(labels))}" if labels else None


def labels_of(limit_key: str | None) -> frozenset[str]:
    """The labels that a job with this limit key asks for."""
    return frozenset(limit_key.removeprefix(_LABELS).split(",")) if limit_key else frozenset()
