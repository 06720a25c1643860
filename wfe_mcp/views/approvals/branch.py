"""What ``verify`` found, of a branch and of anything else, for people and for ``--json``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.units import plural
from wfe_mcp.views.values.model import plain, second

if TYPE_CHECKING:
    from wfe_mcp.engine.approvals.approvers import ApproverKey
    from wfe_mcp.engine.integrity.branch_verification import ProvenCommit, VerifiedBranch
    from wfe_mcp.engine.integrity.discrepancy import Discrepancy


def summary_of(found: VerifiedBranch) -> str:
    """One line: how many commits are proven, and how many problems there are."""
    text = f"{len(found.proven)} of {plural(found.judged, 'commit')} on {found.branch} proven"
    return text + (f", {plural(len(found.findings), 'problem')}" if found.findings else "")


def problem_view(found: Discrepancy) -> dict[str, Any]:
    """A difference that a verification found, with the time until which it is known to be right."""
    since = {"since": second(found.since)} if found.since else {}
    return plain(replace(found, since=None)) | since


def key_view(key: ApproverKey) -> dict[str, Any]:
    """A key that counts."""
    return {"id": key.id, "name": key.name, "kind": key.kind or "passkey"}


def key_of(key: ApproverKey) -> dict[str, Any]:
    """The key of a decision."""
    return {"key": key.name, "kind": key.kind or "passkey"}


def branch_view(found: VerifiedBranch) -> dict[str, Any]:
    """What ``--json`` prints."""
    keys = () if found.approvers is None else found.approvers.keys.values()
    view: dict[str, Any] = {
        "branch": found.branch,
        "judged": found.judged,
        "proven": [_commit_view(commit) for commit in found.proven],
        "approvers": [key_view(key) for key in keys],
        "problems": [problem_view(finding) for finding in found.findings],
    }
    return view | ({"notes": list(found.notes)} if found.notes else {})


def _commit_view(one: ProvenCommit) -> dict[str, Any]:
    view: dict[str, Any] = {"commit": one.commit, "subject": one.subject, "tree": one.tree}
    if one.decision is None or one.key is None:
        return view | {"same_files_as_before": True}
    view |= {"run": one.decision.run, "phase": one.decision.phase, "attempt": one.decision.attempt}
    return view | key_of(one.key) | {"at": one.decision.at, "statements": one.statements}
