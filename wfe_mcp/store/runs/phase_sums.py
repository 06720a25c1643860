"""Sums over ended runs for statistics, and which runs they have (``run.counted``).

Rules:
1. A run is within as far as event ``counted``, or not at all. Only ``mark`` says so, in the transaction that adds its part.
2. What an uncounted run adds is known from its log alone: no other writer has to keep the sums.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple, Unpack

from sqlalchemy import ColumnElement, bindparam, case, delete, func, literal_column, or_, select, text, update

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.store.enums import ALL_DAYS, UNCOUNTED
from wfe_mcp.store.layout.tables import PHASE_SUM, RUN
from wfe_mcp.store.repository import Repository, equal_where_given, without_index
from wfe_mcp.store.runs.timeline import WhichRuns, chosen_runs

NO_PHASE = ""
"""The ``phase`` of the rows that count runs, by the event that ended them (``spent``), on the day they ended."""

COUNTS = ("runs", "tasks", "attempts", "judged", "passed_first", "over", "passed", "forced")
_KEYS = ("day", "project_id", "template", "phase", "spent", "bucket_s")
_VALUES = (*COUNTS, "total_s")
_SUM = PHASE_SUM.c
# As a Boolean it would be compared with 1 on SQLite, and the index has no such condition.
_IS_UNCOUNTED: ColumnElement[Any] = literal_column(
    f"({re.sub('counted|last_seq', lambda name: f'run.{name[0]}', UNCOUNTED)})"
)
# In the order of its index: the open ones come last, as a rule.
_DUE = (
    select(RUN.c.id, RUN.c.project_id, RUN.c.counted, RUN.c.last_seq, RUN.c.ended_at)
    .where(_IS_UNCOUNTED, or_(RUN.c.ended_at.is_not(None), RUN.c.counted.is_not(None)))
    .order_by(RUN.c.project_id, RUN.c.created_at)
)
_MARK = (
    update(RUN)
    .where(
        RUN.c.id == bindparam("run_"),
        RUN.c.last_seq == bindparam("seq_"),
        func.coalesce(RUN.c.counted, 0) == bindparam("was_"),
    )
    .values(counted=bindparam("now_"))
)
_COMPLETED_AT = case((RUN.c.status == RunStatus.COMPLETED, RUN.c.ended_at))
_MOST_UNCOUNTED = 1_000
"""More than are open or not yet counted, as a rule."""
_SAME = [_SUM[name] == bindparam(f"of_{name}") for name in _KEYS]
_COLUMNS = (*_KEYS, "place", *_VALUES)
_ADD = text(
    f"INSERT INTO phase_sum ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "  # noqa: S608 - our names
    f"ON CONFLICT ({', '.join(_KEYS)}) DO UPDATE SET {', '.join(f'{name} = phase_sum.{name} + excluded.{name}' for name in _VALUES)}"
)
_EMPTY = delete(PHASE_SUM).where(*_SAME, _SUM.tasks == 0)
_NOTHING = delete(PHASE_SUM).where(_SUM.project_id == bindparam("project"))
_NOT_WITHIN = (
    update(RUN).where(RUN.c.project_id == bindparam("project"), RUN.c.counted.is_not(None)).values(counted=None)
)
_PLACE = func.min(_SUM.place)
_SUMS = [_SUM.template, _SUM.phase, _SUM.spent, _SUM.bucket_s, *(func.sum(_SUM[name]) for name in _VALUES)]


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run whose part of the sums is missing or of before: ``counted`` is its last event within, 0 for none."""

    id: RunId
    project_id: str
    counted: int
    last_seq: int
    has_ended: bool


@dataclass(frozen=True, slots=True)
class PhaseSumRow:
    """One row of the sums. ``spent`` empty: counts; else how many ``tasks`` spent ``bucket_s`` seconds, ``total_s`` in all."""

    template: str
    phase: str
    spent: str = ""
    bucket_s: float = 0.0
    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    judged: int = 0
    passed_first: int = 0
    over: int = 0
    passed: int = 0
    forced: int = 0
    total_s: float = 0.0


class UncountedRun(NamedTuple):
    """A run that the sums have up to event ``counted``, or not at all (0), and when it was completed, if it is."""

    id: RunId
    counted: int
    completed_at: datetime | None


class PhaseSumRepository(Repository):
    """The sums, and the runs that they lack."""

    def due(self, project_id: str | None, limit: int) -> list[DueRun]:
        """Some of the runs that are to be added, added again or taken out, of one project or of all."""
        rows = self._connection.execute(_DUE.where(*equal_where_given(((RUN.c.project_id, project_id),))).limit(limit))
        return [
            DueRun(row.id, row.project_id, row.counted or 0, row.last_seq, row.ended_at is not None) for row in rows
        ]

    def last_counted_event(self, run: RunId) -> int:
        """The last event of the run that the sums have; 0 for none."""
        return int(self._connection.execute(select(RUN.c.counted).where(RUN.c.id == run)).scalar() or 0)

    def within(self, project: str) -> list[tuple[RunId, int]]:
        """The runs of a project that the sums have, each with its last event there."""
        query = select(RUN.c.id, RUN.c.counted).where(RUN.c.project_id == project, RUN.c.counted.is_not(None))
        return [(row[0], int(row[1])) for row in self._connection.execute(query)]

    def mark(self, run: DueRun, counted: int | None) -> bool:
        """The sums have the run up to event ``counted`` now, or not at all. False when another process was first."""
        values = {"run_": run.id, "seq_": run.last_seq, "was_": run.counted, "now_": counted}
        return self._run(_MARK, values) == 1

    def add(self, project: str, day: str, places: dict[str, int], rows: Iterable[PhaseSumRow]) -> None:
        """Add rows to those of a project and a day (``ALL_DAYS``); negative ones take away. ``places``: of new phases."""
        self.alone("phase_sums")
        more, fewer = list[dict[str, object]](), list[dict[str, object]]()
        for row in rows:
            values = {name: getattr(row, name) for name in _VALUES}
            if not any(values.values()):
                continue  # a log went on, and its tasks are as before
            keys = dict(zip(_KEYS, (day, project, row.template, row.phase, row.spent, row.bucket_s), strict=True))
            more.append({**keys, **values, "place": places.get(row.phase, 0)})
            if row.tasks < 0:
                fewer.append({f"of_{name}": value for name, value in keys.items()})
        for statement, rows_of_sums in ((_ADD, more), (_EMPTY, fewer)):
            if rows_of_sums:
                self._run(statement, rows_of_sums)

    def clear(self, project: str) -> None:
        """Forget the sums of a project: they are added up again from the logs."""
        self.alone("phase_sums")
        self._run(_NOTHING, {"project": project})
        self._run(_NOT_WITHIN, {"project": project})

    def rows(
        self, project_id: str | None = None, template: str | None = None, begin: date | None = None
    ) -> list[PhaseSumRow]:
        """The sums of the runs that began on the day ``begin`` or later, or of all; a phase that comes first is first.

        Those without a phase are of runs, by the day on which they ended.
        """
        named = equal_where_given(((_SUM.project_id, project_id), (_SUM.template, template)))
        days = _SUM.day == ALL_DAYS if begin is None else _SUM.day >= begin.isoformat()
        query = select(*_SUMS).where(days, *named).group_by(_SUM.template, _SUM.phase, _SUM.spent, _SUM.bucket_s)
        query = query.order_by(_SUM.template, _SUM.spent, _PLACE, _SUM.phase)
        return [PhaseSumRow(*row) for row in self._connection.execute(query)]

    def uncounted_runs(
        self, project_id: str | None = None, template: str | None = None, since: datetime | None = None
    ) -> list[UncountedRun]:
        """These runs that the sums have not to their last event, the first to begin first."""
        # Only by the index of those: SQLite would take a larger one of the other columns, or for an order.
        which = [
            without_index(column) == value
            for column, value in ((RUN.c.project_id, project_id), (RUN.c.template, template))
            if value is not None
        ]
        which += [] if since is None else [without_index(RUN.c.created_at) >= since]
        # The time of the beginning as it is stored, which is in order too, and can always be read.
        columns = (text("run.created_at"), RUN.c.id, RUN.c.counted, _COMPLETED_AT)
        query = select(*columns).where(_IS_UNCOUNTED, *which)
        # PostgreSQL takes the condition for one that nearly all runs meet: it uses the index for the first ones in its order.
        first = query.order_by(RUN.c.project_id, RUN.c.created_at).limit(_MOST_UNCOUNTED)
        rows = self._connection.execute(first).all()
        if len(rows) == _MOST_UNCOUNTED:
            rows = self._connection.execute(query).all()
        rows = sorted(rows, key=lambda row: row[:2])
        return [UncountedRun(run_id, counted or 0, completed_at) for _, run_id, counted, completed_at in rows]

    def count_ended(self, project_id: str | None, begin: date | None = None, how: str | None = None) -> int:
        """How many runs that the sums have ended on the day ``begin`` or later, or ever; ``how``: by this event."""
        days = _SUM.day == ALL_DAYS if begin is None else _SUM.day >= begin.isoformat()
        named = equal_where_given(((_SUM.project_id, project_id), (_SUM.spent, how)))
        query = select(func.coalesce(func.sum(_SUM.tasks), 0)).where(days, _SUM.phase == NO_PHASE, *named)
        return int(self._connection.execute(query).scalar_one())

    def runs_begun(self, **which: Unpack[WhichRuns]) -> list[RunId]:
        """All of these runs, the first to begin first."""
        query = select(RUN.c.id).where(*chosen_runs(**which)).order_by(RUN.c.created_at, RUN.c.id)
        return [row[0] for row in self._connection.execute(query)]
