"""Reads a spec of spec-workflow: .spec-workflow/specs/NAME with requirements.md, design.md and tasks.md.

Requirement 1, its criteria 1.1…      requirement R-1; acceptance
introduction                          goal
non-functional requirements           constraints
design.md                             design
tasks [ ] [x] [-] [~]                 to do, done, to do, to do, each after the one before it; _Requirements: 1.1_ is R-1
approvals, implementation logs, steering    reported: a person approves each document here again
"""

import itertools
import re
from pathlib import Path
from typing import Any, cast

from wfe_mcp.importers.folders import Folder
from wfe_mcp.importers.imported import ImportedWork, ImportReport, bullets, checkboxes, sections
from wfe_mcp.importers.spec_work import SpecDocuments, spec_work
from wfe_mcp.importers.work_items import WorkItem

FORMAT = "spec-workflow"

_REQUIREMENT = re.compile(r"[^\W\d_]+[ -]?0*(\d+)\s*[:.\u2013-]?\s*(.*)")
"""``Requirement 1: Title``, and what agents write for it: ``REQ-001: Title``, or the word in another language."""
_TASK = re.compile(r"(\d+(?:\.\d+)*)\s*\\?\.?\s+(.+)")
_MARKS = {" ": "", "x": "", "X": "", "-": "Status there: in progress", "~": "Status there: blocked"}


def read_spec_workflow(source: Path) -> ImportedWork:
    """The work in a spec's folder. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    folder = Folder(source, report)
    documents = _spec(folder.text("requirements.md") or "", source.name)
    documents.design = folder.text("design.md") or ""
    tasks = folder.text("tasks.md")
    documents.tasks = _tasks(tasks, report) if tasks is not None else None
    for path in folder.files("Implementation Logs", "*"):
        report.lose(path, "a log of finished work has no place in the documents")
    if source.resolve().parent.parent.name == ".spec-workflow":
        _around(Folder(source.resolve().parent.parent, report), source.name, report)
    return spec_work(FORMAT, source.name, documents, report)


def _around(folder: Folder, name: str, report: ImportReport) -> None:
    """Approvals and steering documents beside the spec."""
    for path in folder.files(f"approvals/{name}", "*.json"):
        file = folder.json(path)
        held: object = file.value if file is not None else None
        value = cast("dict[str, Any]", held) if isinstance(held, dict) else dict[str, Any]()
        about = f"{value.get('filePath', path)} was {value.get('status', 'asked about')} there"
        report.lose(path, f"{about}; here a person decides again")
    for path in folder.files("steering", "*.md"):
        report.lose(path, "a steering document is no part of the spec; hand it over as a standard")


def _spec(text: str, name: str) -> SpecDocuments:
    documents = SpecDocuments(name, "", "requirements.md", more={"constraints": []})
    in_others = False
    for section in sections(text):
        if section.level == 2:
            in_others = section.title.startswith("Non-Functional")
        requirement = _REQUIREMENT.fullmatch(section.title) if section.level == 3 and not in_others else None
        if section.title == "Introduction":
            documents.goal = section.text
        elif requirement is not None:
            about = " ".join(section.text.replace("**User Story:**", "").split())
            documents.requirements.append((f"R-{requirement[1]}", f"{requirement[2]}: {about}".strip(": "), "must"))
        elif section.title == "Acceptance Criteria":
            documents.acceptance += [item for _, item in bullets(section.lines)]
        elif in_others:
            documents.more["constraints"] += [item.replace("**", "") for _, item in bullets(section.lines)]
    documents.goal = documents.goal or name
    return documents


def _tasks(text: str, report: ImportReport) -> list[WorkItem]:
    items: list[WorkItem] = []
    parts = [checkboxes(section.lines) for section in sections(text)]
    counted = [part for part in parts if any(_TASK.fullmatch(box.text) for box in part)]
    for part in parts:
        for box in part:
            task = _TASK.fullmatch(box.text)
            if task is None and box.is_inside and items:
                items[-1].notes += [box.text, *(line for _, line in box.below)]
                continue
            if counted and part not in counted:  # as the tool: a list of criteria after the tasks, for one
                report.lose(f"tasks.md:{box.line}", "it has no number, so it is no task")
                continue
            if task is None or box.mark not in _MARKS:
                report.error(
                    f"tasks.md:{box.line}",
                    "a task is written - [ ] 1. Text, with a blank, x, - or ~ in the box",
                    "- [ ] 1. Text",
                    box.text[:80],
                )
                continue
            item = WorkItem(
                task[1],
                task[2].strip(),
                f"tasks.md:{box.line}",
                status="done" if box.mark in "xX" else "open",
                depends=[items[-1].key] if items else [],
            )
            item.notes = [note for note in [_MARKS[box.mark]] if note]
            for _, line in box.below:
                _detail(item, line.lstrip("-* ").strip("_ "))
            items.append(item)
    return _without_headings(items, report)


def _without_headings(items: list[WorkItem], report: ImportReport) -> list[WorkItem]:
    """The tasks less open ones that say nothing but the title of the tasks 3.1, 3.2… below them."""
    heads = [
        task.key
        for task, after in itertools.pairwise(items)
        if after.key.startswith(f"{task.key}.")
        and not (task.status == "done" or task.notes or task.files or task.requirements)
    ]
    before: dict[str, list[str]] = {}
    for task in items:
        task.depends = [key for need in task.depends for key in before.get(need, [need])]
        if task.key in heads:
            report.lose(task.place, f"{task.key} is the heading of the tasks below it, and no task here")
            before[task.key] = task.depends
    return [task for task in items if task.key not in before]


def _detail(task: WorkItem, line: str) -> None:
    key, colon, value = line.partition(":")
    if colon and key == "Requirements":
        task.requirements += [f"R-{number}" for number in re.findall(r"0*(\d+)(?:\.\d+)*", value)]
    elif colon and key in {"File", "Files"}:
        task.files += [part.strip() for part in value.split(",") if part.strip()]
    else:
        task.notes.append(line)
