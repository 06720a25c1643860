"""Audit of decisions: what the logs ascribe to a person and no key of that person signed.

    keys      which count: ``decision_keys.py``
    run       each transaction of a person ends with ``DecisionSigned``; other events need a person by what they do
    passkeys  sign one approval or rejection each: ``approval_audit.py``; or one move, at its place in the log
    people    as many as a gate asks: ``approval_audit.py``
    settings  the same for trust, PIN, policy, strictness and approvers
    work      the same for what ends a work item without a run, and for accepted decisions of architecture

Rules:
1. Signing began at a recorded position of every log. What lies before it is not signed, and is counted as such; a
   signature that is missing after it was removed or never made.
2. A decision counts by its place: run, position, hash of the log. The same signature anywhere else proves nothing.
3. A run that was imported is signed with its author's key. Where that is not pinned here, a note says so.
4. A key that was given up (``pin_reset.py``) counts up to the ends of the logs of that moment, where its successor counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any

from wfe_mcp.core import events as e
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import Assurance, AttemptStatus, Channel, RunId, RunState, Signature, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec
from wfe_mcp.core.units import word_set
from wfe_mcp.engine.approvals.approvers import PinnedChain, chain_of_run, trust_key, trusted_chain
from wfe_mcp.engine.approvals.pin import BEGAN, PIN
from wfe_mcp.engine.approvals.pin_reset import RESET, RESETS, RetiredKey
from wfe_mcp.engine.approvals.statements import SignedStatement, read_signed
from wfe_mcp.engine.grants.grants import GRANT
from wfe_mcp.engine.integrity import approval_audit
from wfe_mcp.engine.integrity.decision_keys import DecisionKeys
from wfe_mcp.engine.integrity.item_audit import item_changes
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.items import chain_of
from wfe_mcp.store.records.calls import MANUAL_MODEL, OpinionRecord
from wfe_mcp.store.records.runs import UNREADABLE, SettingEvent

_PERSONS_SETTINGS = {"TrustGiven", "PinChanged", RESET}
_PERSONS_SECRETS = {PIN, BEGAN, RESETS, GRANT, "strict", "policy", "policy-evidence", "trusted"}
SHORTEST_FINGERPRINT = 16
"""The fewest characters of a fingerprint that name a key."""


@dataclass(slots=True)
class SignedDecisions:
    """What was found. ``signed``: valid statements by fingerprint; ``unsigned``: decisions of before signing began."""

    findings: list[Discrepancy] = field(default_factory=list["Discrepancy"])
    signed: Counter[str] = field(default_factory=Counter[str])
    unsigned: int = 0
    foreign: Counter[str] = field(default_factory=Counter[str])
    pinned: dict[str, str] = field(default_factory=dict[str, str])
    retired: tuple[RetiredKey, ...] = ()
    """The keys that were given up, oldest first."""
    settings: tuple[SettingEvent, ...] = ()
    """The settings log without trust: the events that no key signed although signing had begun."""

    def add(self, more: SignedDecisions) -> None:
        """Count what was found in another log too."""
        self.findings += more.findings
        self.signed += more.signed
        self.foreign += more.foreign
        self.unsigned += more.unsigned


@dataclass(frozen=True, slots=True)
class _LoggedEvent:
    """An event of either log."""

    seq: int
    type: str
    hash: str
    assurance: Assurance
    source: Any
    where: str
    needs_person: bool
    event: Any = None
    """Of a run, as the core knows it; None where it cannot be read."""


def audit_settings(engine: Engine, tx: Tx, keys: DecisionKeys) -> SignedDecisions:
    """Judge every decision of a person in the settings and about work items, and the keys themselves."""
    decisions = SignedDecisions(findings=[*keys.findings], pinned=keys.of_runs, retired=keys.retired)
    events, began = tx.settings_log.events(), keys.began
    work = chain_of(engine.project_id)
    before = began.runs.get(work, (0, "")) if began.is_known else None
    rows = [
        _LoggedEvent(event.seq, event.type, event.hash, event.assurance, event, where, needs)
        for event, where, needs in item_changes(tx, engine.project_id)
    ]
    decisions.findings += _judge(rows, before, work, decisions, keys.of_runs, keys.retired_for(keys.of_runs))
    pinned = keys.of_settings
    since = began.settings if began.is_known else None
    rows = list(_setting_rows(events, {*_by_passkey(engine, events, keys.chain)}))
    wrong = list(_judge(rows, since, "", decisions, pinned, keys.retired_for(pinned)))
    decisions.findings += wrong
    unsigned = {discrepancy.seq for discrepancy in wrong if discrepancy.code == "decision_unsigned"}
    decisions.settings = tuple(event for event in events if event.type != "TrustGiven" or event.seq not in unsigned)
    return decisions


def audit_run(engine: Engine, tx: Tx, run: RunId, keys: DecisionKeys) -> SignedDecisions:
    """Judge every decision of a person in ``run``."""
    decisions, began, pinned = SignedDecisions(), keys.began, keys.of_runs
    is_ours = tx.bundles.origin_sha256(run) is None
    before = began.runs.get(run, (0, "")) if began.is_known else None
    rows = list(_run_rows(tx, run, before))
    moves = partial(_keys_of_moves, engine, tx, run) if is_ours else None
    decisions.findings += _judge(rows, before, run, decisions, pinned, keys.retired_for(pinned), moves, is_ours=is_ours)
    decisions.findings += _approvals_of(engine, tx, run, rows)
    decisions.findings += _people_of(engine, tx, run, rows, keys)
    return decisions


def _run_rows(tx: Tx, run: RunId, before: tuple[int, str] | None) -> Iterator[_LoggedEvent]:
    """The events of a run, each with whether what it does needs a person."""
    state = RunState()
    rows, opinions = list(tx.events.log(run)), tx.opinions.of_run(run)
    granted = approval_audit.by_grant(rows)
    by_hand = {opinion.id for opinion in opinions if (opinion.model, opinion.asked_by) == (MANUAL_MODEL, "gate")}
    events: Iterator[Any] = iter(()) if before is None else tx.events.core_events(run)
    for row in rows:
        needs, event = False, None
        # What a grant gave is judged by ``approval_audit.unproven_by_grant``.
        assurance = Assurance.AGENT if row.seq in granted else row.assurance
        if before is not None:
            try:
                event = next(events)
                needs = _needs_signature(state, event, assurance, by_hand) and row.seq > before[0]
                state = evolve(state, event)
            except Exception:  # a log that was tampered with can fail in any way; its chain or its state says so
                events, before = iter(()), None
        where = f"{row.type} of {row.payload['phase']}" if "phase" in row.payload else row.type
        yield _LoggedEvent(row.seq, row.type, row.hash, assurance, row, where, needs, event)


def _needs_signature(state: RunState, event: e.Event, assurance: Assurance, by_hand: set[str]) -> bool:
    """Whether only a person can have signed ``event``: with their key, or as a move with a passkey. Approvals: ``approval_audit``.

    ``by_hand``: the opinions that fill a gate in a person's name and that no event has sealed yet.
    """
    if isinstance(event, e.RecordsKept):
        # The gate that relies on an opinion seals it once more: only the first seal is the person's.
        first = {record.id for record in event.records if record.kind == "opinion"} & by_hand
        by_hand -= first
        return bool(first) and assurance is not Assurance.HUMAN
    is_approval = isinstance(event, e.ApprovalGiven | e.ApprovalCounted)
    if is_approval and (assurance is Assurance.PASSKEY or getattr(event, "grant", "")):
        return False
    return assurance is not Assurance.HUMAN and _needs_person(state, event)


def _needs_person(state: RunState, event: e.Event) -> bool:
    """Whether only a person can cause ``event`` in ``state``, whichever caller the row names."""
    match event:
        case e.PhaseForced() | e.OpinionOverruled() | e.PhaseProceeded() | e.PromptEdited():
            return True
        case e.ApprovalGiven(phase=path, gate=number) | e.ApprovalCounted(phase=path, gate=number):
            return _asks_person(_gates(state, path)[number:][:1])
        case e.PhaseReady(phase=path) | e.PhaseCompleted(phase=path):
            # The gates that it has not passed: it may not go on without them.
            attempt, spec = state.current(path), state.phase(path)
            is_ready = isinstance(event, e.PhaseReady)
            at = attempt.gate if attempt.stage is (Stage.BEFORE if is_ready else Stage.AFTER) else 0
            return _asks_person((spec.gates_before if is_ready else spec.gates)[at:])
        case e.AttemptOpened(phase=path):
            return state.current(path).human_only
        case e.PhaseSkipped(phase=path):
            attempt = state.current(path)
            is_kept = state.phase(path).skip in {"human", "never"}
            return attempt.human_only or (is_kept and attempt.status is not AttemptStatus.PENDING)
        case e.RunResumed():
            return state.paused_by_human
        case e.AutoSwitched(auto=auto):
            return auto and not state.auto
        case _:
            return False


def _gates(state: RunState, path: PhasePath) -> tuple[GateSpec, ...]:
    spec = state.phase(path)
    return spec.gates_before if state.current(path).stage is Stage.BEFORE else spec.gates


def _asks_person(gates: Iterable[GateSpec]) -> bool:
    return any(gate.kind == "approval" and gate.assurance in {"human", "passkey"} for gate in gates)


def _setting_rows(events: Sequence[SettingEvent], by_passkey: Collection[int]) -> Iterator[_LoggedEvent]:
    """The settings. ``by_passkey``: the numbers of those that passkeys prove, which no key of a person signs."""
    for event in events:
        is_kept = event.type.startswith("Secret") and event.name.partition(":")[0] in _PERSONS_SECRETS
        # Anyone says which template comes first; which version a name starts, a person.
        is_version = event.type == "TemplateDefault" and "@" in event.name
        needs = is_kept or is_version or event.type in _PERSONS_SETTINGS or event.assurance is Assurance.PASSKEY
        needs &= event.seq not in by_passkey
        where = f"{event.type} '{event.name}'" if event.type != SIGNED else SIGNED
        yield _LoggedEvent(event.seq, event.type, event.hash, event.assurance, event, where, needs)


def _judge(
    rows: Sequence[_LoggedEvent],
    began: tuple[int, str] | None,
    run: str,
    decisions: SignedDecisions,
    pinned: dict[str, str],
    retired: Sequence[RetiredKey] = (),
    keys: approval_audit.MoveKeys | None = None,
    *,
    is_ours: bool = True,
) -> Iterator[Discrepancy]:
    """The decisions in one log that no key proves. ``began``: where signing began in it; None: it never did.

    ``keys``: reads the passkeys that make moves in it, and its opinions; None: they are not judged.
    """
    by_seq = {row.seq: row for row in rows}
    proven: set[int] = set()
    for row in rows:
        if row.type != SIGNED:
            continue
        until_now = {key.key: key.public_key for key in retired if row.seq <= key.end(run)[0]}
        signed, fault = _signed_statement(row, by_seq, run, pinned | until_now)
        if signed is not None and signed.is_by_passkey:  # what it proves is judged, not what lies before it
            if keys is not None and signed.statement.values["kind"] not in _ANSWERS:
                moved, fault = _moved_events(signed, row, by_seq, run, keys)
                proven |= moved
                if fault:
                    yield Discrepancy("signature_wrong", row.where, fault, run, row.seq, row.source.at)
            continue
        if signed is not None and not is_ours and fault == signed.fault(None):
            decisions.foreign[signed.key] += 1
        elif signed is None or fault or (began is None and is_ours):
            reason = fault or "it is signed, and the database knows of no signing"
            yield Discrepancy("signature_wrong", row.where, reason, run, row.seq, row.source.at)
            continue
        else:
            decisions.signed[signed.key] += 1
        proven.update(range(signed.statement.position("request")[0] + 1, row.seq + 1))
    marks = [(began or (0, ""), "signing began"), *((key.end(run), "the key was reset") for key in retired)]
    for (seq, hash_), what in marks:
        if seq and (seq not in by_seq or by_seq[seq].hash != hash_):
            message = f"event {seq} is not the one at which {what}"
            yield Discrepancy("chain_rewritten", "DecisionSigned", message, run, seq)
    yield from _unproven(rows, began if is_ours else None, proven, run, decisions)


def _unproven(
    rows: Iterable[_LoggedEvent], began: tuple[int, str] | None, proven: set[int], run: str, decisions: SignedDecisions
) -> Iterator[Discrepancy]:
    for row in rows:
        is_passkey = row.assurance is Assurance.PASSKEY and not row.needs_person and row.type not in _MOVES
        if is_passkey or row.seq in proven or not (row.assurance >= Assurance.HUMAN or row.needs_person):
            continue
        if began is None or row.seq <= began[0]:
            decisions.unsigned += row.assurance >= Assurance.HUMAN
            continue
        message = "it counts as decided by a person, and no key of a person signed it"
        yield Discrepancy("decision_unsigned", row.where, message, run, row.seq, row.source.at)


def _signed_statement(
    row: _LoggedEvent, by_seq: dict[int, _LoggedEvent], run: str, pinned: dict[str, str]
) -> tuple[SignedStatement | None, str]:
    """The statement in ``row``, and why it does not count; a passkey's counts for the answer that it proves."""
    signature = _signature(row)
    signed = None if signature is None else read_signed(signature)
    if signed is None:
        return None, "it holds no statement"
    if signed.is_by_passkey:
        return signed, ""
    statement = signed.statement
    seq, hash_ = statement.position("request")
    last, last_hash = statement.position("log")
    if statement.run != run:
        return signed, f"its statement is about run {statement.run or 'none'}"
    before = by_seq[seq].hash if seq in by_seq else ""
    if (seq and before != hash_) or last != row.seq - 1 or by_seq[last].hash != last_hash or seq >= last:
        return signed, "its statement is about another place of the log"
    return signed, signed.fault(pinned.get(signed.key))


_ANSWERS = {"approve", "reject"}
"""What passkeys sign of requests."""

_MOVES = word_set(
    """
    AutoSwitched OpinionOverruled PhaseForced PhaseProceeded PromptEdited RollbackBegan RolledBack RunCancelled
    RunResumed
    """
)
"""Events that follow from no answer to a request: where a passkey is said to have caused one, it signed that."""


def _moved_events(
    signed: SignedStatement, row: _LoggedEvent, by_seq: dict[int, _LoggedEvent], run: str, keys: approval_audit.MoveKeys
) -> tuple[set[int], str]:
    """The events of the move that ends with ``row``, or why what a passkey signed does not count there."""
    seq, hash_ = signed.statement.position("request")
    if signed.statement.run != run or seq not in by_seq or by_seq[seq].hash != hash_ or seq >= row.seq - 1:
        return set(), "its statement is about another place of the log"
    between = [by_seq[number] for number in range(seq + 1, row.seq) if number in by_seq]
    return approval_audit.moved_by_passkey(
        signed, row.source, [(event.source, event.event) for event in between], *keys()
    )


def _signature(row: _LoggedEvent) -> Signature | None:
    try:
        payload = row.source.payload if hasattr(row.source, "payload") else row.source.name
        payload = json.loads(payload) if isinstance(payload, str) else payload
        return Signature(str(payload["statement"]), str(payload["signature"]))
    except UNREADABLE:
        return None


# what passkeys decided

_UNREADABLE = "its log cannot be read as one of a run, so nothing in it is proven"


def _approvals_of(engine: Engine, tx: Tx, run: RunId, rows: Sequence[_LoggedEvent]) -> list[Discrepancy]:
    """The approvals and rejections of a run that no passkey signed although one must have, or that no grant gave."""
    try:
        loaded, events = engine.load(tx, run), [row.source for row in rows]
        return [
            *approval_audit.unproven_by_passkey(engine, tx, loaded, events),
            *approval_audit.unproven_by_grant(tx, loaded, events),
        ]
    except Exception:  # rows that were tampered with can fail in any way: then nothing is proven
        return [Discrepancy("approval_unproven", "approvals by passkeys", _UNREADABLE, run)]


def _keys_of_moves(engine: Engine, tx: Tx, run: RunId) -> tuple[PinnedChain, Mapping[str, OpinionRecord]]:
    """The passkeys that a person trusts where ``run`` works, none where that cannot be read, and the opinions of the run."""
    opinions = {opinion.id: opinion for opinion in tx.opinions.of_run(run)}
    try:
        return chain_of_run(engine, tx, engine.load(tx, run).record.worktree), opinions
    except Exception:  # rows that were tampered with can fail in any way: then no key counts
        return PinnedChain(), opinions


def _people_of(
    engine: Engine, tx: Tx, run: RunId, rows: Sequence[_LoggedEvent], keys: DecisionKeys
) -> Sequence[Discrepancy]:
    """Where a run went on with fewer people than a gate asks. Most runs have no such gate."""
    try:
        spec = engine.load(tx, run).state.spec
        if all(gate.people == 1 for phase in spec.phases for gate in (*phase.gates_before, *phase.gates)):
            return []
        pinned = trusted_chain(tx, engine.project_id, keys.chain or PinnedChain())
        return [*approval_audit.too_few_people(tx, run, [row.source for row in rows], pinned)]
    except Exception:  # rows that were tampered with can fail in any way: then nothing is proven
        return [Discrepancy(approval_audit.TOO_FEW, "approvals by several people", _UNREADABLE, run)]


def _by_passkey(engine: Engine, events: Sequence[SettingEvent], chain: PinnedChain | None) -> Iterator[int]:
    """The numbers of what passkeys decided in the settings: they continue a chain of approvers that was trusted before, no more."""
    texts = [] if chain is None else chain.versions
    before = dict(zip(texts[1:], texts, strict=False))
    name, ending = json.dumps([engine.project_id, trust_key()]), json.dumps(trust_key()) + "]"
    trusted = set[str]()
    for event in events:
        is_count = event.type == "SecretSet" and event.name.startswith("passkey:")
        is_change = event.type in {"TrustGiven", "TrustWithdrawn"} and event.name.endswith(ending)
        goes_on = (
            event.name != name or event.type == "TrustWithdrawn" or before.get(event.value_sha256 or "") in trusted
        )
        if event.type == "TrustGiven" and event.name == name:
            trusted.add(event.value_sha256 or "")
        is_by_key = event.channel is Channel.PASSKEY and is_change and goes_on
        if event.assurance is Assurance.PASSKEY and (is_count or is_by_key):
            yield event.seq
