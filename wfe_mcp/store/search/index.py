"""The search index: maintained as rows are written, and kept consistent with the tables.

    a row is written ──► noted ──► before the commit: written to the index      the same transaction, or neither
    a run missing from the index, or outdated ──► skipped; ``find`` indexes it whole (``upkeep.py``)

    find_run     the indexed runs, with version and last event; "" for what is in no run: opinions, and work items
    find_entry   one row per search entry; its id grows with its time, so the newest come first
    find_text    its words (``words/``), without the texts, which are read from their own tables

Rules:
1. A writer without indexing (an older process, a library without FTS5) leaves a run whose last event is not the one in
   ``find_run``. The next writer then deletes that ``find_run`` row, and the run is indexed again.
2. Removing words needs the words that were added, so ``entries.py`` must return the same for a row every time. The entry
   of a work item is that of one version of it, which its log makes again.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.store.layout.tables import FIND_ENTRY, FIND_RUN, ITEM_EVENT, OPINION, RUN
from wfe_mcp.store.repository import Repository, TransactionContext
from wfe_mcp.store.search.entries import VERSION, SearchEntry
from wfe_mcp.store.words.index import EntryWords
from wfe_mcp.store.words.query import fold_text

NO_RUN = RunId("")
"""In ``find_run``: what is in no run, the opinions requested outside of any and the work items."""

_IDS_A_SECOND = 1 << 8
"""Few: the index stores differences of ids, and small ones take fewer bytes. Taken ids are skipped."""
_BURST = 1 << 16
"""Within this distance, new ids follow the last ones without a search for a gap."""
_TITLE_CHARS = 400
"""Characters of a title that decide whether a hit comes first; the index has all of it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PROJECT = select(RUN.c.project_id).where(RUN.c.id == bindparam("run_id_"))
_NEW_RUN, _NEW_ENTRIES = insert(FIND_RUN), insert(FIND_ENTRY)
_MOVED = FIND_RUN.c.last_seq + bindparam("by_")
_MOVE_ANY = (
    update(FIND_RUN)
    .where(FIND_RUN.c.run_id == bindparam("run_id_"), FIND_RUN.c.version == VERSION)
    .values(last_seq=_MOVED)
)
_RUN_SEQ = select(RUN.c.last_seq).where(RUN.c.id == bindparam("run_id_")).scalar_subquery()
_MOVE = _MOVE_ANY.where(_RUN_SEQ == _MOVED)
_FORGET = delete(FIND_RUN).where(FIND_RUN.c.run_id == bindparam("run_id_"))
_NEWEST_ID = select(func.max(FIND_ENTRY.c.id))
_LAST_ID = _NEWEST_ID.where(FIND_ENTRY.c.id >= bindparam("low_"), FIND_ENTRY.c.id < bindparam("high_"))
_OUTSIDE_ROWS = select(
    select(func.count()).select_from(OPINION).where(OPINION.c.run_id.is_(None)).scalar_subquery()
    + select(func.count()).select_from(ITEM_EVENT).scalar_subquery()
)
_ENTRY = (
    select(FIND_ENTRY.c.id)
    .where(FIND_ENTRY.c.run_id.is_(None), FIND_ENTRY.c.id >= bindparam("low_"))
    .where(FIND_ENTRY.c.source == bindparam("source_"), FIND_ENTRY.c.ref == bindparam("ref_"))
    .order_by(FIND_ENTRY.c.id)
    .limit(1)
)


@dataclass(slots=True)
class WrittenRows:
    """The rows of one run that a transaction has written. ``project_id``: empty where the writer does not know it."""

    entries: list[SearchEntry] = field(default_factory=list[SearchEntry])
    events: int = 0
    project_id: str = ""
    is_new: bool = False
    is_left: bool = False


class SearchNoteRepository(Repository):
    """Notes the searchable text of rows as they are written."""

    def __init__(self, shared: TransactionContext) -> None:
        super().__init__(shared)
        self._noted: dict[RunId, WrittenRows] = {}

    def write(self) -> None:
        """Write this transaction's notes to the index: the last action before its commit."""
        if self._noted:
            self.wait_for_index()
        for run_id, noted in self._noted.items():
            project = self._in_step(run_id, noted)
            if project and noted.entries:
                self.add(project, run_id, noted.entries)
        self._noted.clear()

    def wait_for_index(self) -> None:
        """Before anything of the index is written: the next free id is read, and a run is put in or out by one at a time."""
        self.alone("find")

    def forget(self, run_id: RunId) -> None:
        """Drop what was noted of a run: it is indexed as a whole."""
        self._noted.pop(run_id, None)

    def can_find(self) -> bool:
        """True when the database supports full-text search and has the index."""
        return self._caches.library.can_find

    def note(self, run_id: RunId, entries: Iterable[SearchEntry], *, events: int = 0) -> WrittenRows:
        """Note the entries of rows that were written; ``events``: how many events of the run were."""
        noted = self._noted.setdefault(run_id, WrittenRows())
        noted.entries += entries
        noted.events += events
        return noted

    def replace(self, project: str, old: SearchEntry) -> None:
        """Take an entry out that is in no run: its row is about to change, and is noted anew."""
        noted = self._noted.get(NO_RUN)
        if noted is not None and old in noted.entries:
            noted.entries.remove(old)
            return
        key = {"low_": _first_id(old.at), "source_": old.source, "ref_": old.ref}
        id_ = self._connection.execute(_ENTRY, key).scalar() if self.can_find() else None
        if id_ is not None:
            self.take_out(project, NO_RUN, [(id_, old)])
            self._run(delete(FIND_ENTRY).where(FIND_ENTRY.c.id == bindparam("id_")), {"id_": id_})

    def outside_rows(self) -> int:
        """How many rows there are of what is in no run: ``last_seq`` of ``NO_RUN`` where all are indexed."""
        return int(self._connection.execute(_OUTSIDE_ROWS).scalar_one())

    def leave(self, run_id: RunId) -> None:
        """Rows were copied without ``note``: the next search indexes the whole run."""
        self.note(run_id, ()).is_left = True

    def _in_step(self, run_id: RunId, noted: WrittenRows) -> str:
        """The project of a run whose index is up to date; "" otherwise: the next search then indexes the run."""
        if noted.is_left:
            self._run(_FORGET, {"run_id_": run_id})
            return ""
        if noted.is_new:
            if not self.can_find():
                return ""
            self._run(_NEW_RUN, {"run_id": run_id, "version": VERSION, "last_seq": noted.events})
            return noted.project_id
        is_outside = run_id == NO_RUN
        move = _MOVE_ANY if is_outside else _MOVE
        if not self.can_find() or not self._run(move, {"run_id_": run_id, "by_": noted.events}):
            self._run(_FORGET, {"run_id_": run_id})
            if not is_outside or not self.can_find() or self.outside_rows() != noted.events:
                return ""
            self._run(_NEW_RUN, {"run_id": run_id, "version": VERSION, "last_seq": noted.events})
        if is_outside or noted.project_id or not noted.entries:
            return noted.project_id
        return str(self._connection.execute(_PROJECT, {"run_id_": run_id}).scalar_one())

    def add(self, project: str, run_id: RunId, entries: Sequence[SearchEntry]) -> None:
        """Put the words of these rows into the index."""
        rows: list[dict[str, Any]] = []
        words: list[EntryWords] = []
        for id_, entry in sorted(self._with_ids(entries), key=lambda each: each[0]):
            words.append(_words_of(project, run_id, id_, entry))
            rows.append(
                {
                    "id": id_,
                    "project_id": project,
                    "run_id": run_id or None,
                    "kind": entry.kind,
                    "source": entry.source,
                    "ref": entry.ref,
                    "part": entry.part,
                    "title": words[-1].title[:_TITLE_CHARS],
                }
            )
        self._run(_NEW_ENTRIES, rows)
        self._caches.library.words.add(self._connection, words)

    def take_out(self, project: str, run_id: RunId, entries: Sequence[tuple[int, SearchEntry]]) -> None:
        """Take the words of these rows out of the index."""
        words = [_words_of(project, run_id, id_, entry) for id_, entry in entries]
        self._caches.library.words.take_out(self._connection, words)

    def _with_ids(self, entries: Sequence[SearchEntry]) -> list[tuple[int, SearchEntry]]:
        """Each entry with a new id: the id of its time, or the first free one after it."""
        by_second: dict[int, list[SearchEntry]] = {}
        for entry in entries:
            by_second.setdefault(_first_id(entry.at), []).append(entry)
        numbered: list[tuple[int, SearchEntry]] = []
        for low, many in sorted(by_second.items()):
            first = self._free_ids(max(low, numbered[-1][0] + 1 if numbered else 0), len(many))
            numbered += enumerate(many, start=first)
        return numbered

    def _free_ids(self, low: int, count: int) -> int:
        """The first of ``count`` consecutive free ids, not below ``low``."""
        newest = self._connection.execute(_NEWEST_ID).scalar()
        if newest is None or newest < low:
            return low
        if newest - low < _BURST:
            return newest + 1
        span = count
        while (last := self._connection.execute(_LAST_ID, {"low_": low, "high_": low + span}).scalar()) is not None:
            low, span = last + 1, span * 2
        return low


def _first_id(at: datetime) -> int:
    """The first id of the second of ``at``."""
    return (at - _EPOCH) // timedelta(seconds=1) * _IDS_A_SECOND


def token(letter: str, name: str) -> str:
    """``name`` as one word of the index that no indexed text can contain."""
    return letter + re.sub(r"[\W_]", "", name).lower()


def _words_of(project: str, run_id: RunId, id_: int, entry: SearchEntry) -> EntryWords:
    place = f"{token('p', project)} {token('r', run_id)} {token('k', entry.kind)}"
    return EntryWords(id_, place, fold_text(entry.title), fold_text("\n".join(text for _, text in entry.texts)))
