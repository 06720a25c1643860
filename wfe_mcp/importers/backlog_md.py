"""Reads the folder of Backlog.md: one Markdown file for each task.

milestone                             milestone; tasks without one come last, under Backlog
TASK-2, its subtask TASK-2.1          task TASK-2, TASK-2-1; open subtasks take the place of the task
acceptance criteria, definition of done   acceptance
description, plan, notes, labels, references   notes
status                                the last one of config.yml is done, also in completed/; the others are to do
drafts, archive, docs, decisions      reported
"""

import re
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.core.units import words
from wfe_mcp.importers.folders import Folder, natural
from wfe_mcp.importers.imported import ImportedWork, ImportReport, checkboxes, front_matter, sections, yaml_keys
from wfe_mcp.importers.work_items import WorkItem, plan_of, plan_work, priority_of, status_of

FORMAT = "Backlog.md"

_STATUSES = ["To Do", "In Progress", "Done"]
_NOTES = ("Description", "Implementation Plan", "Implementation Notes")
_ACCEPTANCE = ("Acceptance Criteria", "Definition of Done")
_CARRIED = words(
    """
    id title status milestone dependencies priority parent_task_id labels references ordinal created_date
    updated_date
    """
)
_REPORTED = {
    "drafts": "a draft is no task yet",
    "archive/tasks": "it was archived there",
    "docs": "a document has no place in a plan",
    "decisions": "a decision has no place in a plan",
}
_NONE = "backlog"
_PEOPLE = re.compile(r"^(?:assignee|reporter):.*", re.MULTILINE)
_PERSON = re.compile(r""""[^"]*"|'[^']*'|(?<=[\s\[,])@[^\s,\]]+""")


def read_backlog_md(source: Path) -> ImportedWork:
    """The work in a Backlog.md folder. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    reading = _BacklogReader(Folder(source, report), report)
    items = reading.items()  # it may add a group
    name = reading.name or source.resolve().parent.name
    return plan_work(FORMAT, name, plan_of(name, reading.groups, items, report), report)


class _BacklogReader:
    def __init__(self, folder: Folder, report: ImportReport) -> None:
        self._folder = folder
        self._report = report
        config = self._config()
        name = config.get("project_name")
        self.name = name if isinstance(name, str) else ""
        self._statuses = _statuses(config)
        self.groups = self._milestones() | {_NONE: "Backlog"}

    def items(self) -> list[WorkItem]:
        """The tasks in their order on the board."""
        ordered_items = [
            (order, item)
            for under in ("tasks", "completed")
            for path in self._folder.files(under, "*.md")
            for order, item in self._task(path, is_done=under == "completed")
        ]
        by_key = {item.key: item for _, item in ordered_items}
        for _, item in ordered_items:
            if not item.group:
                item.group = by_key[item.parent].group if item.parent in by_key else _NONE
            item.group = item.group or _NONE
        for under, why in _REPORTED.items():
            for path in self._folder.files(under, "**/*.md"):
                self._report.lose(path, why)
        return [item for _, item in sorted(ordered_items, key=lambda each: (each[0], natural(each[1].key)))]

    def _config(self) -> dict[str, Any]:
        places = (("config.yml", self._folder), ("backlog.config.yml", Folder(self._folder.root.parent, self._report)))
        for path, folder in places:
            if text := folder.text(path):
                return yaml_keys(text, path, self._report)
        return {}

    def _milestones(self) -> dict[str, str]:
        titles: dict[str, str] = {}
        for path in self._folder.files("milestones", "*.md"):
            head = front_matter(self._folder.text(path) or "", path, self._report)
            if isinstance(head.get("id"), str) and isinstance(head.get("title"), str):
                titles[head["id"]] = head["title"].strip() or head["id"]
        return titles

    def _task(self, path: str, *, is_done: bool) -> list[tuple[float, WorkItem]]:
        text = self._folder.text(path)
        head = front_matter(_quote_people(text), path, self._report) if text is not None else {}
        if text is None or not head:
            if text is not None and not any(error.path.startswith(path) for error in self._report.errors):
                self._report.lose(path, "it has no front matter, so it is no task")
            return []
        key, title = head.get("id"), head.get("title")
        if not isinstance(key, str) or not key.strip() or not isinstance(title, str | int) or not str(title).strip():
            self._report.error(f"{path}:1", "a task has 'id' and 'title' in its front matter")
            return []
        item = WorkItem(
            key.strip().upper(),
            str(title).strip(),
            f"{path}:1",
            self._group(head, path),
            status_of(head.get("status"), self._statuses, f"{path}:1", self._report),
            depends=[name.upper() for name in _texts(head.get("dependencies"))],
            priority=priority_of(head.get("priority"), f"{path}:1", self._report),
            parent=str(head.get("parent_task_id") or "").upper(),
        )
        if is_done:
            item.status = "done"
        self._body(item, text, str(head.get("status")))
        item.notes += [
            f"{name.capitalize()}: {', '.join(values)}"
            for name in ("labels", "references")
            if (values := _texts(head.get(name)))
        ]
        for name in head:
            if name not in _CARRIED and head[name] not in (None, "", []):
                self._report.lose(f"{path}:1", f"{name!r} has no place in a plan")
        order = head.get("ordinal")
        return [(float(order) if isinstance(order, int | float) else float("inf"), item)]

    def _group(self, head: dict[str, Any], path: str) -> str:
        name = head.get("milestone")
        if not isinstance(name, str) or not name.strip():
            return ""
        known = {key.lower(): key for key in self.groups} | {title.lower(): key for key, title in self.groups.items()}
        milestone = known.get(name.strip().lower())
        if milestone is None:
            self._report.lose(f"{path}:1", f"the milestone {name!r} is not there; a milestone of that name is made")
            del self.groups[_NONE]
            self.groups |= {name: name, _NONE: "Backlog"}
        return milestone or name

    def _body(self, item: WorkItem, text: str, status: str) -> None:
        for section in sections(text):
            if section.title in _ACCEPTANCE:
                for box in checkboxes(section.lines):
                    criterion = " ".join([re.sub(r"^#\d+\s*", "", box.text), *(line for _, line in box.below)]).strip()
                    item.acceptance += [criterion] if criterion else []
                    if box.mark in "xX" and item.status == "open":
                        item.notes.append(f"Met there: {criterion}")
            elif section.title == "Final Summary":
                item.summary = section.text
            elif section.title in _NOTES or section.text:
                item.notes += [section.text] if section.text else []
        if item.status == "open" and status.lower() != next(iter(self._statuses)):
            item.notes.append(f"Status there: {status}")


def _quote_people(text: str) -> str:
    """The tool reads ``assignee: @ada``, which YAML does not allow."""
    return _PEOPLE.sub(
        lambda line: _PERSON.sub(lambda name: name[0] if name[0][0] in "\"'" else f'"{name[0]}"', line[0]), text
    )


def _statuses(config: dict[str, Any]) -> dict[str, Literal["open", "done", "dropped"]]:
    """The last status on the board is done."""
    names = _texts(config.get("statuses")) or _STATUSES
    meant: dict[str, Literal["open", "done", "dropped"]] = dict.fromkeys([name.lower() for name in names], "open")
    meant[names[-1].lower()] = "done"
    return meant


def _texts(value: object) -> list[str]:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [str(item).strip() for item in values if item is not None and str(item).strip()]
