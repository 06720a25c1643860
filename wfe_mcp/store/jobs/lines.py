"""Jobs that run one after another: a job of a line waits until no earlier one of it is left.

    first of the line     due at once, or at its retry
    those behind it       due at ``BEHIND``, which never comes; ``advance`` makes the next one due

Rules:
1. A line is the ``dedupe_key`` of its jobs up to the last colon; what follows is a number that only rises.
2. Whatever ends a job of a line calls ``advance`` in the same transaction. A retry does not: the line keeps its order.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, desc, exists, or_, select, update

from wfe_mcp.store.jobs.jobs import JobRepository
from wfe_mcp.store.layout.tables import JOB
from wfe_mcp.store.records.jobs import BEHIND, JobRecord, JobStatus, NewJob
from wfe_mcp.store.repository import Repository, RepositoryPart, columns_for

_DIGITS = 9

_IN_LINE = (JOB.c.dedupe_key >= bindparam("from_"), JOB.c.dedupe_key < bindparam("to_"))
_LAST = select(JOB.c.dedupe_key).where(*_IN_LINE).order_by(desc(JOB.c.dedupe_key)).limit(1)
_IS_AHEAD = (JOB.c.status == JobStatus.RUNNING) | ((JOB.c.status == JobStatus.QUEUED) & (JOB.c.run_at < BEHIND))
_AHEAD = select(exists().where(*_IN_LINE, _IS_AHEAD))
_WAITING = (
    select(JOB.c.id)
    .where(*_IN_LINE, JOB.c.status == JobStatus.QUEUED)
    .order_by(JOB.c.dedupe_key)
    .limit(1)
    .scalar_subquery()
)
_ADVANCE = update(JOB).where(JOB.c.id == _WAITING).values(run_at=bindparam("now"))

_HURRY = (
    update(JOB)
    .where(JOB.c.id == bindparam("id_"), JOB.c.status == JobStatus.QUEUED, JOB.c.run_at < BEHIND)
    .values(run_at=bindparam("now"))
)
_REPEAT = (
    update(JOB)
    .where(JOB.c.id == bindparam("id_"), JOB.c.status == JobStatus.DONE)
    .values(status=JobStatus.QUEUED, run_at=bindparam("at"), tries=0, result=None, finished_at=None)
)
_AHEAD_OF_NOW = timedelta(minutes=5)
"""A writer of a time that is later than now by more had a clock that was ahead."""
_OF_THE_FUTURE = or_(
    JOB.c.created_at > bindparam("later"),
    and_(JOB.c.queue.in_(bindparam("queues", expanding=True)), JOB.c.started_at > bindparam("later")),
)
_PUT_OFF = select(*columns_for(JobRecord, JOB)).where(
    _OF_THE_FUTURE, JOB.c.status == JobStatus.QUEUED, JOB.c.run_at < BEHIND
)
_LEFT = select(*columns_for(JobRecord, JOB)).where(
    JOB.c.status == JobStatus.QUEUED,
    JOB.c.result.is_not(None),  # only these have one while they wait
    JOB.c.queue.in_(bindparam("queues", expanding=True)),
    JOB.c.run_at > bindparam("now"),
)
_BRING_FORWARD = (
    update(JOB)
    .where(JOB.c.id == bindparam("id_"), JOB.c.status == JobStatus.QUEUED, JOB.c.run_at == bindparam("run_at_"))
    .values(run_at=bindparam("at"), created_at=bindparam("created"), started_at=bindparam("started"))
)


class LineRepository(Repository):
    """Lines of jobs."""

    _jobs = RepositoryPart(JobRepository)

    def enqueue(self, new: NewJob, line: str) -> str:
        """Queue a job at the end of ``line``; its id."""
        self.alone("line", line)
        last = self._connection.execute(_LAST, _within(line)).scalar()
        number = 1 if last is None else int(str(last).rpartition(":")[2]) + 1
        run_at = BEHIND if self._is_busy(line) else new.run_at
        return self._jobs.enqueue(replace(new, dedupe_key=f"{line}:{number:0{_DIGITS}}", run_at=run_at))

    def advance(self, job: JobRecord) -> None:
        """``job`` has ended: the next of its line is due now."""
        line = line_of(job)
        self.alone("line", line)
        # The job may have ended out of turn, cancelled while it waited: then another one is still ahead.
        if not self._is_busy(line):
            self._run(_ADVANCE, {**_within(line), "now": self._clock()})

    def hurry(self, job: JobRecord) -> None:
        """Try ``job`` now, where it waits for its next try; one behind another waits for that."""
        self._run(_HURRY, {"id_": job.id, "now": self._clock()})

    def repeat(self, job_id: str, at: datetime) -> None:
        """Do a job that is done once more at ``at``: what looks again and again, such as for a lock, is one row."""
        self._run(_REPEAT, {"id_": job_id, "at": at})

    def put_off(self, queues: Collection[str], now: datetime) -> list[JobRecord]:
        """The jobs that wait for a time of a clock that was ahead: they were queued, or tried in ``queues``, after ``now``."""
        return self._all(JobRecord, _PUT_OFF, {"queues": list(queues), "later": now + _AHEAD_OF_NOW})

    def left_by_older(self, queues: Collection[str], now: datetime) -> list[JobRecord]:
        """The jobs of ``queues`` that an older version could not do, and that wait."""
        return self._all(JobRecord, _LEFT, {"queues": list(queues), "now": now})

    def bring_forward(self, job: JobRecord, now: datetime) -> bool:
        """Let a job that was put off wait from now on, for as long as it should. False when it does not wait any more."""
        since = max(job.created_at, job.started_at or job.created_at)
        times = {"created": min(job.created_at, now), "started": job.started_at and min(job.started_at, now)}
        waits = max(job.run_at - since, timedelta())
        return self._run(_BRING_FORWARD, {"id_": job.id, "run_at_": job.run_at, "at": now + waits, **times}) == 1

    def _is_busy(self, line: str) -> bool:
        return bool(self._connection.execute(_AHEAD, _within(line)).scalar())


def line_of(job: JobRecord) -> str:
    """The line of a job."""
    return (job.dedupe_key or "").rpartition(":")[0]


def number_in_line(job: JobRecord) -> int:
    """Its number in the line, from 1."""
    return int((job.dedupe_key or "").rpartition(":")[2])


def _within(line: str) -> dict[str, str]:
    return {"from_": f"{line}:", "to_": f"{line};"}  # the character after the colon
