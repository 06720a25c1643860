"""Importers of foreign workflows and plans, and the detection of their format.

    folder, .json with "format" or "phases"    wfe/1                  a template, as it is
    .json with "steps"                         AFU-9                  a template with phases of steps
    .json with "definition", or a list of such  AFU-9 rows            the same, of one row
    .json, .yaml with "workflow" or "plan.prompt"  ai-workflow-engine settings of the phases of a template
    .ai-workflow.yaml, or .yaml with "agent"…  aiw settings           settings, checks and inputs for milestones
    .md with ## BLG-001                        aiw backlog            milestone_plan@1
    .md with ## M1 or # Milestones             aiw milestones         milestone_plan@1
    a folder of another tool, tasks.json       see other_tools.py     inputs and documents for a template

Anything that cannot be converted is reported with its pointer or line, never dropped silently.
"""

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Code, Detail, Refused
from wfe_mcp.importers.afu9 import from_afu9, is_afu9
from wfe_mcp.importers.afu9_rows import from_row, is_row
from wfe_mcp.importers.aiw_settings import from_aiw_settings, is_aiw_settings
from wfe_mcp.importers.backlog import read_backlog
from wfe_mcp.importers.entries import Entries
from wfe_mcp.importers.gate_settings import Criteria, from_gate_settings, is_gate_settings
from wfe_mcp.importers.imported import ImportedPlan, ImportedSettings, ImportedTemplate, ImportedWork, PlanReading
from wfe_mcp.importers.milestones import read_milestones
from wfe_mcp.importers.other_tools import holds, nearest_formats, work_in
from wfe_mcp.importers.work_entries import plan_file, work_entries
from wfe_mcp.workflow.load import load_definition, read_json, read_text
from wfe_mcp.workflow.yaml_lines import read_yaml

_BACKLOG = re.compile(r"^##\s+BLG-\d", re.MULTILINE | re.IGNORECASE)
_MILESTONES = re.compile(r"^#\s+Milestones\b|^##\s+M\d", re.MULTILINE | re.IGNORECASE)
_YAML = frozenset({".yaml", ".yml"})
_WHAT: dict[type, str] = {
    ImportedPlan: "a plan",
    ImportedSettings: "settings",
    ImportedWork: "the work of another tool",
}


def read_workflow(
    source: Path, name: str = "", wanted: str = ""
) -> ImportedTemplate | ImportedPlan | ImportedSettings | ImportedWork:
    """The converted content of ``source``. Refuses a file in an unknown format, and every fault of its format.

    ``name``: of the template, instead of its own; of a table of stored workflows the row. ``wanted``: the tool that wrote
    a folder.
    """
    imported = _read(source, name, wanted)
    if name and not isinstance(imported, ImportedTemplate):
        what = _WHAT[type(imported)]
        raise Refused(
            "bad_argument",
            f"--name is for a template, and {source} holds {what}.",
            "Leave --name out.",
            (Detail("/name", f"{source} holds {what}", None, name),),
        )
    return imported


def _read(source: Path, name: str, wanted: str) -> ImportedTemplate | ImportedPlan | ImportedSettings | ImportedWork:
    if wanted or is_work(source):
        return read_work(source, wanted)
    if source.suffix.lower() == ".md" and not source.is_dir():
        return read_plan(source).import_plan()
    if source.suffix.lower() in _YAML and not source.is_dir():
        return _yaml(source)
    if source.is_dir():
        return _template(source, name)
    value: Any = read_json(source)
    if is_row(value):
        return from_row(value, name)
    if is_afu9(value):
        return from_afu9({**cast("dict[str, Any]", value), **({"name": name} if name else {})})
    if is_gate_settings(value):
        return from_gate_settings(cast("dict[str, Any]", value), _criteria_beside(source))
    if isinstance(value, dict) and "format" not in value and "phases" not in value:
        raise Refused(
            "invalid_template",
            f"{source} is JSON, but in no format that can be imported.",
            "A wfe/1 template has 'format' and 'phases', an AFU-9 workflow has 'name' and 'steps', "
            "gate settings of ai-workflow-engine have 'workflow' or stages such as 'plan.prompt'.",
        )
    return _template(source, name)


def _template(source: Path, name: str) -> ImportedTemplate:
    return ImportedTemplate("wfe/1", load_definition(source) | ({"name": name} if name else {}))


def is_work(source: Path) -> bool:
    """Whether ``source`` can only be the work of another tool: a tasks.json, or a folder that is no template or session."""
    known = ("template.json", "session.json")
    return source.name == "tasks.json" or (source.is_dir() and not any((source / name).is_file() for name in known))


def read_work(source: Path, wanted: str = "", code: Code = "invalid_template") -> ImportedWork:
    """The work of another tool. Refuses with ``code`` a folder in an unknown format: what was found, what comes near."""
    work = work_in(source, wanted)
    if work is not None:
        return work
    file = "template.json" if code == "invalid_template" else "session.json"
    details = (Detail(file, "it is not there"),) if source.is_dir() else ()
    what = "a folder" if source.is_dir() else "a file"
    raise Refused(
        code,
        f"{source} is {what} in no format that can be imported; {holds(source)}.",
        nearest_formats(source),
        details,
    )


def _yaml(source: Path) -> ImportedSettings:
    """Settings, with losses and errors reported by line."""
    value, lines = read_yaml(source)
    if isinstance(value, dict) and is_gate_settings(cast("object", value)):
        read = partial(from_gate_settings, criteria=_criteria_beside(source))
    elif isinstance(value, dict) and (
        is_aiw_settings(cast("object", value)) or source.name.startswith(".ai-workflow.")
    ):
        read = from_aiw_settings
    else:
        raise Refused(
            "invalid_template",
            f"{source} is YAML, but in no format that can be imported.",
            "ai-workflow-engine's config.yml has 'workflow' or stages such as 'plan.prompt', aiw's "
            ".ai-workflow.yaml has 'git', 'agent' or 'recovery'; templates are JSON.",
        )
    try:
        imported = read(cast("dict[str, Any]", value))
    except Refused as no:
        details = tuple(lines.locate(detail) for detail in no.details)
        count = f"{len(details)} error{'' if len(details) == 1 else 's'}"
        raise Refused(
            no.code, f"{source} has {count}; {details[0].path}: {details[0].message}.", no.hint, details
        ) from None
    return dataclasses.replace(imported, not_carried=tuple(lines.locate(lost) for lost in imported.not_carried))


def _criteria_beside(source: Path) -> Criteria:
    """Reads files that the settings in ``source`` name: in its folder or the one around it, where the project is."""

    def read(name: str) -> str | None:
        for folder in (source.resolve().parent, source.resolve().parent.parent):
            try:
                file = (folder / name).resolve()
                if file.is_relative_to(folder) and file.is_file():
                    return read_text(file).strip()
            except (Refused, OSError):  # the latter for a name that is too long
                return None
        return None

    return read


def read_entries(source: Path, wanted: str = "") -> Entries:
    """What a file or folder says there is to do, for work items. Refuses an unknown format, and every fault by its line."""
    if wanted or is_work(source):
        return work_entries(read_work(source, wanted, "bad_argument"))
    if source.suffix.lower() == ".json":
        return plan_file(source)
    return read_plan(source).items()


def read_plan(source: Path) -> PlanReading:
    """The plan in a milestones.md or backlog.md, errors and weaknesses included. Refuses a file in another format."""
    text = read_text(source)
    if _BACKLOG.search(text):
        return dataclasses.replace(read_backlog(text), source=str(source))
    if _MILESTONES.search(text):
        return dataclasses.replace(read_milestones(text), source=str(source))
    raise Refused(
        "invalid_artifact",
        f"{source} has neither milestones (## M1 - Title) nor backlog items (## BLG-001 - Title).",
        "Write its headings so and import it again.",
    )
