"""Full-text search with stable paging.

    newest matches ──► a window of 200 ──► matches in the title, then the others; newest first in each
                          └──────────────► the next window, older

Rules:
1. The order never changes: the ids of a window determine it, and a cursor names its window. New entries are newer than
   the first window, so paging shows each hit once.
2. A frequent word costs no more than a rare one: the index is read newest first, only as far as a page needs. Hits are
   therefore not ranked by bm25, which reads every occurrence of each word first. An index that gives all matches at once
   (``is_newest_first``) is asked when the newest entries have none: then the word is rare.
3. Project, run and kind are indexed as words too, and checked against the row again.
4. A failure is one hit: the events after its verdict, which have the same text, are left out.
5. A word that is the id of a run, or its first four letters or more, finds this run before everything else.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, select, text

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.store.layout.tables import FIND_ENTRY, RUN
from wfe_mcp.store.records.search import FindPage, Hit, Kind
from wfe_mcp.store.repository import Repository, RepositoryPart
from wfe_mcp.store.search.entries import SearchEntry
from wfe_mcp.store.search.index import NO_RUN, token
from wfe_mcp.store.search.sources import SearchSourceRepository
from wfe_mcp.store.search.upkeep import SearchIndexRepository
from wfe_mcp.store.words.query import Query, snippet

_WINDOW = 200
_LOOKED_AT = _WINDOW
"""So many of the newest entries are read themselves before an index is asked that gives all matches at once."""
_NEWEST = (1 << 63) - 1
_ALL = _NEWEST
_SHORTEST_ID = 4
_FIRST = (1 << 60) - 1
"""In place of a window in a cursor: the runs of rule 5, which come before the newest one."""
_CURSOR = re.compile(r"([0-9a-f]{1,15})-([0-9a-f]{1,15})-([01])-([0-9a-f]{1,15})")


@cache
def _matches(condition: str, *, is_among: bool) -> TextClause:
    # CROSS JOIN: SQLite reads the index first, newest first, and only as far as the limit.
    among = "AND find_entry.project_id IN :among " if is_among else ""
    return _with_among(
        "SELECT find_entry.id, find_entry.project_id, find_entry.run_id, find_entry.source, find_entry.ref, "  # noqa: S608 - our words
        "find_entry.part, find_entry.title "
        f"FROM find_text CROSS JOIN find_entry WHERE find_entry.id = find_text.rowid AND {condition} "
        "AND find_text.rowid BETWEEN :low AND :top "
        "AND (CAST(:project AS TEXT) IS NULL OR find_entry.project_id = :project) "
        "AND (CAST(:run AS TEXT) IS NULL OR find_entry.run_id = :run) "
        "AND (CAST(:kind AS TEXT) IS NULL OR find_entry.kind = :kind) "
        f"{among}ORDER BY find_text.rowid DESC LIMIT :limit",
        is_among=is_among,
    )


@cache
def _begin_with(*, is_among: bool) -> TextClause:
    return _with_among(
        "SELECT id, project_id, id AS run_id, 'run' AS source, id AS ref, 0 AS part FROM run "  # noqa: S608 - our words
        "WHERE id >= :word AND id < :end "
        "AND (CAST(:project AS TEXT) IS NULL OR project_id = :project) AND (CAST(:run AS TEXT) IS NULL OR id = :run) "
        f"{'AND project_id IN :among ' if is_among else ''}ORDER BY id LIMIT {_WINDOW}",
        is_among=is_among,
    )


def _with_among(statement: str, *, is_among: bool) -> TextClause:
    return text(statement).bindparams(bindparam("among", expanding=True)) if is_among else text(statement)


_OLDEST_LOOKED_AT = (
    select(FIND_ENTRY.c.id)
    .where(FIND_ENTRY.c.id <= bindparam("top"))
    .order_by(FIND_ENTRY.c.id.desc())
    .limit(1)
    .offset(_LOOKED_AT - 1)
)
_ARCHIVED = select(RUN.c.archived_at).where(RUN.c.id == bindparam("run_id_"))


@dataclass(frozen=True, slots=True, order=True)
class _Mark:
    """A position in the order: a window by its newest and oldest id, and its last hit shown."""

    top: int
    low: int
    in_text: bool
    id: int

    def __str__(self) -> str:
        return f"{self.top:x}-{self.low:x}-{self.in_text:d}-{self.id:x}"


class SearchRepository(Repository):
    """Full-text search over everything indexed."""

    _index = RepositoryPart(SearchIndexRepository)
    _sources = RepositoryPart(SearchSourceRepository)

    def find(
        self,
        query: Query,
        project_id: str | None = None,
        kind: Kind | None = None,
        run_id: RunId | None = None,
        limit: int = 10,
        cursor: str | None = None,
        among: Collection[str] | None = None,
    ) -> FindPage:
        """One page of hits. ``project_id`` None: all projects, or those ``among`` these. Refuses ``unavailable`` and the ``cursor`` of another query."""
        mark = None if cursor is None else _mark(cursor)
        self._index.must_have_fts5()
        if not self._caches.library.can_find:
            return FindPage()
        place = [
            token(letter, name) for letter, name in (("p", project_id), ("k", kind), ("r", run_id)) if name is not None
        ]
        filters: dict[str, Any] = {"project": project_id, "run": run_id, "kind": kind and str(kind)}
        # Never an empty list: SQLAlchemy makes a subquery of numbers of it.
        filters |= {} if among is None else {"among": [*among] or [""]}
        window = self._begun(query, filters)
        named = {row.ref for _, row in window}
        if mark is not None:
            window, mark = (window[mark.id + 1 :], None) if mark.top == _FIRST else ([], mark)
        shown: list[tuple[str, Hit]] = []
        top: int | None = _NEWEST
        while True:
            hits = ((str(at), hit) for at, row in window if (hit := self._hit(query, row)) is not None)
            shown += islice(hits, limit + 1 - len(shown))
            if len(shown) > limit or top is None:
                break
            window, top = self._window(query, place, filters, top, mark)
            window, mark = [(at, row) for at, row in window if row.source != "run" or row.ref not in named], None
        return FindPage(
            tuple(hit for _, hit in shown[:limit]), tuple(at for at, _ in shown[:limit]), len(shown) > limit
        )

    def _begun(self, query: Query, given: dict[str, Any]) -> list[tuple[_Mark, Row[Any]]]:
        """The runs whose ids begin with what is searched for (rule 5)."""
        word = query.word
        if len(word) < _SHORTEST_ID or given["kind"] not in {None, str(Kind.RUN)}:
            return []
        span = given | {"word": word, "end": f"{word}\U0010ffff"}
        rows = self._connection.execute(_begin_with(is_among="among" in given), span).all()
        return [(_Mark(_FIRST, _FIRST, False, number), row) for number, row in enumerate(rows)]

    def _window(
        self, query: Query, place: Sequence[str], given: dict[str, Any], top: int, mark: _Mark | None
    ) -> tuple[list[tuple[_Mark, Row[Any]]], int | None]:
        """The hits of one window in order, after ``mark`` if given; and the start of the next window."""
        words, groups = self._caches.library.words, query.matchers_by_group
        given = given | {"match": words.expression(query, place)}
        if mark is not None:
            rows, rest = self._rows(given, mark.low, mark.top, _ALL), mark.low - 1
        else:
            oldest = 0 if words.is_newest_first or given["run"] else self._oldest_looked_at(top)
            rows, rest = self._rows(given, oldest, top), oldest - 1
            if oldest and not rows:
                rows, rest = self._rows(given, 0, oldest - 1), -1
            rest = rows[-1].id - 1 if len(rows) == _WINDOW else rest
        if not rows:
            return [], rest if rest >= 0 else None
        high, low = (rows[0].id, rows[-1].id) if mark is None else (mark.top, mark.low)
        marked = [(_Mark(high, low, not _title_matches(groups, row.title or ""), row.id), row) for row in rows]
        ordered = sorted(marked, key=lambda each: (each[0].in_text, -each[0].id))
        if mark is not None:
            ordered = [
                marked_row
                for marked_row in ordered
                if (marked_row[0].in_text, -marked_row[0].id) > (mark.in_text, -mark.id)
            ]
        return ordered, rest if rest >= 0 else None

    def _oldest_looked_at(self, top: int) -> int:
        """The id of the last of the newest entries up to ``top`` that are read themselves; 0 where there are no older ones."""
        return int(self._connection.execute(_OLDEST_LOOKED_AT, {"top": top}).scalar() or 0)

    def _rows(self, given: dict[str, Any], low: int, top: int, limit: int = _WINDOW) -> Sequence[Row[Any]]:
        """The newest matches between two ids; where there is no lower one, read by the words."""
        words = self._caches.library.words
        condition = words.condition if low else words.by_words
        span = given | {"low": low, "top": top, "limit": limit}
        return self._connection.execute(_matches(condition, is_among="among" in given), span).all()

    def _hit(self, query: Query, row: Row[Any]) -> Hit | None:
        """The hit of a row with the text around the match; None where the row was removed meanwhile, or repeats another (rule 4)."""
        run_id = RunId(row.run_id) if row.run_id else NO_RUN
        entry = next(
            (
                candidate
                for candidate in self._sources.of_row(run_id, row.source, row.ref)
                if candidate.part == row.part
            ),
            None,
        )
        if entry is None or (row.source == "event" and self._sources.is_repeated(run_id, int(row.ref), entry)):
            return None
        pointer, words = snippet(entry.texts, query.matchers)
        archived = run_id != NO_RUN and self._connection.execute(_ARCHIVED, {"run_id_": run_id}).scalar() is not None
        return _hit_of(row, entry, pointer, words, is_archived=archived)


def _title_matches(groups: Sequence[Sequence[re.Pattern[str]]], title: str) -> bool:
    return any(all(pattern.search(title) for pattern in group) for group in groups)


def _hit_of(row: Row[Any], entry: SearchEntry, pointer: str, words: str, *, is_archived: bool) -> Hit:
    name, revision = entry.artifact or ("", None)
    return Hit(
        entry.kind,
        row.source,
        row.project_id,
        RunId(row.run_id) if row.run_id else None,
        entry.label,
        words,
        entry.at,
        entry.phase,
        entry.attempt,
        name,
        revision,
        int(row.ref) if row.source == "event" else None,
        pointer,
        is_archived,
    )


def _mark(cursor: str) -> _Mark:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise Refused(
            "bad_argument", f"'{cursor[:80]}' is no cursor of find.", "Take it from the page before, or leave it out."
        )
    top, low, in_text, id_ = (int(part, 16) for part in parts.groups())
    return _Mark(top, low, bool(in_text), id_)
