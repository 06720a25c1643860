"""Audit of approvals: those that need a passkey's signature and lack it, and those that too few people gave.

    approval   ``ApprovalGiven`` or ``ApprovalCounted``, where the event claims a passkey or its gate requires one
    rejection  ``AttemptFailed``, or ``WentTo`` back to an earlier phase, where the event claims a passkey

The next ``DecisionSigned`` proves the event; in logs of earlier versions the document that the event, or the answered
request, names. Hashes show that the log is unchanged, anchors that it was not rewritten. A signature proves more: an
attacker who can write the database still has no key.

    each of several people  signs with a key that was pinned then, under the name that the event gives
    the last of them        comes after as many others, about the same request
    what follows            a phase that completes, or is skipped, has passed such a gate

    moves                   the events that a statement names, at its place in the log, by the name of the key
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from wfe_mcp.core import events as e
from wfe_mcp.core.approval_guards import gate_of, gates_left, people_line, several_refused
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import Assurance, Channel, RunId, RunState, Signature, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.questions import is_passed_over
from wfe_mcp.engine.approvals.approvers import PinnedChain, approvers_here, chain_of_run, person_named
from wfe_mcp.engine.approvals.earlier_proofs import read_earlier_proof
from wfe_mcp.engine.approvals.passkeys import passkeys_are_installed
from wfe_mcp.engine.approvals.statements import SignedStatement, read_signed
from wfe_mcp.engine.grants.facts import use_fault
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import OpinionRecord
from wfe_mcp.store.records.runs import EventRecord, LoadedRun
from wfe_mcp.store.serialization import event_of, signed_form


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer in the log and its proof. ``request``: of a rejection, if the log says that it was asked."""

    event: EventRecord
    what: Literal["approval", "rejection"]
    phase: str
    proof: SignedStatement | None
    request: str = ""


def unproven_by_passkey(engine: Engine, tx: Tx, loaded: LoadedRun, events: Sequence[EventRecord]) -> list[Discrepancy]:
    """The answers in the log of a run without a pinned passkey's signature although their gate or their event requires one.

    The rejections of an imported run were judged where it was made: earlier versions exported no proof of them.
    """
    is_ours = loaded.record.origin_sha256 is None
    answers = list(_answers(tx, loaded, events, is_ours=is_ours))
    if not answers:
        return []
    run, where = loaded.record.id, "approvals by passkeys"
    if not passkeys_are_installed():
        return [Discrepancy("approval_unproven", where, "the package that checks them is not installed", run)]
    try:
        worktree = loaded.record.worktree
        pinned = chain_of_run(engine, tx, worktree) if is_ours else approvers_here(Path(worktree))
    except Refused as refused:
        return [Discrepancy("approvers_void", where, refused.message, run)]
    hashes = {event.seq: event.hash for event in events}
    faults = ((answer, _fault_or_unreadable(loaded, answer, pinned, hashes)) for answer in answers)
    return [
        Discrepancy(
            f"{answer.what}_unproven", f"{answer.what} of {answer.phase}", why, run, answer.event.seq, answer.event.at
        )
        for answer, why in faults
        if why
    ]


def _answers(tx: Tx, loaded: LoadedRun, events: Sequence[EventRecord], *, is_ours: bool) -> Iterator[_Answer]:
    """What passkeys answered, or had to answer, with what proves it."""
    asked: dict[tuple[str, object], str] = {}
    requests = {approval.id: approval for approval in tx.approvals.of_run(loaded.record.id)}
    for index, event in enumerate(events):
        phase = str(event.payload.get("source" if event.type == "WentTo" else "phase"))
        place = (phase, event.payload.get("attempt"))
        if event.type == "ApprovalAsked":
            asked[place] = str(event.payload.get("request"))
        elif event.type in {"ApprovalGiven", "ApprovalCounted"} and _is_meant(loaded, event):
            document = event.payload.get("proof")
            yield _Answer(event, "approval", phase, _proof(tx, document, events[index:]))
        elif is_ours and event.assurance is Assurance.PASSKEY and _is_rejection(event):
            request = asked.get(place, "")
            document = requests[request].data.get("proof") if request in requests else None
            yield _Answer(event, "rejection", phase, _proof(tx, document, events[index:]), request)


def _is_meant(loaded: LoadedRun, event: EventRecord) -> bool:
    """True when the event claims a passkey, or every gate it can be about requires one."""
    if event.assurance is Assurance.PASSKEY:
        return True
    path, number = PhasePath(str(event.payload.get("phase"))), event.payload.get("gate")
    spec = loaded.state.phase(path)
    specs = [
        gates[number] for gates in (spec.gates, spec.gates_before) if isinstance(number, int) and number < len(gates)
    ]
    return any(gate.assurance == "passkey" for gate in specs) and all(
        gate.kind != "approval" or gate.assurance == "passkey" for gate in specs
    )


def _is_rejection(event: EventRecord) -> bool:
    """True when the event is what a person's rejection causes: the attempt fails, or the run goes back."""
    if event.type == "WentTo":
        return not event.payload.get("rule")
    return event.type == "AttemptFailed" and event.payload.get("kind") == FailKind.REJECTED


def _proof(tx: Tx, document: object, events: Sequence[EventRecord]) -> SignedStatement | None:
    """What a passkey signed: the earlier form, where a document is named, else the next signature; None without one."""
    if document:
        try:
            return read_earlier_proof(tx.documents.load(str(document)))
        except (KeyError, Refused):
            return None
    proof = _next_signed(events)
    return proof if proof is not None and proof.is_by_passkey else None


def _fault_or_unreadable(loaded: LoadedRun, answer: _Answer, pinned: PinnedChain, hashes: dict[int, str]) -> str:
    try:
        return _fault(loaded, answer, pinned, hashes)
    except Exception:  # what was tampered with can fail in any way; the other answers are judged
        return "what was signed cannot be read as an answer"


def _fault(loaded: LoadedRun, answer: _Answer, pinned: PinnedChain, hashes: dict[int, str]) -> str:
    """Why the proof does not prove the event; empty when it does."""
    if answer.proof is None:
        return "nothing that a passkey signed is kept for it"
    statement = answer.proof.statement
    request: dict[str, Any] = statement.values["request"]
    # Statements of earlier versions name no place in the log.
    is_placed = "hash" not in request or (
        request["seq"] < answer.event.seq and hashes.get(request["seq"]) == request["hash"]
    )
    is_answer = _approves if answer.what == "approval" else _rejects
    if statement.run != loaded.record.id or not is_placed or not is_answer(statement.values, answer, loaded):
        return "what was signed is another decision"
    then = pinned.at_head(str(statement.values["approvers"]))
    key = None if then is None else then.passkeys.get(answer.proof.key)
    if key is None:
        return "the key that signed it is not one that you trust in .wfe/approvers.json"
    return answer.proof.fault(key.public_key, key.origin)


_PLACE = ("phase", "attempt", "gate", "sha256")


def _only(values: Mapping[str, Any]) -> dict[str, Any]:
    """The one decision of a statement that answers a request; empty where it has none, or several."""
    decisions = values["decision"]
    return decisions[0] if len(decisions) == 1 and isinstance(decisions[0], dict) else {}


def _approves(values: dict[str, Any], answer: _Answer, loaded: LoadedRun) -> bool:
    del loaded
    decision, payload = _only(values), answer.event.payload
    same = all(name in decision and decision[name] == payload.get(name) for name in _PLACE)
    return same and (values["kind"], values["comment"]) == ("approve", payload.get("comment"))


def _rejects(values: dict[str, Any], answer: _Answer, loaded: LoadedRun) -> bool:
    """An attempt is rejected once, so its number and the request that the log asked name the one rejection.

    A retry goes back too: it answers no request, and ``moved_by_passkey`` judges the rest of that move.
    """
    decision, payload = _only(values), answer.event.payload
    if signed := values.get("events"):
        return signed_form(event_of(answer.event.type, canonical_json(payload)), answer.event.at) in signed
    if (values["kind"], decision.get("phase"), decision.get("attempt"), values["request"]["id"]) != (
        "reject",
        answer.phase,
        payload.get("attempt"),
        answer.request,
    ):
        return False
    comment, to = values["comment"], decision.get("to", "")
    if answer.event.type == "AttemptFailed":
        return not to and payload.get("reason") == comment
    target = meant_by(loaded.state.spec, PhasePath(answer.phase), to) if to else None
    (note, *_) = payload["feedback"]
    return target == payload.get("target") and note["message"] == comment


# what standing grants gave


def by_grant(events: Sequence[EventRecord]) -> set[int]:
    """The numbers of the events that an approval by a grant caused: those of its transaction, which has a time of its own."""
    times = {event.at for event in events if event.type == "ApprovalGiven" and event.payload.get("grant")}
    return {event.seq for event in events if event.channel is Channel.GRANT and event.at in times}


def unproven_by_grant(tx: Tx, loaded: LoadedRun, events: Sequence[EventRecord]) -> Iterator[Discrepancy]:
    """The approvals in the log of a run that name a grant, or come through one, and that no grant gave.

    Those of an imported run were judged where it was made: its grants are there.
    """
    if loaded.record.origin_sha256 is not None:
        return
    for event in events:
        if event.type != "ApprovalGiven" or not (event.payload.get("grant") or event.channel is Channel.GRANT):
            continue
        try:
            fault = use_fault(tx, loaded, event)
        except Exception:  # what was tampered with can fail in any way; the other approvals are judged
            fault = "its use cannot be read"
        if fault:
            where = f"approval of {event.payload.get('phase')} by a grant"
            yield Discrepancy("grant_unproven", where, fault, loaded.record.id, event.seq, event.at)


# gates that several people approve

TOO_FEW = "people_missing"
_Approval = e.ApprovalCounted | e.ApprovalGiven


def too_few_people(tx: Tx, run: RunId, rows: Sequence[EventRecord], pinned: PinnedChain) -> Iterator[Discrepancy]:
    """The places in the log of ``run`` where it continued with fewer people than a gate asks.

    ``pinned``: the keys that count. Of an imported run only the names that they know can be compared.
    """
    is_ours = tx.bundles.origin_sha256(run) is None
    state, proven = RunState(), dict[tuple[PhasePath, int], set[str]]()
    for index, (row, event) in enumerate(zip(rows, tx.events.core_events(run), strict=True)):
        if isinstance(event, _Approval) and (people := gate_of(state, state.current(event.phase)).people) > 1:
            place, attempt = (event.phase, event.attempt), state.current(event.phase)
            fault = _unlike_person(event, _next_signed(rows[index:]), pinned, is_ours=is_ours)
            if not attempt.approvals:
                proven[place] = set()
            proven.setdefault(place, set()).update(() if fault else (event.person,))
            if fault:
                yield _too_few(run, row, event.phase, fault)
            elif (
                isinstance(event, e.ApprovalGiven) and len(proven[place] & {*attempt.approvals, event.person}) < people
            ):
                yield _too_few(run, row, event.phase, people_line(sorted(proven[place]), people))
        elif isinstance(event, e.PhaseCompleted | e.PhaseReady | e.PhaseSkipped):
            yield from _went_on(run, row, state, event)
        state = evolve(state, event)


def _went_on(
    run: RunId, row: EventRecord, state: RunState, event: e.PhaseCompleted | e.PhaseReady | e.PhaseSkipped
) -> Iterator[Discrepancy]:
    """Where ``event`` leaves out a gate that several people approve. The template may skip the phase, by a condition or ``enter``."""
    attempt = state.current(event.phase)
    if isinstance(event, e.PhaseSkipped):
        by_template = attempt.when is False or is_passed_over(state, attempt)
        if not by_template and several_refused(state, attempt, skips=True) is not None:
            yield _too_few(run, row, event.phase, "it was skipped, and several people had to approve it")
        return
    if isinstance(event, e.PhaseReady):
        specs = gates_left(state, attempt) if attempt.stage is Stage.BEFORE else state.phase(event.phase).gates_before
    else:
        specs = gates_left(state, attempt) if attempt.stage is Stage.AFTER else state.phase(event.phase).gates
    people = max((gate.people for gate in specs), default=1)
    if people > 1:
        yield _too_few(run, row, event.phase, f"it continued without this gate: {people_line((), people)}")


def _unlike_person(event: _Approval, proof: SignedStatement | None, pinned: PinnedChain, *, is_ours: bool) -> str:
    """Why ``event`` is not the approval of the person that it names; empty when it is."""
    if proof is None:
        return "no key signed it"
    values: Mapping[str, object] = proof.statement.values
    decision = _only(proof.statement.values)
    same = all(name in decision and decision[name] == getattr(event, name) for name in _PLACE)
    if values["kind"] != "approve" or not same:
        return "what was signed is another decision"
    then = pinned.at_head(str(values["approvers"]))
    key = None if then is None else then.keys.get(proof.key)
    if key is None:
        return "the key that signed it was pinned under no name" if is_ours else ""
    if person_named(key.name) != event.person:
        return f"it names {event.person}, and the key is that of {key.name!r}"
    return proof.fault(key.public_key, key.origin)


def _next_signed(rows: Sequence[EventRecord]) -> SignedStatement | None:
    signed = next((row for row in rows if row.type == "DecisionSigned"), None)
    if signed is None:
        return None
    return read_signed(Signature(str(signed.payload.get("statement")), str(signed.payload.get("signature"))))


def _too_few(run: RunId, row: EventRecord, phase: PhasePath, message: str) -> Discrepancy:
    return Discrepancy(TOO_FEW, f"approval of {phase} by several people", message, run, row.seq, row.at)


# moves

MoveKeys = Callable[[], tuple[PinnedChain, Mapping[str, OpinionRecord]]]
"""Reads the passkeys that count in a run, and its opinions by id."""
_FIRST = e.RecordsKept | e.LeaseLost | e.CheckpointTaken
"""What may come before the first event that a person decided: the server's own."""


def moved_by_passkey(
    signed: SignedStatement,
    row: EventRecord,
    between: Sequence[tuple[EventRecord, Any]],
    pinned: PinnedChain,
    opinions: Mapping[str, OpinionRecord],
) -> tuple[set[int], str]:
    """The events of a move that a passkey's statement proves, or why it proves none. ``between``: from its place in the log to ``row``.

    A statement of a passkey names no end of the log after the move: the events are those that it names, each once, in its order.
    """
    values = signed.statement.values
    then = pinned.at_head(str(values["approvers"]))
    key = None if then is None else then.passkeys.get(signed.key)
    if key is None:
        return set(), "the key that signed it is not one that you trust in .wfe/approvers.json"
    if fault := signed.fault(key.public_key, key.origin):
        return set(), fault
    names = {(entry.actor, entry.channel, entry.assurance) for entry in (*(event for event, _ in between), row)}
    if names != {(key.name, Channel.PASSKEY, Assurance.PASSKEY)}:
        return set(), f"its events are not all by {key.name!r}, whose key signed it"
    if values.get("replaces", "") != _replaced_tree([event for _, event in between]):
        return set(), "the files that it replaced are not those that were signed"
    wanted, proven = [*values.get("events", ())], set[int]()
    for record, event in between:
        if wanted and event is not None and signed_form(event, record.at) == wanted[0]:
            proven.add(record.seq)
            del wanted[0]
        elif wanted and not proven and not isinstance(event, _FIRST):
            return set(), f"{record.type} comes before what was signed"
        elif isinstance(event, e.RecordsKept) and _keeps(event, values, opinions):
            proven.add(record.seq)
    return (set(), "its events are not those that were signed") if wanted else (proven, "")


def _replaced_tree(events: Sequence[Any]) -> str:
    """The tree of the files that a rollback among ``events`` replaces; empty where there is none, or where no checkpoint has it."""
    saved = {event.commit: event.tree or "" for event in events if isinstance(event, e.CheckpointTaken)}
    return next((saved.get(event.safety, "") for event in events if isinstance(event, e.RollbackBegan)), "")


def _keeps(event: e.RecordsKept, values: Mapping[str, Any], opinions: Mapping[str, OpinionRecord]) -> bool:
    """Whether ``event`` seals the opinion that was signed, and the stored one says the same."""
    decision = _only(values)
    kept = [opinions.get(record.id) for record in event.records if record.kind == "opinion"]
    opinion = kept[0] if len(kept) == 1 else None
    if values["kind"] != "opinion" or opinion is None:
        return False
    stored = {
        "opinion": opinion.id,
        "phase": str(opinion.phase),
        "attempt": opinion.attempt,
        "reviewer": opinion.reviewer,
        "verdict": opinion.verdict,
        "question": opinion.question_sha256,
        "sha256": sha256_hex(canonical_json(opinion.value).encode()),
    }
    return opinion.artifact_sha256 == values["artifact"] and all(
        decision.get(name) == it for name, it in stored.items()
    )
