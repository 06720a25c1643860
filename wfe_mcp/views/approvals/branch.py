"""What ``verify --branch`` found, for people and for ``--json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.engine.integrity.branch_verification import ProvenCommit, VerifiedBranch


def summary_of(found: VerifiedBranch) -> str:
    """One line: how many commits are proven, and how many problems there are."""
    text = f"{len(found.proven)} of {plural(found.judged, 'commit')} on {found.branch} proven"
    return text + (f", {plural(len(found.findings), 'problem')}" if found.findings else "")


def branch_view(found: VerifiedBranch) -> dict[str, Any]:
    """What ``--json`` prints."""
    keys = () if found.approvers is None else found.approvers.keys.values()
    problems = [
        {"code": one.code} | ({"run": one.run} if one.run else {}) | {"where": one.where, "message": one.message}
        for one in found.findings
    ]
    view: dict[str, Any] = {
        "branch": found.branch,
        "judged": found.judged,
        "proven": [_commit_view(one) for one in found.proven],
        "approvers": [{"id": key.id, "name": key.name, "kind": key.kind or "passkey"} for key in keys],
        "problems": problems,
    }
    return view | ({"notes": list(found.notes)} if found.notes else {})


def _commit_view(one: ProvenCommit) -> dict[str, Any]:
    view: dict[str, Any] = {"commit": one.commit, "subject": one.subject, "tree": one.tree}
    if one.decision is None or one.key is None:
        return view | {"same_files_as_before": True}
    view |= {"run": one.decision.run, "phase": one.decision.phase, "attempt": one.decision.attempt}
    more = {"key": one.key.name, "kind": one.key.kind or "passkey", "at": one.decision.at}
    return view | more | {"statements": one.statements}
