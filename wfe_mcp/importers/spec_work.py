"""Turns the documents of a spec-driven tool into those of the template ``spec_driven``.

    requirements.json    spec@1           for the phase requirements
    design.json          markdown_doc@1   for the phase design, if there is a design
    tasks.json           task_list@1      for the phase tasks, if there are tasks; finished ones are under ``done``

Rules:
1. Nothing counts as approved here: a person approves each document again.
2. The template wants every requirement in the design and in the tasks: ids that a design does not name are listed at
   its end, and a task without requirements serves all of them. Both are reported.
3. Agents write these files, each a little differently: a box is a task whatever stands around its number, and one
   without a number is counted. A part that is not there is left to the phase that asks for it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.importers.imported import ImportedWork, ImportReport, checkboxes, sections
from wfe_mcp.importers.work_items import WorkItem, WorkReader, done_ones, free_key, ids_of, nothing_open

_NUMBERED = re.compile(
    r"[^\w\[(`'\"#]*(?:Task\s+)?(T?-?\d+(?:\.\d+)*[a-z]?(?:-[A-Z]+)?)(?:\*\*)?\s*\\?[.:)]?(?:\*\*)?\s+(\S.*)"
)
"""``1.1 Text``, ``T001 Text``, and what agents write for it: ``**T001** Text``, ``**Task 1.1: Text**``, ``🔵 1.3.1 Text``."""


@dataclass(slots=True)
class SpecDocuments:
    """What a reader found. ``requirements``: (id, text, priority); ``where``: the file of the requirements, for errors."""

    title: str
    goal: str
    where: str
    requirements: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    acceptance: list[str] = field(default_factory=list[str])
    more: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    design: str = ""
    tasks: list[WorkItem] | None = None


@dataclass(slots=True)
class TaskLine:
    """A task of tasks.md, the heading above it, and the lines below it."""

    item: WorkItem
    group: str
    below: list[str]


def task_lines(
    text: str, report: ImportReport, marks: Mapping[str, str] | None = None, *, all_count: bool = False
) -> list[TaskLine]:
    """The tasks of tasks.md, each after the one before it. ``marks``: what a letter in a box says there, by letter.

    ``all_count``: every list is one of tasks; else one without numbers is none where another has them.
    """
    parts = [(section.title, checkboxes(section.lines)) for section in sections(text)]
    counted = [part for _, part in parts if any(_NUMBERED.fullmatch(box.text) for box in part)]
    tasks: list[TaskLine] = []
    taken: dict[str, str] = {}
    for group, part in parts:
        for box in part:
            numbered, place = _NUMBERED.fullmatch(box.text), f"tasks.md:{box.line}"
            lines = [line for _, line in box.below]
            if numbered is None and box.mark.isalpha() and box.mark not in "xX":
                continue  # notes explain a label: [P] tasks = different files
            if numbered is None and box.is_inside and tasks:
                tasks[-1].below += [box.text, *lines]
                continue
            if counted and part not in counted and not all_count:
                report.lose(place, "it has no number, so it is no task")
                continue
            if numbered is None:
                report.lose(place, "it has no number; its place in the list is its id")
            key = numbered[1] if numbered else str(len(tasks) + 1)
            title = (numbered[2] if numbered else box.text).replace("**", "").strip()
            item = WorkItem(free_key(key, place, taken, report), title, place)
            item.status = "done" if box.mark in "xX" else "open"
            item.depends = [tasks[-1].item.key] if tasks else []
            if box.mark not in " xX":
                item.notes.append((marks or {}).get(box.mark, f"Marked there: [{box.mark}]"))
            tasks.append(TaskLine(item, group, lines))
    return tasks


def spec_work(format_name: str, name: str, found: SpecDocuments, report: ImportReport) -> ImportedWork:
    """The work of the template ``spec_driven``. Refuses every error, a folder without anything, and one without an open task."""
    _settle_requirements(found, report)
    tasks = _task_list(found, report)
    report.refuse(f"The {format_name} folder", "invalid_artifact")
    if tasks is not None and not tasks["items"]:
        raise nothing_open(format_name, len(tasks.get("done", [])))
    documents: dict[str, tuple[str, str, dict[str, Any]]] = {}
    if found.requirements:
        documents["requirements.json"] = ("requirements", "spec@1", _spec(found))
    if found.design:
        documents["design.json"] = ("design", "markdown_doc@1", _design(found, report))
    if tasks is not None:
        documents["tasks.json"] = ("tasks", "task_list@1", tasks)
    called = _name(name)
    goal = f"{found.goal}\n\nThis was begun with {format_name}."
    if documents:
        goal += (
            f" Its documents are in .wfe/plans/{called}: submit {', '.join(documents)} in the phases of these names "
            "where they still fit the project."
        )
    return ImportedWork(
        format_name,
        called,
        "spec_driven",
        {"name": called, "goal": goal},
        len(tasks["items"]) if tasks else 0,
        len(tasks.get("done", [])) if tasks else 0,
        tuple(report.not_carried),
        documents,
    )


def _settle_requirements(found: SpecDocuments, report: ImportReport) -> None:
    """Give each requirement an id of its own and a text; report where there is none."""
    if not (found.requirements or found.design or found.tasks) and found.goal == found.title:
        report.error(found.where, "no goal, requirement, design or task was found", "at least one")
    elif not found.requirements:
        report.lose(found.where, "no requirement was found; the phase requirements asks for them")
    taken: dict[str, str] = {}
    for at, (key, text, priority) in enumerate(found.requirements):
        if not text:
            report.lose(found.where, f"the requirement {key} has no text; its id stands for it")
        found.requirements[at] = (free_key(key, found.where, taken, report), text or key, priority)


def _spec(documents: SpecDocuments) -> dict[str, Any]:
    requirements = [{"id": key, "text": text, "priority": priority} for key, text, priority in documents.requirements]
    acceptance = documents.acceptance or [text for _, text, _ in documents.requirements]
    spec = {"title": documents.title, "goal": documents.goal, "requirements": requirements, "acceptance": acceptance}
    return spec | {key: texts for key, texts in documents.more.items() if texts}


def _design(documents: SpecDocuments, report: ImportReport) -> dict[str, Any]:
    missing = [(key, text) for key, text, _ in documents.requirements if key not in documents.design]
    body = documents.design.strip() + "\n"
    if missing:
        report.lose("design", f"it does not name {', '.join(key for key, _ in missing)}; they are listed at its end")
        body += "\n## Requirements\n\n" + "".join(f"- {key}: {text}\n" for key, text in missing)
    return {"front": {"title": documents.title}, "body": body}


def _task_list(documents: SpecDocuments, report: ImportReport) -> dict[str, Any] | None:
    if documents.tasks is None:
        return None
    reading = WorkReader(documents.tasks, report)
    ids, known = ids_of(reading.items), [key for key, _, _ in documents.requirements]
    needs = reading.needs()
    reading.is_ordered(needs)
    for key in needs:
        _report_unknown(reading.items[key], known, report)
    items = [_item(reading.items[key], [ids[need] for need in before], ids, known) for key, before in needs.items()]
    return {"items": items} | done_ones(reading.items.values(), ids)


def _report_unknown(task: WorkItem, known: Sequence[str], report: ImportReport) -> None:
    for name in dict.fromkeys(task.requirements):
        if name not in known:
            report.lose(task.place, f"{task.key} serves {name}, which is not there")
    if known and not set(known) & set(task.requirements):
        report.lose(task.place, "it names no requirement; it serves all of them here")


def _item(task: WorkItem, needs: list[str], ids: Mapping[str, str], known: Sequence[str]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": ids[task.key],
        "title": task.title,
        "acceptance": [task.title],
        "depends_on": needs,
        "files": list(dict.fromkeys(task.files)),
        "requirements": [name for name in dict.fromkeys(task.requirements) if name in known] or list(known),
    }
    return item | ({"description": "\n".join(task.notes)} if task.notes else {})


def _name(text: str) -> str:
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower()).strip("-")
    return slug[:64] or "feature"
