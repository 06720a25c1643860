"""Converts the milestones.md of aiw to ``milestone_plan@1``.

    # Milestones                       the plan's title
    ## M1 - Write the archive          also ``M1:`` and no number: the next free one
    Goal: A run becomes one file
    Tasks:
    - [ ] Stream artifacts into a zip
      Acceptance: The archive lists every artifact        repeatable
      Conflict: archive, zip
      Depends: TASK-001, Another title                    also ``Depends on:``; or ``none``; without it: the task before
      Backlog: BLG-004

Rules:
1. Every unknown line is an error with its number (B-19); text before the first ``##`` is an introduction, and is
   reported as not carried.
2. Ids keep their spelling: ``M01`` is M01, and its branch begins so. Tasks are TASK-001… over the whole file. A task without ``Depends:`` follows the one before it in its milestone.
3. A milestone follows each one above it: its own ``Depends on:`` can only name those, and no task depends on one of a later milestone.
4. Blocking weaknesses (no tasks, no acceptance, vague titles…) refuse the import; others lower the score (``quality.py``).
"""

import graphlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import near_miss
from wfe_mcp.core.texts import slug
from wfe_mcp.importers.entries import plan_entries
from wfe_mcp.importers.imported import ImportReport, PlanReading, quote_line
from wfe_mcp.importers.quality import Weakness, quality_of, weakness, weaknesses

FORMAT = "aiw milestones"

_HEADING = re.compile(r"##\s+(?:[Mm]([0-9]{1,6})\s*(?:[-:\u2013\u2014]\s*|\s+|$))?(.*)")
_TASK = re.compile(r"\s*[-*]\s+(?:\[([ xX])\]\s*)?(.*)")
_KEY = re.compile(r"\s*([A-Za-z]+)(?:(?<=depends) on)?\s*:\s*(.*)", re.IGNORECASE)
_TASK_KEYS = ("acceptance", "conflict", "depends", "backlog")
_GUESSES = 20
_BACKLOG_ID = re.compile(r"BLG-\d+", re.IGNORECASE)


@dataclass(slots=True)
class _Task:
    id: str
    title: str
    line: int
    acceptance: list[str] = field(default_factory=list[str])
    scopes: list[str] = field(default_factory=list[str])
    depends: list[tuple[str, int]] | None = None
    backlog: str = ""
    is_done: bool = False


@dataclass(slots=True)
class _Milestone:
    number: str
    """As written, without the M; empty: none."""
    title: str
    line: int
    goal: str = ""
    in_tasks: bool = False
    tasks: list[_Task] = field(default_factory=list[_Task])


def read_milestones(text: str) -> PlanReading:
    """What the file holds, errors and weaknesses included."""
    reading = _MilestoneReader()
    for number, line in enumerate(text.split("\n"), 1):
        reading.read(line.rstrip(), number)
    return reading.plan()


class _MilestoneReader:
    def __init__(self) -> None:
        self._found = ImportReport()
        self._title = ""
        self._milestones: list[_Milestone] = []
        self._tasks: list[_Task] = []
        self._known: dict[str, list[str]] = {}
        self._order: dict[str, int] = {}
        self._above: set[str] = set()
        """The names of the milestones above the one that is read."""

    def read(self, line: str, number: int) -> None:
        """Parse one line."""
        if not line.strip():
            return
        if line.startswith("## "):
            self._heading(line, number)
        elif not self._milestones:
            self._introduction(line, number)
        elif not self._key(line, number) and not self._task(line, number):
            self._found.error(
                f"line {number}", f"{quote_line(line)} is not understood", _expectation(self._milestones[-1])
            )

    def plan(self) -> PlanReading:
        """The plan as far as it was understood."""
        ids = self._ids()
        headings = [section.line for section in self._milestones]  # not by id, which two may share
        lines = {task.id: task.line for task in self._tasks}
        for number, task in enumerate(self._tasks):
            self._known[task.id.lower()] = [task.id]
            self._order[task.id] = number
        for task in self._tasks:
            self._known.setdefault(task.title.lower(), []).append(task.id)
        milestones = [self._milestone(milestone, ids[index]) for index, milestone in enumerate(self._milestones)]
        self._cycle(milestones)
        quality = quality_of([*self._duplicates(), *weaknesses(milestones, headings, lines)])
        plan: dict[str, Any] = {"milestones": milestones, "quality": quality}
        places = {name: f"line {section.line}" for name, section in zip(ids, self._milestones, strict=True)}
        places |= {task.id: f"line {task.line}" for task in self._tasks}
        done = [task.id for task in self._tasks if task.is_done]
        numbered = [name for name, section in zip(ids, self._milestones, strict=True) if not section.number]
        entries = plan_entries(plan, places, done, numbered=[*numbered, *(task.id for task in self._tasks)])
        title = {"title": self._title} if self._title else {}
        return PlanReading(FORMAT, plan | title, self._found, tuple(entries))

    # lines

    def _heading(self, line: str, number: int) -> None:
        match = _HEADING.fullmatch(line)
        assert match is not None, "every line that begins so has this form"
        if not match[2].strip():
            self._found.error(f"line {number}", "the milestone has no title", "## M1 - Title")
        if self._milestones:
            above = self._milestones[-1]
            self._above |= {f"m{above.number}", above.title.lower()}
        self._milestones.append(_Milestone(match[1] or "", match[2].strip() or "?", number))

    def _introduction(self, line: str, number: int) -> None:
        if line.startswith("# ") and not self._title:
            self._title = line[2:].strip()
        else:
            self._found.lose(f"line {number}", f"introduction: {quote_line(line)}")

    def _key(self, line: str, number: int) -> bool:
        match = _KEY.fullmatch(line)
        if match is None:
            return False
        key, value, milestone = match[1].lower(), match[2].strip(), self._milestones[-1]
        if key == "goal":
            if milestone.goal or milestone.in_tasks:
                self._found.error(f"line {number}", "a milestone has one 'Goal:', before its 'Tasks:'")
            milestone.goal = value
        elif key == "tasks":
            if milestone.in_tasks or value:
                self._found.error(f"line {number}", "a milestone has one 'Tasks:', and the tasks stand below it")
            milestone.in_tasks = True
        elif key == "depends" and not milestone.tasks:
            self._follow(value, number)
        elif key in _TASK_KEYS:
            self._task_key(key, value, number)
        else:
            return False
        return True

    def _follow(self, value: str, number: int) -> None:
        """Accept what a milestone depends on where it says no more than the order of the file."""
        for name in filter(None, map(str.strip, value.split(","))):
            if name.lower() not in (self._above or {"none"}):
                message = f"{quote_line(name)} is no milestone above: each follows those above it"
                self._found.error(f"line {number}", message, got=name)

    def _task_key(self, key: str, value: str, number: int) -> None:
        milestone = self._milestones[-1]
        if not milestone.tasks:
            self._found.error(f"line {number}", f"'{key.capitalize()}:' stands below a task, and there is none yet")
            return
        task = milestone.tasks[-1]
        names = [name.strip() for name in value.split(",") if name.strip()]
        if key == "acceptance" and value:
            task.acceptance.append(value)
        elif key == "conflict":
            task.scopes += names
        elif key == "depends":
            task.depends = (task.depends or []) + [(name, number) for name in names if name.lower() != "none"]
        elif key == "backlog" and _BACKLOG_ID.fullmatch(value) and not task.backlog:
            task.backlog = value.upper()
        else:
            wanted = "one BLG-id" if key == "backlog" else "a text"
            self._found.error(f"line {number}", f"'{key.capitalize()}:' takes {wanted}", wanted, value)

    def _task(self, line: str, number: int) -> bool:
        match = _TASK.fullmatch(line)
        if match is None:
            return False
        milestone, title = self._milestones[-1], match[2].strip()
        key = _KEY.fullmatch(title)
        if not milestone.in_tasks:
            self._found.error(f"line {number}", "a task stands below 'Tasks:'", "Tasks:")
        elif not title:
            self._found.error(f"line {number}", "the task has no title")
        elif key is not None and key[1].lower() in _TASK_KEYS:
            self._found.error(f"line {number}", f"this would be a task; write '{key[1]}: …' without the dash")
        else:
            is_done = (match[1] or " ") != " "
            if is_done:
                self._found.lose(f"line {number}", "that the task is done: a plan says what there is to do")
            self._tasks.append(_Task(f"TASK-{len(self._tasks) + 1:03}", title, number, is_done=is_done))
            milestone.tasks.append(self._tasks[-1])
        return True

    # the whole plan

    def _ids(self) -> list[str]:
        """M-numbers as they are written (``M01``); the others get the next free one, as wide as the widest written."""
        taken = {int(milestone.number) for milestone in self._milestones if milestone.number}
        width = max(
            (len(milestone.number) for milestone in self._milestones if milestone.number.startswith("0")), default=1
        )
        free = (number for number in itertools.count(1) if number not in taken)
        return [f"M{milestone.number or f'{next(free):0{width}}'}" for milestone in self._milestones]

    def _duplicates(self) -> Iterator[Weakness]:
        seen: dict[int, int] = {}
        for milestone in self._milestones:
            if not milestone.number:
                continue
            if int(milestone.number) in seen:
                message = f"M{milestone.number} is in line {seen[int(milestone.number)]} already"
                yield weakness("duplicate_id", message, milestone.line)
            seen.setdefault(int(milestone.number), milestone.line)

    def _milestone(self, milestone: _Milestone, name: str) -> dict[str, Any]:
        before: str | None = None
        tasks: list[dict[str, Any]] = []
        for task in milestone.tasks:
            chain = [before] if before else []
            depends = (
                chain if task.depends is None else [task_id for task_id in map(self._depends, task.depends) if task_id]
            )
            self._refuse_later(task, milestone.tasks[-1].id)
            tasks.append(
                {
                    "id": task.id,
                    "title": task.title,
                    "acceptance": task.acceptance,
                    "depends_on": list(dict.fromkeys(depends)),
                    "conflict_scopes": list(dict.fromkeys(task.scopes)),
                    **({"notes": f"Backlog: {task.backlog}"} if task.backlog else {}),
                }
            )
            before = task.id
        values: dict[str, Any] = {
            "id": name,
            "title": milestone.title,
            "slug": slug(f"{name} {milestone.title}", 64),
            "tasks": tasks,
        }
        return values | ({"goal": milestone.goal} if milestone.goal else {})

    def _depends(self, wanted: tuple[str, int]) -> str | None:
        name, line = wanted
        ids = self._known.get(name.lower(), [])
        if len(ids) == 1:
            return ids[0]
        few = len(self._found.errors) < _GUESSES  # comparing a name with every title is slow
        guess = near_miss(name, [task.title for task in self._tasks]) if few else ""
        several = f"'Depends:' could be any of {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}: name the one it is"
        self._found.error(
            f"line {line}",
            several if ids else f"'Depends:' names no task: {quote_line(name)}{guess}",
            ids[:5] or None,
            name,
        )
        return None

    def _refuse_later(self, task: _Task, last: str) -> None:
        """Report what ``task`` depends on after ``last``, the last task of its milestone: later milestones wait for this one."""
        for name, line in task.depends or ():
            ids = self._known.get(name.lower(), [])
            if len(ids) == 1 and self._order[ids[0]] > self._order[last]:
                self._found.error(f"line {line}", f"{quote_line(name)} is in a later milestone, which follows this one")

    def _cycle(self, milestones: list[dict[str, Any]]) -> None:
        """Report tasks that depend on each other in a cycle."""
        waits = {task["id"]: task["depends_on"] for milestone in milestones for task in milestone["tasks"]}
        try:
            graphlib.TopologicalSorter(waits).prepare()
        except graphlib.CycleError as error:
            ring: list[str] = error.args[1]
            line = next(task.line for task in self._tasks if task.id == ring[0])
            self._found.error(f"line {line}", f"these tasks wait for each other: {', '.join(ring[:-1])}")


def _expectation(milestone: _Milestone) -> str:
    if not milestone.in_tasks:
        return "Goal: …, Tasks: or ## the next milestone"
    return "- a task, Acceptance: …, Conflict: …, Depends: …, Backlog: … or ## the next milestone"
