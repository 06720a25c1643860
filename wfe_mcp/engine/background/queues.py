"""Queues of background work: limits, status, cancelling a job, and the questions to a model that a user puts into them.

    timer    times of runs            command  gates that read files and run checks
    step     steps                    llm, agent, vision   models        webhook   messages, notifications
    manual   waiting for a person who works in place of a model                schedule  times that start a run
    runner   checks that a runner does, on another machine

Rules:
1. Each queue has its own slots in a process, so that a long model call delays no gate.
2. Configuration limits a queue over all processes of its project, and a provider over all projects.
3. A cancelled job ends its attempt for the user to review: the rules of ``on_fail`` would restart the same
   work at once. A cancelled gate is an error of the gate instead, and its phase's rules apply: the worker
   continues with another attempt.
4. Timers and jobs that only read files for a phase cannot be cancelled.

    jobs enqueue ──► a job ──► the role's model, then its fallbacks ──► the answer is the job's result

Rules:
1. The question belongs to no run and changes nothing: its answer counts for no gate.
2. Each call is recorded and within the project's budget, like any other.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import By
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.jobs.completion import Completion, GaveUp
from wfe_mcp.jobs.job_context import JobContext, Outcome
from wfe_mcp.jobs.limits import PRIORITY, WorkLimits
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import CallPurpose
from wfe_mcp.store.records.jobs import ClaimLimits, JobRecord, JobStatus, Limit, NewJob, QueueRecord
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.config.provider_kinds import facts_of
from wfe_mcp.workspace.config.settings import LoadedSettings

SLOTS = {
    "timer": 1,
    "schedule": 1,
    "command": 2,
    "step": 2,
    "webhook": 2,
    "llm": 4,
    "vision": 2,
    "agent": 2,
    "manual": 16,
    "runner": 0,
}
"""Every queue, and how many of its jobs one process works at a time. Those of runners are worked on other machines."""

QUEUES = tuple(SLOTS)

TIMEOUTS_S = {"llm": 300.0, "vision": 300.0, "agent": 600.0}
"""Default time-out of a job, in seconds; the other queues have their own."""

_NO_WORK = {"timer", "files"}
_FINISHED = {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PARKED}
_FRESH_S = 2.0


@dataclass(frozen=True, slots=True)
class JobOverview:
    """A job in its queue. ``position``: 1 is next. ``estimate_s``: seconds until done, from earlier jobs."""

    job: JobRecord
    position: int | None = None
    estimate_s: float | None = None


def projects_with_jobs(engine: Engine, kinds: Sequence[str] = QUEUES) -> set[str]:
    """The projects of the database in which a job of these queues waits or runs."""
    with engine.store.read() as tx:
        names = [queue.partition(":") for queue in tx.queues.open_names()]
    return {project for kind, _, project in names if kind in kinds}


def work_limits(engine: Engine) -> Callable[..., WorkLimits]:
    """The configured limits, read again every two seconds: no restart is needed. Takes the transaction of its caller."""
    known: list[tuple[float, WorkLimits]] = []

    def limits(tx: Tx | None = None) -> WorkLimits:
        if not known or time.monotonic() - known[0][0] > _FRESH_S:
            known[:] = [(time.monotonic(), _limits(engine.settings(tx), engine.project_id))]
        return known[0][1]

    return limits


def queue_names(engine: Engine, kinds: Sequence[str] = QUEUES) -> tuple[str, ...]:
    """The queues of this project. Refuses an unknown kind."""
    for kind in kinds:
        if kind not in SLOTS:
            hint = nearest_hint(kind, QUEUES, f"One of: {', '.join(QUEUES)}.")
            raise Refused("bad_argument", f"There is no queue {kind!r}.", hint)
    return tuple(queue_name(kind, engine.project_id) for kind in kinds)


def known_queues(engine: Engine, tx: Tx) -> tuple[str, ...]:
    """The queues of this project, and those in which a newer version put a job that waits or runs."""
    newer = (name for name in tx.queues.open_names() if name.partition(":")[0] not in SLOTS)
    return (*queue_names(engine), *(name for name in sorted(newer) if name.endswith(f":{engine.project_id}")))


def queues_now(engine: Engine) -> list[QueueRecord]:
    """The status of this project's queues; empty ones are left out."""
    with engine.store.read() as tx:
        rows = tx.queues.status(known_queues(engine, tx))
    queues = [replace(queue, queue=queue.queue.partition(":")[0]) for queue in rows]
    return [queue for queue in queues if queue.waiting or queue.running or queue.average_run_s is not None]


def job_overviews(
    engine: Engine, *, kinds: Sequence[str] = (), statuses: Sequence[JobStatus] = (), run: str = "", limit: int = 20
) -> list[JobOverview]:
    """Jobs of this project, newest first. ``kinds``: only of these queues."""
    with engine.store.read() as tx:
        run_id = tx.runs.find(engine.project_id, run).id if run else None
        queues = queue_names(engine, kinds) if kinds else known_queues(engine, tx)
        jobs = tx.jobs.filter(run_id, statuses=statuses, limit=limit, queues=queues)
        return _overviews(engine, tx, jobs)


def find_job(engine: Engine, job_id: str) -> JobOverview:
    """One job of this project, by its id or a unique prefix of it. Refuses ``bad_argument``."""
    with engine.store.read() as tx:
        return _overviews(engine, tx, [_job(engine, tx, job_id)])[0]


def cancel_job(engine: Engine, by: By, job_id: str, gave_up: GaveUp, reason: str = "") -> JobRecord:
    """Cancel a job: a waiting one ends at once, a running one is stopped with its child processes.

    ``gave_up`` records the effect on its attempt. Refuses finished jobs and those of rule 4.
    """
    from wfe_mcp.jobs.heartbeat import end_cancelled  # what ends processes

    cancel_reason = f"it was cancelled by {by.actor}" + (f": {reason}" if reason else "")
    with engine.store.tx() as tx:
        job = _job(engine, tx, job_id)
        if job.status in _FINISHED:
            raise Refused(
                "illegal_transition",
                f"Job {job.id} is {job.status}: there is nothing to cancel.",
                "See: wfe-mcp jobs list",
            )
        if job.kind in _NO_WORK:
            raise Refused(
                "illegal_transition",
                f"Job {job.id} ({job.kind}) maintains run {job.run_id} and cannot be cancelled; cancel the run.",
                f"Cancel or pause the run: wfe-mcp cancel {job.run_id}",
            )
        tx.jobs.request_cancel(job.id, reason=cancel_reason)
        # One that runs is stopped by its worker, which writes what follows when the work has ended.
        if job.status is JobStatus.QUEUED:
            with suppress(Refused):  # its attempt has moved on: the job is not needed
                gave_up(tx, replace(job, cancel_requested=True, cancel_reason=cancel_reason), cancel_reason)
        tx.after_commit(engine.wake)
    end_cancelled(engine.store, engine.identity, Completion(engine.store, engine.clock, gave_up), job.id)
    with engine.store.read() as tx:
        after = tx.jobs.get(job.id)
    assert after is not None, "it was there in the transaction"
    return after


def end_for_person(engine: Engine, tx: Tx, job: JobRecord, reason: str) -> None:
    """Fail the attempt of ``job``; only the user can open another. One that is not at work only sees that the job has ended."""
    if job.run_id is None or job.phase is None:
        return
    path = PhasePath(job.phase)
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        if path in current.state.attempts and current.attempt(path).number == job.attempt:
            message = f"The work of the server on {path!r} ended: {reason}."
            command = c.FailAttempt(
                phase=path, attempt=job.attempt, reason=message, human_only=True, by=SYSTEM, at=current.at
            )
            if refusal(current.state, command) is None:
                current.give(command)


def _limits(loaded: LoadedSettings, project_id: str) -> WorkLimits:
    settings = loaded.settings
    queues = {
        queue_name(name, project_id): Limit(queue.concurrency, queue.per_minute)
        for name, queue in settings.queues.items()
    }
    providers = {
        name: Limit(provider.concurrency, provider.requests_per_minute) for name, provider in settings.providers.items()
    }
    limited = {name: limit for name, limit in providers.items() if limit != Limit()}
    timeouts = TIMEOUTS_S | {name: seconds(queue.timeout) for name, queue in settings.queues.items() if queue.timeout}
    allowed = settings.server.limits
    return WorkLimits(
        ClaimLimits(queues, limited, allowed.team.running_jobs, allowed.project.running_jobs),
        {queue_name(name, project_id): value for name, value in timeouts.items()},
    )


def _job(engine: Engine, tx: Tx, job_id: str) -> JobRecord:
    wanted_job = tx.jobs.get(job_id)
    ours = known_queues(engine, tx)
    if wanted_job is not None and wanted_job.queue.endswith(f":{engine.project_id}"):
        return wanted_job
    begins = (
        [job for job in tx.jobs.filter(queues=ours) if job.id.startswith((job_id, f"job-{job_id}"))] if job_id else []
    )
    if len(begins) == 1:
        return begins[0]
    if begins:
        raise Refused("bad_argument", f"Several jobs begin with {job_id!r}.", "Give more of the id.")
    raise Refused("bad_argument", f"This project has no job {job_id!r}.", "See: wfe-mcp jobs list")


def _overviews(engine: Engine, tx: Tx, jobs: Sequence[JobRecord]) -> list[JobOverview]:
    now = engine.clock()
    queues = {queue.queue: queue for queue in tx.queues.status(sorted({job.queue for job in jobs}))}
    limits = _limits(engine.settings(tx), engine.project_id).claims.queues
    overviews: list[JobOverview] = []
    for job in jobs:
        position, usual = tx.queues.position(job, now), queues[job.queue].average_run_s
        estimate = None
        if usual is not None and position is not None:
            at_once = limits.get(job.queue, Limit()).concurrency or SLOTS.get(job.queue.partition(":")[0]) or 1
            estimate = usual * (-(-(position + queues[job.queue].running) // at_once))
        elif usual is not None and job.status is JobStatus.RUNNING and job.started_at is not None:
            estimate = max(0.0, usual - (now - job.started_at).total_seconds())
        overviews.append(JobOverview(job, position, None if estimate is None else round(estimate, 1)))
    return overviews


JOB = "question"
MOST_CHARS = 200_000
TRIES = 3
"""How often a model that does not answer is asked, before its fallbacks."""


def enqueue(
    engine: Engine, by: By, text: str, *, role: str, priority: str = "normal", timeout_s: float | None = None
) -> JobRecord:
    """Put a question to ``role`` (or a provider) into the queue. Refuses ``bad_argument``, ``too_large``, ``unavailable``."""
    from wfe_mcp.engine.models.connections import connections_of
    from wfe_mcp.engine.models.roles import known_names

    if not text.strip():
        raise Refused("bad_argument", "There is no question.", "Give a text, or a file with --path.")
    if len(text) > MOST_CHARS:
        raise Refused(
            "too_large",
            f"The question has {len(text):,} characters; at most {MOST_CHARS:,} are allowed.",
            "Make it shorter.",
        )
    number = next((value for name, value in PRIORITY.items() if name == priority), None)
    if number is None:
        hint = nearest_hint(priority, PRIORITY, f"One of: {', '.join(PRIORITY)}.")
        raise Refused("bad_argument", f"{priority!r} is not a priority.", hint)
    names = known_names(engine.settings().settings)
    if role.partition("/")[0] not in names:
        raise Refused(
            "bad_argument",
            f"There is no role or provider {role!r}.",
            nearest_hint(role, names, f"Known: {', '.join(names)}."),
        )
    first = connections_of(engine, role)[0]
    if first.kind == "manual":
        raise Refused("bad_argument", f"{role!r} is a person: it works no queue.", "Name a model.")
    queue = queue_name("llm" if facts_of(first.kind).is_network else "agent", engine.project_id)
    payload = {"question": text, "role": role, "by": by.actor}
    with engine.store.tx() as tx:
        tx.after_commit(engine.wake)
        new = NewJob(JOB, queue, payload, priority=number, max_attempts=TRIES, timeout_s=timeout_s)
        job = tx.jobs.get(tx.jobs.enqueue(new))
    assert job is not None, "it was stored in this transaction"
    return job


def work_question(engine: Engine, context: JobContext) -> Outcome:
    """The handler of questions: ask the role's model, and its fallbacks when it cannot answer."""
    from wfe_mcp.engine.models.connections import connections_of, first_answer
    from wfe_mcp.providers.call import Question

    role, question = context.job.payload["role"], Question(context.job.payload["question"])
    connections, purpose = connections_of(engine, role), CallPurpose.QUESTION
    answered = first_answer(engine, context, connections, question, purpose=purpose, role=role, tries=TRIES)
    if isinstance(answered, str):
        raise Refused("conflict", answered, "Enqueue it again.")
    connection, reply = answered
    return Outcome({"text": reply.text, "provider": connection.provider, "model": reply.model})
