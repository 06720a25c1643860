"""The job table: enqueueing, queue limits, claims with leases and fences, and results.

    queued ──claim──→ running ──finish──→ done
      ↑                 │├──fail, no time──→ failed      park ──→ parked (may not run twice)
      └──fail with time─┘└──cancel_done────→ cancelled

Rules:
1. ``claim`` is one UPDATE: two workers never get the same job. Each claim raises ``fence``.
2. Every later write names the fence and changes a row only while the claim is valid; a late write returns False.
3. An expired lease makes the job due again, unless its effect is non_repeatable or its tries are used up.
4. ``wfe_mcp/jobs`` decides when to retry, how long to wait and when to give up.
5. Limits are checked in the transaction that claims: under the write lock, two processes cannot take the last place.
6. A running job counts until its claim has ended, even when its process is dead: rather too few than too many.
7. A queue's rate counts claims; a provider's rate counts calls to its models.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Executable, and_, bindparam, func, insert, or_, select, update

from wfe_mcp.core.model import RunId
from wfe_mcp.core.observing import TRACE
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.jobs.model_calls import LOSE_CALLS
from wfe_mcp.store.layout.tables import JOB, MODEL_CALL, RUN
from wfe_mcp.store.records.calls import CallStatus
from wfe_mcp.store.records.jobs import (
    TRACED,
    TREE_KEYS,
    ClaimLimits,
    Effect,
    JobRecord,
    JobStatus,
    Limit,
    NewJob,
    QueueRecord,
    provider_key,
)
from wfe_mcp.store.repository import Repository, RepositoryPart, columns_for, equal_where_given, row_from

COUNTED = ("llm:", "agent:", "vision:", "command:", "step:", "webhook:", "manual:")
"""The queues whose jobs count for the limits of a team and a project: what keeps the times of runs is never held up."""

_MINUTE, _AVERAGED = timedelta(minutes=1), 50

_COUNT = select(func.count(JOB.c.id))
_RUNNING = _COUNT.where(JOB.c.status == JobStatus.RUNNING)
_RUNNING_IN = _RUNNING.where(JOB.c.queue == bindparam("queue_"))
_RUNNING_FOR = _RUNNING.where(JOB.c.limit_key == bindparam("key"))
_TREES_IN_USE = select(JOB.c.limit_key).where(
    JOB.c.status == JobStatus.RUNNING, JOB.c.limit_key.startswith(TREE_KEYS, autoescape=True)
)
_SINCE: ColumnElement[datetime] = bindparam("since")
_UNTIL: ColumnElement[datetime] = bindparam("until")
_BEGUN_IN = _COUNT.where(JOB.c.queue == bindparam("queue_"), JOB.c.started_at > _SINCE, JOB.c.started_at <= _UNTIL)
_CALLS_OF = select(func.count(MODEL_CALL.c.id)).where(
    MODEL_CALL.c.provider == bindparam("provider_"), MODEL_CALL.c.started_at > _SINCE, MODEL_CALL.c.started_at <= _UNTIL
)
_IN_FLIGHT_OF = select(func.count(MODEL_CALL.c.id)).where(
    MODEL_CALL.c.provider == bindparam("provider_"),
    MODEL_CALL.c.status == CallStatus.STARTED,
    MODEL_CALL.c.job_id.is_not(None),
)
_OPEN = (
    select(JOB.c.queue, JOB.c.status, func.count(JOB.c.id))
    .where(JOB.c.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
    .group_by(JOB.c.queue, JOB.c.status)
)
_LAST = (
    select(JOB.c.run_at, JOB.c.started_at, JOB.c.finished_at)
    # Cancelled timers have not begun: SQLite would read all of them for a queue in which few jobs were done.
    .where(JOB.c.queue == bindparam("queue_"), JOB.c.status == JobStatus.DONE, JOB.c.started_at.is_not(None))
    .order_by(JOB.c.started_at.desc())
    .limit(_AVERAGED)
)
_BEFORE = _COUNT.where(
    JOB.c.queue == bindparam("queue_"),
    JOB.c.status == JobStatus.QUEUED,
    JOB.c.run_at <= bindparam("now"),
    or_(
        JOB.c.priority < bindparam("priority_"),
        and_(JOB.c.priority == bindparam("priority_"), JOB.c.run_at < bindparam("run_at_")),
    ),
)


class QueueRepository(Repository):
    """Queues of jobs."""

    def full(self, limits: ClaimLimits, queues: Sequence[str], now: datetime) -> set[str]:
        """Those of ``queues`` from which no further job may start now."""
        if limits.team is not None or limits.project is not None:
            counted = [queue for queue in queues if queue.startswith(COUNTED)]
            team, project = self.running(counted)
            if (limits.team or team + 1) <= team or (limits.project or project + 1) <= project:
                return set(counted)
        return {queue for queue in queues if queue in limits.queues and self._is_full(queue, limits.queues[queue], now)}

    def running(self, queues: Sequence[str]) -> tuple[int, int]:
        """How many jobs run of all projects, and of the projects of ``queues``; without those that no limit counts."""
        projects = {queue.partition(":")[2] for queue in queues}
        running_jobs = [
            (str(row[0]), int(row[2])) for row in self._connection.execute(_OPEN) if row[1] == JobStatus.RUNNING
        ]
        counted = [(queue.partition(":")[2], number) for queue, number in running_jobs if queue.startswith(COUNTED)]
        return sum(count for _, count in counted), sum(count for project, count in counted if project in projects)

    def full_keys(self, limits: ClaimLimits, now: datetime) -> set[str]:
        """The limit keys of providers that may get no more work now, and of folders in which a job is working."""
        busy = {provider_key(name) for name, limit in limits.providers.items() if self._is_busy(name, limit, now)}
        return busy | limits.closed | {str(row[0]) for row in self._connection.execute(_TREES_IN_USE)}

    def status(self, names: Sequence[str]) -> list[QueueRecord]:
        """The status of these queues, in this order."""
        open_ = {(row[0], row[1]): int(row[2]) for row in self._connection.execute(_OPEN)}
        return [self._queue(name, open_) for name in names]

    def open_names(self) -> set[str]:
        """Every queue in which a job waits or runs."""
        return {str(row[0]) for row in self._connection.execute(_OPEN)}

    def position(self, job: JobRecord, now: datetime) -> int | None:
        """The position of a due job in its queue, 1 for the next; None when it is not waiting."""
        if job.status is not JobStatus.QUEUED or job.run_at > now:
            return None
        values = {"queue_": job.queue, "now": now, "priority_": job.priority, "run_at_": job.run_at}
        return int(self._connection.execute(_BEFORE, values).scalar_one()) + 1

    def _queue(self, name: str, open_: Mapping[tuple[str, JobStatus], int]) -> QueueRecord:
        last = self._connection.execute(_LAST, {"queue_": name}).all()
        waits = [(began - due).total_seconds() for due, began, _ in last if began is not None]
        runs = [(ended - began).total_seconds() for _, began, ended in last if began is not None and ended is not None]
        waiting, running = open_.get((name, JobStatus.QUEUED), 0), open_.get((name, JobStatus.RUNNING), 0)
        return QueueRecord(name, waiting, running, _average(waits), _average(runs))

    def _is_full(self, queue: str, limit: Limit, now: datetime) -> bool:
        if limit.concurrency is not None and self._number(_RUNNING_IN, queue_=queue) >= limit.concurrency:
            return True
        return limit.per_minute is not None and self._begun(_BEGUN_IN, now, queue_=queue) >= limit.per_minute

    def _is_busy(self, provider: str, limit: Limit, now: datetime) -> bool:
        if limit.concurrency is not None:
            running = self._number(_RUNNING_FOR, key=provider_key(provider))
            calling = self._number(_IN_FLIGHT_OF, provider_=provider)
            # Not the sum: a running job and its own call are one use.
            if max(running, calling) >= limit.concurrency:
                return True
        return limit.per_minute is not None and self._begun(_CALLS_OF, now, provider_=provider) >= limit.per_minute

    def _begun(self, statement: Executable, now: datetime, **values: str) -> int:
        # What a clock that was ahead has noted counts for no minute of this one.
        return self._number(statement, since=now - _MINUTE, until=now + _MINUTE, **values)

    def _number(self, statement: Executable, **values: object) -> int:
        return int(self._connection.execute(statement, values).scalar_one())


def _average(values: Sequence[float]) -> float | None:  # a negative one: the clock was set back
    return round(sum(max(0.0, value) for value in values) / len(values), 3) if values else None


_COLUMNS = columns_for(JobRecord, JOB)
_SELECT = select(*_COLUMNS)
_BY_ID = _SELECT.where(JOB.c.id == bindparam("id_"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_OPEN_LOCKED = select(JOB.c.id).where(JOB.c.finished_at.is_(None)).order_by(JOB.c.id).with_for_update()
_SHOWN = _SELECT.join(RUN, RUN.c.id == JOB.c.run_id).where(JOB.c.status == JobStatus.RUNNING, JOB.c.result.is_not(None))
_BY_KEY = select(JOB.c.id).where(JOB.c.dedupe_key == bindparam("key_"))
_NEW = insert(JOB)

_OF_KINDS = or_(bindparam("any_kind"), JOB.c.kind.in_(bindparam("kinds", expanding=True)))
_LIVE = and_(~JOB.c.cancel_requested, JOB.c.queue.in_(bindparam("queues", expanding=True)), _OF_KINDS)
_HAS_PLACE = and_(
    JOB.c.queue.not_in(bindparam("full_queues", expanding=True)),
    or_(JOB.c.limit_key.is_(None), JOB.c.limit_key.not_in(bindparam("full_keys", expanding=True))),
)
_LOST = and_(JOB.c.status == JobStatus.RUNNING, JOB.c.lease_until < bindparam("now"))
_REPEATABLE = and_(JOB.c.effect != Effect.NON_REPEATABLE, JOB.c.tries < JOB.c.max_attempts)
# Without _HAS_PLACE: a lost job counts towards the limits already.
_FIRST_LOST = select(JOB.c.id).where(_LOST, _LIVE, _REPEATABLE).order_by(JOB.c.lease_until).limit(1)
_LOWEST = select(func.min(JOB.c.priority).label("priority")).where(JOB.c.status == JobStatus.QUEUED)
_LEVEL = _LOWEST.cte("level", recursive=True)
_LEVELS = _LEVEL.union_all(
    select(_LOWEST.where(JOB.c.priority > _LEVEL.c.priority).scalar_subquery()).where(_LEVEL.c.priority.is_not(None))
)
"""The priorities of queued jobs, with one index lookup each: a job that is not due yet is not read."""
_FIRST_OF_LEVEL = (
    select(JOB.c.id)
    .where(
        JOB.c.status == JobStatus.QUEUED,
        JOB.c.priority == _LEVELS.c.priority,
        JOB.c.run_at <= bindparam("now"),
        _LIVE,
        _HAS_PLACE,
    )
    .order_by(JOB.c.run_at, JOB.c.created_at)
    .limit(1)
    .correlate(_LEVELS)
    .scalar_subquery()
)
_FIRST_QUEUED = (
    select(_FIRST_OF_LEVEL.label("id"))
    .select_from(_LEVELS)
    .where(_FIRST_OF_LEVEL.is_not(None))
    .order_by(_LEVELS.c.priority)
    .limit(1)
)
_FIRST_DUE = func.coalesce(_FIRST_LOST.scalar_subquery(), _FIRST_QUEUED.scalar_subquery())
_DUE = select(_FIRST_DUE)
_CLAIM = (
    update(JOB)
    .where(
        JOB.c.id == _FIRST_DUE,
        # PostgreSQL asks this once more of a job that another transaction has just ended, cancelled or renewed.
        ~JOB.c.cancel_requested,
        or_(_LOST, and_(JOB.c.status == JobStatus.QUEUED, JOB.c.run_at <= bindparam("now"))),
    )
    .values(
        status=JobStatus.RUNNING,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        started_at=bindparam("now"),
        # Later writes of an earlier claim name the old fence and find no row (_HELD).
        fence=JOB.c.fence + 1,
        tries=JOB.c.tries + 1,
        child_pid=None,
        child_started_at=None,
        result=None,
    )
    .returning(*_COLUMNS)
)

_WAITING = select(JOB.c.id).where(JOB.c.id.in_(bindparam("ids_", expanding=True)), JOB.c.status == JobStatus.QUEUED)
_HELD = and_(JOB.c.id == bindparam("id_"), JOB.c.fence == bindparam("fence_"), JOB.c.status == JobStatus.RUNNING)
_HEARTBEAT = update(JOB).where(_HELD, ~JOB.c.cancel_requested).values(lease_until=bindparam("until"))
# The keys of the values decide the columns that it sets.
_HELD_STEP = update(JOB).where(_HELD)
_HOLD = (
    update(JOB)
    .where(JOB.c.status == JobStatus.QUEUED, JOB.c.effect == Effect.NON_REPEATABLE)
    .values(status=JobStatus.RUNNING, lease_owner="restored", lease_until=bindparam("at"), started_at=bindparam("at"))
)


class JobRepository(Repository):
    """The job table."""

    _queues = RepositoryPart(QueueRepository)

    def enqueue(self, new: NewJob) -> str:
        """Queue a job in this transaction; its id. A known ``dedupe_key`` returns the id of the job that has it."""
        if new.dedupe_key is not None:
            self.alone("job", new.dedupe_key)
            if (same_job := self._connection.execute(_BY_KEY, {"key_": new.dedupe_key}).scalar()) is not None:
                return str(same_job)
        now = self._clock()
        job_id = f"job-{self._new_id()}"
        values = row_from(new, JOB)
        traced = {TRACED: trace} if (trace := TRACE.get()) else {}
        values |= {"id": job_id, "payload": {**new.payload, **traced}, "run_at": new.run_at or now, "created_at": now}
        values |= {"status": JobStatus.QUEUED, "tries": 0, "fence": 0, "cancel_requested": False, "cancel_reason": None}
        self._run(_NEW, values)
        return job_id

    def is_due(self, queues: Sequence[str], now: datetime, limits: ClaimLimits | None = None) -> bool:
        """True when ``claim`` would find a job. Does not take the write lock."""
        return self._connection.execute(_DUE, self._within(limits, queues, now)).scalar() is not None

    def claim(
        self, owner: str, queues: Sequence[str], lease_s: float, now: datetime, limits: ClaimLimits | None = None
    ) -> JobRecord | None:
        """Take the most urgent due job for ``lease_s`` seconds; a job with an expired lease comes first.

        ``limits``: how many jobs may run and start at once, over all processes. A lost job already counts towards them.
        """
        self.alone("claim")  # limits are counted, and the job is chosen, as under SQLite's write lock
        values = self._within(limits, queues, now) | {"owner": owner, "until": now + timedelta(seconds=lease_s)}
        job = self._first(JobRecord, _CLAIM, values)
        # The calls of an earlier claim count no longer as in flight: their process is gone.
        if job is not None and job.tries > 1:
            self._run(LOSE_CALLS, {"job": job.id})
        return job

    def waiting(self, among: Collection[str]) -> set[str]:
        """Those of these jobs that wait for a worker."""
        return set(self._connection.execute(_WAITING, {"ids_": list(among)}).scalars())

    def heartbeat(self, job_id: str, fence: int, until: datetime) -> bool:
        """Extend the lease. False when the claim is lost or the job should stop."""
        return self._run(_HEARTBEAT, {"id_": job_id, "fence_": fence, "until": until}) == 1

    def set_child(self, job_id: str, fence: int, pid: int, started_at: float) -> bool:
        """Record the process group that works on the job, before waiting on it. False when the claim is lost."""
        held = {"id_": job_id, "fence_": fence}
        return self._run(_HELD_STEP, {**held, "child_pid": pid, "child_started_at": started_at}) == 1

    def show(self, job_id: str, fence: int, text: str) -> bool:
        """Show ``text`` as what the job has so far; its end replaces it. False when the claim is lost."""
        return self._run(_HELD_STEP, {"id_": job_id, "fence_": fence, "result": {"text": text}}) == 1

    def showing_text(self, project_id: str = "") -> list[JobRecord]:
        """The running jobs that show a text. ``project_id``: only of its runs."""
        return self._all(JobRecord, _SHOWN.where(*equal_where_given(((RUN.c.project_id, project_id or None),))))

    def finish(self, job_id: str, fence: int, result: dict[str, Any]) -> bool:
        """The job is done. False when the claim is lost: the caller then writes nothing else."""
        return self._end(job_id, fence, JobStatus.DONE, result, None)

    def fail(self, job_id: str, fence: int, error: str, run_at: datetime | None, **more: Any) -> bool:
        """The job failed; it runs again at ``run_at``, or never (None). False when the claim is lost. ``more``: columns that it has then."""
        if run_at is None:
            return self._end(job_id, fence, JobStatus.FAILED, None, error)
        return self._claim_ends(job_id, fence, {"status": JobStatus.QUEUED, "error": error, "run_at": run_at, **more})

    def park(self, job_id: str, fence: int, error: str) -> bool:
        """It is unknown whether the effect happened: a person decides. False when the claim is lost."""
        return self._end(job_id, fence, JobStatus.PARKED, None, error)

    def cancel_done(self, job_id: str, fence: int) -> bool:
        """The job has stopped on request. False when the claim is lost."""
        return self._end(job_id, fence, JobStatus.CANCELLED, None, None)

    def request_cancel(
        self,
        job_id: str | None = None,
        run_id: RunId | None = None,
        phase: PhasePath | None = None,
        attempt: int | None = None,
        *,
        reason: str | None = None,
    ) -> int:
        """Cancel queued jobs and ask running ones to stop; the number of jobs affected. Name a job or a run.

        ``reason``: the user's reason; None where the attempt is over, so that there is nothing to report.
        """
        if job_id is None and run_id is None:
            raise ValueError("name a job or a run")
        named = ((JOB.c.id, job_id), (JOB.c.run_id, run_id), (JOB.c.phase, phase), (JOB.c.attempt, attempt))
        those = equal_where_given(named)
        if self.shared.locks_rows:  # else one could go from waiting to running, or back, between the two statements
            self._connection.execute(_OPEN_LOCKED.where(*those))
        # A waiting job ends here; of one that runs only its worker knows when the work has stopped.
        waiting = update(JOB).where(*those, JOB.c.status == JobStatus.QUEUED)
        running = update(JOB).where(*those, JOB.c.status == JobStatus.RUNNING, ~JOB.c.cancel_requested)
        asked = {"cancel_requested": True, "cancel_reason": reason}
        ended = asked | {"status": JobStatus.CANCELLED, "finished_at": self._clock()}
        return self._run(waiting.values(ended)) + self._run(running.values(asked))

    def hold_unrepeatable(self, at: datetime) -> int:
        """Mark queued jobs that may not run twice as lost at ``at``: in a restored copy it is unknown whether they ran since."""
        return self._run(_HOLD, {"at": at})

    def running(self) -> list[JobRecord]:
        """Every claimed job."""
        return self.filter(statuses=(JobStatus.RUNNING,))

    def get(self, job_id: str, *, to_change: bool = False) -> JobRecord | None:
        """One job. ``to_change``: no other transaction changes it until the end of this one."""
        is_locked = to_change and self.shared.locks_rows
        return self._first(JobRecord, _BY_ID_LOCKED if is_locked else _BY_ID, {"id_": job_id})

    def filter(
        self,
        run_id: RunId | None = None,
        phase: PhasePath | None = None,
        attempt: int | None = None,
        statuses: Sequence[JobStatus] = (),
        limit: int = 1000,
        *,
        queues: Sequence[str] | None = None,
    ) -> list[JobRecord]:
        """Jobs of a run, phase or attempt, in some statuses, in some queues; newest first."""
        named = ((JOB.c.run_id, run_id), (JOB.c.phase, phase), (JOB.c.attempt, attempt))
        those = equal_where_given(named) + ([JOB.c.status.in_(statuses)] if statuses else [])
        query = _SELECT.where(*those, *(() if queues is None else (JOB.c.queue.in_(queues),)))
        return self._all(JobRecord, query.order_by(JOB.c.created_at.desc(), JOB.c.id.desc()).limit(limit))

    def _within(self, limits: ClaimLimits | None, queues: Sequence[str], now: datetime) -> dict[str, Any]:
        limits = limits or ClaimLimits()
        # Never an empty list: SQLAlchemy would make a subquery of it, which SQLite runs for each row.
        full_queues = [*self._queues.full(limits, queues, now)] or [""]
        full_keys = [*self._queues.full_keys(limits, now)] or [""]
        kinds = {"kinds": [*(limits.kinds or [""])], "any_kind": limits.kinds is None}
        return {"queues": list(queues), "now": now, "full_queues": full_queues, "full_keys": full_keys, **kinds}

    def _end(
        self, job_id: str, fence: int, status: JobStatus, result: dict[str, Any] | None, error: str | None
    ) -> bool:
        values = {"status": status, "result": result, "error": error, "finished_at": self._clock()}
        return self._claim_ends(job_id, fence, values)

    def _claim_ends(self, job_id: str, fence: int, values: dict[str, Any]) -> bool:
        """End a claim. Its model calls in flight are marked lost."""
        free = {"lease_owner": None, "lease_until": None, "result": None}  # what it showed meanwhile is over
        is_ours = self._run(_HELD_STEP, {"id_": job_id, "fence_": fence, **free, **values}) == 1
        if is_ours:
            self._run(LOSE_CALLS, {"job": job_id})
        return is_ours
