"""Lists of runs with paging, and the open runs of a project.

Newest first, by (created_at, id). A cursor names the last run shown, so that new runs do not shift the next page.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError

from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.core.model import AttemptStatus, RunId, RunStatus
from wfe_mcp.store.driver import HEAD
from wfe_mcp.store.layout.tables import ATTEMPT, PROJECT, PRUNED_RUN, RUN
from wfe_mcp.store.records.runs import RunPage, RunRecord
from wfe_mcp.store.repository import OURS, Repository, columns_for, equal_where_given, without_index

OPEN_RUNS = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
"""The statuses in which a run can still change by itself or by a decision."""

_ALL = -1
_NEWEST = (sa.desc(RUN.c.created_at), sa.desc(RUN.c.id))
_SELECT = sa.select(*columns_for(RunRecord, RUN))
_ONE = _SELECT.where(RUN.c.id == sa.bindparam("id_"))
_OPEN = (
    # The time as it is stored, which is in order too, and can always be read.
    sa.select(RUN.c.id, sa.text("run.created_at"))
    .where(
        RUN.c.project_id == sa.bindparam("project_id"),
        RUN.c.status == sa.bindparam("status_"),
        RUN.c.archived_at.is_(None),
        OURS,
    )
    .order_by(*_NEWEST)
    .limit(sa.bindparam("limit_"))
)
_ARE_OPEN = (
    RUN.c.project_id == sa.bindparam("project_id"),
    RUN.c.status.in_(OPEN_RUNS),
    RUN.c.archived_at.is_(None),
    OURS,
)
_OPEN_TAILS = sa.select(RUN.c.id, RUN.c.last_seq, RUN.c.last_hash).where(*_ARE_OPEN)
_ENDED_TAILS = (
    sa.select(RUN.c.id, RUN.c.created_at, RUN.c.last_seq, RUN.c.last_hash)
    .where(RUN.c.project_id == sa.bindparam("project_id"), RUN.c.ended_at.is_not(None), OURS)
    .order_by(RUN.c.ended_at.desc(), RUN.c.id.desc())
    .limit(sa.bindparam("most"))
)
_OPEN_TAILS_OF = _OPEN_TAILS.where(RUN.c.id.in_(sa.bindparam("runs", expanding=True)))
_MAY_HAVE_LOST = (
    sa.select(RUN.c.id)
    .where(
        *_ARE_OPEN,
        sa.or_(
            RUN.c.going_back.is_not(None),
            sa.exists().where(
                ATTEMPT.c.run_id == RUN.c.id,
                sa.or_(
                    ATTEMPT.c.status == AttemptStatus.GATING,
                    sa.and_(ATTEMPT.c.status == AttemptStatus.RUNNING, ATTEMPT.c.lease_until.is_(None)),
                    sa.and_(ATTEMPT.c.status == AttemptStatus.FAILED, ATTEMPT.c.repair.is_not(None)),
                    sa.and_(
                        ATTEMPT.c.status.not_in((AttemptStatus.COMPLETED, AttemptStatus.SUPERSEDED)),
                        ATTEMPT.c.not_before <= sa.bindparam("now"),
                    ),
                ),
            ),
        ),
    )
    # Sorted without an index: for the index in this order SQLite would read every run of the project.
    .order_by(sa.desc(without_index(RUN.c.created_at)), sa.desc(RUN.c.id))
)
_STATUSES = sorted(RunStatus)


def _literal(status: RunStatus) -> sa.ColumnElement[str]:
    """A status in the text of a statement: as parameters they take longer than the query."""
    return sa.literal_column(f"'{status}'")


_OF_NO_STATUS = sa.union_all(  # as NOT IN, or with OR, it would read every run of the project
    *(
        sa.select(RUN.c.id).where(RUN.c.project_id == sa.bindparam("project_id"), between)
        for between in (
            RUN.c.status < _literal(_STATUSES[0]),
            *(
                sa.and_(RUN.c.status > _literal(low), RUN.c.status < _literal(high))
                for low, high in pairwise(_STATUSES)
            ),
            RUN.c.status > _literal(_STATUSES[-1]),
        )
    )
)
_REACHED = (
    sa.select(RUN.c.reached)
    .where(RUN.c.project_id == sa.bindparam("project_id"), RUN.c.reached.is_not(None))
    .distinct()
)
_STATE = sa.case((sa.func.json_valid(RUN.c.state) == 1, RUN.c.state), else_="{}")
_GATE = sa.func.json_each(_STATE, "$.gates").table_valued("value")
_WEAKENED = (
    sa.select(RUN.c.id, sa.func.count().label("gates"))
    .join(_GATE, sa.func.json_extract(_GATE.c.value, "$.weakens").is_(True))
    .where(RUN.c.id.in_(sa.bindparam("runs", expanding=True)))
    .group_by(RUN.c.id)
)
_TITLES = sa.select(RUN.c.id, RUN.c.title).where(RUN.c.id.in_(sa.bindparam("runs", expanding=True)))
_PROJECTS = sa.select(PROJECT.c.id)
_VERSION = sa.text("SELECT version_num FROM alembic_version")
_LAST_NUMBER = sa.text("SELECT max(rowid) FROM run")
_NAMED = 5
_PREFIX = (
    _SELECT.where(
        # By the ids: by its project SQLite would read every run of it.
        without_index(RUN.c.project_id) == sa.bindparam("project_id"),
        RUN.c.id >= sa.bindparam("prefix"),
        RUN.c.id < sa.bindparam("end"),
    )
    .order_by(RUN.c.id)
    .limit(_NAMED + 1)
)
_PRUNED = (
    sa.select(PRUNED_RUN.c.run_id, PRUNED_RUN.c.at, PRUNED_RUN.c.actor)
    .where(
        PRUNED_RUN.c.project_id == sa.bindparam("project_id"),
        PRUNED_RUN.c.run_id >= sa.bindparam("prefix"),
        PRUNED_RUN.c.run_id < sa.bindparam("end"),
    )
    .limit(1)
)


class RunListRepository(Repository):
    """Lists of runs."""

    def page(
        self,
        project_id: str | None = None,
        template: str | None = None,
        status: Sequence[RunStatus] | None = None,
        since: datetime | None = None,
        limit: int = 20,
        cursor: str | None = None,
        *,
        untouched_since: datetime | None = None,
        ended: tuple[datetime | None, datetime | None] = (None, None),
        triggered_by: str | None = None,
        external_id: str | None = None,
        reached: Sequence[str] = (),
        archived: bool = True,
        among: Collection[str] | None = None,
        but: Collection[str] = (),
        ids: Collection[str] | None = None,
    ) -> RunPage:
        """One page of runs created at or after ``since``, newest first. ``project_id`` None lists all projects.

        ``among``: only runs of these projects; ``but``: of none of these. With ``status``, those are among them whose status is none
        that is known.

        ``untouched_since``: only runs without an event since then; ``ended``: only those that ended at the first time or later,
        and before the second. Both leave out imported ones. ``reached``: only runs in one of these states of their template.
        ``archived``: whether archived runs are listed too. ``ids``: only these.
        """
        of_project, of_template = (RUN.c.project_id, project_id), (RUN.c.template, template)
        started = (RUN.c.triggered_by, triggered_by), (RUN.c.external_id, external_id)
        query = _SELECT.where(*equal_where_given((of_project, of_template, *started)))
        for column, values in ((RUN.c.project_id, among), (RUN.c.id, ids), (RUN.c.reached, reached or None)):
            query = query if values is None else query.where(column.in_(values))
        if but:  # an IN of all others would lose the index that has the order
            query = query.where(RUN.c.project_id.not_in(but))
        times = (RUN.c.created_at, since, None), (RUN.c.updated_at, None, untouched_since), (RUN.c.ended_at, *ended)
        for column, first, end in times:
            query = query if first is None else query.where(column >= first)
            query = query if end is None else query.where(column < end, OURS)
        if not archived:
            query = query.where(RUN.c.archived_at.is_(None))
        if cursor is not None:
            query = self._after(query, cursor)
        query = query.order_by(*_NEWEST).limit(limit + 1)
        damaged: dict[RunId, Refused] = {}
        if template is not None and status is None:  # the index of templates has an order within each status
            status = tuple(RunStatus)
        if status is None:
            runs = self._readable(query, limit, damaged)
        else:
            runs = [
                run
                for element in self._in_status(project_id, status)
                for run in self._readable(query.where(element), limit, damaged)
            ]
            runs.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        if len(runs) <= limit:
            return RunPage(tuple(runs), None, damaged)
        last = runs[limit - 1].id
        return RunPage(tuple(runs[:limit]), last, self._before_next_page(damaged, last) if damaged else damaged)

    def of_no_status(self, project_id: str) -> Mapping[RunId, Refused]:
        """The refusals of the runs of a project whose status is none that is known."""
        return self.page(project_id, status=(), archived=False).damaged

    def _before_next_page(self, damaged: dict[RunId, Refused], last: RunId) -> dict[RunId, Refused]:
        """Those of ``damaged`` that the page after the run ``last`` does not name."""
        query = self._after(sa.select(RUN.c.id).where(RUN.c.id.in_(damaged)), last)
        return {run: damaged[run] for run in damaged.keys() - self._connection.execute(query).scalars()}

    def _readable(self, query: sa.Select[Any], limit: int, damaged: dict[RunId, Refused]) -> list[RunRecord]:
        """The runs of ``query``, one more than ``limit``; ``damaged`` gets those between them whose row cannot be read."""
        try:
            return self._all(RunRecord, query)
        except ValueError:  # a time or a status that is none
            runs: list[RunRecord] = []
        for run_id in self._connection.execute(query.with_only_columns(RUN.c.id).limit(None)).scalars().all():
            try:
                runs += self._all(RunRecord, _ONE, {"id_": run_id})
            except ValueError:
                damaged[run_id] = self.damage_of(run_id)
            if len(runs) > limit:
                break
        return runs

    def _in_status(self, project_id: str | None, statuses: Sequence[RunStatus]) -> Iterator[sa.ColumnElement[bool]]:
        """A condition for each project and status, whose runs have an order in the index: only runs of the page are read."""
        projects = self._connection.execute(_PROJECTS).scalars().all() if project_id is None else (project_id,)
        for project in projects:
            for status in statuses:
                yield sa.and_(RUN.c.project_id == project, RUN.c.status == status)
            odd = self._connection.execute(_OF_NO_STATUS, {"project_id": project}).scalars().all()
            if odd:
                yield RUN.c.id.in_(odd)

    def damage_of(self, run: RunId, fault: Exception | None = None) -> Refused:
        """The refusal of a run whose record cannot be read, because of ``fault``.

        Refuses ``unavailable`` where that is no damage: a newer version may have written it.
        """
        if newer := self.newer_version():
            raise newer
        if isinstance(fault, Refused) and fault.run == run:
            return fault
        why = "" if fault is None else f": {fault.message.rstrip('.') if isinstance(fault, Refused) else repr(fault)}"
        return Refused(
            "unavailable",
            f"The record of run '{run}' cannot be read{why}.",
            f"See what was changed: wfe-mcp verify {run}. A backup from before has it: wfe-mcp restore FILE",
            run=run,
        )

    def newer_version(self) -> Refused | None:
        """The refusal where a newer version has upgraded the database since this process opened it."""
        if str(self._connection.execute(_VERSION).scalar() or "") <= HEAD:
            return None
        return Refused(
            "unavailable",
            "The database was upgraded by a newer wfe-mcp. This process started before that, and cannot read what the newer one stored.",
            "Restart the client, page or server that answered, or ask the user to: the new version starts. Nothing is lost.",
        )

    def reached_states(self, project_id: str) -> list[str]:
        """The states of their templates that runs of the project are in, sorted."""
        rows = self._connection.execute(_REACHED, {"project_id": project_id})
        return sorted(row.reached for row in rows)

    def weakened_gates(self, runs: Iterable[RunId]) -> dict[RunId, int]:
        """How many gates of each run ask for less than its template; a run without one is left out.

        Reads no attempt. One whose state is no JSON has none.
        """
        names = list(runs)
        try:
            # PostgreSQL cannot ask whether a text is JSON before version 16: it refuses the statement.
            with self._connection.begin_nested() if self._connection.dialect.name == "postgresql" else nullcontext():
                rows = self._connection.execute(_WEAKENED, {"runs": names}).all()
        except DataError:
            alone = ({} if len(names) == 1 else self.weakened_gates([name]) for name in names)
            return {run: gates for counted in alone for run, gates in counted.items()}
        return {RunId(row.id): int(row.gates) for row in rows}

    def newest_number(self) -> int:
        """The number of the newest run of the database; 0 without any. It is read from the end of the table: no run is counted."""
        return int(self._connection.execute(_LAST_NUMBER).scalar_one() or 0)

    def titles(self, runs: Iterable[RunId]) -> dict[RunId, str]:
        """The title of each run."""
        cursor = self._connection.execute(_TITLES, {"runs": list(runs)})
        return {RunId(row.id): str(row.title) for row in cursor}

    def find(self, project_id: str, id_or_prefix: str) -> RunRecord:
        """The run of a project with this id, or the only one with this id prefix.

        Refuses ``unknown_run``, and ``unavailable`` where its row cannot be read.
        """
        bounds = {"project_id": project_id, "prefix": id_or_prefix, "end": f"{id_or_prefix}\U0010ffff"}
        damaged: dict[RunId, Refused] = {}
        runs = self._readable(_PREFIX.params(bounds), _NAMED, damaged) if id_or_prefix else []
        exact = [record for record in runs if record.id == id_or_prefix]
        if damaged and (id_or_prefix in damaged or not runs):
            raise next(iter(damaged.values()))
        if len(runs) == 1 or exact:
            return (exact or runs)[0]
        if runs:
            names = ", ".join(record.id for record in runs)
            raise Refused("unknown_run", f"Several runs begin with '{id_or_prefix}': {names}", "Give more of the id.")
        gone = self._connection.execute(_PRUNED, bounds).first() if id_or_prefix else None
        if gone is not None:
            raise Refused(
                "unknown_run",
                f"Run '{gone.run_id}' was removed by wfe-mcp prune {gone.at.isoformat(timespec='seconds')} ({gone.actor}).",
                "A backup from before has it, if there is one.",
                data={"pruned": gone.run_id},
            )
        newest = [record.id for record in self.page(project_id, limit=100).runs]
        near = nearest(id_or_prefix, newest) or tuple(newest[:3])
        raise Refused(
            "unknown_run",
            f"This project has no run '{id_or_prefix}'.",
            f"Use one of these: {', '.join(near)}" if near else "Start one with start_run.",
        )

    def open_ids(
        self, project_id: str, statuses: Sequence[RunStatus] = OPEN_RUNS, *, limit: int | None = None
    ) -> list[RunId]:
        """The runs of a project in one of ``statuses``, newest first; archived and imported ones are left out.

        With ``limit``, at most that many index entries are read for each status, however many runs are open.
        """
        most = _ALL if limit is None else limit
        open_runs: list[tuple[Any, str]] = []
        for status in statuses:
            values = {"project_id": project_id, "status_": status, "limit_": most}
            open_runs += [(at, run) for run, at in self._connection.execute(_OPEN, values)]
        return [RunId(run) for _, run in sorted(open_runs, reverse=True)[:limit]]

    def open_tails(self, project_id: str, runs: Collection[str] | None = None) -> dict[str, tuple[int, str]]:
        """The number and hash of the last event of each open run of the project; archived and imported ones are left out.

        ``runs``: only these.
        """
        if runs is None:
            rows = self._connection.execute(_OPEN_TAILS, {"project_id": project_id})
        else:
            rows = self._connection.execute(_OPEN_TAILS_OF, {"project_id": project_id, "runs": list(runs)})
        return {str(row.id): (int(row.last_seq), str(row.last_hash)) for row in rows}

    def ended_tails(self, project_id: str, most: int) -> dict[str, tuple[datetime, tuple[int, str]]]:
        """When each of the runs that ended last began, and the number and hash of its last event; imported ones are left out."""
        rows = self._connection.execute(_ENDED_TAILS, {"project_id": project_id, "most": most})
        return {str(row.id): (row.created_at, (int(row.last_seq), str(row.last_hash))) for row in rows}

    def to_tend(self, project_id: str, now: datetime) -> list[RunId]:
        """The open runs whose next step is the server's, newest first: a killed server may have left them unfinished."""
        cursor = self._connection.execute(_MAY_HAVE_LOST, {"project_id": project_id, "now": now})
        return [RunId(row.id) for row in cursor]

    def _after(self, query: sa.Select[Any], cursor: str) -> sa.Select[Any]:
        last = self._connection.execute(sa.select(RUN.c.created_at).where(RUN.c.id == cursor)).scalar()
        if last is None:
            raise Refused("bad_argument", f"The cursor '{cursor}' names no run.", "Take it from the page before.")
        # The first term gives SQLite the start of the index range; it cannot derive it from the second.
        older = sa.or_(RUN.c.created_at < last, sa.and_(RUN.c.created_at == last, RUN.c.id < cursor))
        return query.where(RUN.c.created_at <= last, older)
