"""Audit of passkeys: approvals and rejections in the log that need a passkey's signature and lack it.

    approval   the event names its proof
    rejection  ``AttemptFailed`` (or ``WentTo``, back to an earlier phase): the answered request names the proof, so that
               rejections of before this audit are checked too

Hashes show that the log is unchanged, anchors that it was not rewritten. A signature proves more: an attacker
who can write the database still has no key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import Assurance
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals.approvers import approvers_here, trusted_chain
from wfe_mcp.engine.approvals.passkeys import passkeys_are_installed, signed
from wfe_mcp.engine.approvals.proofs import Proof
from wfe_mcp.engine.integrity.discrepancy import Discrepancy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.approvals.approvers import Pinned
    from wfe_mcp.engine.approvals.proofs import Statement
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import EventRecord, LoadedRun


def unproven(engine: Engine, run: RunId) -> list[Discrepancy]:
    """The approvals of ``run`` without a pinned key's signature although their gate or their event requires one.

    So are the rejections that the log ascribes to a passkey; bundles bring none of their proofs, so those of an
    imported run were judged where it was made.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        events = list(tx.events.log(run))
        given = [event for event in events if event.type == "ApprovalGiven" and _is_meant(loaded, event)]
        kept = [_Kept(event, "approval", _phase_of(event), _proof(tx, event.payload.get("proof"))) for event in given]
        if loaded.record.origin_sha256 is None:
            kept += _rejections(tx, loaded, events)
    if not kept:
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
    if loaded.record.origin_sha256 is None:
        with engine.store.read() as tx:
            pinned = trusted_chain(tx, engine.project_id, pinned)
    return list(_unproven(loaded, kept, pinned))


def _phase_of(event: EventRecord) -> str:
    """The phase whose gate was answered."""
    return str(event.payload.get("source" if event.type == "WentTo" else "phase"))


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer in the log and its proof. ``request``: of a rejection, if the log says that it was asked."""

    event: EventRecord
    what: Literal["approval", "rejection"]
    phase: str
    proof: Proof | None
    request: str = ""


def _rejections(tx: Tx, loaded: LoadedRun, events: Iterable[EventRecord]) -> Iterator[_Kept]:
    """What the log says that a passkey rejected, with the proof that the answered request names."""
    asked: dict[tuple[str, object], str] = {}
    requests = {one.id: one for one in tx.approvals.of_run(loaded.record.id)}
    for event in events:
        place = (_phase_of(event), event.payload.get("attempt"))
        if event.type == "ApprovalAsked":
            asked[place] = str(event.payload.get("request"))
        elif event.assurance is Assurance.PASSKEY and _is_rejection(event):
            request = asked.get(place, "")
            proof = _proof(tx, requests[request].data.get("proof")) if request in requests else None
            yield _Kept(event, "rejection", place[0], proof, request)


def _is_rejection(event: EventRecord) -> bool:
    """True when the event is what a person's rejection causes: the attempt fails, or the run goes back."""
    if event.type == "WentTo":
        return not event.payload.get("rule")
    return event.type == "AttemptFailed" and event.payload.get("kind") == FailKind.REJECTED


def _unproven(loaded: LoadedRun, kept: Iterable[_Kept], pinned: Pinned) -> Iterator[Discrepancy]:
    run = loaded.record.id
    for one in kept:
        why = _fault(loaded, one, pinned)
        if why:
            where = f"{one.what} of {one.phase}"
            yield Discrepancy(f"{one.what}_unproven", where, why, run, one.event.seq, one.event.at)


def _fault(loaded: LoadedRun, kept: _Kept, pinned: Pinned) -> str:
    """Why the proof does not prove the event; empty when it does."""
    proof = kept.proof
    if proof is None:
        return "nothing that a passkey signed is kept for it"
    statement = proof.statement
    if statement.run != loaded.record.id or not (
        _approves(statement, kept.event) if kept.what == "approval" else _rejects(statement, kept, loaded)
    ):
        return "what was signed is another decision"
    then = pinned.at(statement.approvers)
    key = None if then is None else then.passkeys.get(proof.assertion.id)
    if key is None:
        return "the key that signed it is not one that you trust in .wfe/approvers.json"
    try:
        signed(proof.assertion, statement.model_dump(), key.public_key)
    except Refused as refused:
        return refused.message
    return ""


def _approves(statement: Statement, event: EventRecord) -> bool:
    named = tuple(event.payload.get(name) for name in ("phase", "attempt", "gate", "sha256"))
    return (statement.answer, statement.phase, statement.attempt, statement.gate, statement.sha256) == (
        "approve",
        *named,
    )


def _rejects(statement: Statement, kept: _Kept, loaded: LoadedRun) -> bool:
    """An attempt is rejected once, so its number and the request that the log asked name the one rejection."""
    payload = kept.event.payload
    if (statement.answer, statement.phase, statement.attempt, statement.request) != (
        "reject",
        kept.phase,
        payload.get("attempt"),
        kept.request,
    ):
        return False
    if kept.event.type == "AttemptFailed":
        return not statement.to and payload.get("reason") == statement.comment
    target = meant_by(loaded.state.spec, PhasePath(statement.phase), statement.to) if statement.to else None
    (note, *_) = payload["feedback"]
    return target == payload.get("target") and note["message"] == statement.comment


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


def _proof(tx: Tx, sha256: object) -> Proof | None:
    """The stored proof of an answer; None when missing or invalid."""
    try:
        return Proof.model_validate(tx.documents.load(str(sha256)))
    except (KeyError, ValidationError):
        return None
