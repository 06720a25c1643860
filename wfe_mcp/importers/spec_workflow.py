"""Reads a spec of spec-workflow: .spec-workflow/specs/NAME with requirements.md, design.md and tasks.md.

Requirement 1, its criteria 1.1…      requirement R-1; acceptance. Another numbered heading, 3.1 or NFR1, is R-3-1, or NFR-1 beside R-1
introduction                          goal
non-functional requirements           constraints
out of scope                          non-goals
design.md                             design
tasks [ ] [x] [-] [~]                 to do, done, to do, to do, each after the one before it; _Requirements: 1.1_ is R-1
approvals, implementation logs, steering    reported: a person approves each document here again
"""

import itertools
import re
from pathlib import Path
from typing import Any, cast

from wfe_mcp.importers.folders import Folder
from wfe_mcp.importers.imported import ImportedWork, ImportReport, bullets, sections
from wfe_mcp.importers.spec_work import SpecDocuments, spec_work, task_lines
from wfe_mcp.importers.work_items import WorkItem, fit_id

FORMAT = "spec-workflow"

_REQUIREMENT = re.compile(r"((?:[^\W\d_]+ )?[^\W\d_]+|)[ -]?0*(\d+(?:\.\d+)*)\s*[:.\u2013-]?\s*(.*)")
"""``Requirement 1: Title``, and what agents write for it: ``REQ-001: Title``, ``3.1 Title``, or the word in another language."""
_SERVED = re.compile(r"([^\W\d_]*)[ -]?0*(\d+(?:\.\d+)*)")
_ASIDE = {"non-functional": "constraints", "out of scope": "non_goals", "future": "non_goals"}
"""What a section holds whose title has this in it; no requirements."""
_MARKS = {"-": "Status there: in progress", "~": "Status there: blocked"}


def read_spec_workflow(source: Path) -> ImportedWork:
    """The work in a spec's folder. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    folder = Folder(source, report)
    documents, named = _spec(folder.text("requirements.md") or "", source.name)
    documents.design = folder.text("design.md") or ""
    tasks = folder.text("tasks.md")
    documents.tasks = _tasks(tasks, named, report) if tasks is not None else None
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


def _spec(text: str, name: str) -> tuple[SpecDocuments, dict[str, str]]:
    """The requirements, and the id of each by the ways in which a task can name it."""
    documents = SpecDocuments(name, "", "requirements.md", more={"constraints": [], "non_goals": []})
    aside, named = "", dict[str, str]()
    for section in sections(text):
        if section.level == 2:
            aside = next((holds for words, holds in _ASIDE.items() if words in section.title.lower()), "")
        requirement = _REQUIREMENT.fullmatch(section.title) if section.level == 3 and not aside else None
        if section.title == "Introduction":
            documents.goal = section.text
        elif requirement is not None:
            word, number, title = requirement.groups()
            about = " ".join(section.text.replace("**User Story:**", "").split())
            way = word.upper() + number
            key = fit_id(f"{word.upper() if number in named and way not in named else 'R'}-{number}")
            documents.requirements.append((key, f"{title}: {about}".strip(": "), "must"))
            named |= {name: key for name in (number, way) if name not in named}
        elif section.title == "Acceptance Criteria":
            documents.acceptance += [item for _, item in bullets(section.lines)]
        elif aside:
            documents.more[aside] += [item.replace("**", "") for _, item in bullets(section.lines)]
    documents.goal = documents.goal or name
    return documents, named


def _tasks(text: str, named: dict[str, str], report: ImportReport) -> list[WorkItem]:
    lines = task_lines(text, report, _MARKS)
    for line in lines:
        for below in line.below:
            _detail(line.item, below.lstrip("-* ").strip("_ "), named)
    return _without_headings([line.item for line in lines], report)


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


def _detail(task: WorkItem, line: str, named: dict[str, str]) -> None:
    key, colon, value = line.replace("**", "").partition(":")
    if colon and key == "Requirements":
        for word, number in _SERVED.findall(value):
            first = number.partition(".")[0]  # 1.2 is a criterion of requirement 1, where no heading has that number
            ways = (word.upper() + number, number, word.upper() + first, first)
            task.requirements.append(next((named[way] for way in ways if way in named), f"R-{first}"))
    elif colon and key in {"File", "Files"}:
        task.files += [name for part in value.split(",") if (name := part.strip(" `"))]
    else:
        task.notes.append(line)
