"""Approval requests: one stored request for the open gate, issued again when its subject changes; and who has answered it.

ask ──► stored request ──► files or artifact change ──► gates again ──► a new request, automatically
                      └──► answered, expired, or its attempt is over: it is closed
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate, gate_of
from wfe_mcp.core.command import PROGRAMS
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, AttemptStatus, Channel, Person, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.access.tokens import owner_of_token
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RULES_BEGAN, LoadedRun, NewRequest, RequestRecord, RunRecord
from wfe_mcp.workflow.model.base import duration_s
from wfe_mcp.workflow.model.gates import ApprovalGate


def request_of(
    current: RunChange, path: PhasePath, tree: str | None = None, target: Mapping[str, object] | None = None
) -> tuple[RequestRecord, ApprovalGate]:
    """The stored request for the open gate, and the gate; a new one when the last has expired or is outdated.

    ``tree``: the files that it is about; by default those that the gates judged, or that were last asked about. ``target``:
    what its steps call (``step_target.py``); by default what was last asked about.
    """
    attempt = current.attempt(path)
    gate: ApprovalGate = current.plan.gates(attempt)[attempt.gate]  # pyright: ignore[reportAssignmentType] - the guard saw that it is an approval
    # An expired request is replaced by one with a time of its own; its approvers decide anew.
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
        # An attempt that this change left alone was not asked about yet: a caller makes its first request.
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


HOW = (
    "Pin your key under your name: wfe-mcp approvers add NAME --key mine. Each of the others signs with a passkey that is "
    "pinned under theirs: wfe-mcp approvers add NAME"
)


def deciding_person(current: RunChange, path: PhasePath) -> str:
    """The people who approve now, where the gate of ``path`` asks for several people; else empty.

    Refuses ``needs_human``, ``needs_trust`` and ``conflict``: the key is no one's, or the pinned keys do not count.
    """
    from wfe_mcp.engine.approvals.approvers import APPROVERS, approvers_here, owner_of, trust_key

    people = gate_of(current.state, current.attempt(path)).people
    if people == 1 or not isinstance(current.by, Person):
        return ""
    pinned = approvers_here(Path(current.run.worktree))
    if pinned.changes and not current.tx.trust.is_given(current.run.project_id, trust_key(), pinned.sha256):
        raise Refused(
            "needs_trust",
            f"{APPROVERS} says whose the keys are, and it has changed and is not trusted.",
            "Look at it and trust it: wfe-mcp trust approvers",
        )
    person = owner_of(current.by, pinned)
    if not person:
        raise Refused(
            "needs_human",
            f"Phase {path!r} needs {people} different people, and no name is pinned for your key {current.by.key[:16]}.",
            HOW,
            data={"people": people, "approved_by": [*current.attempt(path).approvals]},
        )
    return person


def refuse_altered(tx: Tx, loaded: LoadedRun) -> None:
    """Refuse ``conflict`` where the run or the settings, as ``tx`` reads them, are not what their logs say."""
    began = tx.settings_log.first_noted(*RULES_BEGAN)
    of_run = tx.verification.problems(loaded.record.id, used=loaded.state, rules_began=began)
    problems = [*of_run, *tx.settings_log.problems()]
    if problems:
        first, more = problems[0], len(problems) - 1
        raise Refused(
            "conflict",
            f"Run {loaded.record.id} is not what its log says: {first.where}: {first.message}"
            f"{f', and {more} more' if more else ''}.",
            f"It was changed outside wfe-mcp, so nothing is decided on it. See what differs: wfe-mcp verify {loaded.record.id}",
            run=loaded.record.id,
        )


_DECIDED = {
    "ApprovalCounted": "approved",
    "ApprovalGiven": "approved",
    "AttemptFailed": "rejected",
    "WentTo": "rejected",
}
"""Event → what a person decided with it."""


def with_decision(current: RunChange, path: PhasePath, refused: Refused) -> Refused:
    """``refused``, with who decided last about ``path``, what and when: two people may decide at once, and one is the first."""
    if current.by.channel in PROGRAMS:
        return refused
    for event in reversed(current.tx.events.of_types(current.run.id, *_DECIDED)):
        place = event.payload.get("source" if event.type == "WentTo" else "phase")
        is_rule = event.payload.get("rule") or event.payload.get("kind", "rejected") != "rejected"
        if place != path or is_rule or not event.assurance:
            continue
        who, at = str(event.payload.get("person") or event.actor), event.at.isoformat(timespec="seconds")
        decision = {"by": who, "decision": _DECIDED[event.type], "at": at, "channel": str(event.channel)}
        what = f"{who} {decision['decision']} it at {at} ({event.channel})"
        return replace(refused, message=f"{refused.message} {what}.", data=refused.data | {"decided": decision})
    return refused


def agents_owner(tx: Tx, run: RunRecord, path: PhasePath, attempt: int) -> str:
    """The owner of the token whose agent submitted the revision of ``attempt``; empty for an agent without a token.

    What was submitted after the last event of ``run``, as it is given, does not count: it may be the run of before.
    """
    for event in reversed(tx.events.of_types(run.id, "RevisionSubmitted")):
        if (event.payload["phase"], event.payload["attempt"]) == (path, attempt) and event.seq <= run.last_seq:
            return owner_of_token(tx, event.actor, event.at) if event.channel is Channel.HTTP else ""
    return ""
