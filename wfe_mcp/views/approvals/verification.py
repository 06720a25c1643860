"""What ``verify`` found in the logs and on a branch, as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.units import plural
from wfe_mcp.engine.integrity.verification import VerificationResult
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.maintenance.restore_log import SetBack
from wfe_mcp.engine.templates.config_drift import own_configuration, template_changes
from wfe_mcp.store.records.runs import SettingEvent
from wfe_mcp.views.values.model import plain, second

if TYPE_CHECKING:
    from wfe_mcp.core.findings import Discrepancy
    from wfe_mcp.engine.approvals.approvers import ApproverKey
    from wfe_mcp.engine.integrity.branch_verification import ProvenCommit, VerifiedBranch


def verification_view(engine: Engine, result: VerificationResult) -> dict[str, Any]:
    """The discrepancies, anchors and decisions, and who set or changed a PIN, a key or a template."""
    data: dict[str, Any] = {
        "runs": len(result.runs),
        "problems": [problem_view(finding) for finding in result.findings],
        "anchors": {"count": result.anchors, "last": second(result.last_anchor) or None, "behind": list(result.behind)},
        "decisions": _decisions(result),
        "pin": [_change(event) for event in result.settings if event.name == "pin"],
        "keys": [
            _change(event) | {"provider": event.name.partition(":")[2]}
            for event in result.settings
            if event.name.startswith(("provider_key:", "keyring:"))
        ],
        "own_configuration": _own(engine),
        "templates": [
            _change(event) | {"template": name, "assurance": event.assurance.name.lower()}
            for name, event in template_changes(engine, result.settings)
        ],
    }
    more = {
        "notes": list(result.notes),
        "left": result.left,
        "pin_resets": [
            {"at": second(key.at), "actor": key.by, "before": key.key, "key": key.successor}
            for key in result.decisions.retired
        ],
        "pruned": result.pruned,
        "restores": [_restore(set_back) for set_back in result.set_backs],
    }
    return data | {name: value for name, value in more.items() if value}


def _decisions(result: VerificationResult) -> dict[str, Any]:
    """How many decisions which key signed, and how many were made before signed decisions."""
    decisions = result.decisions
    signed = [{"key": key, "count": count} for key, count in sorted(decisions.signed.items())]
    foreign = [{"key": key, "count": count} for key, count in sorted(decisions.foreign.items())]
    view: dict[str, Any] = {"pinned": sorted(decisions.pinned), "signed": signed, "unsigned": decisions.unsigned}
    return view | ({"imported": foreign} if foreign else {})


def _change(event: SettingEvent) -> dict[str, Any]:
    """When a secret was set or removed, and by whom; never its value."""
    return {"at": second(event.at), "what": event.type, "actor": event.actor, "channel": str(event.channel)}


def _restore(set_back: SetBack) -> dict[str, Any]:
    lost = {run: {"kept": has, "had": had} for run, (has, had) in set_back.lost.items()}
    return {
        "at": second(set_back.at),
        "actor": set_back.by,
        "to": second(set_back.to),
        "file": set_back.file,
        "lost_events": set_back.lost_events,
        "lost_runs": set_back.lost_runs,
        "runs": lost,
        "reach": set_back.reach,
    }


def _own(engine: Engine) -> dict[str, Any]:
    """Whether the user's own configuration has changed since they reviewed it; reported, but not a fault."""
    own = own_configuration(engine)
    at = own.looked_at.isoformat(timespec="seconds") if own.looked_at else None
    return {"file": str(own.file), "looked_at": at, "changed": own.changed}


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
