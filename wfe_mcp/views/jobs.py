"""Views of jobs and queues: worker, position, estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.store.records.jobs import JobStatus

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.engine.background.queues import JobStanding
    from wfe_mcp.store.records.jobs import JobRecord, QueueRecord

__all__ = ["PRIORITIES", "job_row", "job_view", "queue_view"]

PRIORITIES = {10: "critical", 50: "high", 100: "normal", 200: "low"}
"""The words for the numbers of ``jobs.backoff.PRIORITY``."""


def job_row(standing: JobStanding) -> dict[str, Any]:
    """One line of the list."""
    job = standing.job
    row: dict[str, Any] = {
        "job": job.id, "queue": job.queue.partition(":")[0], "kind": job.kind, "state": str(job.status),
        "created_at": _second(job.created_at),
    }  # fmt: skip
    optional = {
        "run": job.run_id, "phase": job.phase, "attempt": job.attempt, "position": standing.position,
        "estimate_s": standing.estimate_s, "run_at": _second(job.run_at) if _waits(standing) else "",
        "cancelling": job.cancel_requested and job.status is JobStatus.RUNNING, "error": (job.error or "")[:300],
    }  # fmt: skip
    return row | {key: value for key, value in optional.items() if value not in {None, "", False}}


def job_view(standing: JobStanding) -> dict[str, Any]:
    """Everything about one job, its result too."""
    job = standing.job
    optional = {
        "priority": PRIORITIES.get(job.priority, str(job.priority)), "effect": str(job.effect), "tries": job.tries,
        "max_attempts": job.max_attempts, "timeout_s": job.timeout_s, "limit_key": job.limit_key,
        "holder": job.lease_owner, "child_pid": job.child_pid if job.status is JobStatus.RUNNING else None,
        "started_at": _second(job.started_at), "finished_at": _second(job.finished_at),
        "waited_s": _between(job.run_at, job.started_at), "ran_s": _ran(job), "cancel_reason": job.cancel_reason,
        "payload": job.payload, "result": job.result, "error": job.error,
    }  # fmt: skip
    return job_row(standing) | {key: value for key, value in optional.items() if value is not None and value != ""}


def queue_view(queue: QueueRecord) -> dict[str, Any]:
    """The status of one queue."""
    view: dict[str, Any] = {"queue": queue.queue, "waiting": queue.waiting, "running": queue.running}
    averages = {"average_wait_s": queue.average_wait_s, "average_run_s": queue.average_run_s}
    return view | {key: value for key, value in averages.items() if value is not None}


def _waits(standing: JobStanding) -> bool:
    return standing.job.status is JobStatus.QUEUED and standing.position is None


def _ran(job: JobRecord) -> float | None:
    return _between(job.started_at, job.finished_at)


def _between(first: datetime | None, last: datetime | None) -> float | None:
    if first is None or last is None or last < first:
        return None
    return round((last - first).total_seconds(), 3)


def _second(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")
