"""Turns the tasks of another tool into ``milestone_plan@1``: the open ones as milestones, the finished ones under ``done``.

Rules:
1. An id is used as it is spelled; a character that no id here has becomes ``-``: 2.1 is 2-1.
2. A task with open subtasks is done when they are: they take its place, and what depends on it depends on them.
3. A dependency on a finished task is fulfilled; one on a task that is not there or was dropped is reported. The open
   subtasks of a dropped task are dropped with it.
4. Tasks that depend on each other in a circle are an error. An id used twice belongs to the first task; the others get
   one that is free, which is reported.
5. A milestone with more than ``TASKS_MOST`` tasks is split in the order of the dependencies; milestones come after
   those that they depend on, and are joined when two need each other.
"""

import graphlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, near_miss
from wfe_mcp.core.units import plural
from wfe_mcp.importers.imported import ImportedWork, ImportReport, free_name

TASKS_MOST = MILESTONES_MOST = 50
"""What the template ``milestones`` takes."""

PRIORITIES = {"critical": "critical", "high": "high", "medium": "normal", "normal": "normal", "low": "low"}


@dataclass(slots=True)
class WorkItem:
    """One task of another tool. ``key``: unique over all groups; ``place``: the file and line that errors name."""

    key: str
    title: str
    place: str
    group: str = ""
    status: Literal["open", "done", "dropped"] = "open"
    acceptance: list[str] = field(default_factory=list[str])
    depends: list[str] = field(default_factory=list[str])
    priority: str = "normal"
    notes: list[str] = field(default_factory=list[str])
    parent: str = ""
    summary: str = ""
    """How it was finished."""
    requirements: list[str] = field(default_factory=list[str])
    """Ids of the spec that it serves."""
    files: list[str] = field(default_factory=list[str])


def plan_of(title: str, groups: Mapping[str, str], items: Sequence[WorkItem], report: ImportReport) -> dict[str, Any]:
    """The plan. ``groups``: the title of each group, in the order of the work. Errors and losses go into ``report``."""
    reading = WorkReader(items, report)
    needs = reading.needs()
    if not reading.is_ordered(needs):
        return {}
    ids = ids_of(reading.items)
    milestones = _milestones(groups, [reading.items[key] for key in needs], needs)
    for milestone in milestones:
        milestone["tasks"] = [_task(reading.items[key], ids, needs[key], report) for key in milestone["tasks"]]
    if len(milestones) > MILESTONES_MOST:
        report.error(
            "", f"{len(milestones)} milestones are more than a plan can have", MILESTONES_MOST, len(milestones)
        )
    return {"title": title, "milestones": milestones} | done_ones(reading.items.values(), ids)


def plan_work(format_name: str, name: str, plan: dict[str, Any], report: ImportReport) -> ImportedWork:
    """The work of the template ``milestones``. Refuses every error, and a plan without an open task."""
    report.refuse(f"The {format_name} folder", "invalid_artifact")
    done = len(plan.get("done", []))
    if not plan["milestones"]:
        raise nothing_open(format_name, done)
    tasks = sum(len(milestone["tasks"]) for milestone in plan["milestones"])
    return ImportedWork(format_name, fit_id(name), "milestones", {"plan": plan}, tasks, done, tuple(report.not_carried))


def nothing_open(format_name: str, done: int) -> Refused:
    """The refusal of a folder in which no task is open."""
    what = f"all {plural(done, 'task')} are done" if done > 1 else "its only task is done" if done else "it has no task"
    return Refused(
        "invalid_artifact",
        f"The {format_name} folder has nothing left to do: {what}.",
        "Add a task there, or start a run without it: wfe-mcp templates list",
    )


def ids_of(items: Iterable[str]) -> dict[str, str]:
    """The id here of each key."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for key in items:
        ids[key] = free_name(fit_id(key), taken)
        taken.add(ids[key])
    return ids


def free_key(key: str, place: str, taken: dict[str, str], report: ImportReport) -> str:
    """``key``, or one that is free where it is ``taken`` (by key, its place), which is reported. Takes it."""
    free = free_name(key, taken)
    if free != key:
        report.lose(place, f"the id {key!r} is used twice; first at {taken.get(key, place)}; here it is {free!r}")
    taken[free] = place
    return free


def fit_id(text: str) -> str:
    """``text`` as an id."""
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "-" for letter in text)
    return name.strip("-_")[:64] or "task"


def done_ones(items: Iterable[WorkItem], ids: Mapping[str, str]) -> dict[str, Any]:
    """The key ``done`` of a plan or task list, if a task is finished."""
    done = [
        {"id": ids[item.key], "title": item.title} | ({"summary": item.summary} if item.summary else {})
        for item in items
        if item.status == "done"
    ]
    return {"done": done} if done else {}


def status_of(
    text: object, known: Mapping[str, Literal["open", "done", "dropped"]], place: str, report: ImportReport
) -> Literal["open", "done", "dropped"]:
    """What a status of the other tool means; an unknown one is an error."""
    status = known.get(text.strip().lower()) if isinstance(text, str) else None
    if status is None:
        more = near_miss(str(text).lower(), known)
        report.error(place, f"unknown status {text!r}{more}", list(known), text)
    return status or "open"


def priority_of(text: object, place: str, report: ImportReport) -> str:
    """The priority here; an unknown one is reported, and is ``normal``."""
    priority = PRIORITIES.get(text.strip().lower()) if isinstance(text, str) else None
    if priority is None and text:
        report.lose(place, f"the priority {text!r} is 'normal' here")
    return priority or "normal"


class WorkReader:
    """The tasks by key, and which of them are to do."""

    def __init__(self, items: Sequence[WorkItem], report: ImportReport) -> None:
        self.items: dict[str, WorkItem] = {}
        self._report = report
        taken: dict[str, str] = {}
        for item in items:
            item.key = free_key(item.key, item.place, taken, report)
            self.items[item.key] = item
        self._children: dict[str, list[str]] = {}
        for item in self.items.values():
            if item.key in self._above(item):
                report.error(item.place, f"{item.key} is a subtask of its own subtask {item.parent}", None, item.parent)
                item.parent = ""
        for item in self.items.values():
            if item.status == "open" and any(self.items[key].status == "dropped" for key in self._above(item)):
                item.status = "dropped"
        for item in self.items.values():
            if item.status == "open" and item.parent in self.items:
                self._children.setdefault(item.parent, []).append(item.key)

    def needs(self) -> dict[str, list[str]]:
        """The tasks to do, each with those that come before it."""
        for item in self.items.values():
            if item.status == "dropped":
                self._report.lose(item.place, f"{item.key}, {item.title!r}, was dropped there")
        for item in sorted(filter(self._is_replaced, self.items.values()), key=lambda item: len(self._above(item))):
            self._hand_down(item)
        opened = [item for item in self.items.values() if item.status == "open" and not self._is_replaced(item)]
        return {item.key: self._needs(item) for item in opened}

    def is_ordered(self, needs: Mapping[str, Sequence[str]]) -> bool:
        """Whether no tasks wait for each other; else that is an error."""
        try:
            graphlib.TopologicalSorter(needs).prepare()
        except graphlib.CycleError as circle:
            keys: list[str] = circle.args[1]
            waiting = ", ".join(dict.fromkeys(reversed(keys)))
            self._report.error(self.items[keys[0]].place, f"these tasks depend on each other: {waiting}")
            return False
        return True

    def _above(self, item: WorkItem) -> list[str]:
        """The tasks that ``item`` is part of, the nearest first; with its own key if that is a circle."""
        above: dict[str, None] = {}
        key = item.parent
        while key in self.items and key not in above:
            above[key] = None
            key = self.items[key].parent
        return list(above)

    def _is_replaced(self, item: WorkItem) -> bool:
        """Whether open subtasks take the place of an open task."""
        return item.status == "open" and item.key in self._children

    def _hand_down(self, parent: WorkItem) -> None:
        """The notes go to each subtask; the acceptance holds once the last one is done."""
        self._report.lose(parent.place, "it is no task here: its open subtasks take its place")
        children = [self.items[key] for key in self._children[parent.key]]
        for child in children:
            child.notes += [f"Part of {parent.key}, {parent.title!r}", *parent.notes]
        children[-1].acceptance += [text for text in parent.acceptance if text not in children[-1].acceptance]

    def _needs(self, item: WorkItem) -> list[str]:
        """The open tasks before ``item``: what it and the tasks that it is part of depend on."""
        above = self._above(item)
        named = [(name, task) for task in (item, *(self.items[key] for key in above)) for name in task.depends]
        return list(dict.fromkeys(need for name, by in named if name not in above for need in self._meant(name, by)))

    def _meant(self, name: str, by: WorkItem) -> list[str]:
        """The open tasks that a dependency names: the task, or its open subtasks."""
        need = self.items.get(name)
        if need is None or need.status == "dropped":
            why = "is not there" if need is None else "was dropped there"
            self._report.lose(by.place, f"{by.key} depends on {name}, which {why}")
            return []
        if need.status == "done":
            return []
        keys, below = list[str](), [name]
        while below:
            key = below.pop()
            keys += [] if key in self._children else [key]
            below += reversed(self._children.get(key, ()))
        return keys


def _milestones(
    groups: Mapping[str, str], opened: Sequence[WorkItem], needs: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Milestones whose ``tasks`` are keys, in the order of the work."""
    members = {group: [item.key for item in opened if item.group == group] for group in groups}
    of = {item.key: item.group for item in opened}
    before = {
        group: {of[need] for key in keys for need in needs[key]} - {group} for group, keys in members.items() if keys
    }
    try:
        order = in_order(list(before), before)
        titles = dict(groups)
    except graphlib.CycleError:
        first = next(iter(before))
        members = {first: [item.key for item in opened]}
        order, titles = [first], {first: " and ".join(groups[group] for group in before)}
    milestones: list[dict[str, Any]] = []
    ids: set[str] = set()
    for group in order:
        keys = in_order(members[group], needs)
        for start in range(0, len(keys), TASKS_MOST):
            name = free_name(fit_id(group), ids)
            ids.add(name)
            milestones.append({"id": name, "title": titles[group], "tasks": keys[start : start + TASKS_MOST]})
    return milestones


def in_order(keys: Sequence[str], before: Mapping[str, Iterable[str]]) -> list[str]:
    """``keys`` with each after those it needs; else as they were. Raises CycleError."""
    position = {key: at for at, key in enumerate(keys)}
    sorter = graphlib.TopologicalSorter({key: [need for need in before[key] if need in position] for key in keys})
    sorter.prepare()
    ready, order = list[int](), list[str]()
    while sorter.is_active():
        for key in sorter.get_ready():
            heapq.heappush(ready, position[key])
        order.append(keys[heapq.heappop(ready)])
        sorter.done(order[-1])
    return order


def _task(item: WorkItem, ids: Mapping[str, str], needs: Sequence[str], report: ImportReport) -> dict[str, Any]:
    if not item.acceptance:
        report.lose(item.place, f"{item.key} has no acceptance criteria; its title stands for them")
    task: dict[str, Any] = {
        "id": ids[item.key],
        "title": item.title,
        "acceptance": item.acceptance or [item.title],
        "depends_on": [ids[need] for need in needs],
        "priority": item.priority,
    }
    notes = "\n".join(dict.fromkeys(item.notes))
    return task | ({"notes": notes} if notes else {})
