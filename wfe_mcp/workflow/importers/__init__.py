"""In which format is a workflow or plan, and what is it here?

    folder, .json with "format" or "phases"    wfe/1                  a template, as it is
    .json with "steps"                         AFU-9                  a template with one phase of steps
    .json with "workflow" or "plan.prompt"     ai-workflow-engine     settings of the phases of a template
    .md with ## BLG-001                        aiw backlog            milestone_plan@1
    .md with ## M1 or # Milestones             aiw milestones         milestone_plan@1

Whatever a format says that has no place here is told with its pointer or line, never dropped in silence.
"""

import re
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.importers.afu9 import from_afu9, is_afu9
from wfe_mcp.workflow.importers.backlog import from_backlog
from wfe_mcp.workflow.importers.gate_settings import from_gate_settings, is_gate_settings
from wfe_mcp.workflow.importers.imported import ImportedPlan, ImportedSettings, ImportedTemplate
from wfe_mcp.workflow.importers.milestones import from_milestones
from wfe_mcp.workflow.load import load_definition, read_json, read_text

__all__ = ["ImportedPlan", "ImportedSettings", "ImportedTemplate", "read_workflow"]

_BACKLOG = re.compile(r"^##\s+BLG-\d", re.MULTILINE | re.IGNORECASE)
_MILESTONES = re.compile(r"^#\s+Milestones\b|^##\s+M\d", re.MULTILINE | re.IGNORECASE)
_YAML = frozenset({".yaml", ".yml"})


def read_workflow(source: Path) -> ImportedTemplate | ImportedPlan | ImportedSettings:
    """What ``source`` says, in our terms. Refuses a file in no known format, and every fault of its format."""
    if source.suffix.lower() == ".md" and not source.is_dir():
        return _markdown(source)
    if source.suffix.lower() in _YAML:
        raise Refused("unavailable", f"{source} is YAML, which cannot be read yet.",
                      "Write the same as JSON and import that.")  # fmt: skip
    if source.is_dir():
        return ImportedTemplate("wfe/1", load_definition(source))
    value: Any = read_json(source)
    if is_afu9(value):
        return from_afu9(cast("dict[str, Any]", value))
    if is_gate_settings(value):
        return from_gate_settings(cast("dict[str, Any]", value))
    if isinstance(value, dict) and "format" not in value and "phases" not in value:
        raise Refused("invalid_template", f"{source} is JSON, but in no format that can be imported.",
                      "A wfe/1 template has 'format' and 'phases', an AFU-9 workflow has 'name' and 'steps', "
                      "gate settings of ai-workflow-engine have 'workflow' or stages such as 'plan.prompt'.")  # fmt: skip
    return ImportedTemplate("wfe/1", load_definition(source))


def _markdown(source: Path) -> ImportedPlan:
    text = read_text(source)
    if _BACKLOG.search(text):
        return from_backlog(text)
    if _MILESTONES.search(text):
        return from_milestones(text)
    raise Refused("invalid_artifact", f"{source} has neither milestones (## M1 - Title) nor backlog items (## BLG-001 - Title).",
                  "Write its headings so and import it again.")  # fmt: skip
