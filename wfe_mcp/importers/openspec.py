"""Reads a change of OpenSpec: openspec/changes/NAME with proposal.md, design.md, tasks.md and specs.

requirements of the specs             requirements R-1…; a removed one says so
scenarios                             acceptance
proposal: why, what changes           goal
design: non-goals, open questions     non-goals, open questions; the whole file is the design
tasks 1.1                             tasks 1-1, each after the one before it in its group, groups in their order
"""

from pathlib import Path

from wfe_mcp.importers.folders import Folder
from wfe_mcp.importers.imported import ImportedWork, ImportReport, Section, bullets, sections
from wfe_mcp.importers.spec_work import SpecDocuments, spec_work, task_lines
from wfe_mcp.importers.work_items import WorkItem

FORMAT = "OpenSpec"

_KINDS = {"ADDED Requirements": "", "MODIFIED Requirements": "Changed: ", "REMOVED Requirements": "Removed: "}


def read_openspec(source: Path) -> ImportedWork:
    """The work in a change's folder. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    folder = Folder(source, report)
    proposal = {section.title: section.text for section in sections(folder.text("proposal.md") or "")}
    goal = "\n\n".join(proposal[name] for name in ("Why", "What Changes") if proposal.get(name))
    goal = goal or next(filter(None, proposal.values()), source.name)
    documents = SpecDocuments(source.name, goal, "specs")
    for path in folder.files("specs", "**/*.md"):
        _requirements(sections(folder.text(path) or ""), path, documents, report)
    design = folder.text("design.md") or ""
    documents.design = design
    documents.more = {"non_goals": [], "open_questions": []}
    for section in sections(design):
        after = section.text.partition("**Non-Goals:**")[2]
        documents.more["non_goals"] += [item for _, item in bullets([(0, line) for line in after.split("\n")])]
        if section.title == "Open Questions":
            documents.more["open_questions"] += [item for _, item in bullets(section.lines)]
    tasks = folder.text("tasks.md")
    documents.tasks = _tasks(tasks, report) if tasks is not None else None
    for name in ("Capabilities", "Impact"):
        if proposal.get(name):
            report.lose("proposal.md", f"the section {name!r} has no place in the documents")
    return spec_work(FORMAT, source.name, documents, report)


def _requirements(parts: list[Section], path: str, documents: SpecDocuments, report: ImportReport) -> None:
    kind = ""
    for section in parts:
        if section.level == 2:
            kind = _KINDS.get(section.title, "")
            if section.title not in _KINDS and section.text:
                report.lose(f"{path}:{section.line}", f"the section {section.title!r} has no place in the documents")
        elif section.title.startswith("Requirement:"):
            name = section.title.removeprefix("Requirement:").strip()
            text = f"{kind}{name}: {' '.join(section.text.split())}".strip(": ")
            documents.requirements.append((f"R-{len(documents.requirements) + 1}", text, "must"))
        elif section.title.startswith("Scenario:"):
            steps = ", ".join(item.replace("**", "") for _, item in bullets(section.lines))
            documents.acceptance.append(f"{section.title.removeprefix('Scenario:').strip()}: {steps}")


def _tasks(text: str, report: ImportReport) -> list[WorkItem]:
    lines = task_lines(text, report, all_count=True)
    for line in lines:
        line.item.notes += [f"Group: {line.group}", *line.below]
    return [line.item for line in lines]
