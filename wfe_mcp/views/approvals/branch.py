"""What ``verify`` found, of a branch and of anything else, for people and for ``--json``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.units import plural
from wfe_mcp.views.values.model import plain, second

if TYPE_CHECKING:
    from wfe_mcp.core.findings import Discrepancy
    from wfe_mcp.engine.approvals.approvers import ApproverKey
    from wfe_mcp.engine.integrity.branch_verification import ProvenCommit, VerifiedBranch


def summary_of(branch: VerifiedBranch) -> str:
    """One line: how many commits are proven, and how many problems there are."""
    text = f"{len(branch.proven)} of {plural(branch.judged, 'commit')} on {branch.branch} proven"
    return text + (f", {plural(len(branch.findings), 'problem')}" if branch.findings else "")


def problem_view(discrepancy: Discrepancy) -> dict[str, Any]:
    """A difference that a verification found, with the time until which it is known to be right."""
    since = {"since": second(discrepancy.since)} if discrepancy.since else {}
    return plain(replace(discrepancy, since=None)) | since


def key_view(key: ApproverKey) -> dict[str, Any]:
    """A key that counts."""
    return {"id": key.id, "name": key.name, "kind": key.kind or "passkey"}


def key_of(key: ApproverKey) -> dict[str, Any]:
    """The key of a decision."""
    return {"key": key.name, "kind": key.kind or "passkey"}


def branch_view(branch: VerifiedBranch) -> dict[str, Any]:
    """What ``--json`` prints."""
    keys = () if branch.approvers is None else branch.approvers.keys.values()
    view: dict[str, Any] = {
        "branch": branch.branch,
        "judged": branch.judged,
        "proven": [_commit_view(commit) for commit in branch.proven],
        "approvers": [key_view(key) for key in keys],
        "problems": [problem_view(finding) for finding in branch.findings],
    }
    return view | ({"notes": list(branch.notes)} if branch.notes else {})


def _commit_view(commit: ProvenCommit) -> dict[str, Any]:
    view: dict[str, Any] = {"commit": commit.commit, "subject": commit.subject, "tree": commit.tree}
    if commit.decision is None or commit.key is None:
        return view | {"same_files_as_before": True}
    view |= {"run": commit.decision.run, "phase": commit.decision.phase, "attempt": commit.decision.attempt}
    return view | key_of(commit.key) | {"at": commit.decision.at, "statements": commit.statements}
