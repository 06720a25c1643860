"""Audit of approvals: those in the log that need a passkey's signature and lack it.

Hashes show that the log is unchanged, anchors that it was not rewritten. A signature proves more: an attacker
who can write the database still has no key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals.approvers import approvers_here
from wfe_mcp.engine.approvals.passkeys import passkeys_are_installed, signed
from wfe_mcp.engine.approvals.proofs import Proof
from wfe_mcp.engine.integrity.discrepancy import Discrepancy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.approvals.approvers import Pinned
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import EventRecord, LoadedRun


def unproven(engine: Engine, run: RunId) -> list[Discrepancy]:
    """The approvals of ``run`` without a pinned key's signature although their gate or their event requires one."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        given = [event for event in tx.all_events(run) if event.type == "ApprovalGiven" and _is_meant(loaded, event)]
        kept = [(event, _proof(tx, event)) for event in given]
    if not given:
        return []
    if not passkeys_are_installed():
        return [
            Discrepancy(
                "approval_unproven", "approvals by passkeys", "the package that checks them is not installed", run
            )
        ]
    try:
        pinned = approvers_here(Path(loaded.record.worktree))
    except Refused as refused:
        return [Discrepancy("approvers_void", "approvals by passkeys", refused.message, run)]
    return list(_unproven(run, kept, pinned))


def _unproven(run: RunId, kept: list[tuple[EventRecord, Proof | None]], pinned: Pinned) -> Iterator[Discrepancy]:
    for event, proof in kept:
        why = _fault(event, proof, run, pinned)
        if why:
            where = f"approval of {event.payload.get('phase')}"
            yield Discrepancy("approval_unproven", where, why, run, event.seq, event.at)


def _fault(event: EventRecord, proof: Proof | None, run: RunId, pinned: Pinned) -> str:
    """Why ``proof`` does not prove ``event``; empty when it does."""
    if proof is None:
        return "nothing that a passkey signed is kept for it"
    said = proof.statement
    named = tuple(event.payload.get(name) for name in ("phase", "attempt", "gate", "sha256"))
    if (said.run, said.answer, said.phase, said.attempt, said.gate, said.sha256) != (run, "approve", *named):
        return "what was signed is another decision"
    then = pinned.at(said.approvers)
    key = None if then is None else then.passkeys.get(proof.assertion.id)
    if key is None:
        return "the key that signed it is not pinned in the project"
    try:
        signed(proof.assertion, said.model_dump(), key.public_key)
    except Refused as refused:
        return refused.message
    return ""


def _is_meant(loaded: LoadedRun, event: EventRecord) -> bool:
    """True when the event claims a passkey, or every gate it can be about requires one."""
    if event.assurance is Assurance.PASSKEY:
        return True
    path, number = PhasePath(str(event.payload.get("phase"))), event.payload.get("gate")
    spec = loaded.state.phase(path)
    asked = [
        gates[number] for gates in (spec.gates, spec.gates_before) if isinstance(number, int) and number < len(gates)
    ]
    return any(gate.assurance == "passkey" for gate in asked) and all(
        gate.kind != "approval" or gate.assurance == "passkey" for gate in asked
    )


def _proof(tx: Tx, event: EventRecord) -> Proof | None:
    """The stored proof of an approval; None when missing or invalid."""
    try:
        return Proof.model_validate(tx.document(str(event.payload.get("proof"))))
    except (KeyError, ValidationError):
        return None
