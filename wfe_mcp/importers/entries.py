"""What a file says there is to do, as entries that become work items.

    a plan       milestones, one after the other, with their tasks
    a backlog    ideas, tasks and what was blocked; what was done, archived or rejected

Rules:
1. An entry is known by its key in the file; where the key is only its place there (``numbered``), by its title.
2. Nothing is cut: a text that is too long for a line stands whole in the body. What an item has no room for is reported.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail
from wfe_mcp.core.item_values import BODY_CHARS, LINE_CHARS, TITLE_CHARS
from wfe_mcp.core.items import OVER, ItemKind, ItemStatus
from wfe_mcp.core.texts import cut, one_line
from wfe_mcp.core.units import plural

DONE_THERE = "it was done before"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file. ``values``: fields of an item; ``parent`` and ``needs``: keys of other entries; ``place``: its line;
    ``note``: what the file says of it and an item cannot.
    """

    key: str
    kind: ItemKind
    values: dict[str, Any]
    parent: str = ""
    needs: tuple[str, ...] = ()
    status: ItemStatus = ItemStatus.PLANNED
    reason: str = ""
    note: str = ""
    place: str = ""
    numbered: bool = False

    @property
    def title(self) -> str:
        """What it is about."""
        return str(self.values["title"])

    @property
    def is_over(self) -> bool:
        """True when nothing is left to do."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a file, in its order, and what of the file is in none of them.

    ``joint``: between the file and the key of an entry in the source of its item; ``origin``: what a message calls the file.
    """

    format: str
    entries: tuple[Entry, ...]
    not_carried: tuple[Detail, ...] = field(default=())
    joint: str = "#"
    origin: str = "the file"


def plan_entries(
    plan: Mapping[str, Any], places: Mapping[str, str], done: Iterable[str] = (), *, numbered: Iterable[str] = ()
) -> Iterator[Entry]:
    """The entries of a ``milestone_plan@1``. ``places``: where each id stands; ``done``: ids of tasks that are ticked off;
    ``numbered``: ids that are places in the file.
    """
    over, places_only = {*done}, {*numbered}
    before = ""
    for milestone in plan["milestones"]:
        name, goal, tasks = milestone["id"], milestone.get("goal", ""), milestone["tasks"]
        is_over = bool(tasks) and over.issuperset(task["id"] for task in tasks)
        yield Entry(
            name,
            ItemKind.MILESTONE,
            describe_entry(milestone["title"], goal) | {"sequential": True},
            needs=(before,) if before else (),
            status=ItemStatus.DONE if is_over else ItemStatus.PLANNED,
            place=places.get(name, ""),
            numbered=name in places_only,
        )
        before = name
        part = part_of(milestone["title"], goal)
        for task in tasks:
            yield Entry(
                task["id"],
                ItemKind.TASK,
                describe_entry(task["title"], _with_part(task.get("notes", ""), part), task["acceptance"])
                | {"scopes": task.get("conflict_scopes", []), "priority": task.get("priority", "normal")},
                parent=name,
                needs=tuple(task.get("depends_on", ())),
                status=ItemStatus.DONE if task["id"] in over else ItemStatus.PLANNED,
                place=places.get(task["id"], ""),
                numbered=task["id"] in places_only,
            )
    for task in plan.get("done", ()):
        values = describe_entry(task["title"], task.get("summary", ""))
        yield Entry(task["id"], ItemKind.TASK, values, status=ItemStatus.DONE, reason=DONE_THERE)


def part_of(title: str, goal: str) -> str:
    """What the body of a task says of its milestone."""
    return f"Part of {title!r}{f': {goal}' if goal else '.'}"


def _with_part(notes: str, part: str) -> str:
    return notes if part in notes else "\n\n".join(filter(None, (notes, part)))


def backlog_entry(key: str, title: str, status: str, body: str, criteria: list[str], place: str, **more: Any) -> Entry:
    """An entry of a backlog, in one of its seven states."""
    kind, state, reason = BACKLOG_STATES[status]
    note = "it is active there; here a run makes it so" if status == "active" else ""
    return Entry(key, kind, describe_entry(title, body, criteria) | more, "", (), state, reason, note, place)


BACKLOG_STATES: Mapping[str, tuple[ItemKind, ItemStatus, str]] = {
    "idea": (ItemKind.IDEA, ItemStatus.IDEA, ""),
    "selected": (ItemKind.TASK, ItemStatus.PLANNED, ""),
    "active": (ItemKind.TASK, ItemStatus.PLANNED, ""),
    "blocked": (ItemKind.TASK, ItemStatus.BLOCKED, "it was blocked in the backlog"),
    "done": (ItemKind.TASK, ItemStatus.DONE, DONE_THERE),
    "archived": (ItemKind.IDEA, ItemStatus.DROPPED, "archived"),
    "rejected": (ItemKind.IDEA, ItemStatus.DROPPED, "rejected"),
}
"""What the seven states of a backlog are here: kind, status and reason. What is active there is planned: a run makes it so."""


def describe_entry(title: str, body: str, criteria: Iterable[str] = ()) -> dict[str, Any]:
    """Title, body and criteria as an item has them; what does not fit into a line stands whole in the body."""
    lines = [(text, _line(text, LINE_CHARS)) for text in criteria]
    whole = [text for text, line in [(title, _line(title, TITLE_CHARS)), *lines] if line.endswith("…") and line != text]
    text = "\n\n".join(filter(None, (*whole, body.strip())))
    return {"title": _line(title, TITLE_CHARS), "body": text, "criteria": [line for _, line in lines if line]}


def cut_body(values: dict[str, Any], place: str) -> list[Detail]:
    """Shorten a body to what an item has room for. What does not fit, to report."""
    body = str(values["body"])
    cut = len(body) - BODY_CHARS
    if cut <= 0:
        return []
    values["body"] = body[:BODY_CHARS]
    return [Detail(place, f"the last {plural(cut, 'character')} of its text: an item has {BODY_CHARS:,}")]


def _line(text: str, most: int) -> str:
    return cut(one_line(" ".join(text.split())), most)
