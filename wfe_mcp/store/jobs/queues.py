"""Queue limits and a job's position in its queue.

Rules:
1. Limits are checked in the transaction that claims: under the write lock, two processes cannot take the last place.
2. A running job counts until its claim has ended, even when its process is dead: rather too few than too many.
3. A queue's rate counts claims; a provider's rate counts calls to its models.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, func, or_, select

from wfe_mcp.store.layout.tables import JOB, MODEL_CALL
from wfe_mcp.store.records.calls import CallStatus
from wfe_mcp.store.records.jobs import TREE_KEYS, ClaimLimits, JobRecord, JobStatus, Limit, QueueRecord, provider_key
from wfe_mcp.store.repository import Repository

_MINUTE = timedelta(minutes=1)
_AVERAGED = 50

_COUNT = select(func.count(JOB.c.id))
_RUNNING = _COUNT.where(JOB.c.status == JobStatus.RUNNING)
_RUNNING_IN = _RUNNING.where(JOB.c.queue == bindparam("queue_"))
_RUNNING_FOR = _RUNNING.where(JOB.c.limit_key == bindparam("key"))
_TREES_IN_USE = select(JOB.c.limit_key).where(
    JOB.c.status == JobStatus.RUNNING, JOB.c.limit_key.startswith(TREE_KEYS, autoescape=True)
)
_BEGUN_IN = _COUNT.where(JOB.c.queue == bindparam("queue_"), JOB.c.started_at > bindparam("since"))
_CALLS_OF = select(func.count(MODEL_CALL.c.id)).where(
    MODEL_CALL.c.provider == bindparam("provider_"), MODEL_CALL.c.started_at > bindparam("since")
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
    .where(JOB.c.queue == bindparam("queue_"), JOB.c.status == JobStatus.DONE)
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
        return {queue for queue in queues if queue in limits.queues and self._is_full(queue, limits.queues[queue], now)}

    def full_keys(self, limits: ClaimLimits, now: datetime) -> set[str]:
        """The limit keys of providers that may get no more work now, and of folders in which a job is working."""
        busy = {provider_key(name) for name, limit in limits.providers.items() if self._is_busy(name, limit, now)}
        return busy | {str(row[0]) for row in self._connection.execute(_TREES_IN_USE)}

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
        if limit.concurrency is not None:
            running = self._connection.execute(_RUNNING_IN, {"queue_": queue}).scalar_one()
            if running >= limit.concurrency:
                return True
        if limit.per_minute is None:
            return False
        begun = self._connection.execute(_BEGUN_IN, {"queue_": queue, "since": now - _MINUTE}).scalar_one()
        return bool(begun >= limit.per_minute)

    def _is_busy(self, provider: str, limit: Limit, now: datetime) -> bool:
        if limit.concurrency is not None:
            running = self._connection.execute(_RUNNING_FOR, {"key": provider_key(provider)}).scalar_one()
            calling = self._connection.execute(_IN_FLIGHT_OF, {"provider_": provider}).scalar_one()
            if max(running, calling) >= limit.concurrency:
                return True
        if limit.per_minute is None:
            return False
        calls = self._connection.execute(_CALLS_OF, {"provider_": provider, "since": now - _MINUTE}).scalar_one()
        return bool(calls >= limit.per_minute)


def _average(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
