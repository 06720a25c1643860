"""Converts the backlog.md of aiw to ``milestone_plan@1``.

    ## BLG-001 - Export a run
    Status: selected                  idea selected active blocked: work; done archived rejected: over, in no plan
    Priority: high
    Tags: export, cli
    Conflict scopes: archive
    Notes: One file per run           or lines and bullets below it
    Acceptance:
    - The archive lists every artifact
    - [ ] A legacy item               a checkbox outside the items above

Rules:
1. Every unknown line is an error with its number (B-19).
2. The items become the tasks of one milestone, ``Backlog``, in the order of the file, without dependencies. More than
   ``TASKS_MOST`` become several such milestones.
3. Status and tags have no field in a plan: they go into the task's notes. Work items have them.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import near_miss
from wfe_mcp.importers.entries import BACKLOG_STATES, Entry, backlog_entry
from wfe_mcp.importers.imported import ImportReport, PlanReading, quote_line
from wfe_mcp.importers.quality import Weakness, quality_of, task_weaknesses, weakness
from wfe_mcp.importers.work_items import TASKS_MOST

FORMAT = "aiw backlog"

_HEADING = re.compile(r"##\s+(BLG-[0-9]+)\s*[-:\u2013\u2014]?\s*(.*)", re.IGNORECASE)
_KEY = re.compile(r"\s*(Status|Priority|Tags|Conflict scopes|Notes|Acceptance)\s*:\s*(.*)", re.IGNORECASE)
_BULLET = re.compile(r"\s*[-*]\s+(?:\[[ xX]\]\s*)?(.*)")
_CHECKBOX = re.compile(r"\s*[-*]\s+\[([ xX])\]\s*(.*)")
_SLUG = "backlog"
_OPEN = ("idea", "selected", "active", "blocked")
_CLOSED = ("done", "archived", "rejected")
_PRIORITIES = {
    "critical": "critical",
    "urgent": "critical",
    "p0": "critical",
    "high": "high",
    "p1": "high",
    "normal": "normal",
    "medium": "normal",
    "p2": "normal",
    "low": "low",
    "p3": "low",
}


@dataclass(slots=True)
class _Item:
    id: str
    title: str
    line: int
    status: str = "idea"
    priority: str = "normal"
    tags: str = ""
    scopes: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    acceptance: list[str] = field(default_factory=list[str])
    is_numbered: bool = True
    """Whether its id stands in the file; that of a plain checkbox follows from its place."""


def read_backlog(text: str) -> PlanReading:
    """What the file holds, errors and weaknesses included."""
    reading = _BacklogReader()
    for number, line in enumerate(text.split("\n"), 1):
        reading.read(line.rstrip(), number)
    return reading.plan()


class _BacklogReader:
    def __init__(self) -> None:
        self._found = ImportReport()
        self._title = ""
        self._items: list[_Item] = []
        self._item: _Item | None = None
        self._section = ""

    def read(self, line: str, number: int) -> None:
        """Parse one line."""
        if not line.strip():
            return
        if line.startswith("## "):
            self._heading(line, number)
        elif line.startswith("# ") and not self._items:
            self._title = line[2:].strip()
        elif self._item is not None and (match := _KEY.fullmatch(line)):
            self._key(self._item, match[1].lower(), match[2].strip(), number)
        elif self._item is not None and self._section:
            self._below(self._item, line, number)
        elif match := _CHECKBOX.fullmatch(line):
            self._legacy(match[1] != " ", match[2].strip(), number)
        elif self._items:
            self._unknown(line, number)
        else:
            self._found.lose(f"line {number}", f"introduction: {quote_line(line)}")

    def plan(self) -> PlanReading:
        """The plan as far as it was understood."""
        taken = {item.id for item in self._items}
        free = (name for number in itertools.count(1) if (name := f"BLG-{number:03}") not in taken)
        for item in self._items:
            item.is_numbered = bool(item.id)
            item.id = item.id or next(free)
        quality = quality_of(list(self._weaknesses()))
        tasks = [_task(item) for item in self._work()]
        milestones = [
            {
                "id": f"M{number}",
                "title": "Backlog",
                "slug": _SLUG if number == 1 else f"{_SLUG}-{number}",
                "tasks": part,
            }
            for number, part in enumerate(
                (tasks[at : at + TASKS_MOST] for at in range(0, len(tasks) or 1, TASKS_MOST)), 1
            )
        ]
        plan: dict[str, Any] = {"title": self._title or "Backlog", "milestones": milestones, "quality": quality}
        return PlanReading(
            FORMAT, plan, self._found, tuple(_entry(item) for item in self._items if item.status in BACKLOG_STATES)
        )

    def _heading(self, line: str, number: int) -> None:
        self._section = ""
        match = _HEADING.fullmatch(line)
        if match is None or not match[2].strip():
            self._found.error(f"line {number}", f"{quote_line(line)} is no item", "## BLG-001 - Title")
            self._item = None
            return
        self._item = _Item(match[1].upper(), match[2].strip(), number)
        self._items.append(self._item)

    def _key(self, item: _Item, key: str, value: str, number: int) -> None:
        self._section = key if key in {"notes", "acceptance", "conflict scopes", "tags"} else ""
        if key == "status":
            if value.lower() not in (*_OPEN, *_CLOSED):
                self._wrong(key, value, (*_OPEN, *_CLOSED), number)
            item.status = value.lower()
        elif key == "priority":
            if value and value.lower() not in _PRIORITIES:
                self._wrong(key, value, tuple(_PRIORITIES), number)
            item.priority = _PRIORITIES.get(value.lower(), "normal")
        elif value:
            self._add(item, key, value)

    def _below(self, item: _Item, line: str, number: int) -> None:
        match = _BULLET.fullmatch(line)
        if match is None and self._section != "notes":
            self._unknown(line, number)
        else:
            self._add(item, self._section, match[1].strip() if match else line.strip())

    @staticmethod
    def _add(item: _Item, key: str, value: str) -> None:
        if key == "notes":
            item.notes.append(value)
        elif key == "acceptance":
            item.acceptance.append(value)
        elif key == "tags":
            item.tags = ", ".join(filter(None, [item.tags, value]))
        else:
            item.scopes += [scope.strip() for scope in value.split(",") if scope.strip()]

    def _legacy(self, done: bool, title: str, number: int) -> None:
        if not title:
            self._found.error(f"line {number}", "the item has no title")
            return
        # Such an item is only a checkbox: its title is its acceptance. It gets an id at the end.
        self._items.append(_Item("", title, number, "done" if done else "idea", acceptance=[title]))

    def _unknown(self, line: str, number: int) -> None:
        expected = "## BLG-001 - Title, Status:, Priority:, Tags:, Conflict scopes:, Notes:, Acceptance: or a bullet below them"
        self._found.error(f"line {number}", f"{quote_line(line)} is not understood", expected)

    def _wrong(self, key: str, value: str, valid: tuple[str, ...], number: int) -> None:
        guess = near_miss(value.lower(), valid)
        self._found.error(f"line {number}", f"unknown {key} {quote_line(value)}{guess}", list(valid), value)

    def _work(self) -> list[_Item]:
        """The open items; the others are reported as not carried, once."""
        return [item for item in self._items if item.status in _OPEN]

    def _weaknesses(self) -> Iterator[Weakness]:
        seen: dict[str, int] = {}
        for item in self._items:
            if item.id in seen:
                yield weakness("duplicate_id", f"{item.id} is in line {seen[item.id]} already", item.line)
            seen.setdefault(item.id, item.line)
            if item.status in _CLOSED:
                self._found.lose(f"line {item.line}", f"{item.id} is {item.status}: a plan says what there is to do")
        for item in self._work():
            # An idea without acceptance is valid: it is written when the idea is selected.
            for fault in task_weaknesses(_task(item), item.line):
                yield replace(fault, blocking=False)
        if not self._work():
            yield weakness("no_milestones", "no item is open", 1)


def _entry(item: _Item) -> Entry:
    tags = [tag.strip() for tag in item.tags.split(",") if tag.strip()]
    more = {"tags": tags, "scopes": list(dict.fromkeys(item.scopes)), "priority": item.priority}
    notes, place = "\n".join(item.notes), f"line {item.line}"
    entry = backlog_entry(item.id, item.title, item.status, notes, item.acceptance, place, **more)
    return replace(entry, numbered=not item.is_numbered)


def _task(item: _Item) -> dict[str, Any]:
    notes = [*item.notes, f"Status: {item.status}", *([f"Tags: {item.tags}"] if item.tags else [])]
    return {
        "id": item.id,
        "title": item.title,
        "acceptance": item.acceptance,
        "depends_on": [],
        "conflict_scopes": list(dict.fromkeys(item.scopes)),
        "priority": item.priority,
        "notes": "\n".join(notes),
    }
