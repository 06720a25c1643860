"""Sums over ended runs for statistics, and which runs they have (``run.counted``).

Rules:
1. A run is within as far as event ``counted``, or not at all. Only ``mark`` says so, in the transaction that adds its part.
2. What an uncounted run adds is known from its log alone: no other writer has to keep the sums.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Unpack

from sqlalchemy import Boolean, bindparam, delete, func, insert, literal_column, or_, select, update

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.store.enums import UNCOUNTED
from wfe_mcp.store.layout.tables import PHASE_SUM, RUN
from wfe_mcp.store.repository import Repository, given
from wfe_mcp.store.runs.timeline import WhichRuns, chosen_runs

ALL_DAYS = ""
"""The ``day`` of the rows over all days."""

COUNTS = ("runs", "tasks", "attempts", "judged", "passed_first", "over", "passed", "forced")
_KEYS = ("day", "project_id", "template", "phase", "spent", "bucket_s")
_VALUES = (*COUNTS, "total_s")
_SUM = PHASE_SUM.c
_IS_UNCOUNTED = literal_column(f"({re.sub('counted|last_seq', lambda name: f'run.{name[0]}', UNCOUNTED)})", Boolean)
# In the order of its index: the open ones come last, as a rule.
_DUE = (
    select(RUN.c.id, RUN.c.project_id, RUN.c.counted, RUN.c.last_seq, RUN.c.ended_at)
    .where(_IS_UNCOUNTED, or_(RUN.c.ended_at.is_not(None), RUN.c.counted.is_not(None)))
    .order_by(RUN.c.project_id, RUN.c.created_at)
    .limit(bindparam("limit"))
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
_SAME = [_SUM[name] == bindparam(f"of_{name}") for name in _KEYS]
_ADD = update(PHASE_SUM).where(*_SAME).values({name: _SUM[name] + bindparam(f"more_{name}") for name in _VALUES})
_NEW = insert(PHASE_SUM)
_EMPTY = delete(PHASE_SUM).where(*_SAME, _SUM.tasks == 0)
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


class PhaseSumRepository(Repository):
    """The sums, and the runs that they lack."""

    def due(self, limit: int) -> list[DueRun]:
        """Some of the runs that are to be added, added again or taken out, of all projects."""
        rows = self._connection.execute(_DUE, {"limit": limit})
        return [
            DueRun(row.id, row.project_id, row.counted or 0, row.last_seq, row.ended_at is not None) for row in rows
        ]

    def counted(self, run: RunId) -> int:
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
        for row in rows:
            keys = dict(zip(_KEYS, (day, project, row.template, row.phase, row.spent, row.bucket_s), strict=True))
            of = {f"of_{name}": value for name, value in keys.items()}
            more = {name: getattr(row, name) for name in _VALUES}
            if not any(more.values()):
                continue  # a log went on, and its tasks are as before
            # Without "on conflict", which each database words in its own way: rows are few.
            if self._run(_ADD, of | {f"more_{name}": value for name, value in more.items()}):
                if row.tasks < 0:
                    self._run(_EMPTY, of)
            elif row.tasks > 0:
                self._run(_NEW, keys | more | {"place": places.get(row.phase, 0)})

    def rows(
        self, project_id: str | None = None, template: str | None = None, after: date | None = None
    ) -> list[PhaseSumRow]:
        """The sums of the runs that began on a day after ``after``, or of all; a phase that comes first is first."""
        named = given(((_SUM.project_id, project_id), (_SUM.template, template)))
        days = _SUM.day == ALL_DAYS if after is None else _SUM.day > after.isoformat()
        query = select(*_SUMS).where(days, *named).group_by(_SUM.template, _SUM.phase, _SUM.spent, _SUM.bucket_s)
        query = query.order_by(_SUM.template, _SUM.spent, _PLACE, _SUM.phase)
        return [PhaseSumRow(*row) for row in self._connection.execute(query)]

    def uncounted(self, **which: Unpack[WhichRuns]) -> list[RunId]:
        """These runs that the sums do not have, the first to begin first."""
        query = select(RUN.c.id).where(_IS_UNCOUNTED, *chosen_runs(**which)).order_by(RUN.c.created_at, RUN.c.id)
        return [row[0] for row in self._connection.execute(query)]

    def begun(self, **which: Unpack[WhichRuns]) -> list[RunId]:
        """All of these runs, the first to begin first."""
        query = select(RUN.c.id).where(*chosen_runs(**which)).order_by(RUN.c.created_at, RUN.c.id)
        return [row[0] for row in self._connection.execute(query)]
