"""How does a person say yes or no?

Rules:
1. The request is stored first, keyed (run, phase, attempt, stage, gate, sha256); only its answer counts, once.
2. Assurance comes from the channel (``by``), never from an argument.
3. Before a decision the files are looked at again: an edited artifact becomes a new revision, a changed tree voids the
   evidence; either way the gates run again and the person is asked anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.guards import current_gate
from wfe_mcp.core.model import Assurance, AttemptStatus, By, Channel, Stage
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.engine.mirrors import edited_artifact
from wfe_mcp.engine.settling import SYSTEM
from wfe_mcp.engine.submissions import store_revision
from wfe_mcp.engine.trees import bound_tree
from wfe_mcp.engine.turn import Turn, turn

if TYPE_CHECKING:
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.store.records import LoadedRun, RequestRecord
    from wfe_mcp.workflow.model import ApprovalGate

__all__ = ["Asked", "ask", "decide", "reject", "withdraw"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored request. ``decided``: the gate takes an agent's word, and has it."""

    loaded: LoadedRun
    request: RequestRecord
    assurance: str
    decided: bool
    message: str


def ask(engine: Engine, by: By, run_id: str, phase: str, *, sha256: str | None = None, comment: str = "") -> Asked:
    """Store the request for the open approval of ``phase``. Decides by itself only where the gate says ``agent``."""
    path = PhasePath(phase)
    with turn(engine, run_id, by) as current:
        probe = c.AskApproval(phase=path, request="", by=by, at=current.at)
        refused = refusal(current.state, probe)
        if refused is not None:
            raise refused
        _match(current, path, sha256)
        request, gate = _request(current, path)
        current.give(c.AskApproval(phase=path, request=request.id, by=by, at=current.at))
        decided = gate.assurance == "agent"
        if decided:
            _give_decision(current, path, request, comment, approved=True)
        attempt = current.attempt(path)
        what = current.plan.artifact_name(path) or "prompt"
        message = f"Approve {what} of phase {phase!r} (attempt {attempt.number}) in run {current.run.id}: {current.run.title}?"
    return Asked(current.loaded, request, gate.assurance, decided, message)


def decide(
    engine: Engine, by: By, run_id: str, phase: str, *, sha256: str | None = None, comment: str = "", phrase: str = ""
) -> LoadedRun:
    """Approve the open revision. Raises ``stale_revision`` when what would be approved has changed meanwhile."""
    path = PhasePath(phase)
    tree = bound_tree(engine, run_id, path)
    with turn(engine, run_id, by) as current:
        refused = refusal(current.state, c.AskApproval(phase=path, request="", by=by, at=current.at))
        if refused is not None:
            raise refused
        if not _changed_meanwhile(current, path, tree):
            _match(current, path, sha256)
            request, gate = _request(current, path)
            if gate.phrase and phrase != gate.phrase:
                raise Refused(
                    "bad_argument",
                    f"This approval asks for the phrase {gate.phrase!r}; got {phrase!r}.",
                    "Give it with --phrase.",
                )
            current.give(c.AskApproval(phase=path, request=request.id, by=by, at=current.at))
            _give_decision(current, path, request, comment, approved=True)
    return current.loaded


def reject(
    engine: Engine, by: By, run_id: str, phase: str, feedback: str, *, to: str | None = None, sha256: str | None = None
) -> LoadedRun:
    """A person says no: the attempt has failed, or the run goes back to the earlier phase ``to``."""
    path = PhasePath(phase)
    with turn(engine, run_id, by) as current:
        command = c.Reject(
            phase=path, feedback=feedback, to=PhasePath(to) if to else None, by=by, at=current.at,
            holder_alive=current.engine.is_alive(_holder(current, path)),
        )  # fmt: skip
        refused = refusal(current.state, command)
        if refused is not None:
            raise refused
        _match(current, path, sha256)
        if _gate_is_approval(current, path):
            request, _ = _request(current, path)
            _close(current, request, feedback, approved=False, to=command.to)
        current.give(command)
    return current.loaded


def withdraw(engine: Engine, by: By, run_id: str, phase: str, feedback: str) -> LoadedRun:
    """The submitter takes its submission back; a new attempt opens."""
    path = PhasePath(phase)
    with turn(engine, run_id, by) as current:
        holder = _holder(current, path)
        if holder is not None and holder != engine.holder and engine.is_alive(holder):
            raise Refused(
                "leased",
                f"Phase {phase!r} was submitted by {holder}.",
                "Only its submitter, or a person, takes it back.",
            )
        current.give(
            c.Withdraw(phase=path, feedback=feedback, by=by, at=current.at, holder_alive=engine.is_alive(holder))
        )
    return current.loaded


def _holder(current: Turn, path: PhasePath) -> str | None:
    return current.attempt(path).holder if path in current.state.attempts else None


def _gate_is_approval(current: Turn, path: PhasePath) -> bool:
    gate = current_gate(current.state, current.attempt(path))
    return gate is not None and gate[0] == "approval"


def _request(current: Turn, path: PhasePath) -> tuple[RequestRecord, ApprovalGate]:
    """The stored request for the open gate; a new one where the last has expired."""
    from datetime import timedelta

    from wfe_mcp.store.records import NewRequest
    from wfe_mcp.workflow.model import duration_s

    attempt = current.attempt(path)
    gate: ApprovalGate = current.plan.gates(attempt)[attempt.gate]  # pyright: ignore[reportAssignmentType] - the guard saw that it is an approval
    expires = None if gate.expires is None else current.at + timedelta(seconds=duration_s(gate.expires))
    request = current.tx.request(
        NewRequest(
            current.run.id, path, attempt.number, attempt.stage or Stage.AFTER, attempt.gate, attempt.sha256 or "",
            Assurance[gate.assurance.upper()], attempt.tree, expires,
        ),
        current.at,
    )  # fmt: skip
    return request, gate


def _give_decision(current: Turn, path: PhasePath, request: RequestRecord, comment: str, *, approved: bool) -> None:
    current.give(c.Approve(phase=path, sha256=request.sha256, comment=comment, by=current.by, at=current.at))
    _close(current, request, comment, approved=approved)


def _close(current: Turn, request: RequestRecord, comment: str, *, approved: bool, to: PhasePath | None = None) -> None:
    from wfe_mcp.store.records import DecisionRecord

    by = current.by
    current.tx.decide(request.id, DecisionRecord(approved, by.actor, by.channel, by.assurance, current.at, comment, to))


def _match(current: Turn, path: PhasePath, sha256: str | None) -> None:
    """Whoever names a sha256 (or its first characters) means exactly that revision."""
    open_sha = current.attempt(path).sha256 or ""
    if sha256 and not open_sha.startswith(sha256.lower()):
        raise Refused("stale_revision", f"The open revision of {path!r} is {open_sha[:12]}, not {sha256[:12]}.",
                      "Look at the open revision and decide again.")  # fmt: skip


def _changed_meanwhile(current: Turn, path: PhasePath, tree: str | None) -> bool:
    """An edited mirror or changed files: the gates run again, and the decision must be made anew."""
    attempt = current.attempt(path)
    edited = edited_artifact(current, attempt)
    if edited is not None:
        content = canonical_json(edited)
        store_revision(current, path, content, "edited in .wfe/runs", tree=tree or attempt.tree, edited=True)
        current.refusal = Refused(
            "stale_revision", f"The artifact of {path!r} was edited; it is now revision {sha256_hex(content)[:12]} and its gates run again.",
            "Look at it and decide again.", run=current.run.id, phase=path,
        )  # fmt: skip
        return True
    if attempt.tree is not None and tree != attempt.tree and attempt.status is AttemptStatus.AWAITING:
        current.give(c.TreeChange(phase=path, attempt=attempt.number, tree=tree, by=SYSTEM, at=current.at))
        current.refusal = Refused(
            "stale_revision", f"Files changed since the gates of {path!r} passed; they run again now.",
            "Wait for them (status), then decide again.", run=current.run.id, phase=path,
        )  # fmt: skip
        return True
    return False


FORM = By("user", Channel.FORM, Assurance.CLIENT)
"""A person who filled in a form of the client: level 1, never more (design §7)."""
