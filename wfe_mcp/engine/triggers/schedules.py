"""Starts templates at the times of schedules, once for each time, whichever process works the project's jobs.

    every few seconds    the next time of each schedule is a job that is due then; its key is the schedule and the time
    when it is due       a worker claims it and starts the run; the idempotency key of the run is the schedule and the time

Rules:
1. Both keys are unique, so that several processes, and one that is killed in between, start one run for a time.
2. Times that passed while no process was there are made up for by one run: only the next time was enqueued.
3. A job whose time its schedule no longer names, or that is no longer trusted, starts nothing.
4. A time that meets a limit of the server, or what is away now, is tried again until the next time of the schedule has come. Another
   fault fails it after a few tries.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.triggers.starting import start, template_fault
from wfe_mcp.jobs.job_context import JobContext, Outcome, RetryLater
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.workspace.config.event_tables import ScheduleSettings

SCHEDULE = "schedule"
"""The kind of its jobs, and their queue."""

_OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)
_MOST = 10_000
_SECOND = timedelta(seconds=1)
_AGAIN_S = 300
_PASSING = {"limit_reached", "unavailable"}


class Schedule(NamedTuple):
    """A schedule. ``next``: None while it is off; ``last``: its newest time that is over, ``run``: what that started.

    ``fault``: why it would start nothing now, or why the last time did not.
    """

    name: str
    settings: ScheduleSettings
    next: datetime | None
    last: datetime | None
    run: str
    fault: str


def schedules(engine: Engine) -> list[Schedule]:
    """The schedules that count here."""
    tables = engine.settings().settings.schedule
    with engine.store.read() as tx:
        jobs = _jobs(engine, tx) if tables else []
    return [_schedule(engine, name, schedule, jobs) for name, schedule in sorted(tables.items())]


def plan(engine: Engine) -> None:
    """Enqueue the next time of each schedule; one that is enqueued stays as it is."""
    now = engine.clock()
    tables = engine.settings().settings.schedule
    due = {name: schedule.next(now) for name, schedule in tables.items() if schedule.enabled}
    queue = queue_name(SCHEDULE, engine.project_id)
    new = {
        key: NewJob(SCHEDULE, queue, {"schedule": name, "at": at.isoformat()}, dedupe_key=key, run_at=at)
        for name, at in due.items()
        for key in (f"{SCHEDULE}:{engine.project_id}:{name}:{at:%Y%m%dT%H%M%SZ}",)
    }
    with engine.store.read() as tx:
        known = {job.dedupe_key for job in tx.jobs.filter(statuses=_OPEN, queues=(queue,))}
    if missing := new.keys() - known:
        with engine.store.tx() as tx:
            for key in sorted(missing):
                tx.jobs.enqueue(new[key])


def start_due(engine: Engine, context: JobContext) -> Outcome:
    """The handler of the jobs."""
    payload = context.job.payload
    name, at = payload["schedule"], datetime.fromisoformat(payload["at"])
    schedule = engine.settings().settings.schedule.get(name)
    # Asked as if just before it: a schedule that was edited since does not name this time.
    if schedule is None or not schedule.enabled or schedule.next(at - _SECOND) != at:
        return Outcome({"dropped": f"[schedule.{name}] does not name this time any more"})
    with engine.store.read() as tx:
        later = [
            job for job in _jobs(engine, tx) if job.payload["schedule"] == name and at < _time(job) <= engine.clock()
        ]
    if later:
        return Outcome({"dropped": "a later time has come meanwhile"})
    try:
        return Outcome({"run": start(engine, "schedule", name, schedule, payload["at"], {})})
    except Refused as refused:
        if refused.code not in _PASSING:
            raise
        raise RetryLater(refused.text, _AGAIN_S, is_try=False) from refused


def _jobs(engine: Engine, tx: Tx) -> list[JobRecord]:
    """The newest jobs of this project's schedules, newest first."""
    return tx.jobs.filter(queues=(queue_name(SCHEDULE, engine.project_id),), limit=_MOST)


def _time(job: JobRecord) -> datetime:
    return datetime.fromisoformat(job.payload["at"])


def _schedule(engine: Engine, name: str, schedule: ScheduleSettings, jobs: list[JobRecord]) -> Schedule:
    own = [job for job in jobs if job.payload["schedule"] == name]
    over = [job for job in own if job.status not in _OPEN and "dropped" not in (job.result or {})]
    last = max(over, key=_time, default=None)
    fault = template_fault(engine, schedule)
    if last is not None and last.status is JobStatus.FAILED:
        fault = fault or f"The last run did not start: {for_person(last.error or '')}"
    due = [job for job in own if job.status in _OPEN and schedule.next((at := _time(job)) - _SECOND) == at]
    if late := next((job for job in due if job.error), None):
        fault = fault or f"The run of {_time(late):%Y-%m-%d %H:%M} waits: {for_person(late.error or '')}"
    return Schedule(
        name,
        schedule,
        min([*map(_time, due), schedule.next(engine.clock())]) if schedule.enabled else None,
        None if last is None else _time(last),
        "" if last is None else str((last.result or {}).get("run", "")),
        fault if schedule.enabled else "",
    )
