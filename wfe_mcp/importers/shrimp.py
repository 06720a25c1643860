"""Reads the tasks.json of Shrimp Task Manager.

task with a uuid                      task; its id is the first 8 characters, so that commits can name it
verificationCriteria                  acceptance
description, implementationGuide, notes, relatedFiles    notes
status pending, in_progress, blocked / completed    to do / done, with its summary
"""

from collections import Counter
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.core.errors import pointer
from wfe_mcp.core.units import words
from wfe_mcp.importers.folders import Folder, JsonFile
from wfe_mcp.importers.imported import ImportedWork, ImportReport
from wfe_mcp.importers.work_items import WorkItem, plan_of, plan_work, status_of

FORMAT = "Shrimp Task Manager"
FOLDERS = (".shrimp", "shrimp_data", ".shrimp-data", "SHRIMP", "data")
"""Where projects let it write; the last is its own default."""

_STATUS: dict[str, Literal["open", "done", "dropped"]] = {
    "pending": "open",
    "in_progress": "open",
    "blocked": "open",
    "completed": "done",
    "待處理": "open",
    "進行中": "open",
    "被阻擋": "open",
    "已完成": "done",
}
"""The status of each version: the first ones wrote Chinese."""
_CARRIED = words(
    """
    id name description notes status dependencies relatedFiles implementationGuide verificationCriteria
    summary createdAt updatedAt completedAt
    """
)

_KNOWN = {
    "": ("tasks",),
    "tasks": _CARRIED,
    "dependencies": ("taskId",),
    "relatedFiles": ("path", "type", "description"),
}
"""The keys that are carried, by the list that holds the object; empty: the file itself."""


def is_shrimp(value: object) -> bool:
    """Whether the JSON of a tasks.json is Shrimp's: a list of tasks with a name."""
    tasks = cast("dict[str, object]", value).get("tasks") if isinstance(value, dict) else None
    return isinstance(tasks, list) and any(
        isinstance(task, dict) and "name" in task for task in cast("list[object]", tasks)
    )


def is_of_shrimp(path: Path) -> bool:
    """Whether a file lies in a folder that is named after the tool."""
    return "shrimp" in path.parent.name.lower()


def read_shrimp(source: Path) -> ImportedWork:
    """The work in a tasks.json. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    file = Folder(source.parent, report).json(source.name)
    items = list(_items(file, report)) if file is not None else []
    folder = source.resolve().parent
    name = folder.parent.name if folder.name.startswith(".") or folder.name in FOLDERS else folder.name
    return plan_work(FORMAT, name, plan_of(name, {"tasks": "Tasks"}, items, report), report)


def _items(file: JsonFile, report: ImportReport) -> list[WorkItem]:
    tasks = cast("list[object]", file.value["tasks"])
    short = _short_ids(tasks)
    items: list[WorkItem] = []
    for index, task in enumerate(tasks):
        place = file.place(pointer("tasks", index))
        held = cast("dict[str, Any]", task) if isinstance(task, dict) else {}
        number, name = held.get("id"), held.get("name")
        if not isinstance(number, str) or not number.strip() or not isinstance(name, str) or not name.strip():
            report.error(place, "a task has the texts 'id' and 'name'")
            continue
        status = status_of(held.get("status"), _STATUS, place, report)
        item = WorkItem(short[number], name.strip(), place, "tasks", status, depends=_depends(held, short))
        item.acceptance = [text for text in [_text(held, "verificationCriteria")] if text]
        item.notes = [text for key in ("description", "implementationGuide", "notes") if (text := _text(held, key))]
        item.notes += _files(held)
        item.summary = _text(held, "summary")
        if status == "open" and held.get("status") not in ("pending", "待處理"):
            item.notes.append(f"Status there: {held['status']}")
        _report_rest(file, held, ("tasks", index), report)
        items.append(item)
    _report_rest(file, file.value, (), report)
    return items


def _report_rest(file: JsonFile, held: dict[str, Any], at: tuple[str | int, ...], report: ImportReport) -> None:
    """Report what has no place in a plan, in ``held`` and in what its lists hold."""
    known = _KNOWN[str(at[-2]) if at else ""]
    for key, value in held.items():
        if key not in known and value:
            report.lose(file.place(pointer(*at, key)), f"{key!r} has no place in a plan")
        for index, item in enumerate(cast("list[object]", value) if isinstance(value, list) and at else ()):
            if isinstance(item, dict) and key in _KNOWN:
                _report_rest(file, cast("dict[str, Any]", item), (*at, key, index), report)


def _short_ids(tasks: list[object]) -> dict[str, str]:
    """The first characters of each id that tell it from the others: 8, else all."""
    ids = [str(cast("dict[str, object]", task).get("id", "")) for task in tasks if isinstance(task, dict)]
    firsts = Counter(whole[:8] for whole in dict.fromkeys(ids))
    return {id_: id_ if firsts[id_[:8]] > 1 else id_[:8] for id_ in ids}


def _depends(held: dict[str, Any], short: dict[str, str]) -> list[str]:
    dependencies = held.get("dependencies")
    values = cast("list[object]", dependencies) if isinstance(dependencies, list) else []
    names = [cast("dict[str, object]", value).get("taskId") if isinstance(value, dict) else value for value in values]
    return [short.get(str(name), str(name)) for name in names]


def _files(held: dict[str, Any]) -> list[str]:
    related = held.get("relatedFiles")
    files = [
        cast("dict[str, object]", entry)
        for entry in cast("list[object]", related if isinstance(related, list) else [])
        if isinstance(entry, dict)
    ]
    return [
        f"{str(file.get('type', 'file')).lower()}: {file.get('path')} {file.get('description', '')}".strip()
        for file in files
    ]


def _text(held: dict[str, Any], key: str) -> str:
    value = held.get(key)
    return value.strip() if isinstance(value, str) else ""
