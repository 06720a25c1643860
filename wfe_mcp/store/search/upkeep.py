"""Keeps the search index consistent with the tables.

Rules:
1. ``index_run`` may be called for any run at any time: it removes the run's entries, then adds the current ones.
2. ``drop_found`` comes before the rows of a run are deleted: it reads their text again.
3. A step is short, because writers wait for it. Newest runs come first: people search those most.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, text

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.store.layout.tables import FIND_ENTRY, FIND_RUN, FIND_WAITING, RUN
from wfe_mcp.store.records.search import FindHealth
from wfe_mcp.store.repository import Repository, RepositoryPart
from wfe_mcp.store.search.entries import ITEMS, VERSION, SearchEntry
from wfe_mcp.store.search.index import NO_RUN, SearchNoteRepository
from wfe_mcp.store.search.sources import SearchSourceRepository

_OF_RUN = FIND_ENTRY.c.run_id == bindparam("run_id_")
_OUTSIDE = FIND_ENTRY.c.run_id.is_(None)
_ENTRIES = select(FIND_ENTRY.c.id, FIND_ENTRY.c.project_id, FIND_ENTRY.c.source, FIND_ENTRY.c.ref, FIND_ENTRY.c.part)
_NEW_RUN = insert(FIND_RUN)
_FORGET = delete(FIND_RUN).where(FIND_RUN.c.run_id == bindparam("run_id_"))
_RUN = select(RUN.c.project_id, RUN.c.last_seq).where(RUN.c.id == bindparam("run_id_"))
_STALE = or_(
    FIND_RUN.c.run_id.is_(None),
    FIND_RUN.c.version < VERSION,
    and_(FIND_RUN.c.version == VERSION, FIND_RUN.c.last_seq != RUN.c.last_seq),
)
_JOINED = RUN.outerjoin(FIND_RUN, FIND_RUN.c.run_id == RUN.c.id)
# The time as it is stored, which can always be read.
_RUNS = select(RUN.c.id, RUN.c.last_seq, text("run.created_at"))
_WAITING = _RUNS.select_from(_JOINED).where(_STALE).order_by(RUN.c.created_at.desc(), RUN.c.id.desc()).limit(100)
_MOST_LISTED = 500
"""Of more, the newest are found sooner among all runs."""
_LISTED = select(FIND_WAITING.c.run_id).limit(_MOST_LISTED + 1)
_NAMED = _RUNS.where(RUN.c.id.in_(bindparam("names_", expanding=True)))
_WAITING_COUNT = select(func.count()).select_from(_JOINED).where(_STALE)
_LISTED_COUNT = select(func.count()).select_from(FIND_WAITING)
_OUTSIDE_SEQ = select(FIND_RUN.c.last_seq).where(FIND_RUN.c.run_id == NO_RUN, FIND_RUN.c.version >= VERSION)
_OLDER = select(FIND_RUN.c.run_id).where(FIND_RUN.c.version < VERSION).limit(1)
_ANY_WAITS = select(FIND_WAITING.c.run_id).limit(1)
_CREATED = select(RUN.c.created_at).where(RUN.c.id == bindparam("run_id_")).scalar_subquery()


class SearchIndexRepository(Repository):
    """Indexes whole runs."""

    _notes = RepositoryPart(SearchNoteRepository)
    _sources = RepositoryPart(SearchSourceRepository)

    def index_run(self, run_id: RunId) -> int:
        """Index a run again; the number of its entries. ``NO_RUN``: what is in no run."""
        self._must_find()
        self.drop(run_id)
        self._notes.forget(run_id)
        if run_id == NO_RUN:
            return self._index_outside()
        row = self._connection.execute(_RUN, {"run_id_": run_id}).first()
        if row is None:
            return 0
        entries = list(self._sources.of_run(run_id))
        self._run(_NEW_RUN, {"run_id": run_id, "version": VERSION, "last_seq": row.last_seq})
        self._notes.add(row.project_id, run_id, entries)
        return len(entries)

    def drop(self, run_id: RunId) -> int:
        """Remove a run from the index; how many entries it had. Its rows must still exist: rule 2."""
        self._notes.wait_for_index()
        of_run = _OUTSIDE if run_id == NO_RUN else _OF_RUN
        rows = self._connection.execute(_ENTRIES.where(of_run), {"run_id_": run_id}).all()
        if rows and self._notes.can_find():
            entries = {(entry.source, entry.ref, entry.part): entry for entry in self._sources.of_run(run_id)}
            known = [
                (row, entries.get((row.source, row.ref, row.part)) or self._earlier(row.source, row.ref))
                for row in rows
            ]
            for project in {row.project_id for row in rows}:
                taken = [(row.id, entry) for row, entry in known if entry is not None and row.project_id == project]
                self._notes.take_out(project, run_id, taken)
        self._run(delete(FIND_ENTRY).where(of_run), {"run_id_": run_id})
        self._run(_FORGET, {"run_id_": run_id})
        return len(rows)

    def index_missing(self, after: RunId | None = None, most: int = 400) -> RunId | None:
        """Index waiting runs, with about ``most`` events; the oldest of them, None when none waits.

        ``after``: the result of the previous step.
        """
        self._must_find()
        indexed, there = self._outside()
        if indexed is None and self._connection.execute(_OLDER).first() is not None:
            self.rebuild()
        if after is None and indexed != there:
            self.index_run(NO_RUN)
        chosen: list[RunId] = []
        events = 0
        for waiting, last_seq, _ in self._newest_waiting(after):
            if events >= most:
                break
            chosen.append(waiting)
            events += last_seq
        for run_id in reversed(chosen):  # keeps entries of the same second in order
            self.index_run(run_id)
        return chosen[-1] if chosen else None

    def _newest_waiting(self, after: RunId | None) -> list[tuple[RunId, int, Any]]:
        """Waiting runs that are older than ``after``, the newest first: id, last event, and when it began."""
        listed = list(self._connection.execute(_LISTED).scalars())
        query = _WAITING if len(listed) > _MOST_LISTED else _NAMED
        rows = self._connection.execute(query.where(*self._older_than(after)), {"names_": listed, "run_id_": after})
        runs = [(RunId(run_id), int(last_seq), at) for run_id, last_seq, at in rows]
        return sorted(runs, key=lambda each: (each[2], each[0]), reverse=True)

    def rebuild(self) -> None:
        """Empty the index: every run waits to be indexed again."""
        self._must_find()
        self._caches.library.words.clear(self._connection)
        self._run(delete(FIND_ENTRY))
        self._run(delete(FIND_RUN))

    def is_behind(self) -> bool:
        """True when a run, or what is in no run, is not indexed, or the whole index has an older version. Counts no runs."""
        indexed, there = self._outside()
        return indexed != there or self._connection.execute(_ANY_WAITS).first() is not None

    def health(self, *, deep: bool = False) -> FindHealth:
        """What waits. ``deep``: each run is compared, so that those count which an older process wrote to."""
        indexed, there = self._outside()
        count = _WAITING_COUNT if deep or indexed is None else _LISTED_COUNT
        outside = (indexed or 0) != there
        waiting = self._connection.execute(count).scalar_one() + outside
        return FindHealth(self._caches.library.has_fts5, waiting, outside)

    def _outside(self) -> tuple[int | None, int]:
        """How many rows of what is in no run are indexed (None: not yet with this version); how many there are."""
        indexed = self._connection.execute(_OUTSIDE_SEQ).scalar()
        return indexed, self._notes.outside_rows()

    def _earlier(self, source: str, ref: str) -> SearchEntry | None:
        """The entry of an item as it was when it was indexed, before a process without an index changed it."""
        return next(self._sources.of_row(NO_RUN, source, ref), None) if source == ITEMS else None

    def _index_outside(self) -> int:
        by_project: dict[str, list[SearchEntry]] = {}
        for project, entries in self._sources.outside():
            by_project.setdefault(project, []).extend(entries)
        self._run(_NEW_RUN, {"run_id": NO_RUN, "version": VERSION, "last_seq": self._notes.outside_rows()})
        for project, entries in by_project.items():
            self._notes.add(project, NO_RUN, entries)
        return sum(map(len, by_project.values()))

    def _older_than(self, run_id: RunId | None) -> tuple[ColumnElement[bool], ...]:
        if run_id is None or self._connection.execute(_RUN, {"run_id_": run_id}).first() is None:
            return ()
        return (RUN.c.created_at <= _CREATED, or_(RUN.c.created_at < _CREATED, RUN.c.id < run_id))

    def must_have_fts5(self) -> None:
        """Refuses ``unavailable`` where the database lacks full-text search."""
        if not self._caches.library.has_fts5:
            raise Refused(
                "unavailable",
                "find needs FTS5, and the SQLite library of this Python was built without it.",
                "Install wfe-mcp[sqlite], which brings its own. Nothing is lost: all runs are indexed then.",
            )

    def _must_find(self) -> None:
        self.must_have_fts5()
        if not self._notes.can_find():
            self._caches.library.words.create(self._connection)
            self._caches.library.can_find = True
