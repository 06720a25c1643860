"""The context of a project for an orchestrator: what it is, how it is checked, and what runs in it, within a budget of tokens.

Texts of the project's files are data. Where the budget is small, lists are cut and what is left out is counted.
"""

import json
from collections.abc import Sequence
from dataclasses import field
from typing import TypeVar

from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.moves.envelope import LIMIT_BYTES
from wfe_mcp.views.project.activity import ProjectView, project_view
from wfe_mcp.views.project.project import ProjectContents, project_view as contents
from wfe_mcp.views.values.model import JsonObject, plain, view_model
from wfe_mcp.workspace.system.shell_words import shell_line

T = TypeVar("T")

TOKENS = 2_500
"""The budget without another one."""

_CHARS_PER_TOKEN = 3
"""Paths and punctuation of JSON have fewer characters per token than prose: so few that no real text has fewer."""

_LINES = (120, 60, 30, 20, 12, 8, 5, 3, 2, 1)
_ENVELOPE_BYTES = 1_500


@view_model
class ProjectContext:
    """``found``: by kind, each with its file and line; what is not sure says so. ``left_out``: lines beyond the budget, by list."""

    project: str
    name: str
    root: str
    git: bool
    facts: JsonObject
    found: JsonObject
    checks: tuple[JsonObject, ...]
    default_template: str = ""
    templates: JsonObject
    roles: JsonObject = field(default_factory=dict[str, str])
    runs: tuple[JsonObject, ...] = ()
    left_out: JsonObject = field(default_factory=dict[str, int])


def project_context(engine: Engine, tokens: int = TOKENS) -> ProjectContext:
    """The context in at most ``tokens``, and never more than an answer of a tool holds."""
    inside, project = contents(engine), project_view(engine)
    most = min(tokens * _CHARS_PER_TOKEN, LIMIT_BYTES - _ENVELOPE_BYTES)
    tried = (_within(inside, project, lines) for lines in _LINES)
    return next(
        (context for context in tried if len(json.dumps(json.dumps(plain(context), ensure_ascii=False))) <= most),
        _within(inside, project, 0),
    )


def _within(inside: ProjectContents, project: ProjectView, lines: int) -> ProjectContext:
    """The context with at most so many lines of each list."""
    left: dict[str, int] = {}

    def cut(name: str, found: Sequence[T]) -> Sequence[T]:
        if len(found) > lines:
            left[name] = len(found) - lines
        return found[:lines]

    kinds: dict[str, list[str]] = {}
    for finding in inside.findings:
        sure = "" if finding.sure == "declared" else f", {finding.sure}"
        kinds.setdefault(finding.kind, []).append(f"{finding.value} ({finding.file}:{finding.line}{sure})")
    checks = [
        {"name": check.name, "command": shell_line(check.argv)}
        | ({} if check.cwd == "." else {"in": check.cwd})
        | ({} if check.configured else {"configured": False})
        for check in inside.checks
    ]
    return ProjectContext(
        project=project.project.project,
        name=project.project.name,
        root=inside.root,
        git=inside.git,
        facts={fact.name: fact.value for fact in cut("facts", inside.facts)},
        found={kind: list(cut(kind, those)) for kind, those in kinds.items()},
        checks=tuple(cut("checks", checks)),
        default_template=project.default_template,
        templates={template.name: template.title for template in cut("templates", project.templates)},
        roles={role.role: f"{role.provider} {role.model}".strip() for role in cut("roles", project.roles)},
        runs=tuple(
            {"run": run.run, "title": run.title, "state": run.state, "template": run.template}
            for run in cut("runs", project.runs)
        ),
        left_out=left,
    )
