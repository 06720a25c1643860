"""Reads a feature of spec-kit: specs/001-name with spec.md, plan.md and tasks.md.

user stories US1…                     requirements; P1 must, P2 should, later could
FR-001…                               requirements
acceptance scenarios, SC-001…         acceptance; edge cases, too, that say what happens
edge cases, [NEEDS CLARIFICATION: …]  open questions
assumptions                           constraints
plan.md, research.md, data-model.md   design
tasks T001 [P] [US1]                  tasks; one without [P] waits for all before it back to the last such task

Agents write the documents in the language of their user: ids and priorities say what is what, the headings only where they must.
"""

import re
from pathlib import Path

from wfe_mcp.importers.folders import Folder
from wfe_mcp.importers.imported import ImportedWork, ImportReport, Section, bullets, sections
from wfe_mcp.importers.spec_work import SpecDocuments, spec_work, task_lines
from wfe_mcp.importers.work_items import WorkItem

FORMAT = "spec-kit"

_SPEC = re.compile(r"^# Feature Specification|^### User Story \d|\*\*(?:FR|RF)-\d", re.MULTILINE)
_STORY = re.compile(
    r"(?:User Story |\D+(?=\d.*[(\uff08][^()]*P\d[)\uff09]))(\d+)\s*[-\u2013\u2014:]?\s*(.*?)\s*(?:[(\uff08][^()]*P(\d)[)\uff09].*)?"
)
_COUNTED = re.compile(r"\*\*([A-Z]{2,4}-\d+)\*\*[:\uff1a]?\s*(.*)")
_LABELS = re.compile(r"(\[P\]\s+)?((?:\[US\d+\]\s+)*)(\S.*)")
_NEEDS = re.compile(r"\(.*?depends on ([^)]*)\)|\bdepends on ((?:T\d+(?:,\s*| and )?)+)", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w/.:])(?:[\w.-]+/)+[\w.-]*\w|\b[\w-]+\.(?:md|toml|json|yaml|yml|py|ts|js)\b")
_DESIGN = ("plan.md", "research.md", "data-model.md", "quickstart.md")


def is_spec_kit(text: str) -> bool:
    """Whether a spec.md is spec-kit's."""
    return _SPEC.search(text) is not None


def read_spec_kit(source: Path) -> ImportedWork:
    """The work in a feature's folder. Refuses ``invalid_artifact``: all errors at once, by path and line."""
    report = ImportReport()
    folder = Folder(source, report)
    documents = _spec(folder.text("spec.md") or "", source.name)
    documents.design = "\n\n".join(text.strip() for path in _DESIGN if (text := folder.text(path)))
    tasks = folder.text("tasks.md")
    documents.tasks = _tasks(tasks, report) if tasks is not None else None
    for path in folder.files("", "**/*"):
        if path not in ("spec.md", "tasks.md", *_DESIGN):
            report.lose(path, "it has no place in the documents; it stays where it is")
    return spec_work(FORMAT, source.name, documents, report)


def _spec(text: str, name: str) -> SpecDocuments:
    documents = SpecDocuments(name, "", "spec.md", more={"constraints": [], "open_questions": []})
    questions = re.findall(r"\[NEEDS CLARIFICATION:?([^\]]+)\]", text)
    documents.more["open_questions"] = [question.strip() for question in questions if question.strip()]
    for section in sections(text):
        story = _STORY.fullmatch(section.title)
        title = section.title.removesuffix("*(mandatory)*").strip()
        if section.level == 1:
            documents.title = title.removeprefix("Feature Specification:").strip() or name
            match = re.search(r'\*\*Input\*\*:\s*(?:User description:\s*)?"?(.*?)"?\s*$', section.text, re.MULTILINE)
            documents.goal = match[1] if match else ""
        elif story is not None:
            priority = {"1": "must", "2": "should"}.get(story[3] or "1", "could")
            parts = section.text.split("**Why this priority**")
            about = parts[0].strip() if len(parts) > 1 else section.text.partition("\n\n")[0]
            documents.requirements.append((f"US{story[1]}", f"{story[2]}: {about}".strip(": "), priority))
            documents.acceptance += [
                _plain(item)
                for _, item in bullets(section.lines)
                if len(item.split("**")) > 4  # given, when
            ]
        elif title == "Edge Cases":
            for _, item in bullets(section.lines, joins=True):  # with its answer, it is no question
                (documents.more["open_questions"] if item.endswith(("?", "\uff1f")) else documents.acceptance).append(
                    _plain(item)
                )
        elif title == "Assumptions":
            documents.more["constraints"] += [item for _, item in bullets(section.lines)]
        else:
            counted = [(item[1], _plain(item[2])) for item in _numbered_items(section)]
            known = {key for key, _, _ in documents.requirements}  # a later section may speak of them
            documents.acceptance += [text for key, text in counted if key.startswith("SC-")]
            documents.requirements += [
                (key, text, "must") for key, text in counted if not key.startswith("SC-") and key not in known
            ]
    documents.goal = documents.goal or documents.title
    return documents


def _numbered_items(section: Section) -> list[re.Match[str]]:
    return [match for _, item in bullets(section.lines) if (match := _COUNTED.fullmatch(item)) and match[2]]


def _plain(text: str) -> str:
    return text.replace("**", "").strip()


def _tasks(text: str, report: ImportReport) -> list[WorkItem]:
    items: list[WorkItem] = []
    barrier, since = "", list[str]()
    for line in task_lines(text, report):
        item, labels = line.item, _LABELS.fullmatch(line.item.title)
        is_parallel, stories, title = labels.groups() if labels else (None, "", item.title)
        item.title = title
        named = [key for groups in _NEEDS.findall(title) for key in re.findall(r"T\d+", "".join(groups))]
        waits = ([barrier] if barrier else []) if is_parallel else since or ([barrier] if barrier else [])
        item.depends = [*waits, *named]
        item.requirements = re.findall(r"\[(US\d+)\]", stories) + re.findall(r"\b(?:FR|RF)-\d+", title)
        item.files = _PATH.findall(title)
        item.notes += line.below
        items.append(item)
        if is_parallel:
            since.append(item.key)
        else:
            barrier, since = item.key, []
    return items
