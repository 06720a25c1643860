"""Reads the tasks.json of Task Master.

tag                                   milestone; ids of every tag but master begin with its name: web-page-1
task, subtask 2.1                     task 2, 2-1; with open subtasks they take the place of the task
testStrategy, acceptanceCriteria      acceptance
description, details                  notes
status pending, in-progress, review, blocked, deferred    to do; all but pending go into the notes
status done, completed / cancelled    done / reported
priority, dependencies                the same
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.core.errors import pointer
from wfe_mcp.core.units import words
from wfe_mcp.importers.folders import Folder, JsonFile
from wfe_mcp.importers.imported import ImportedWork, ImportReport, bullets
from wfe_mcp.importers.work_items import WorkItem, plan_of, plan_work, priority_of, status_of

FORMAT = "Task Master"
PLACES = (".taskmaster/tasks/tasks.json", "tasks/tasks.json", "tasks.json")

_STATUS: dict[str, Literal["open", "done", "dropped"]] = {
    "pending": "open",
    "in-progress": "open",
    "review": "open",
    "blocked": "open",
    "deferred": "open",
    "done": "done",
    "completed": "done",
    "cancelled": "dropped",
}
_CARRIED = words(
    """
    id title description details testStrategy acceptanceCriteria status dependencies priority subtasks
    """
)
_IGNORED = ("updatedAt", "createdAt", "parentTaskId", "parentId")
_METADATA = words(
    """
    created updated description version lastModified taskCount completedCount tags projectName
    """
)
_MAIN = "master"


def is_task_master(value: object) -> bool:
    """Whether the JSON of a tasks.json is Task Master's: tags, or a list of tasks with a title."""
    if not isinstance(value, dict):
        return False
    tags = _tags(cast("dict[str, Any]", value)).values()
    tasks = [task for tag in tags for task in tag["tasks"][:1]]
    return bool(tags) and not any(isinstance(task, dict) and "name" in task for task in tasks)


def read_task_master(source: Path) -> ImportedWork:
    """The work in a tasks.json. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    file = Folder(source.parent, report).json(source.name)
    reading = _TasksReader(file, report) if file is not None else None
    name = _project(source)
    plan = plan_of(name, reading.titles, reading.items, report) if reading is not None else {}
    return plan_work(FORMAT, name, plan, report)


def _project(source: Path) -> str:
    """The name of the project: that of the folder that holds the known place of ``source``."""
    folder = source.resolve().parent
    while folder.name in {"tasks", ".taskmaster"}:
        folder = folder.parent
    return folder.name


def _tags(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tags; a file from before there were tags is ``master``."""
    if isinstance(value.get("tasks"), list):
        return {_MAIN: value}
    return {
        tag: cast("dict[str, Any]", held)
        for tag, held in value.items()
        if isinstance(held, dict) and isinstance(cast("dict[str, Any]", held).get("tasks"), list)
    }


class _TasksReader:
    def __init__(self, file: JsonFile, report: ImportReport) -> None:
        self._file = file
        self._report = report
        self.items: list[WorkItem] = []
        self.titles: dict[str, str] = {}
        tags = _tags(file.value)
        for tag, held in tags.items():
            at = () if held is file.value else (tag,)
            about = held.get("metadata")
            self._rest(held, ("tasks", "metadata"), at)
            if isinstance(about, dict):
                self._rest(cast("dict[str, Any]", about), _METADATA, (*at, "metadata"))
            description = cast("dict[str, Any]", about).get("description") if isinstance(about, dict) else None
            self.titles[tag] = (
                description if isinstance(description, str) and description.strip() and tag != _MAIN else tag
            )
            for index, task in enumerate(held["tasks"]):
                self._task(task, tag, (*at, "tasks", index), None)
        for key in file.value if tags and file.value not in tags.values() else ():
            if key not in tags:
                report.lose(file.place(pointer(key)), f"{key!r} is no tag with tasks")

    def _task(self, task: object, tag: str, at: tuple[str | int, ...], parent: WorkItem | None) -> None:
        place = self._file.place(pointer(*at))
        if not isinstance(task, dict):
            self._report.error(place, "a task must be an object", "an object", task)
            return
        held = cast("dict[str, Any]", task)
        number, title = held.get("id"), held.get("title")
        if isinstance(number, bool) or not isinstance(number, int | str) or not str(number).strip():
            self._report.error(place, "the task has no id", "a number", number)
            return
        if not isinstance(title, str) or not title.strip():
            self._report.error(place, f"task {number} has no title", "a text", title)
            return
        key = _key(tag, f"{number}" if parent is None else f"{_bare(tag, parent.key)}.{number}")
        status = str(held.get("status", "pending"))
        item = WorkItem(
            key,
            title.strip(),
            place,
            tag,
            status_of(status, _STATUS, self._file.place(pointer(*at, "status")), self._report),
            parent=parent.key if parent else "",
            depends=self._depends(held.get("dependencies"), tag, parent, at),
            priority=priority_of(held.get("priority"), place, self._report),
        )
        item.acceptance = [
            *filter(None, [self._text(held, "testStrategy", at)]),
            *self._criteria(held.get("acceptanceCriteria"), (*at, "acceptanceCriteria")),
        ]
        item.notes = [text for key in ("description", "details") if (text := self._text(held, key, at))]
        if item.status == "open" and status != "pending":
            item.notes.append(f"Status there: {status}")
        self.items.append(item)
        self._rest(held, (*_CARRIED, *_IGNORED), at)
        below: object = held.get("subtasks") or []
        for index, subtask in enumerate(cast("list[object]", below) if isinstance(below, list) else [below]):
            self._task(subtask, tag, (*at, "subtasks", index), item)

    def _rest(self, held: dict[str, Any], known: Collection[str], at: tuple[str | int, ...]) -> None:
        for key in held:
            if key not in known and held[key] not in (None, "", []):
                self._report.lose(self._file.place(pointer(*at, key)), f"{key!r} has no place in a plan")

    def _depends(self, given: object, tag: str, parent: WorkItem | None, at: tuple[str | int, ...]) -> list[str]:
        """The keys of what a task depends on; a bare number in a subtask is its sibling."""
        values = cast("list[object]", given) if isinstance(given, list) else []
        if given is not None and not isinstance(given, list):
            self._report.error(self._file.place(pointer(*at, "dependencies")), "must be a list of ids", "a list", given)
        above = f"{_bare(tag, parent.key)}." if parent is not None else ""
        return [_key(tag, f"{above}{value}" if above and isinstance(value, int) else str(value)) for value in values]

    def _criteria(self, given: object, at: tuple[str | int, ...]) -> list[str]:
        """A list of criteria, or a text of which each item is one."""
        if isinstance(given, str):
            items = [text for _, text in bullets(list(enumerate(given.split("\n"))))]
            return items or list(filter(None, [given.strip()]))
        values = cast("list[object]", given) if isinstance(given, list) else []
        if given is not None and not (isinstance(given, list) and all(isinstance(value, str) for value in values)):
            self._report.lose(self._file.place(pointer(*at)), f"{at[-1]!r} is no text")
        return [value.strip() for value in values if isinstance(value, str) and value.strip()]

    def _text(self, held: dict[str, Any], key: str, at: tuple[str | int, ...]) -> str:
        value = held.get(key)
        if value is None or isinstance(value, str):
            return (value or "").strip()
        self._report.lose(self._file.place(pointer(*at, key)), f"{key!r} is no text")
        return ""


def _key(tag: str, number: str) -> str:
    return number if tag == _MAIN else f"{tag}-{number}"


def _bare(tag: str, key: str) -> str:
    return key if tag == _MAIN else key.removeprefix(f"{tag}-")
