"""The log over all runs in the order of its commits, and event times over many runs, read without building states.

The position is SQLite's row number: there is one writer at a time, so no event appears before a position that was read. VACUUM
may number the rows anew; a position from before is then wrong, and a reader whose position is past the end starts over. On
PostgreSQL an event may appear a little before such a position, where its transaction is committed late.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, desc, literal_column, null, or_, select, text

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.core.units import words
from wfe_mcp.store.enums import EACH_RUN, RARE_TYPES
from wfe_mcp.store.layout.tables import EVENT, RUN
from wfe_mcp.store.records.runs import UNREADABLE, EventRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, columns_for, equal_where_given
from wfe_mcp.store.runs.events import event_record
from wfe_mcp.store.runs.runs import RunRepository

_SILENT = words(
    """
    RunStarted WhenAnswered LocksNamed NextJudged RecordsKept DecisionSigned CheckpointTaken AutoSwitched LoopOpened
    LoopFinished ItemClosed RollbackBegan RollbackAbandoned OperationIntended OperationCalled OperationObserved
    CredentialGiven
    """
)
_BARE = ("RunPaused", "RunResumed", "RunBlocked", "RunReopened", "RunCompleted", "RunCancelled", "RunFailed")


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """The fields of an event that durations need. ``at``: aware UTC."""

    type: str
    at: datetime
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run's events in order. ``at``: when it was started; ``last_at``: of the event that ``until`` named."""

    run: RunId
    at: datetime
    template: str
    spec: RunSpec
    events: tuple[TimedEvent, ...]
    last_at: datetime | None = None


class WhichRuns(TypedDict, total=False):
    """Runs of a project, of a template, started at or after ``since`` and before ``until``, or one run.

    What is None or absent asks for nothing.
    """

    project_id: str | None
    template: str | None
    since: datetime | None
    until: datetime | None
    run_id: RunId | None


_HAPPENED = (
    select(EVENT.c.run_id, EVENT.c.type, EVENT.c.at, case((EVENT.c.type.in_(_BARE), null()), else_=EVENT.c.payload))
    .where(EVENT.c.run_id.in_(bindparam("runs", expanding=True)), EVENT.c.type.not_in(_SILENT))
    .order_by(EVENT.c.run_id, EVENT.c.seq)
)

_AT = select(EVENT.c.at).where(EVENT.c.run_id == bindparam("run"), EVENT.c.seq == bindparam("seq"))
_BEGUN = select(RUN.c.id, RUN.c.created_at, RUN.c.template, RUN.c.spec_sha256).order_by(RUN.c.created_at, RUN.c.id)


class TimelineRepository(Repository):
    """Times over runs."""

    _runs = RepositoryPart(RunRepository)

    def filter(self, **which: Unpack[WhichRuns]) -> Iterator[Timeline]:
        """These runs, the first to begin first."""
        after: Timeline | None = None
        while page := self.page(after, **which):
            yield from page
            after = page[-1]

    def page(self, after: Timeline | None, *, limit: int = 200, **which: Unpack[WhichRuns]) -> list[Timeline]:
        """The next of these runs, the first to begin first; empty behind the last one."""
        chosen = chosen_runs(**which)
        if after is not None:
            later = or_(RUN.c.created_at > after.at, and_(RUN.c.created_at == after.at, RUN.c.id > after.run))
            chosen += [RUN.c.created_at >= after.at, later]
        rows = self._connection.execute(_BEGUN.where(*chosen).limit(limit)).all()
        return self._lines(rows, self._connection.execute(_HAPPENED, {"runs": [row.id for row in rows]}).all())

    def of_runs(self, runs: Sequence[RunId], damaged: dict[RunId, Refused]) -> list[Timeline]:
        """Those of these runs that are still there, the first to begin first; ``damaged`` gets those that cannot be read."""
        try:
            rows = self._connection.execute(_BEGUN.where(RUN.c.id.in_(runs))).all()
            return self._lines(rows, self._connection.execute(_HAPPENED, {"runs": [*runs]}).all())
        except (Refused, *UNREADABLE) as fault:
            if len(runs) > 1:
                return [line for run in runs for line in self.of_runs([run], damaged)]
            damaged[runs[0]] = self._runs.damage_of(runs[0], fault)
            return []

    def until(self, run: RunId, seq: int) -> Timeline | None:
        """A run up to an event; None where it is gone."""
        rows = self._connection.execute(_BEGUN.where(RUN.c.id == run)).all()
        events = self._connection.execute(_HAPPENED.where(EVENT.c.seq <= seq), {"runs": [run]}).all()
        last_at = self._connection.execute(_AT, {"run": run, "seq": seq}).scalar()
        return next((replace(line, last_at=last_at) for line in self._lines(rows, events)), None)

    def _lines(self, runs: Sequence[Any], events: Iterable[Any]) -> list[Timeline]:
        of_run = {
            run: tuple(TimedEvent(type_, at, json.loads(text) if text else {}) for _, type_, at, text in rows)
            for run, rows in groupby(events, key=lambda row: row[0])
        }
        return [
            Timeline(row.id, row.created_at, row.template, self._runs.spec(row.spec_sha256), of_run.get(row.id, ()))
            for row in runs
        ]


def chosen_runs(
    project_id: str | None = None,
    template: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    run_id: RunId | None = None,
) -> list[ColumnElement[bool]]:
    """The conditions of these runs."""
    named = ((RUN.c.project_id, project_id), (RUN.c.template, template), (RUN.c.id, run_id))
    conditions = equal_where_given(named) if since is None else [*equal_where_given(named), RUN.c.created_at >= since]
    return conditions if until is None else [*conditions, RUN.c.created_at < until]


_POSITION = literal_column("event.rowid", Integer)
_ROWS = (
    select(_POSITION, EVENT.c.run_id, RUN.c.project_id, RUN.c.title, *columns_for(EventRecord, EVENT))
    .join(RUN, RUN.c.id == EVENT.c.run_id)
    .where(or_(bindparam("project") == "", RUN.c.project_id == bindparam("project")))
    .limit(bindparam("limit"))
)
_AFTER = _ROWS.where(bindparam("after") < _POSITION).order_by(_POSITION)
_BEFORE = _ROWS.where(bindparam("before") > _POSITION).order_by(desc(_POSITION))
_NEWS = (
    _ROWS.where(EVENT.c.run_id.in_(select(RUN.c.id).where(RUN.c.updated_at >= bindparam("at"))))
    .where(EVENT.c.at > bindparam("at"), EVENT.c.type.not_in(_SILENT[1:]))
    .order_by(desc(_POSITION))
)
_LAST = select(_POSITION).select_from(EVENT).order_by(desc(_POSITION)).limit(1)


@dataclass(frozen=True, slots=True)
class Activity:
    """One event of one run, and its position in the log over all runs."""

    position: int
    run: RunId
    project_id: str
    title: str
    event: EventRecord


class ActivityRepository(Repository):
    """The log over all runs. ``project``: only its events; empty: those of every project."""

    def last_position(self) -> int:
        """The position of the newest event; 0 without one."""
        return int(self._connection.execute(_LAST).scalar() or 0)

    def after(self, position: int, *, project: str = "", limit: int = 500) -> list[Activity]:
        """The events after a position, oldest first."""
        return self._all(_activity, _AFTER, {"after": position, "project": project, "limit": limit})

    def before(
        self,
        position: int,
        *,
        project: str = "",
        among: Collection[str] | None = None,
        run: str = "",
        type_: str = "",
        actor: str = "",
        limit: int = 100,
    ) -> list[Activity]:
        """The events before a position, newest first; of one run, type or actor where it is named; ``among``: of these projects."""
        wanted = ((EVENT.c.run_id, run or None), (EVENT.c.type, type_ or None), (EVENT.c.actor, actor or None))
        query = _BEFORE.where(*equal_where_given(wanted))
        if among is not None:
            query = query.where(RUN.c.project_id.in_(among))
        if type_ and type_ not in EACH_RUN:
            query = query.where(text(f"event.{RARE_TYPES}"))
        return self._all(_activity, query, {"before": position, "project": project, "limit": limit})

    def news(self, at: datetime, *, project: str, limit: int = 500) -> list[Activity]:
        """What happened after ``at``, newest first, without what the engine notes for itself."""
        return self._all(_activity, _NEWS, {"at": at, "project": project, "limit": limit})


def _activity(position: int, run: RunId, project: str, title: str, *event: Any) -> Activity:
    return Activity(position, run, project, title, event_record(*event))
