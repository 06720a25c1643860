"""The change that a decision is about: the files since the run began, and since the last approval.

Both end at the tree that the gates judged; where no gate reads files, at the files that the request is about. Without git, or
where a tree is no longer stored, the change says why it is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, Stage
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.engine.files.tree_binding import first_tree
from wfe_mcp.views.approvals.model import Change, Named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wfe_mcp.core.model import Attempt, RunState

_START, _APPROVAL, _BOTH = "the run began", "your last approval", "the run began, and since your last approval"
NO_GIT = (
    "This project has no git repository, so the changed files are unknown: an approval is about the artifact alone."
)
LOST_GIT = "The files were recorded when the run began, but git can no longer read them: an approval is about the artifact alone."
NOT_RECORDED = "No files were recorded when the run began, and no phase so far has a gate that reads them."


def changes_of(root: Path, state: RunState, attempt: Attempt, ignored: Sequence[str]) -> tuple[Change, ...]:
    """The change since the run began, then the one since the last approval if that is another. ``ignored``: globs of what
    the checks write.
    """
    from wfe_mcp.workspace.git.command import repository
    from wfe_mcp.workspace.git.working_tree import tree_hash

    began = first_tree(state)
    if repository(root) is None:
        return (Change(_START, note=NO_GIT if began is None else LOST_GIT),)
    if began is None:
        return (Change(_START, note=NOT_RECORDED),)
    try:
        now = attempt.tree or attempt.asked_tree or tree_hash(root, ignored)
    except Refused as refused:
        return (Change(_START, began, note=refused.message),)
    if now is None:
        return (Change(_START, began, note="This folder is too large to compare its files."),)
    approved = _last_approved(state)
    found = [_change(root, _BOTH if approved == began else _START, began, now, ignored)]
    if approved is not None and approved != began:
        found.append(_change(root, _APPROVAL, approved, now, ignored))
    return tuple(found)


def _last_approved(state: RunState) -> str | None:
    """The tree of the newest approval that still counts."""
    found = [
        (attempt.started_at, attempt.approved_tree or attempt.tree)
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.status is AttemptStatus.COMPLETED
        and (attempt.approved_tree or attempt.tree) is not None
        and attempt.started_at is not None
        if any(
            _is_approved(state, attempt, each.gate)
            for each in attempt.verdicts
            if each.stage is Stage.AFTER and each.kind is VerdictKind.PASS
        )
    ]
    return max(found)[1] if found else None


def _is_approved(state: RunState, attempt: Attempt, gate: int) -> bool:
    gates = state.phase(attempt.phase).gates
    return gate < len(gates) and gates[gate].kind == "approval"


def _change(root: Path, since: str, old: str, new: str, ignored: Sequence[str]) -> Change:
    from wfe_mcp.workspace.files.paths import match_globs
    from wfe_mcp.workspace.git.file_diffs import file_diffs, watched_changes

    try:
        files, watched = file_diffs(root, old, new), watched_changes(root, old, new)
    except Refused as refused:
        return Change(since, old, new, note=refused.message)
    globs = tuple(ignored)
    watched_files = [
        Named(path, how) for how, paths in watched.items() for path in paths if not match_globs(path, globs)
    ]
    listed = tuple(each for each in files if not match_globs(each.path, globs))
    return Change(since, old, new, listed, watched=tuple(watched_files))
