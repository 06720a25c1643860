"""Entries of a file become work items: once, and never over what moved on here.

    entry without an item      an item is added
    item, the file changed     a field that is here as the file last had it takes the file's new value; another is kept
    item, the file did not     nothing
    item without an entry      it stays, and is named

Rules:
1. An item is known by its ``source``: FILE#KEY, or the address of an issue. Where the key is only a place in the file, it is known by its title, and
   with a new title by its criteria.
2. ``imported`` holds a short hash of each field as the file last had it: what differs from it was changed here.
3. What is over, active or decided here is left as it is; what is over in the file comes with a person's key only.
4. All of a file is one transaction; a dry run is the same one, undone.
"""

from __future__ import annotations

import graphlib
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.item_values import check_values
from wfe_mcp.core.items import MOVES, Item, ItemKind, ItemStatus, criteria_of, missing, number_of, with_values
from wfe_mcp.engine.work.items import CLOSED, items_before, items_of, keep_changes, keep_new, refuse_circle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.importers.entries import Entries, Entry
    from wfe_mcp.store import Tx

ENTRIES_MOST = 2_000
_KEPT = CLOSED | {ItemStatus.ACTIVE}


class How(NamedTuple):
    """How an import is made. ``finished``: with what is over; ``ready``: what says enough is ready; ``dry_run``: undone."""

    finished: bool = False
    ready: bool = False
    dry_run: bool = False


STORED = How()


@dataclass(slots=True)
class ImportedEntries:
    """What an import did, or in a dry run would do. ``changed``: each item with its new values; ``kept``: with what was left
    and why; ``gone``: items whose entry is in the file no more; ``left``: entries that became no item, by place, and why.
    """

    added: list[Item] = field(default_factory=list[Item])
    changed: list[tuple[Item, dict[str, Any]]] = field(default_factory=list[tuple[Item, dict[str, Any]]])
    kept: list[tuple[Item, str]] = field(default_factory=list[tuple[Item, str]])
    gone: list[Item] = field(default_factory=list[Item])
    left: list[Detail] = field(default_factory=list[Detail])
    unchanged: int = 0


class _OnlyTried(Exception):
    """A dry run succeeded and is undone."""


def import_entries(engine: Engine, by: By, file: str, entries: Entries, how: How = STORED) -> ImportedEntries:
    """Keep the entries of ``file`` as items.

    Refuses ``invalid_artifact`` (a key used twice, an unknown need, a circle, a value that no item has), ``too_large``, and
    ``needs_human`` for ``finished`` without a person.
    """
    if how.finished and not by.is_human:
        raise Refused(
            "needs_human",
            "Only a person says that something is done or dropped without a run.",
            "The user imports it in a terminal of their own, or leave --finished out.",
        )
    values = _checked_entries(entries)
    imported = ImportedEntries()
    with suppress(_OnlyTried), engine.store.tx() as tx:
        _Import(engine, tx, by, f"{file}{entries.joint}", imported, how).keep(entries, values)
        if how.dry_run:
            raise _OnlyTried
    return imported


def items_from(engine: Engine, tx: Tx, prefix: str) -> list[Item]:
    """The items whose source begins with ``prefix``."""
    return [item for item in items_of(tx, engine.project_id) if item.source.startswith(prefix)]


def _checked_entries(entries: Entries) -> dict[str, dict[str, Any]]:
    """The values of each entry as an item has them. Refuses all faults at once, each by its place."""
    faults: list[Detail] = []
    values: dict[str, dict[str, Any]] = {}
    if len(entries.entries) > ENTRIES_MOST:
        raise Refused("too_large", f"{len(entries.entries)} entries are more than {ENTRIES_MOST:,}.", "Split the file.")
    for entry in entries.entries:
        if entry.key in values:
            faults.append(Detail(entry.place, f"the id {entry.key!r} is used twice"))
        try:
            values[entry.key] = check_values(entry.values)
        except Refused as no:
            values[entry.key] = entry.values
            faults += [
                Detail(entry.place, f"{entry.key}: {fault.path} {fault.message}", fault.expected, fault.got)
                for fault in no.details
            ]
    for entry in entries.entries:
        faults += [
            Detail(entry.place, f"{entry.key} depends on {need!r}, which is not there")
            for need in entry.needs
            if need not in values
        ]
    try:
        graphlib.TopologicalSorter({entry.key: entry.needs for entry in entries.entries}).prepare()
    except graphlib.CycleError as circle:
        ring: list[str] = circle.args[1]
        place = next(entry.place for entry in entries.entries if entry.key == ring[0])
        faults.append(Detail(place, f"these wait for each other: {', '.join(ring[:-1])}"))
    if faults:
        first = faults[0]
        raise Refused(
            "invalid_artifact",
            f"The file cannot be imported; {first.path or 'in it'}: {first.message}.",
            "Fix each place that is named and import it again.",
            tuple(faults),
        )
    return values


class _Import:
    """One import in its transaction. ``ids``: the item of each entry that has one."""

    def __init__(self, engine: Engine, tx: Tx, by: By, prefix: str, imported: ImportedEntries, how: How) -> None:
        self._engine, self._tx, self._by, self._prefix, self._imported = engine, tx, by, prefix, imported
        self._finished, self._ready = how.finished, how.ready
        self._ids: dict[str, str] = {}

    def keep(self, file: Entries, values: Mapping[str, dict[str, Any]]) -> None:
        """Add, change or leave the item of each entry."""
        entries, self._origin = file.entries, file.origin
        # A claim is what its own tests say: no entry of a file is one.
        items = [item for item in items_from(self._engine, self._tx, self._prefix) if item.kind is not ItemKind.CLAIM]
        item_by_key = _match_items(entries, items, self._prefix)
        number = number_of(self._tx.items.new_id(self._engine.project_id))
        for entry in entries:
            if entry.key in item_by_key:
                self._ids[entry.key] = item_by_key[entry.key].id
            elif entry.is_over and not self._finished:
                self._imported.left.append(
                    Detail(entry.place, f"{entry.key} {entry.title!r} is {entry.status} there; --finished keeps it")
                )
            else:
                self._ids[entry.key], number = f"W-{number}", number + 1
        touched: list[Item] = []
        for entry in entries:
            if entry.key in item_by_key:
                touched.append(self._change(item_by_key[entry.key], entry, self._values(entry, values[entry.key])))
            elif entry.key in self._ids:
                self._add(entry, self._values(entry, values[entry.key]))
        self._refuse_circles(touched)
        matched = {item.id for item in item_by_key.values()}
        self._imported.gone += [item for item in items if item.id not in matched and not item.is_over]

    def _refuse_circles(self, touched: Sequence[Item]) -> None:
        """Refuse needs or parents that lead back to one of these items. All at once: a file may have thousands, each after another."""
        items = items_of(self._tx, self._engine.project_id) if touched else []
        for name in ("needs", "parent"):
            try:
                graphlib.TopologicalSorter({item.id: items_before(item, name) for item in items}).prepare()
            except graphlib.CycleError as circle:
                for item in touched:
                    if item.id in circle.args[1]:
                        refuse_circle(self._engine, self._tx, item, name)

    def _values(self, entry: Entry, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the file says of the item, in the fields of an item."""
        named = {
            "kind": entry.kind,
            "status": entry.status,
            "reason": entry.reason,
            "parent": self._ids.get(entry.parent, ""),
            "needs": [self._ids[need] for need in entry.needs if need in self._ids],
            "criteria": values["criteria"] or list(criteria_of(entry.kind)),
        }
        return dict(values) | named

    def _add(self, entry: Entry, values: dict[str, Any]) -> None:
        source = f"{self._prefix}{entry.key}"
        bare = Item(self._ids[entry.key], entry.kind, "", ItemStatus.PLANNED)
        item = with_values(bare, values | {"source": source, "imported": _marks(values)})
        item = with_values(item, self._readiness(item))
        self._imported.added.append(keep_new(self._engine, self._tx, item, self._by))
        if entry.note:
            self._imported.left.append(Detail(entry.place, f"{entry.key}: {entry.note}"))

    def _change(self, item: Item, entry: Entry, values: dict[str, Any]) -> Item:
        """The item with what the file changed, as far as it is still as the file last had it."""
        unset = Item(item.id, item.kind, "", ItemStatus.PLANNED)  # as a field was that older marks lack
        before = {name: _hash(getattr(unset, name)) for name in values}
        before |= dict(pair.split(":", 1) for pair in item.imported)
        here = {name: _hash(getattr(item, name)) for name in values}
        there = {name: _hash(value) for name, value in values.items()}
        wanted = [name for name in values if name != "reason" and there[name] not in {before[name], here[name]}]
        is_closed = item.status in _KEPT
        taken = [
            name for name in wanted if not is_closed and here[name] == before[name] and self._may(item, name, values)
        ]
        new = {name: values[name] for name in taken} | (
            {"reason": entry.reason} if "status" in taken and item.reason != entry.reason else {}
        )
        marks = {} if is_closed else {"imported": tuple(_marks(values))}
        item_now = self._keep(
            item,
            {name: _stored_form(value) for name, value in new.items()}
            | marks
            | {"source": f"{self._prefix}{entry.key}"},
        )
        more = self._readiness(item_now)
        item_now, new = self._keep(item_now, more), new | more
        if new:
            self._imported.changed.append((item_now, new))
        if left := [name for name in wanted if name not in taken]:
            why = f"it is {item.status} here" if is_closed else "changed here, or a decision of a person"
            self._imported.kept.append((item_now, f"{why}; {self._origin} changed {', '.join(left)}"))
        self._imported.unchanged += not (wanted or new)
        return item_now

    def _keep(self, item: Item, values: Mapping[str, Any]) -> Item:
        return keep_changes(self._engine, self._tx, item, values, self._by)

    def _readiness(self, item: Item) -> dict[str, Any]:
        """The status of an item that can be made ready, where that was asked for."""
        may = self._ready and item.status is ItemStatus.PLANNED and item.kind is not ItemKind.MILESTONE
        return {"status": ItemStatus.READY} if may and not missing(item) else {}

    def _may(self, item: Item, name: str, values: Mapping[str, Any]) -> bool:
        """Whether a file may change this field of this item."""
        if name == "kind":
            return not {item.kind, values["kind"]} & {ItemKind.MILESTONE, ItemKind.DECISION, ItemKind.CLAIM}
        mover = MOVES[item.status].get(values["status"]) if name == "status" else "agent"
        return mover == "agent" or (mover is not None and self._finished)


def _match_items(entries: Sequence[Entry], known: Sequence[Item], prefix: str) -> dict[str, Item]:
    """The item of each entry that has one: by its key; where that is a place, by its title, else by its criteria."""
    items, item_by_key = list(known), dict[str, Item]()

    def take(entry: Entry, is_it: Callable[[Item], bool]) -> None:
        kind = entry.kind is ItemKind.MILESTONE
        for item in items if entry.key not in item_by_key else ():
            if (item.kind is ItemKind.MILESTONE) == kind and is_it(item):
                item_by_key[entry.key] = item
                items.remove(item)
                return

    for entry in entries:
        if not entry.numbered:
            take(entry, lambda item, key=f"{prefix}{entry.key}": item.source == key)
    for entry in entries:
        if entry.numbered:
            take(entry, lambda item, title=entry.title: item.title.casefold() == title.casefold())
    for entry in entries:
        if entry.numbered and entry.values.get("criteria"):
            same = f"criteria:{_hash(entry.values['criteria'])}"
            take(entry, lambda item, same=same: same in item.imported)
    return item_by_key


def _marks(values: Mapping[str, Any]) -> list[str]:
    """What ``imported`` holds of these values, sorted by name."""
    return [f"{name}:{_hash(values[name])}" for name in sorted(values)]


def _hash(value: Any) -> str:
    return sha256_of(_stored_form(value))[:12]


def _stored_form(value: Any) -> Any:
    return tuple(cast("list[str]", value)) if isinstance(value, list) else value
