"""Work items of a project, and the log of their changes.

    ItemAdded        the item's fields that say something         ┐
    ItemChanged      the new value of each changed field          ├ one hash chain per project
    DecisionSigned   a person's signature of what they changed    ┘  with the number of the item, as the others

Rules:
1. The log is the truth: ``problems`` makes each item of it again and compares it with its row.
2. A project's chain has the name ``work:PROJECT`` where others have the id of a run: in anchors, and in what is signed.
3. What a person changes is signed at once, in the same transaction.
4. Signatures of earlier versions have the number 0 in place of the item's.
5. Full-text search has one entry for each item, as it is: a change takes the old one out (``search/index.py``).
6. The bytes of a file are kept once in a project, under the sha256 by which the log names them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, bindparam, desc, func, insert, literal_column, or_, select, text, update
from sqlalchemy.sql.expression import Select, TextClause

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.items import OVER, Item, ItemKind, ItemStatus, load_item, number_of, values_of, with_values
from wfe_mcp.core.model import By, Person
from wfe_mcp.store.integrity.chained_log import BEGIN, SIGNED, end_of, event_hash, misplaced_events, signature
from wfe_mcp.store.integrity.record_seals import AnchoredEvent, unlike_anchors
from wfe_mcp.store.layout.tables import ITEM, ITEM_EVENT, ITEM_FILE
from wfe_mcp.store.records.runs import UNREADABLE, ItemEventRecord, ItemRow
from wfe_mcp.store.repository import Repository, RepositoryPart, bound, columns_for, row_from
from wfe_mcp.store.search.entries import ITEMS, SearchEntry, of_item, of_item_row
from wfe_mcp.store.search.index import NO_RUN, SearchNoteRepository
from wfe_mcp.store.sqlite import insert_new
from wfe_mcp.store.words.query import Query

ADDED, CHANGED = "ItemAdded", "ItemChanged"
MOST_ROWS = 100

_ROWS = select(*columns_for(ItemRow, ITEM)).where(ITEM.c.project_id == bindparam("project_id_"))
_ROW = _ROWS.where(ITEM.c.number == bindparam("number_"))
_NAMED = _ROWS.where(ITEM.c.number.in_(bindparam("numbers", expanding=True)))
_CHILDREN = _ROWS.where(ITEM.c.parent == bindparam("parent_")).order_by(ITEM.c.number)
_MADE_OF = _ROWS.where(ITEM.c.fingerprint == bindparam("fingerprint_"))
_OF_KINDS = (
    or_(ITEM.c.kind.in_(bindparam("kinds", expanding=True)), bindparam("any_kind")),
    ITEM.c.status.in_(bindparam("statuses", expanding=True)),
)
_IN_ORDER = (
    _ROWS.where(*_OF_KINDS, ITEM.c.number > bindparam("after")).order_by(ITEM.c.number).limit(bindparam("limit_"))
)
_OF_PROJECTS = ITEM.c.project_id.in_(bindparam("projects", expanding=True))
_COUNTS = select(ITEM.c.status, func.count().label("items")).where(_OF_PROJECTS, _OF_KINDS[0]).group_by(ITEM.c.status)
_LAST_NUMBER = select(func.max(ITEM.c.number)).where(ITEM.c.project_id == bindparam("project_id_"))
_NAMING = _ROWS.where(func.instr(ITEM.c.content, bindparam("named")) > 0).order_by(ITEM.c.number)
_FITS = (_OF_PROJECTS, *_OF_KINDS)
_ORDERS = {
    False: (desc(ITEM.c.priority), ITEM.c.project_id, ITEM.c.number),
    True: (desc(ITEM.c.changed_at), ITEM.c.project_id, desc(ITEM.c.last_seq)),
}


@cache
def _backlog(condition: str, *, newest: bool) -> Select[Any]:
    """``condition``: of the word index, "" where no words are looked for."""
    fits = (*_FITS, *_has_words(condition))
    return select(*columns_for(ItemRow, ITEM)).where(*fits).order_by(*_ORDERS[newest]).limit(bindparam("limit_"))


@cache
def _how_many(condition: str) -> Select[Any]:
    return select(func.count()).select_from(ITEM).where(*_FITS, *_has_words(condition))


def _has_words(condition: str) -> list[TextClause]:
    statement = (  # the reference of an entry is PROJECT/W-12/SEQ
        "(item.project_id, item.number) IN (SELECT find_entry.project_id, "  # noqa: S608 - our words
        "CAST(substr(find_entry.ref, length(find_entry.project_id) + 4) AS INTEGER) "
        f"FROM find_text CROSS JOIN find_entry WHERE find_entry.id = find_text.rowid AND {condition} "
        "AND find_entry.source = :source)"
    )
    return [text(statement).bindparams(source=ITEMS)] if condition else []


_PARTS = (
    select(ITEM.c.parent, ITEM.c.status, func.count().label("items"))
    .where(ITEM.c.project_id == bindparam("project_id_"), ITEM.c.parent.in_(bindparam("parents", expanding=True)))
    .group_by(ITEM.c.parent, ITEM.c.status)
)
_NUMBERED = literal_column("item_event.rowid", Integer)
_LAST_ROW = select(_NUMBERED).select_from(ITEM_EVENT).order_by(desc(_NUMBERED)).limit(1)
_AFTER_ROW = (
    select(_NUMBERED, ITEM_EVENT.c.project_id, ITEM_EVENT.c.number)
    .where(bindparam("after") < _NUMBERED, ITEM_EVENT.c.number > 0)
    .where(or_(bindparam("project_id_") == "", ITEM_EVENT.c.project_id == bindparam("project_id_")))
    .order_by(_NUMBERED)
)
_NEW = insert(ITEM)
_CHANGE = update(ITEM).where(*bound(ITEM, "project_id", "number"))
_LOG = (
    select(*columns_for(ItemEventRecord, ITEM_EVENT))
    .where(ITEM_EVENT.c.project_id == bindparam("project_id_"))
    .order_by(ITEM_EVENT.c.seq)
)
_OF_ITEM = _LOG.where(ITEM_EVENT.c.number.in_([bindparam("number_"), 0]))
_TAIL = (
    select(ITEM_EVENT.c.seq, ITEM_EVENT.c.hash)
    .where(ITEM_EVENT.c.project_id == bindparam("project_id_"))
    .order_by(desc(ITEM_EVENT.c.seq))
    .limit(1)
)
_PROJECTS = select(ITEM_EVENT.c.project_id).distinct()
_NEW_EVENT = insert(ITEM_EVENT)
_NEW_FILE = insert_new(ITEM_FILE)
_FILES = select(ITEM_FILE.c.sha256, ITEM_FILE.c.content).where(ITEM_FILE.c.project_id == bindparam("project_id_"))
_FILE = _FILES.where(ITEM_FILE.c.sha256 == bindparam("sha256_"))


def chain_of(project_id: str) -> str:
    """The name of a project's chain, where other chains have the id of their run."""
    return f"work:{project_id}"


class ItemRepository(Repository):
    """Work items."""

    _search_notes = RepositoryPart(SearchNoteRepository)

    def add(self, project_id: str, item: Item, by: By, at: datetime) -> None:
        """Keep a new item."""
        seq = self._log(project_id, item, ADDED, values_of(item), by, at)
        row = _row(project_id, item, seq) | {"added_at": at, "changed_at": at}
        self._run(_NEW, row)
        self._note(project_id, of_item(project_id, item, seq, at))

    def change(self, project_id: str, item: Item, values: Mapping[str, Any], by: By, at: datetime) -> Item:
        """Keep the new values of some fields; returns the item with them."""
        after = with_values(item, values)
        key = {"project_id_": project_id, "number_": number_of(after.id)}
        before = self._all(ItemRow, _ROW, key)
        seq = self._log(project_id, after, CHANGED, values, by, at)
        row = {
            name: value for name, value in _row(project_id, after, seq).items() if name not in {"project_id", "number"}
        }
        self._connection.execute(_CHANGE.values(row | {"changed_at": at}), key)
        for old_item in before:
            self._search_notes.replace(project_id, of_item_row(old_item))
        self._note(project_id, of_item(project_id, after, seq, at))
        return after

    def keep_file(self, project_id: str, content: bytes) -> str:
        """Keep the bytes of a file that an item is about to name; their sha256."""
        sha256 = sha256_hex(content)
        self._run(_NEW_FILE, {"project_id": project_id, "sha256": sha256, "content": content})
        return sha256

    def file(self, project_id: str, sha256: str) -> bytes | None:
        """The bytes of a file that an item names; None where they are missing."""
        row = self._connection.execute(_FILE, {"project_id_": project_id, "sha256_": sha256}).first()
        return None if row is None else bytes(row.content)

    def new_id(self, project_id: str) -> str:
        """The id of the next item of the project."""
        self.alone("items", project_id)
        last = self._connection.execute(_LAST_NUMBER, {"project_id_": project_id}).scalar()
        return f"W-{(last or 0) + 1}"

    def get(self, project_id: str, name: str) -> Item:
        """The item called ``name``: ``W-12``, ``w-12`` or ``12``. Refuses ``bad_argument`` for an unknown one."""
        return item_of(self.row(project_id, name))

    def row(self, project_id: str, name: str) -> ItemRow:
        """The same with when and by which event of its log it became so."""
        row = self._row(project_id, name)
        if row is not None:
            return row
        last = self._connection.execute(_LAST_NUMBER, {"project_id_": project_id}).scalar()
        known = f"The newest is W-{last}: wfe-mcp work list" if last else "There is none yet: wfe-mcp work add TITLE"
        raise Refused("bad_argument", f"There is no work item {name!r} in this project.", known)

    def find(self, project_id: str, name: str) -> Item | None:
        """The item called ``name``, as of ``get``; None for an unknown one."""
        row = self._row(project_id, name)
        return None if row is None else item_of(row)

    def _row(self, project_id: str, name: str) -> ItemRow | None:
        digits = name.strip().upper().removeprefix("W-")
        if not digits.isdecimal() or len(digits) >= 12:
            return None
        return self._first(ItemRow, _ROW, {"project_id_": project_id, "number_": int(digits)})

    def by_ids(self, project_id: str, ids: Iterable[str]) -> list[Item]:
        """The items with these ids; unknown ones are left out."""
        return [item_of(row) for row in self.rows(project_id, ids)]

    def rows(self, project_id: str, ids: Iterable[str]) -> list[ItemRow]:
        """The same with when each became so."""
        parameters = {"project_id_": project_id, "numbers": [number_of(id_) for id_ in ids]}
        return self._all(ItemRow, _NAMED, parameters) if parameters["numbers"] else []

    def children(self, project_id: str, parent: str) -> list[Item]:
        """The items under ``parent``, as they were added."""
        return self._items(_CHILDREN, project_id, parent_=parent)

    def naming(self, project_id: str, id_: str) -> list[Item]:
        """The items that need the item ``id_``, as they were added."""
        items = self._items(_NAMING, project_id, named=f'"{id_}"')
        return [item for item in items if id_ in item.needs]

    def backlog(
        self,
        projects: Sequence[str],
        kinds: Sequence[ItemKind],
        statuses: Sequence[ItemStatus],
        query: Query | None = None,
        *,
        newest: bool = False,
        limit: int,
    ) -> tuple[list[ItemRow], int]:
        """Up to ``limit`` rows of items of these kinds (none given: of all) and statuses by priority, and how many there are.

        ``query``: what full-text search has to find in them; ``newest``: those that changed last come first.
        """
        values = _of_kinds(kinds, statuses) | {"projects": projects}
        words, condition = self._caches.library.words, ""
        if query is not None:
            condition, values["match"] = words.condition, words.expression(query)
        rows = self._all(ItemRow, _backlog(condition, newest=newest), values | {"limit_": limit})
        return rows, int(self._connection.execute(_how_many(condition), values).scalar_one())

    def progress(self, project_id: str, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Of the items that have some under them: how many of those are over, and how many there are."""
        counts: dict[str, tuple[int, int]] = {}
        for row in self._connection.execute(_PARTS, {"project_id_": project_id, "parents": list(ids)}):
            done, parts = counts.get(row.parent, (0, 0))
            over = row.items if ItemStatus(row.status) in OVER else 0
            counts[row.parent] = (done + over, parts + row.items)
        return counts

    def last_row(self) -> int:
        """The number of the newest row in the log of all projects, in the order of their commits; 0 without one."""
        return int(self._connection.execute(_LAST_ROW).scalar() or 0)

    def changes_after(self, row: int, project_id: str = "") -> list[tuple[int, str, str]]:
        """What changed in items after a row: its number, the project and the item. ``project_id``: only there."""
        cursor = self._connection.execute(_AFTER_ROW, {"after": row, "project_id_": project_id})
        return [(int(entry[0]), str(entry[1]), f"W-{entry[2]}") for entry in cursor]

    def made_of(self, project_id: str, fingerprint: str) -> Item | None:
        """The item that was made of the finding with this fingerprint."""
        return next(iter(self._items(_MADE_OF, project_id, fingerprint_=fingerprint)), None)

    def page(
        self,
        project_id: str,
        *,
        kinds: Sequence[ItemKind] = (),
        statuses: Sequence[ItemStatus] = (),
        after: int = 0,
        limit: int = MOST_ROWS,
    ) -> list[ItemRow]:
        """The rows of items of these kinds and statuses (none given: of all), as they were added."""
        values = _of_kinds(kinds, statuses or tuple(ItemStatus))
        return self._all(ItemRow, _IN_ORDER, values | {"project_id_": project_id, "after": after, "limit_": limit})

    def counts(self, *projects: str, kinds: Sequence[ItemKind] = ()) -> dict[ItemStatus, int]:
        """How many items of these projects and kinds (none given: of all) have which status."""
        rows = self._connection.execute(_COUNTS, _of_kinds(kinds, ()) | {"projects": projects})
        return {ItemStatus(row.status): int(row.items) for row in rows}

    def history(self, project_id: str, item: str = "") -> list[ItemEventRecord]:
        """The log of ``item`` with its signatures, and those of earlier versions; else of all items. Oldest first."""
        if item:
            return self._all(ItemEventRecord, _OF_ITEM, {"project_id_": project_id, "number_": number_of(item)})
        return self._all(ItemEventRecord, _LOG, {"project_id_": project_id})

    def tail(self, project_id: str) -> tuple[int, str]:
        """The number and the hash of the project's last event; (0, GENESIS) before the first."""
        return end_of(self._connection, _TAIL, {"project_id_": project_id})

    def tails(self) -> dict[str, tuple[int, str]]:
        """The end of each project's chain, by the chain's name."""
        return {chain_of(project): self.tail(project) for project in self._connection.execute(_PROJECTS).scalars()}

    def problems(self, project_id: str, anchors: Sequence[AnchoredEvent] = ()) -> Iterator[Discrepancy]:
        """Every difference between the items, their log and its anchors."""
        item_by_number: dict[int, Item] = {}
        seqs: dict[int, int] = {}
        hashes: dict[int, str] = {}
        before = BEGIN
        for event in self.history(project_id):
            where = f"work item W-{event.number}" if event.number else "work items"
            yield from misplaced_events(event, before, _hash(event), where, "item_event_edited")
            before, hashes[event.seq] = (event.seq, event.hash), event.hash
            if event.type != SIGNED:
                seqs[event.number] = event.seq
                try:
                    values = json.loads(event.payload)
                    known = item_by_number.get(event.number)
                    item_by_number[event.number] = (
                        with_values(known, values) if known else load_item(f"W-{event.number}", values)
                    )
                except UNREADABLE:
                    message = f"event {event.seq} cannot be read"
                    yield Discrepancy("item_event_edited", where, message, seq=event.seq, since=event.at)
        yield from unlike_anchors(hashes, anchors)
        rows = {row.number: row for row in self._all(ItemRow, _ROWS, {"project_id_": project_id})}
        kept = {
            attached.sha256: sha256_hex(attached.content)
            for attached in self._connection.execute(_FILES, {"project_id_": project_id})
        }
        for number in sorted({*item_by_number, *rows}):
            item, row, where = item_by_number.get(number), rows.get(number), f"work item W-{number}"
            for file in item.files if item else ():
                if kept.get(file.sha256) != file.sha256:
                    what = "was changed after it was attached" if file.sha256 in kept else "is missing"
                    message = f"the attached file {file.name!r} {what}"
                    yield Discrepancy("item_file_edited", where, message, seq=seqs[number])
            wanted = None if item is None else _row(project_id, item, seqs[number])
            compared_values = (
                None if row is None else {name: value for name, value in asdict(row).items() if name in _COMPARED}
            )
            if wanted != compared_values:
                message = "it is not as the log of its changes makes it"
                yield Discrepancy("item_edited", where, message, seq=seqs.get(number))

    def _note(self, project_id: str, entry: SearchEntry) -> None:
        """Keep the search entry of an item in this transaction."""
        self._search_notes.note(NO_RUN, (entry,)).project_id = project_id

    def _items(self, statement: Any, project_id: str, **values: Any) -> list[Item]:
        return [item_of(row) for row in self._all(ItemRow, statement, {"project_id_": project_id, **values})]

    def _log(self, project_id: str, item: Item, type_: str, values: Mapping[str, Any], by: By, at: datetime) -> int:
        self.alone("items", project_id)
        before = self.tail(project_id)
        payload = canonical_json(values)
        number = number_of(item.id)
        seq = self._append(project_id, number, type_, payload, by, at, before)
        if isinstance(by, Person):
            decision = [{"do": type_, "item": item.id, "values": dict(values)}]
            facts = {"kind": "work", "run": chain_of(project_id), "decision": decision}
            after = self.tail(project_id)
            signed = signature(by, facts, before, after)
            if signed is not None:
                self._append(project_id, number, SIGNED, signed, by, at, after)
        return seq

    def _append(
        self, project_id: str, number: int, type_: str, payload: str, by: By, at: datetime, before: tuple[int, str]
    ) -> int:
        seq, prev_hash = before[0] + 1, before[1]
        event = ItemEventRecord(
            project_id, seq, number, type_, at, by.actor, by.channel, by.assurance, prev_hash, "", payload
        )
        self._run(_NEW_EVENT, {**row_from(event, ITEM_EVENT), "hash": _hash(event)})
        self._search_notes.note(NO_RUN, (), events=1)
        return seq


def _of_kinds(kinds: Sequence[ItemKind], statuses: Sequence[ItemStatus]) -> dict[str, Any]:
    """The values of ``_OF_KINDS``; no kind is every kind."""
    return {"kinds": list(kinds) or [ItemKind.TASK], "any_kind": not kinds, "statuses": list(statuses)}


def item_of(row: ItemRow) -> Item:
    """The item in a row."""
    return load_item(f"W-{row.number}", json.loads(row.content))


_COMPARED = frozenset(
    {"project_id", "number", "kind", "status", "priority", "parent", "fingerprint", "last_seq", "content"}
)


def _row(project_id: str, item: Item, seq: int) -> dict[str, Any]:
    return {
        "project_id": project_id,
        "number": number_of(item.id),
        "kind": item.kind,
        "status": item.status,
        "priority": item.priority,
        "parent": item.parent,
        "fingerprint": item.fingerprint,
        "last_seq": seq,
        "content": canonical_json(values_of(item)),
    }


def _hash(event: ItemEventRecord) -> str:
    content = (
        f'{{"item":{event.number},"values":{event.payload}}}'  # canonical text already; forged text may be no JSON
    )
    return event_hash(chain_of(event.project_id), event, content)
