"""Approval requests: one stored request for the open gate, issued again when its subject changes.

ask ──► stored request ──► files or artifact change ──► gates again ──► a new request, automatically
                      └──► answered, expired, or its attempt is over: it is closed
"""

from collections.abc import Mapping
from datetime import timedelta

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.model import Assurance, AttemptStatus, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store.records.approvals import RequestRecord
from wfe_mcp.workflow.model import ApprovalGate


def request_of(
    current: RunChange, path: PhasePath, tree: str | None = None, target: Mapping[str, object] | None = None
) -> tuple[RequestRecord, ApprovalGate]:
    """The stored request for the open gate, and the gate; a new one when the last has expired or is outdated.

    ``tree``: the files that it is about; by default those that the gates judged, or that were last asked about. ``target``:
    what its steps call (``step_target.py``); by default what was last asked about.
    """
    from wfe_mcp.store.records.approvals import NewRequest
    from wfe_mcp.workflow.model import duration_s

    attempt = current.attempt(path)
    gate: ApprovalGate = current.plan.gates(attempt)[attempt.gate]  # pyright: ignore[reportAssignmentType] - the guard saw that it is an approval
    expires = None if gate.expires is None else current.at + timedelta(seconds=duration_s(gate.expires))
    if target is None:
        before = current.tx.approvals.open_request(current.run.id, path, attempt.number)
        target = {} if before is None else before.data.get("target", {})
    request = current.tx.approvals.request(
        NewRequest(
            current.run.id,
            path,
            attempt.number,
            attempt.stage or Stage.AFTER,
            attempt.gate,
            attempt.sha256 or "",
            Assurance[gate.assurance.upper()],
            tree or attempt.tree or attempt.asked_tree,
            expires,
            {"target": dict(target)} if target else {},
        ),
        current.at,
    )
    return request, gate


def reissue_requests(current: RunChange) -> None:
    """Issue requests again whose files or artifact changed, once the gates have passed again."""
    earlier = current.loaded.state.attempts
    for attempt in current.state.moving_attempts:
        waits = attempt.status is AttemptStatus.AWAITING and attempt.asked is None
        is_approval = current_gate(current.state, attempt) == "approval"
        if not waits or not is_approval or attempt in earlier.get(attempt.phase, ()):
            continue
        before = current.tx.approvals.open_request(current.run.id, attempt.phase, attempt.number)
        if before is not None:
            # Files that changed since are noticed at the decision: no transaction reads them.
            request, _ = request_of(current, attempt.phase, attempt.tree or before.tree)
            current.give(
                c.AskApproval(phase=attempt.phase, request=request.id, tree=request.tree, by=SYSTEM, at=current.at)
            )
