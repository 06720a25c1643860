"""Whose evidence is: every verdict that let a run go on, and all evidence, since evidence has seals (``kernel/evidence_seals.py``).

    a verdict with evidence      its evidence has a seal, is about this gate, revision and outcome, and of no verdict before
    a verdict without evidence   the event has a seal
    evidence of steps            it has a seal
    evidence of a runner         besides, the report that the runner signed with the key that it has here, about this run

What was recorded before seals began is counted, not judged. A run that was imported is a report of elsewhere.
The seal says that the server judged; the signature of a runner says what it judged.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.events import GateJudged
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.json_pointer import under
from wfe_mcp.core.model import RunId
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.units import plural
from wfe_mcp.engine.access.runners import pinned_keys
from wfe_mcp.engine.kernel.evidence_seals import BEGUN, MADE, SEAL, evidence_facts, holds, verdict_facts
from wfe_mcp.gates.runner_protocol import signed_bytes
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import UNREADABLE, EventRecord, EvidenceRecord, SettingEvent
from wfe_mcp.store.serialization import event_of
from wfe_mcp.workspace.git.working_tree import parts_of
from wfe_mcp.workspace.system.ed25519 import signature_holds


@dataclass(slots=True)
class EvidenceSeals:
    """What was found. ``keys``: public halves that signed here, and since when; ``before``: verdicts and evidence without a seal from
    before there were any.
    """

    keys: dict[str, datetime]
    begun: datetime | None
    findings: list[Discrepancy] = field(default_factory=list[Discrepancy])
    before: int = 0

    def notes(self) -> Iterator[str]:
        """Sentences for a person: nothing is wrong, but they should know."""
        if self.before:
            yield f"{plural(self.before, 'piece')} of evidence from before evidence was signed: nothing shows who made them."
        if len(self.keys) > 1:
            listed = ", ".join(f"{key[:12]} since {at:%Y-%m-%d %H:%M}Z" for key, at in self.keys.items())
            yield f"Evidence was signed by {len(self.keys)} keys: {listed}. A new one is made where the file of the old one is missing."


def evidence_seals(changes: Sequence[SettingEvent]) -> EvidenceSeals:
    """The keys that the log of settings names, and no findings yet."""
    begun = next((event.at for event in changes if event.type == BEGUN), None)
    return EvidenceSeals({event.name: event.at for event in changes if event.type == MADE}, begun)


def audit_evidence(tx: Tx, run: RunId, seals: EvidenceSeals, named: Iterable[Discrepancy]) -> None:
    """Judge the seals of all evidence in ``run``. ``named``: what differs from the log, which is not named again."""
    if tx.bundles.origin_sha256(run) is None:
        _audit_run(tx, run, seals, {discrepancy.where for discrepancy in named if discrepancy.run == run})


def _audit_run(tx: Tx, run: RunId, seals: EvidenceSeals, differs: set[str]) -> None:
    began: datetime | None = None
    try:
        every = tx.evidence.of_run(run)
    except UNREADABLE:  # a row that is no JSON any more: the log has named it
        return
    recorded = {evidence.id: evidence for evidence in every if f"evidence {evidence.id}" not in differs}
    seals.findings += audit_runner_reports(tx, list(recorded.values()))
    sealed = {id_: _is_sealed(evidence, seals) for id_, evidence in recorded.items()}
    first: EventRecord | None = None
    used = set[str]()
    for event in tx.events.log(run):
        first, began = first or event, max(began or event.at, event.at)
        if event.type != "GateJudged":
            continue
        judged = _passing_verdict(event)
        if judged is None or f"evidence {judged.verdict.evidence}" in differs:
            continue
        id_ = judged.verdict.evidence or ""
        again = "its evidence was that of an earlier verdict" if id_ in used else ""
        if fault := _verdict_fault(run, judged, recorded, sealed, seals) or again:
            _add(seals, run, began, f"verdict on {judged.phase}", fault, event.seq)
        used |= {id_} - {""}
    for id_, evidence in recorded.items():
        if not sealed[id_]:
            # Only a fork takes older evidence along, whatever time and origin a piece names.
            is_taken = first is not None and first.type == "RunForked" and "origin" in evidence.data
            at = evidence.at if first is None or is_taken else max(evidence.at, first.at)
            _add(seals, run, at, f"evidence {id_}", "it has no seal of the server: no process of ours wrote it")


def _add(seals: EvidenceSeals, run: str, at: datetime, where: str, message: str, seq: int | None = None) -> None:
    if seals.begun is None or at < seals.begun:
        seals.before += 1
    else:
        seals.findings.append(Discrepancy("evidence_unsealed", where, message, run, seq, at))


def _is_sealed(evidence: EvidenceRecord, seals: EvidenceSeals) -> bool:
    seal = evidence.data.get(SEAL)
    return isinstance(seal, dict) and holds(seal, evidence_facts(evidence), seals.keys)  # pyright: ignore[reportUnknownArgumentType] - any JSON


def _passing_verdict(event: EventRecord) -> GateJudged | None:
    """The verdict of an event where it let the run go on."""
    try:
        judged = event_of(event.type, canonical_json(event.payload))
    except UNREADABLE:  # the log has named what was edited
        return None
    return judged if isinstance(judged, GateJudged) and judged.verdict.kind is VerdictKind.PASS else None


def _verdict_fault(
    run: RunId, judged: GateJudged, recorded: dict[str, EvidenceRecord], sealed: dict[str, bool], seals: EvidenceSeals
) -> str:
    """Why a verdict that let the run go on is not the server's; empty where it is."""
    verdict = judged.verdict
    if verdict.evidence is None:
        facts = verdict_facts(run, judged.phase, judged.attempt, verdict)
        return "" if holds(_seal(judged.seal), facts, seals.keys) else "it has no seal of the server, and no evidence"
    evidence = recorded.get(verdict.evidence)
    if evidence is None or not sealed[evidence.id]:
        return "its evidence has no seal of the server"
    about = (
        evidence.phase,
        evidence.attempt,
        evidence.stage,
        evidence.gate,
        evidence.data.get("outcome"),
        evidence.sha256 or "",
    )
    is_same = about == (judged.phase, judged.attempt, verdict.stage, verdict.gate, str(verdict.outcome), verdict.sha256)
    return "" if is_same else "its evidence is about another gate, revision or outcome"


def _seal(text: str) -> dict[str, Any]:
    try:
        seal = json.loads(text or "{}")
    except UNREADABLE:
        return {}
    return seal if isinstance(seal, dict) else {}  # pyright: ignore[reportUnknownVariableType] - any JSON


def audit_runner_reports(tx: Tx, evidence: list[EvidenceRecord]) -> Iterator[Discrepancy]:
    """What is wrong with each piece of ``evidence``, of one run, that claims to come from a runner.

    A check that waits for a credential ran nowhere, and is given to no runner.
    """
    ours = [
        piece
        for piece in evidence
        if "runner" in piece.data
        or (piece.data.get("level") == "runner" and piece.data.get("outcome") != GateOutcome.NEEDS_CREDENTIAL)
    ]
    keys = pinned_keys(tx) if ours else {}
    for piece in ours:
        if fault := _report_fault(piece, keys):
            yield Discrepancy("runner_report_wrong", f"evidence {piece.id}", fault, piece.run_id, None, piece.at)


def _report_fault(evidence: EvidenceRecord, keys: dict[str, set[str]]) -> str:
    kept = under(evidence.data, "runner")
    stated = under(kept, "statement")
    if not stated:
        return "it says that a runner ran the check, and has no report of one"
    name, key = str(stated.get("runner")), str(stated.get("key"))
    if key not in keys.get(name, set()):
        return f"its report is signed by a key that no runner {name[:60]!r} has had here"
    if not signature_holds(key, str(kept.get("signature")), signed_bytes(stated)):
        return f"the signature of runner {name!r} does not hold for its report"
    data = evidence.data
    ours = (evidence.run_id, evidence.phase, evidence.attempt)
    if (stated.get("run"), stated.get("phase"), stated.get("attempt")) != ours:
        return "its report is about another run, phase or attempt"
    if "exit_code" not in data:
        return ""  # the check did not start
    tree = parts_of(str(under(data, "tree").get("before")))[0]
    reported = (stated.get("tree"), stated.get("exit_code"), stated.get("argv"), stated.get("log_sha256"))
    kept_facts = (tree, data.get("exit_code"), data.get("argv"), under(data, "output").get("sha256"))
    return "" if reported == kept_facts else "the evidence says something else than the report of its runner"
