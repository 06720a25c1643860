"""Views of jobs and queues: worker, position, estimate."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId, Stage
from wfe_mcp.core.paths import declared_path
from wfe_mcp.store.records.jobs import BEHIND, JobRecord, JobStatus, QueueRecord, labels_of
from wfe_mcp.views.approvals.evidence import gate_name
from wfe_mcp.views.values.model import INLINE, Json, second, view_model, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wfe_mcp.engine.background.queues import JobOverview
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.workflow.model.gates import Gate

PRIORITIES = {10: "critical", 50: "high", 100: "normal", 200: "low"}
"""The words for the numbers of ``jobs.backoff.PRIORITY``."""


@view_model
class JobRow:
    """One line of the list. ``does``: in words; ``title``: of its run. ``runner``: the one that runs its check, or whom it waits for."""

    job: str
    queue: str
    kind: str
    state: str
    priority: str
    created_at: str
    run: str | None = None
    phase: str | None = None
    attempt: int | None = None
    position: int | None = None
    estimate_s: float | None = None
    run_at: str = ""
    cancelling: bool = False
    error: str = ""
    does: str = ""
    title: str = ""
    runner: str = ""


@view_model
class JobView:
    """Everything about one job, its result too; ``error`` whole."""

    row: JobRow = field(metadata=INLINE)
    effect: str
    tries: int
    max_attempts: int
    timeout_s: float | None = None
    limit_key: str = ""
    holder: str = ""
    child_pid: int | None = None
    started_at: str = ""
    finished_at: str = ""
    waited_s: float | None = None
    ran_s: float | None = None
    cancel_reason: str = ""
    payload: Json = None
    result: Json = None
    error: str = ""


@view_model
class QueueState:
    """Jobs, newest first, and the queues they are in."""

    jobs: tuple[JobRow, ...]
    queues: tuple[QueueRecord, ...]


def job_rows(engine: Engine, overviews: Sequence[JobOverview]) -> tuple[JobRow, ...]:
    """The lines of the list, each with the title of its run."""
    with engine.store.read() as tx:
        titles = tx.runs.titles({run for overview in overviews if (run := overview.job.run_id) is not None})
        gates = {
            overview.job.id: _gate(engine, tx, overview.job) for overview in overviews if overview.job.kind == "gate"
        }
    return tuple(
        _row(overview, titles.get(overview.job.run_id or RunId(""), ""), gates.get(overview.job.id))
        for overview in overviews
    )


def _row(overview: JobOverview, title: str, gate: Gate | None) -> JobRow:
    job = overview.job
    return view_of(
        JobRow,
        job,
        job=job.id,
        queue=job.queue.partition(":")[0],
        state=str(job.status),
        priority=PRIORITIES.get(job.priority, str(job.priority)),
        run=job.run_id,
        attempt=job.attempt or None,
        position=overview.position or None,
        estimate_s=overview.estimate_s or None,
        run_at=second(job.run_at) if _waits(overview) else "",
        cancelling=job.cancel_requested and job.status is JobStatus.RUNNING,
        error=(job.error or "")[:300],
        does=_does(job, gate),
        title=title,
        runner=_runner(job),
    )


def job_view(engine: Engine, overview: JobOverview) -> JobView:
    """Everything about one job."""
    job = overview.job
    return view_of(
        JobView,
        job,
        row=job_rows(engine, (overview,))[0],
        holder=job.lease_owner or "",
        child_pid=job.child_pid if job.status is JobStatus.RUNNING else None,
        waited_s=_between(job.run_at, job.started_at),
        ran_s=_between(job.started_at, job.finished_at),
    )


def _gate(engine: Engine, tx: Tx, job: JobRecord) -> Gate | None:
    """The gate that a job judges, as the run's template has it; None when its run is gone."""
    if job.run_id is None or job.phase is None:
        return None
    try:
        plan = engine.plans.of_run(tx, tx.runs.find(engine.project_id, job.run_id))
    except Refused:
        return None
    phase = plan.phases.get(declared_path(job.phase))
    if phase is None:
        return None
    gates = phase.prompt_gates if job.payload.get("stage") == Stage.BEFORE else phase.gates
    number = int(job.payload.get("gate") or 0)
    return gates[number] if number < len(gates) else None


def _does(job: JobRecord, gate: Gate | None) -> str:
    payload = job.payload
    match job.kind:
        case "gate":
            when = " before work" if payload.get("stage") == Stage.BEFORE else ""
            if gate is None:
                return f"judges a gate{when}"
            of_check = gate.kind == "command"
            return (f"runs check {gate.check}" if of_check else f"judges the {gate_name(gate)} gate") + when
        case "timer":
            return _TIMERS.get(str(payload.get("timer")), "waits for a time")
        case kind if kind in _DOES:
            return _DOES[kind].format_map(_UNNAMED | payload).rstrip()
        case kind:
            return f"{kind}: only a newer wfe-mcp does it"


_UNNAMED = {"step": "", "item": "", "role": "a model", "type": "an event", "webhook": "a webhook"}
_DOES = {
    "step": "works step {step}",
    "work": "works the phase as {role}",
    "question": "asks {role} a question",
    "webhook": "sends {type} to {webhook}",
    "claim": "tests claim {item}",
    "opinion": "asks reviewers for an opinion",
    "files": "reads the files of the project",
    "notify": "notifies you",
    "schedule": "starts a run at its time",
}
_TIMERS = {
    "run": "ends the run when its time is over",
    "timeout": "ends the attempt when its time is over",
    "wake": "continues after a wait",
    "resume": "resumes the run after an outage",
}


def _runner(job: JobRecord) -> str:
    """The runner that runs the job's check now, or the labels of the one that it waits for."""
    if not job.queue.startswith("runner:") or job.status not in {JobStatus.QUEUED, JobStatus.RUNNING}:
        return ""
    labels = ", ".join(sorted(labels_of(job.limit_key)))
    return (job.lease_owner or "").removeprefix("runner:") or (f"any with {labels}" if labels else "any")


def _waits(overview: JobOverview) -> bool:
    job = overview.job
    return job.status is JobStatus.QUEUED and overview.position is None and job.run_at < BEHIND


def _between(first: datetime | None, last: datetime | None) -> float | None:
    if first is None or last is None or last < first:
        return None
    return round((last - first).total_seconds(), 3)
