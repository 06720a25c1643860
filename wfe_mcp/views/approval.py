"""What the user sees before approving.

The bytes to approve, the findings of the gates, and changes of the rules meanwhile: files that define the checks
and changed since the run began, and runs that were cancelled before this one (design §7).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.views.runs import attempt_view

if TYPE_CHECKING:
    from wfe_mcp.core.model import RunId, RunState
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.workflow.model import Gate

__all__ = ["DEFINES_CHECKS", "Open", "open_approval"]

DEFINES_CHECKS = (
    ".wfe/config.toml", "**/package.json", "**/pyproject.toml", "**/setup.cfg", "**/tox.ini", "**/pytest.ini",
    "**/noxfile.py", "**/Makefile", "**/makefile", "**/GNUmakefile", "**/conftest.py", "**/tests/**", "**/test/**",
    "**/__tests__/**", "**/test_*.py", "**/*_test.*", "**/*.test.*", "**/*.spec.*", "**/Cargo.toml", "**/go.mod",
    "**/.github/workflows/**",
)  # fmt: skip
"""Files that say what a check runs or what it looks at."""


@dataclass(frozen=True, slots=True)
class Open:
    """The gate that waits for a person. ``assurance`` and ``phrase`` are the template's; ``data`` is for the reader."""

    assurance: str
    phrase: str | None
    sha256: str
    data: dict[str, Any]


def open_approval(engine: Engine, found: Overview, phase: str) -> Open | None:
    """What ``phase`` asks the user to approve; None when nothing awaits approval."""
    from wfe_mcp.core.guards import current_gate
    from wfe_mcp.engine.templates.config_drift import own_configuration, templates_enabled

    path = PhasePath(phase)
    if path not in found.loaded.state.attempts:
        return None
    attempt = found.loaded.state.current(path)
    gate = current_gate(found.loaded.state, attempt)
    if attempt.status != "awaiting" or gate is None or gate[0] != "approval":
        return None
    wanted: Gate = found.plan.gates(attempt)[gate[1]]
    assert wanted.kind == "approval", "the machine and the template name the same gate"
    data: dict[str, Any] = {
        "artifact": found.plan.artifact_name(path) or ("loop" if path in found.loaded.state.loops else "prompt"), "attempt": attempt.number,
        "revision": attempt.revision, "sha256": attempt.sha256 or "", "assurance": wanted.assurance,
        "template": f"{found.loaded.record.template}@{found.loaded.record.template_version}",
        "verdicts": attempt_view(found, attempt).get("verdicts", []),
    }  # fmt: skip
    more = {
        "content": _content(engine, found, path, attempt.revision),
        "checks_changed": _checks_changed(found, attempt.tree),
        "cancelled_before": _cancelled_before(engine, found),
        "own_configuration_changed": str(own.file) if (own := own_configuration(engine)).changed else "",
        "templates_enabled": templates_enabled(engine),
        "phrase": wanted.phrase,
    }
    return Open(
        wanted.assurance,
        wanted.phrase,
        attempt.sha256 or "",
        data | {key: value for key, value in more.items() if value},
    )


def _content(engine: Engine, found: Overview, path: PhasePath, number: int) -> object:
    if not number:
        return None
    with engine.store.read() as tx:
        revision = tx.revision(found.loaded.record.id, path, number)
    return None if revision is None else json.loads(revision.content)


def _checks_changed(found: Overview, now: str | None) -> list[str]:
    """Files that define checks and differ between the first claim of the run and the tree that was judged."""
    from wfe_mcp.workspace.files.paths import match_globs
    from wfe_mcp.workspace.git.working_tree import changed_paths

    began = _first_tree(found.loaded.state)
    if began is None or now is None:
        return []
    try:
        changed = changed_paths(Path(found.loaded.record.worktree), began, now)
    except Refused:  # the trees are forgotten: nothing to compare
        return []
    return [path for path in changed if match_globs(path, DEFINES_CHECKS)]


def _first_tree(state: RunState) -> str | None:
    started = [
        (attempt.started_at, attempt.tree_at_start)
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.started_at is not None and attempt.tree_at_start is not None
    ]
    return min(started)[1] if started else None


def _cancelled_before(engine: Engine, found: Overview) -> list[RunId]:
    run = found.loaded.record
    with engine.store.read() as tx:
        # Of any template: a looser one may be tried after a strict one.
        page = tx.list_runs(run.project_id, status=[RunStatus.CANCELLED], limit=100)
    return [other.id for other in page.runs if other.created_at < run.created_at][:5]
