"""Figures over all projects: open runs, waiting requests, jobs, starts of runs. For metrics and for limits.

Rules:
1. Each query reads what is open, or one range of an index: never all runs, so that it may be asked every few seconds.
2. The first event of a run says who started it: the name of a token (channel ``http``), or of a person or a client.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, func, literal_column, or_, select

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Channel, RunId, RunStatus
from wfe_mcp.store.enums import JobStatus, RequestStatus
from wfe_mcp.store.jobs.model_calls import MADE_HERE, TOTALS
from wfe_mcp.store.layout.tables import EVENT, JOB, MODEL_CALL, PROJECT, REQUEST, RUN
from wfe_mcp.store.records.calls import UsageRecord
from wfe_mcp.store.repository import OURS, Repository, equal_where_given

_OPEN = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.FAILED)
_IS_OPEN = and_(RUN.c.status.in_(_OPEN), RUN.c.archived_at.is_(None), OURS)
_COUNT = func.count(RUN.c.id)
_OPEN_RUNS = select(
    PROJECT.c.id, select(_COUNT).where(RUN.c.project_id == PROJECT.c.id, _IS_OPEN).correlate(PROJECT).scalar_subquery()
)
_WAITING = (
    select(RUN.c.project_id, func.count(REQUEST.c.id))
    .join(RUN, RUN.c.id == REQUEST.c.run_id)
    .where(REQUEST.c.status == RequestStatus.OPEN, OURS)
    .group_by(RUN.c.project_id)
)
_JOBS = (
    select(JOB.c.queue, JOB.c.kind, JOB.c.status, func.count(JOB.c.id), func.min(JOB.c.run_at))
    .where(
        JOB.c.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)),
        or_(JOB.c.status == JobStatus.RUNNING, JOB.c.run_at <= bindparam("now")),
    )
    .group_by(JOB.c.queue, JOB.c.kind, JOB.c.status)
)
_EVENTS = select(func.max(literal_column("event.rowid", Integer))).select_from(EVENT)
_NEWEST = select(EVENT.c.at).order_by(literal_column("event.rowid", Integer).desc()).limit(1)
_FIRST_EVENT = RUN.join(EVENT, and_(EVENT.c.run_id == RUN.c.id, EVENT.c.seq == 1))

_STARTER = select(EVENT.c.actor, EVENT.c.channel).where(EVENT.c.run_id == bindparam("run_"), EVENT.c.seq == 1)


@dataclass(frozen=True, slots=True)
class JobFigure:
    """The jobs of one queue of a project, of one kind, in one status. ``oldest``: when the first of them became due."""

    queue: str
    kind: str
    status: JobStatus
    number: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Starter:
    """Who starts runs: these names, as tokens (channel ``http``) or as people and clients (any other channel)."""

    names: tuple[str, ...]
    are_tokens: bool = True


class FigureRepository(Repository):
    """Figures over all projects."""

    def open_runs(self) -> dict[str, int]:
        """Project → its open runs."""
        return {str(project): int(number) for project, number in self._connection.execute(_OPEN_RUNS)}

    def waiting(self) -> dict[str, int]:
        """Project → its open requests for a decision."""
        return {str(project): int(number) for project, number in self._connection.execute(_WAITING)}

    def jobs(self, now: datetime) -> list[JobFigure]:
        """The running and the due jobs."""
        return self._all(JobFigure, _JOBS, {"now": now})

    def events(self) -> int:
        """How many events were ever appended: those of removed runs too."""
        return int(self._connection.execute(_EVENTS).scalar() or 0)

    def starter(self, run_id: RunId) -> tuple[str, Channel] | None:
        """Who started a run, and by which channel."""
        row = self._connection.execute(_STARTER, {"run_": run_id}).first()
        return None if row is None else (str(row[0]), row[1])

    def newest(self) -> datetime | None:
        """When the newest event of all runs was appended."""
        return self._connection.execute(_NEWEST).scalar()

    def starts_since(
        self, since: datetime, *, project_id: str | None = None, starters: Collection[Starter] = ()
    ) -> list[datetime]:
        """When the runs began that were started after ``since``, oldest first. ``starters``: by these only."""
        query = select(RUN.c.created_at).where(RUN.c.created_at > since, OURS).order_by(RUN.c.created_at)
        return list(self._connection.execute(_narrow(query, project_id, starters)).scalars())

    def number_open(self, *, project_id: str | None = None, starters: Collection[Starter] = ()) -> int:
        """How many runs are open."""
        if project_id is None and not starters:
            return sum(self.open_runs().values())
        return int(self._connection.execute(_narrow(select(_COUNT).where(_IS_OPEN), project_id, starters)).scalar_one())

    def usage(
        self, since: datetime, *, project_id: str | None = None, starters: Collection[Starter] = ()
    ) -> UsageRecord:
        """What the calls to models used that began at or after ``since``. ``starters``: in runs that these started."""
        query = select(*TOTALS).where(
            *equal_where_given([(MODEL_CALL.c.project_id, project_id)]), MODEL_CALL.c.started_at >= since
        )
        if starters:
            query = query.join(EVENT, and_(EVENT.c.run_id == MODEL_CALL.c.run_id, EVENT.c.seq == 1))
            query = query.where(_is_one_of(starters))
        return UsageRecord(*self._connection.execute(query.where(MADE_HERE)).one())


def _narrow(query: Any, project_id: str | None, starters: Collection[Starter]) -> Any:
    query = query if project_id is None else query.where(RUN.c.project_id == project_id)
    return query.select_from(_FIRST_EVENT).where(_is_one_of(starters)) if starters else query


def _is_one_of(starters: Collection[Starter]) -> ColumnElement[bool]:
    by_token = EVENT.c.channel == Channel.HTTP
    return or_(
        *(and_(EVENT.c.actor.in_(starter.names), by_token if starter.are_tokens else ~by_token) for starter in starters)
    )
