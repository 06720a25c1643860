"""Pruning: removes a finished run with all its rows.

    pruned_run ──► the run's rows in each table, children first ──► the run ──► RunPruned in the settings log

Rules:
1. One transaction per run: a run is complete, or it is removed and ``pruned_run`` records that.
2. A run that is not finished here, or is marked to keep, cannot be removed: the database itself refuses the first row.
3. A document is removed with the last run that names it. JSON texts name bundles and items, so those are searched.
4. The cost of model calls stays in the totals; only the link to the run is removed.
"""

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, time

import sqlalchemy as sa

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import By, RunId
from wfe_mcp.store.columns import first_whole_day
from wfe_mcp.store.jobs.usage_sums import UsageSumRepository
from wfe_mcp.store.layout import tables as layout
from wfe_mcp.store.layout.run_records import PrunedRun
from wfe_mcp.store.layout.tables import DOCUMENT, EVENT, EVIDENCE, JOB, KEPT_RUN, MODEL_CALL, PRUNED_RUN, REQUEST, RUN
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, columns_for, in_steps, row_from, without_index
from wfe_mcp.store.runs.phase_sums import PhaseSumRepository
from wfe_mcp.store.search.upkeep import SearchIndexRepository
from wfe_mcp.store.settings import SettingsLogRepository
from wfe_mcp.store.sqlite import insert_new

PRUNED = "RunPruned"
"""Recorded in the settings log: [project, run, number of its last event, that event's hash]."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TREE = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")


def _of_run(table: sa.Table) -> sa.ColumnElement[bool] | None:
    """The rows of ``table`` that belong to the run, directly or through a parent row."""
    for key in table.foreign_keys:
        if key.column.table is RUN:
            return key.parent == sa.bindparam("run_")
    for key in table.foreign_keys:
        above = None if key.column.table is table else _of_run(key.column.table)
        if above is not None:
            return key.parent.in_(sa.select(key.column).where(above))
    return None


_ROWS = [
    (table, condition)
    # Children first, so that foreign keys hold at every statement.
    for table in reversed(layout.METADATA.sorted_tables)
    if table not in (RUN, MODEL_CALL) and (condition := _of_run(table)) is not None
]
_DELETES = [sa.delete(table).where(condition) for table, condition in _ROWS]
# Costs of models stay in the sums, without their run (ADR 0015).
_FORGET_CALLS = (
    sa.update(MODEL_CALL)
    .where(MODEL_CALL.c.run_id == sa.bindparam("run_"))
    .values(run_id=None, phase=None, attempt=None, job_id=None, fault=None)
)
_DELETE_RUN = sa.delete(RUN).where(RUN.c.id == sa.bindparam("run_"))
_END = (
    sa.update(RUN)
    .where(RUN.c.id == sa.bindparam("run_"), RUN.c.ended_at.is_(None), RUN.c.origin_sha256.is_not(None))
    .values(ended_at=sa.bindparam("ended_at", type_=RUN.c.ended_at.type))
)
_NEW = sa.insert(PRUNED_RUN)
_NAMES_DOCUMENT = [
    column
    for table in layout.METADATA.sorted_tables
    for column in table.columns
    if any(key.column.table is DOCUMENT for key in column.foreign_keys) or column is RUN.c.origin_sha256
]
_UNNAMED = (
    sa.delete(DOCUMENT)
    .where(DOCUMENT.c.sha256.in_(sa.bindparam("sha256s", expanding=True)))
    .where(*(DOCUMENT.c.sha256.not_in(sa.select(column).where(column.is_not(None))) for column in _NAMES_DOCUMENT))
)
_THERE = sa.select(DOCUMENT.c.sha256).where(DOCUMENT.c.sha256.in_(sa.bindparam("sha256s", expanding=True)))
_RUN_ROWID, _ROWID = sa.literal_column("run.rowid", sa.Integer), sa.literal_column("event.rowid", sa.Integer)
_FROZEN = (
    sa.select(_RUN_ROWID, RUN.c.id, DOCUMENT.c.content)
    .join(DOCUMENT, DOCUMENT.c.sha256 == RUN.c.frozen_sha256)
    .where(sa.bindparam("after") < _RUN_ROWID)
    .order_by(_RUN_ROWID)
)
_LAST_PLACES = sa.select(
    sa.select(sa.func.coalesce(sa.func.max(_RUN_ROWID), 0)).select_from(RUN).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.max(_ROWID), 0)).select_from(EVENT).scalar_subquery(),
)
_PAYLOADS = (
    sa.select(_ROWID, EVENT.c.run_id, EVENT.c.payload)
    .where(sa.bindparam("after") < _ROWID, EVENT.c.type != "RunStarted")
    .order_by(_ROWID)
)
_TREES = [
    sa.select(sa.type_coerce(column, sa.Text)).where(
        column.is_not(None), column.table.c.run_id.in_(sa.bindparam("runs", expanding=True))
    )
    for column in (EVENT.c.payload, EVIDENCE.c.tree, REQUEST.c.tree, JOB.c.payload)
]
_OVER = (
    RUN.c.project_id == sa.bindparam("project"),
    RUN.c.ended_at.is_not(None),
    RUN.c.id.not_in(sa.select(KEPT_RUN.c.run_id)),
)
_OLDEST = (RUN.c.ended_at, RUN.c.id)
_NEWEST = (sa.desc(RUN.c.ended_at), sa.desc(RUN.c.id))
_OLD = sa.and_(
    *_OVER,
    RUN.c.ended_at < sa.bindparam("before"),
    sa.or_(~sa.bindparam("archived_only", type_=sa.Boolean), RUN.c.archived_at.is_not(None)),
    sa.tuple_(*_OLDEST) <= sa.tuple_(sa.bindparam("last_at", type_=RUN.c.ended_at.type), sa.bindparam("last_id")),
)
_OLD_RUNS = sa.select(*columns_for(RunRecord, RUN)).where(_OLD).order_by(*_OLDEST).limit(sa.bindparam("limit"))
_OLD_COUNT = sa.select(sa.func.count(RUN.c.id)).where(_OLD)
_ENDED_BETWEEN = sa.select(sa.func.count(RUN.c.id)).where(
    RUN.c.project_id == sa.bindparam("project"),
    RUN.c.ended_at.is_not(None),
    RUN.c.ended_at >= sa.bindparam("before"),
    RUN.c.ended_at < sa.bindparam("night"),
)
_KEPT_ENDS = sa.select(RUN.c.ended_at).where(
    RUN.c.id.in_(sa.select(KEPT_RUN.c.run_id)),
    without_index(RUN.c.project_id) == sa.bindparam("project"),  # else SQLite reads all runs of the project
    without_index(RUN.c.ended_at).is_not(None),
)
_LAST_OLD = sa.select(*_OLDEST).where(*_OVER).order_by(*_NEWEST).limit(1).offset(sa.bindparam("keep"))
_PRUNED = sa.select(*columns_for(PrunedRun, PRUNED_RUN)).order_by(PRUNED_RUN.c.at, PRUNED_RUN.c.run_id)
_KEEP = insert_new(KEPT_RUN)
_RELEASE = sa.delete(KEPT_RUN).where(KEPT_RUN.c.run_id == sa.bindparam("run_"))
_KEPT = sa.select(KEPT_RUN.c.run_id)

_ALL = -1


@dataclass(frozen=True, slots=True)
class OldRuns:
    """The finished runs of a project that ended before ``before``, without those marked to keep and the ``keep`` last ones."""

    project_id: str
    before: datetime
    keep: int
    archived_only: bool


class RetentionRepository(Repository):
    """Runs to prune and runs to keep."""

    _settings_log = RepositoryPart(SettingsLogRepository)
    _search_index = RepositoryPart(SearchIndexRepository)
    _usage_sums = RepositoryPart(UsageSumRepository)
    _phase_sums = RepositoryPart(PhaseSumRepository)

    def old_runs(self, rules: OldRuns, limit: int = _ALL) -> list[RunRecord]:
        """The runs that may go by ``rules``, oldest first; at most ``limit``."""
        return self._all(RunRecord, _OLD_RUNS, values) if (values := self._old(rules, limit)) else []

    def old_count(self, rules: OldRuns) -> int:
        """How many runs may go by ``rules``: from the sums where those have every run that is over, else one by one."""
        project, before = rules.project_id, rules.before
        if rules.archived_only or self._phase_sums.due(project, 1):
            values = self._old(rules, _ALL)
            return int(self._connection.execute(_OLD_COUNT, values).scalar_one()) if values else 0
        day = first_whole_day(before)
        of_day = {"project": project, "before": before, "night": datetime.combine(day, time(), UTC)}
        newer = self._phase_sums.count_ended(project, day) + int(
            self._connection.execute(_ENDED_BETWEEN, of_day).scalar_one()
        )
        kept = list(self._connection.execute(_KEPT_ENDS, {"project": project}).scalars())
        ended = self._phase_sums.count_ended(project)
        old = ended - newer - sum(at < before for at in kept)
        return max(0, min(old, ended - len(kept) - rules.keep))

    def _old(self, rules: OldRuns, limit: int) -> dict[str, object]:
        """The parameters of ``_OLD``; none where all finished runs are among the last ones."""
        values = {"project": rules.project_id, "keep": rules.keep}
        last = self._connection.execute(_LAST_OLD, values).first()
        if last is None:
            return {}
        more = {"before": rules.before, "archived_only": rules.archived_only, "limit": limit}
        return {"project": rules.project_id, "last_at": last.ended_at, "last_id": last.id, **more}

    def keep(self, run_id: RunId, by: By, at: datetime) -> None:
        """Mark a run to keep, so that it is never pruned. Idempotent."""
        self._run(_KEEP, {"run_id": run_id, "at": at, "actor": by.actor})

    def release(self, run_id: RunId) -> None:
        """Remove the mark: the run may be pruned."""
        self._run(_RELEASE, {"run_": run_id})

    def kept_runs(self) -> set[str]:
        """The runs marked to keep."""
        return {str(run) for run in self._connection.execute(_KEPT).scalars()}

    def pruned_runs(self, project_id: str) -> list[PrunedRun]:
        """The removed runs of a project, oldest removal first."""
        query = _PRUNED.where(PRUNED_RUN.c.project_id == project_id)
        return self._all(PrunedRun, query)

    def project_of_pruned(self, run: str) -> str:
        """The project that a removed run was of; empty where none has this id."""
        query = sa.select(PRUNED_RUN.c.project_id).where(PRUNED_RUN.c.run_id == run)
        return str(self._connection.execute(query).scalar() or "")

    def documents(self, run: RunRecord) -> set[str]:
        """The documents that a run names, in columns or in JSON texts."""
        names = {
            run.template_sha256,
            run.definition_sha256,
            run.spec_sha256,
            run.inputs_sha256,
            run.frozen_sha256,
            run.origin_sha256 or "",
        }
        query = sa.select(EVENT.c.payload).where(EVENT.c.run_id == run.id, EVENT.c.type != "RunStarted")
        frozen = sa.select(DOCUMENT.c.content).where(DOCUMENT.c.sha256 == run.frozen_sha256)
        for text in (*self._connection.execute(query).scalars(), *self._connection.execute(frozen).scalars()):
            names.update(_SHA256.findall(text))
        return self.existing_documents(names)

    def mentioned_runs(
        self, wanted: set[str], besides: set[str], after: tuple[int, int] = (0, 0)
    ) -> tuple[set[str], tuple[int, int]]:
        """Those of ``wanted`` named in texts of runs other than ``besides``, and the places of the last run and event read.

        ``after``: the places from an earlier call; then only what came later is read. In a transaction that writes, no other one
        keeps documents from here on until its end.
        """
        self.alone("documents")
        mentions: set[str] = set()
        places = [*after]
        for at, query in enumerate((_FROZEN, _PAYLOADS)):
            for rowid, run, text in self._connection.execute(query, {"after": after[at]}):
                places[at] = rowid
                if run not in besides:
                    mentions.update(wanted.intersection(_SHA256.findall(text)))
        return mentions, (places[0], places[1])

    def recorded_trees(self, stored: Collection[str], runs: Collection[str]) -> set[str]:
        """Those of the git trees ``stored`` that one of ``runs`` names, of which there are a few hundred at most."""
        wanted, recorded = frozenset(stored), set[str]()
        for query in _TREES:
            for text in self._connection.execute(query, {"runs": [*runs]}).scalars():
                recorded.update(wanted.intersection(_TREE.findall(text)))
        return recorded

    def last_places(self) -> tuple[int, int]:
        """The places of the last run and event: SQLite gives those of removed rows to new ones."""
        run, event = self._connection.execute(_LAST_PLACES).one()
        return int(run), int(event)

    def prune(self, run: RunRecord, documents: Iterable[str], by: By, at: datetime) -> PrunedRun:
        """Remove a run that is over, or was imported, with all its rows, and those of ``documents`` that no row names any more."""
        ended_at = run.ended_at or run.updated_at
        left = PrunedRun(
            run.id,
            run.project_id,
            run.template,
            run.title,
            run.last_seq,
            run.last_hash,
            run.created_at,
            ended_at,
            at,
            by.actor,
        )
        # An open run that was imported ends with its last change here; the table refuses any other that is open.
        self._run(_END, {"run_": run.id, "ended_at": ended_at})
        # First: the trigger of ``event`` lets events go only for a run with such a row (ADR 0015).
        self._run(_NEW, row_from(left, PRUNED_RUN))
        self._usage_sums.take_out(run.id)
        # Before the index: a transaction that changes a setting in an action of a run waits for the index last.
        self._settings_log.note(PRUNED, canonical_json([run.project_id, run.id, run.last_seq, run.last_hash]), by, at)
        self._search_index.drop(run.id)  # reads the rows again, so it comes before their removal
        self._run(_FORGET_CALLS, {"run_": run.id})
        for statement in (*_DELETES, _DELETE_RUN):
            self._run(statement, {"run_": run.id})
        for names in in_steps(sorted(documents)):
            self._run(_UNNAMED, {"sha256s": names})
        return left

    def existing_documents(self, names: set[str]) -> set[str]:
        """Those of these documents that exist."""
        existing: set[str] = set()
        for some in in_steps(sorted(names)):
            existing.update(self._connection.execute(_THERE, {"sha256s": some}).scalars())
        return existing
