"""Forks: a new run that starts from the state of another run at an event.

    wfe-mcp start --from RUN@12    a new run: template, settings and inputs as frozen for RUN, its state at event 12

Rules:
1. The origin is only read. The fork has copies of what its state names: revisions, evidence, decisions, steps
   that were done; each says where it was made. Its own log begins with the origin's event, by number and hash.
2. A fork bypasses nothing: what ``start_run`` refuses is refused here (policy, trust, use), limits hold, and after a
   stop by a person only a person forks (``core/forking.py``), as where the run follows what was trusted once.
3. What people approved is asked about anew unless the files are as the run recorded them there.
4. A call that a step was making may have had its effect: in the fork too only a person allows it again.
"""

import json
import logging
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.commands import ForkRun
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.decide import decide
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.forking import approved_by_people, end_of_decision, stops_since
from wfe_mcp.core.model import AttemptStatus, By, Origin, RunId, RunState
from wfe_mcp.core.origins import refuse_of_triggers
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.titles import GIVEN_CHARS, first_words
from wfe_mcp.core.undo import LogEntry
from wfe_mcp.engine.access.limits import refuse_start
from wfe_mcp.engine.evaluation.reactions import enqueue_gates, keep_times
from wfe_mcp.engine.files.mirrors import write_mirrors
from wfe_mcp.engine.files.tree_binding import is_recorded
from wfe_mcp.engine.history.as_of import event_named, revisions_then
from wfe_mcp.engine.kernel.engine import Engine, own_key
from wfe_mcp.engine.kernel.evidence_seals import SEAL, sealed_evidence
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run_in, way_on
from wfe_mcp.engine.phases.steps import is_repeatable
from wfe_mcp.engine.runs.start import is_for_people, new_run_id
from wfe_mcp.engine.templates.catalogue import find_template, template_definition, trust_keys
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import (
    AttachmentHead,
    EventRecord,
    EvidenceRecord,
    LoadedRun,
    NewRun,
    RequestStatus,
    RevisionHead,
    RunRecord,
    StepRecord,
    StepStatus,
)
from wfe_mcp.workspace.files.mirror import log_place, write_gitignore
from wfe_mcp.workspace.files.project_files import MAX_FOLDER_BYTES, read_if_there, write_atomic
from wfe_mcp.workspace.git.working_tree import tree_hash

log = logging.getLogger("wfe_mcp.engine")

_ANSWERED = {RequestStatus.APPROVED, RequestStatus.REJECTED}


@dataclass(frozen=True, slots=True)
class _ForkOrigin:
    """The origin of the fork: after ``event`` of ``record``, in ``state``."""

    record: RunRecord
    event: EventRecord
    state: RunState
    people: tuple[str, ...]
    revisions: list[RevisionHead] = field(default_factory=list["RevisionHead"])
    evidence: list[EvidenceRecord] = field(default_factory=list["EvidenceRecord"])


def fork_run(
    engine: Engine, by: By, run: str, at: str = "", *, title: str = "", idempotency_key: str | None = None
) -> LoadedRun:
    """Create a run from the state of ``run`` after event ``at`` (``12``, ``cp-12``; empty: its last one).

    Refuses ``bad_argument`` (no such event), ``illegal_transition`` (it is cancelled there), ``needs_human``,
    ``needs_trust``, ``unavailable`` and ``limit_reached``, as ``start_run`` does.
    """
    refuse_of_triggers(by, idempotency_key=idempotency_key)
    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        event_named(tx, loaded.record, at or str(loaded.record.last_seq))
    record = loaded.record
    _refuse_unfit(engine, by, record, at)
    _refuse_looser(engine, by, loaded, at)
    args = sha256_of({"from": record.id, "at": at, "title": title})
    # Before the transaction: reading all files under the write lock would block every other process.
    code, limits = tree_hash(engine.root), engine.settings().settings.server.limits
    with engine.store.tx() as tx:
        known = tx.runs.for_key(engine.project_id, idempotency_key, args) if idempotency_key else None
        if known is not None:
            return engine.load(tx, known)
        refuse_start(engine, tx, limits, by)
        place = _place(tx, engine.load(tx, record.id).record, at)
        new_id = new_run_id()
        command = _command(tx, place, by, engine, new_id, _anew(tx, place, code))
        state = RunState()
        events = decide(state, command)
        for event in events:
            state = evolve(state, event)
        new = NewRun(
            id=new_id,
            project_id=engine.project_id,
            worktree=str(engine.root),
            template=record.template,
            template_version=record.template_version,
            template_sha256=record.template_sha256,
            definition_sha256=record.definition_sha256,
            title=first_words(title, GIVEN_CHARS) or _title(record, loaded.state),
            inputs=tx.documents.load(record.inputs_sha256),
            frozen=tx.documents.load(record.frozen_sha256),
            driver=record.driver,
            idempotency_key=idempotency_key,
            args_sha256=args,
        )
        decision = {
            "do": "fork",
            "run": record.id,
            "seq": place.event.seq,
            "hash": place.event.hash,
            "tree": code or "",
        }
        tx.runs.create(new, state, events, by, command.at, {"kind": "fork", "decision": [decision]})
        tx.after_commit(partial(engine.has_changed, (new_id,), events))
        tx.after_commit(partial(engine.tell, new_id))
        _take_along(engine, tx, place, new_id, command)
        with change_run_in(engine, tx, new_id, by) as change:
            enqueue_gates(change)
            for attempt in change.state.open_attempts:
                keep_times(change, attempt, None)
    _copy_logs(engine, place, new_id)
    _show(change)
    return change.loaded


def _title(record: RunRecord, state: RunState) -> str:
    """That of ``record``, and what it is a fork of: no one can tell two runs of one title apart in a list."""
    was = f" (fork of {state.origin.run})" if state.origin else ""
    ending = f" (fork of {record.id})"
    return first_words(record.title.removesuffix(was), GIVEN_CHARS - len(ending)) + ending


def _refuse_unfit(engine: Engine, by: By, record: RunRecord, at: str) -> None:
    """Refuse the fork for any reason that stops a run of this template from starting."""
    name = record.template
    if record.origin_sha256 is not None:
        raise Refused(
            "illegal_transition",
            f"Run '{record.id}' was worked elsewhere: what it may call is not trusted here.",
            f"Start a run of your own: {way_on(engine, record)}",
        )
    if not by.is_human and is_for_people(engine, engine.settings(), name):
        raise Refused(
            "needs_human",
            f"policy.templates of this project does not let an agent start {name!r}.",
            f"Ask the user to run in a terminal of their own: wfe-mcp start --from {record.id}{f'@{at}' if at else ''}",
        )

    offer = template_definition(engine, name)
    if offer.state or offer.sha256 == record.template_sha256:
        find_template(engine, name)
        return
    if not _is_trusted(engine, by, record) and not (offer.is_installed and by.is_human):
        raise Refused(
            "needs_trust",
            f"Template {name!r} has changed, and the version that run '{record.id}' follows is not trusted.",
            f"Start from the one of today: wfe-mcp start {name}",
        )


def _is_trusted(engine: Engine, by: By, record: RunRecord) -> bool:
    """Whether the definition that a run follows is trusted; for a person: was trusted once."""
    keys = trust_keys(record.template, record.template_version)
    with engine.store.read() as tx:
        if any(tx.trust.is_given(engine.project_id, key, record.template_sha256) for key in keys):
            return True
        names = {json.dumps([engine.project_id, key]) for key in keys}
        return by.is_human and any(
            (event.type, event.value_sha256) == ("TrustGiven", record.template_sha256) and event.name in names
            for event in tx.settings_log.events()
        )


def _refuse_looser(engine: Engine, by: By, loaded: LoadedRun, at: str) -> None:
    """Refuse anyone but a person where a gate of the run is weaker by bytes that are trusted no more."""
    if by.is_human:
        return
    with engine.store.read() as tx:
        for gate in find_weakened_gates(loaded):
            here = tx.trust.counts_here(engine.project_id, gate.source, gate.sha256)
            if not here and not tx.trust.is_given_anywhere(own_key(Path(gate.source)), gate.sha256):
                run = loaded.record.id
                raise Refused(
                    "needs_human",
                    f"Run '{run}' has weaker gates than you trust now: {gate.sentence}.",
                    f"Start a new run, or ask the user to run: wfe-mcp start --from {run}{f'@{at}' if at else ''}",
                )


def _place(tx: Tx, record: RunRecord, at: str) -> _ForkOrigin:
    named = event_named(tx, record, at or str(record.last_seq))
    rows = tx.events.of_run(record.id, limit=record.last_seq)
    log = [
        LogEntry(row.seq, event, By(row.actor, row.channel, row.assurance), row.at)
        for row, event in zip(rows, tx.events.core_events(record.id), strict=True)
    ]
    seq = end_of_decision(log, named.seq)
    state, event = tx.events.replay(record.id, until=seq), rows[seq - 1]
    evidence = [
        piece
        for piece in tx.evidence.of_run(record.id)
        if piece.at <= event.at and piece.attempt <= len(state.attempts.get(piece.phase, ()))
    ]
    revisions = revisions_then(tx, LoadedRun(record, state))
    return _ForkOrigin(record, event, state, stops_since(log, seq), revisions, evidence)


def _anew(tx: Tx, place: _ForkOrigin, code: str | None) -> tuple[PhasePath, ...]:
    """What people are asked about again: everything that they approved, unless the files are as they were there."""
    asking = tuple(path for path in place.state.anew if not place.state.current(path).is_settled)
    if is_recorded(code, _trees(tx, place.record.id, place.event.seq), place.state):
        return asking
    return tuple(dict.fromkeys((*asking, *approved_by_people(place.state))))


def _trees(tx: Tx, run: str, seq: int) -> set[str]:
    """The files as ``run`` recorded them at event ``seq``: by its newest checkpoint, and by what a person signed last.

    A fork that began with the files of its origin, and has no checkpoint of its own yet, still stands for those.
    """
    rows, trees = list(tx.events.log(RunId(run))), set[str]()
    for row in reversed(rows[:seq]):
        if row.payload.get("tree") and row.type in {"CheckpointTaken", "RolledBack"}:
            trees.add(str(row.payload["tree"]))
            break
        if row.type == "RunForked" and row.payload["state"].get("anew") == []:
            origin = row.payload["state"]["origin"]
            trees |= _trees(tx, origin["run"], origin["seq"])
    for row in rows[seq:]:  # taken after the commit of what it marks
        if row.type == "CheckpointTaken" and row.payload.get("why") == "completion" and row.payload.get("tree"):
            trees.add(str(row.payload["tree"]))
        if row.type not in {"CheckpointTaken", "RecordsKept", "DecisionSigned"}:
            break
    return trees


def _command(tx: Tx, place: _ForkOrigin, by: By, engine: Engine, new_id: RunId, anew: tuple[PhasePath, ...]) -> ForkRun:
    used = tx.model_calls.usage(run_id=place.record.id, until=place.event.at)
    before = place.state.origin or Origin(place.record.id, 0, "")
    return ForkRun(
        then=place.state,
        then_at=place.event.at,
        people=place.people,
        by=by,
        at=engine.clock(),
        origin=Origin(
            place.record.id,
            place.event.seq,
            place.event.hash,
            before.spent_usd + used.spent_usd,
            before.spent_tokens + used.tokens,
        ),
        anew=anew,
        evidence={evidence.id: f"ev-{sha256_of([new_id, evidence.id])[:16]}" for evidence in place.evidence},
        revisions=tuple((head.phase, head.revision, head.sha256) for head in place.revisions),
    )


def _take_along(engine: Engine, tx: Tx, place: _ForkOrigin, new_id: RunId, command: ForkRun) -> None:
    """Copy everything that the state names, under the fork's id."""
    old = place.record.id
    newest: dict[PhasePath, int] = {}
    for head in place.revisions:
        newest[head.phase] = max(head.revision, newest.get(head.phase, 0))
    tx.artifacts.copy_revisions(old, new_id, newest, len(place.revisions))
    for evidence in place.evidence:
        with_origin = evidence.data | {"origin": {"run": old, "evidence": evidence.id}}
        log = str(Path(engine.root, _log_of(evidence, new_id))) if evidence.log_path else None
        copy = replace(evidence, id=command.evidence[evidence.id], run_id=new_id, data=with_origin, log_path=log)
        tx.evidence.add(
            sealed_evidence(engine, tx, copy, evidence.data[SEAL]["by"]) if evidence.data.get(SEAL) else copy
        )
    for approval in tx.approvals.of_run(old):
        # What is asked about again takes no earlier answer along.
        if approval.phase in command.anew and command.then.is_open(approval.phase):
            continue
        answer = tx.approvals.decision(approval.id) if approval.status in _ANSWERED else None
        # What was decided later is no decision of the fork.
        if answer is not None and answer.at <= place.event.at:
            with_origin = approval.data | {"origin": {"run": old, "request": approval.id}}
            request = replace(
                approval, id=f"rq-{sha256_of([new_id, approval.id])[:16]}", run_id=new_id, data=with_origin
            )
            tx.approvals.take_answer(request, answer)
    for head in tx.attachments.of_run(old):
        attachment = tx.attachments.get(old, head.number) if _is_there(head, place) else None
        if attachment is not None:
            tx.attachments.add(replace(attachment, id=f"at-{sha256_of([new_id, attachment.id])[:16]}", run_id=new_id))
    for row in tx.steps.of_run(old):
        step = _step(row, place, command)
        if step is not None:
            tx.steps.save(replace(step, run_id=new_id, job_id=None))


def _is_there(head: AttachmentHead, place: _ForkOrigin) -> bool:
    """True for what was attached by then to an attempt of the run."""
    return head.at <= place.event.at and head.attempt <= len(place.state.attempts.get(head.phase, ()))


def _step(row: StepRecord, place: _ForkOrigin, command: ForkRun) -> StepRecord | None:
    """The fork's copy of a step: done by then, or in doubt when its call was under way."""
    tries = place.state.attempts.get(row.phase, ())
    begun = row.started_at or row.finished_at
    if begun is None or begun > place.event.at or row.attempt > len(tries):
        return None
    if row.finished_at is not None and row.finished_at <= place.event.at:
        return row
    # The call of an attempt that is over counts no more; one that can be repeated begins again.
    if tries[row.attempt - 1].status is not AttemptStatus.RUNNING or is_repeatable(row):
        return None
    error = f"run {place.record.id} was making this call when it was forked"
    return replace(row, status=StepStatus.UNKNOWN, error=error, finished_at=command.at, output=None)


def _log_of(evidence: EvidenceRecord, run: str) -> str:
    """The path of a check's log in ``run``, relative to the project."""
    return log_place(run, evidence.phase, evidence.attempt, Path(str(evidence.log_path)).name)


def _copy_logs(engine: Engine, place: _ForkOrigin, new_id: RunId) -> None:
    """Copy the logs of checks, so that they outlive the origin. Missing ones were cleaned up."""
    for evidence in place.evidence:
        if evidence.log_path is None:
            continue
        try:
            content = read_if_there(Path(place.record.worktree), _log_of(evidence, place.record.id), MAX_FOLDER_BYTES)
            if content is not None:
                write_gitignore(engine.root)
                write_atomic(engine.root, _log_of(evidence, new_id), content)
        except Refused as refused:
            log.warning("a log of run %s was not copied to its fork %s: %s", place.record.id, new_id, refused.message)


def _show(change: RunChange) -> None:
    """Write the mirrors of copied artifacts; a failure is repaired on demand."""
    change.loaded_before = replace(change.loaded, state=RunState(spec=change.state.spec))
    try:
        write_mirrors(change)
    except Exception:
        log.exception("mirror of run %s failed", change.run.id)
