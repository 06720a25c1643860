"""Reactions inside a change: conditions, gates that need no IO, due back-offs, and the jobs that the state asks for.

    due conditions ──► Answer        prompt under gates ──► OpenGates (its sha256)
    inline gates   ──► RecordVerdict gates that read the world outside ──► a job
    deadlines      ──► timer jobs    attempts that left a gate ──► their jobs are cancelled

Only what needs no IO beyond the database runs here; a files gate after a look at the files in ``files_gates.py``; everything
else is a durable job.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.ahead import Unjudged
from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.blockers import BlockerFound
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus, Stage
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.questions import Question, questions
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.artifacts.prompts import prompt_for_gates
from wfe_mcp.engine.artifacts.step_target import target_record
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import verdict_seal
from wfe_mcp.engine.kernel.leases import lock_elsewhere
from wfe_mcp.engine.models.waits import OPEN_JOBS, gate_payload, persons_asked
from wfe_mcp.store.records.jobs import JobStatus, NewJobValues, labels_key

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.workflow.model.gates import Gate

_JUDGED = {AttemptStatus.GATING, AttemptStatus.AWAITING}


def answer_condition(change: RunChange) -> bool:
    """Answer the first condition that is due.

    Passed over: a loop that waits for a lock of another run, and an answer that waits for a check of seconds in a job.
    """
    for question in questions(change.state):
        if question.kind == "items" and _waits_for_lock(change, change.attempt(question.phase)):
            continue
        try:
            answer = _answer(change, question)
        except Unjudged as due:
            from wfe_mcp.engine.nested.nested import check_outside

            check_outside(change, change.attempt(question.phase), question.kind, due)
            continue
        change.give(answer)
        return True
    return False


def _answer(change: RunChange, question: Question) -> c.Answer:
    # CEL is loaded with the first condition of a run.
    from wfe_mcp.engine.nested.nested import evaluated_items, recovery_inputs, submit_outputs
    from wfe_mcp.workflow.expressions import ExpressionError

    attempt = change.attempt(question.phase)
    due = c.Answer(kind=question.kind, rule=question.rule, **change.values_of(attempt))
    last = change.state.loops[question.phase].keys[-1] if question.kind == "until" else ""
    if question.kind == "blocker":
        return replace(due, blocker=_reported_blocker(change, attempt))
    try:
        if question.kind == "items":
            keys, document = evaluated_items(change, attempt)
            return replace(due, keys=keys, items=document)
        if question.kind == "recovery":
            inputs = {attempt.recovery: {"index": 0, "value": recovery_inputs(change, attempt)}}
            return replace(due, items=change.tx.documents.keep(inputs))
        if question.kind == "outputs":
            head = submit_outputs(change, attempt)
            return replace(due, revision=head.revision, sha256=head.sha256)
        if question.kind == "locks":
            return replace(due, keys=_lock_names(change, attempt))
        seen = roots(change, attempt, question.text, own=question.kind == "next", item=last)
        return replace(due, value=change.plan.expressions.is_true(question.text, seen))
    except ExpressionError as exc:
        return replace(due, error=str(exc))


def _reported_blocker(change: RunChange, attempt: Attempt) -> BlockerFound:
    """The blocker that the accepted artifact of a phase of a recovery reports."""
    record = change.tx.artifacts.revision(change.run.id, attempt.phase, attempt.revision)
    assert record is not None, "a completed phase with an output has a revision"
    report: dict[str, Any] = json.loads(record.content)
    # A forced draft may lack any, or have null.
    kind, cause, step = (str(report.get(key) or "") for key in ("class", "cause", "next_step"))
    fingerprint = str(report.get("fingerprint") or f"{kind}:{attempt.phase}")
    human = report.get("human_required") is True
    return BlockerFound(
        kind=kind,
        fingerprint=fingerprint,
        cause=cause,
        next_step=step,
        human_required=human,
        sha256=record.sha256,
        **attempt.on,
    )


def judge_inline_gate(change: RunChange) -> bool:
    """Open the gates of the first attempt that has none open yet, or judge its gate where that is judged inline."""
    if change.state.is_over:
        return False
    for attempt in change.state.moving_attempts:
        if attempt.status is not AttemptStatus.GATING:
            continue
        # To open gates is new work; gates that are open go on while the run is paused.
        if attempt.sha256 is None and change.state.status is RunStatus.PAUSED:
            continue
        if attempt.sha256 is None:
            _open_gates(change, attempt)
            return True
        gate = gate_now(change, attempt)
        if gate is not None and gate.judged == "inline":
            from wfe_mcp.gates.judges import judge_of

            judgement = judge_of(gate.kind)(gate, _Submission(change, attempt, gate))
            command = c.RecordVerdict(
                stage=attempt.stage or Stage.AFTER,
                gate=attempt.gate,
                sha256=attempt.sha256,
                outcome=judgement.outcome,
                message=judgement.message,
                holder_alive=change.engine.goes_on(change.tx, attempt),
                **change.values_of(attempt),
            )
            if judgement.kind is VerdictKind.PASS:
                command = replace(
                    command, seal=verdict_seal(change.engine, change.tx, change.run.id, attempt.number, command)
                )
            change.give(command)
            return True
    return False


def gate_now(change: RunChange, attempt: Attempt) -> Gate | None:
    """The gate that judges ``attempt`` now; None when it is under no gate or past the last one."""
    return change.plan.gates(attempt)[attempt.gate] if current_gate(change.state, attempt) else None


def end_time(change: RunChange) -> bool:
    """Block a run whose time limit is over."""
    command = c.TimeOutRun(by=SYSTEM, at=change.at)
    if not change.state.time_is_over(change.at) or refusal(change.state, command) is not None:
        return False
    change.give(command)
    return True


def end_waits(change: RunChange) -> bool:
    """End the first attempt whose time is over, or the first back-off whose time has come.

    Its timer only looks at the run. One that fired in vain (the run was stopped, or the clock was set back) is made good here.
    """
    for attempt in change.state.moving_attempts:
        for moment, kind in ((attempt.deadline, c.TimeOut), (attempt.not_before, c.Wake)):
            if moment is not None and moment <= change.at:
                command = kind(**change.values_of(attempt))
                if refusal(change.state, command) is None:
                    change.give(command)
                    return True
    return False


def _open_gates(change: RunChange, attempt: Attempt) -> None:
    """The gates before work judge the prompt; one that cannot be rendered fails the attempt, not the whole command.

    The gates of a loop judge all artifacts made in it.
    """
    on = change.values_of(attempt)
    if attempt.stage is Stage.AFTER:
        from wfe_mcp.engine.nested.nested import loop_sha256

        change.give(c.OpenGates(sha256=loop_sha256(change, attempt), **on))
        return
    try:
        target_record(change, attempt, None)  # nothing unresolved is asked
        text, document = prompt_for_gates(change, attempt)
        change.give(c.OpenGates(sha256=sha256_hex(text), prompt=document, **on))
    except Refused as refused:
        change.give(
            c.RecordVerdict(
                stage=Stage.BEFORE,
                gate=0,
                sha256="",
                outcome=GateOutcome.ERROR,
                message=refused.message,
                holder_alive=False,
                **on,
            )
        )


class _Submission:
    """What a gate reads that is judged inline. The values of its expressions are read with the first of them."""

    def __init__(self, change: RunChange, attempt: Attempt, gate: Gate) -> None:
        self._change, self._attempt, self._gate = change, attempt, gate
        self._expressions = change.plan.expressions
        self.phase_role = change.plan.phase(attempt.phase).role

    @cached_property
    def artifact(self) -> object:
        name = self._change.plan.artifact_name(self._attempt.phase)
        return self._roots(f"artifacts.{name}")["artifacts"].get(name)

    @cached_property
    def _values(self) -> dict[str, Any]:
        return self._roots(canonical_json(self._gate.model_dump(mode="json")))

    def _roots(self, named: str) -> dict[str, Any]:
        return roots(self._change, self._attempt, named, own=self._attempt.stage is Stage.AFTER)

    def is_true(self, condition: str) -> bool:
        return self._expressions.is_true(condition, self._values)

    def value(self, source: str) -> object:
        return self._expressions.value(source, self._values)

    def text(self, text: str) -> str:
        from wfe_mcp.workflow.expressions import as_text

        return as_text(self._expressions.evaluate(text, self._values))


def synchronize_jobs(change: RunChange) -> None:
    """Enqueue a job for each gate that reads the world and each deadline; cancel those of attempts that left their gate."""
    before, ends_at = change.loaded.state, change.state.ends_at
    # At each change, since its key makes it once: also after a resume that gave the run more time.
    if ends_at is not None and not change.state.is_over:
        change.set_timer("run", ends_at)
    # Jobs of a stopped run may have ended without a verdict: its gates need new ones.
    if (before.is_over or before.status is RunStatus.PAUSED) and change.state.status is not before.status:
        enqueue_gates(change)
    for path in change.state.changed_since(before):
        now, was = change.attempt(path), before.attempts.get(path, (None,))[-1]
        if (
            was is not None
            and was.status is AttemptStatus.GATING
            and (was.number != now.number or now.status is not AttemptStatus.GATING)
            and now.repair != "compensate"  # its steps are jobs of the same attempt; a late verdict is ignored
        ):
            _cancel_judging(change, was)
        if now == was:
            continue
        if now.status is AttemptStatus.GATING:
            enqueue_gate(change, now)
        keep_times(change, now, was)


def keep_times(change: RunChange, now: Attempt, was: Attempt | None) -> None:
    """Set the timers of ``now`` where its deadlines differ from those of ``was``."""
    for kind, moment in (("timeout", now.deadline), ("wake", now.not_before)):
        before = getattr(was, "deadline" if kind == "timeout" else "not_before", None)
        if moment is not None and (moment != before or was is None or was.number != now.number):
            change.set_timer(kind, moment, now)


def _cancel_judging(change: RunChange, was: Attempt) -> None:
    """Cancel the jobs of a verdict that is no longer needed; jobs enqueued in this change stay."""
    for job in change.tx.jobs.filter(change.run.id, was.phase, was.number, OPEN_JOBS):
        if job.kind == "gate" or job.payload.get("timer") in {"timeout", "wake"}:
            change.tx.jobs.request_cancel(job.id)
            if job.status is JobStatus.RUNNING:
                change.tx.after_commit(partial(_end_where_lost, change.engine, job.id))


def _end_where_lost(engine: Engine, job_id: str) -> None:
    from wfe_mcp.jobs.completion import Completion
    from wfe_mcp.jobs.heartbeat import end_cancelled  # what ends processes

    with suppress(Refused):  # the change is committed; the next worker frees the job
        end_cancelled(engine.store, engine.identity, Completion(engine.store, engine.clock), job_id)


def seal_artifacts(change: RunChange) -> None:
    """Seal the accepted revisions; void approval requests whose attempt has moved on."""
    for path in change.state.changed_since(change.loaded.state):
        now = change.attempt(path)
        was = change.loaded.state.attempts.get(path, (now,))[-1]
        if now.status is AttemptStatus.COMPLETED and was.status is not AttemptStatus.COMPLETED and now.revision:
            change.tx.artifacts.seal(change.run.id, path, now.revision, change.at)
        # A request is about the judged bytes: it ends with the judgement, whatever ended that.
        if was.status in _JUDGED and not (now.number == was.number and now.status in _JUDGED):
            change.tx.approvals.void(change.run.id, path, was.number, change.at)


def enqueue_gates(change: RunChange) -> None:
    """The jobs of all gates that judge now: they may have been suspended with the run, held back or lost."""
    for attempt in change.state.moving_attempts:
        if attempt.status is AttemptStatus.GATING:
            enqueue_gate(change, attempt)


def enqueue_gate(change: RunChange, attempt: Attempt, *, again: bool = False) -> None:
    """The job that judges the current gate of ``attempt``, when that gate reads the world outside.

    One at a time: no second job while one for the same bytes, gate and tree is open, and none while persons who review
    have not answered. ``again``: one of them has.
    """
    judge = gate_now(change, attempt)
    if judge is None or judge.judged not in {"command", "llm"} or change.state.status is RunStatus.CANCELLED:
        return
    if not again and persons_asked(change.tx, change.run, change.state, attempt):
        return
    payload = gate_payload(attempt)
    alive = change.tx.jobs.filter(change.run.id, attempt.phase, attempt.number, OPEN_JOBS)
    if not any(job.kind == "gate" and job.payload == payload and not job.cancel_requested for job in alive):
        asked = getattr(judge, "max_attempts", None)
        job: NewJobValues = {"payload": payload, **attempt.on}
        if asked is not None:
            job["max_attempts"] = asked
        queue = "vision" if getattr(judge, "images", ()) else judge.judged
        labels = _labels(change, judge) if judge.kind == "command" else None
        if labels is not None:
            queue, job["limit_key"] = "runner", labels_key(labels)
        change.enqueue("gate", queue=queue, **job)


def _labels(change: RunChange, gate: Gate) -> list[str] | None:
    """The labels of the runner that a command gate waits for; None: this machine runs its check."""
    frozen, name = change.frozen, getattr(gate, "check", "")
    check: dict[str, Any] = frozen.get("checks", {}).get(name)
    if not check:
        return None
    is_asked = "runner" in {check.get("where"), getattr(gate, "level", None), frozen.get("evidence")}
    return list(check.get("labels", ())) if is_asked else None


def _lock_names(change: RunChange, attempt: Attempt) -> tuple[str, ...]:
    """The locks of a phase with their values filled in; an entry that is a list names several. Raises ExpressionError."""
    from wfe_mcp.workflow.expressions import ExpressionError, source_of

    written = change.plan.phase(attempt.phase).locks
    seen = roots(change, attempt, "\n".join(written))
    names: list[str] = []
    for text in written:
        value = change.plan.expressions.evaluate(text, seen)
        for name in cast("list[object]", value) if isinstance(value, list) else [value]:
            if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
                raise ExpressionError(source_of(text) or text, "a lock is named by text or a number")
            names.append(str(name))
    return tuple(names)


def _waits_for_lock(change: RunChange, attempt: Attempt) -> bool:
    """True while another run holds a lock of the loop that is to open; a job checks again."""
    others = (change.engine, change.tx, change.run, change.state, attempt.phase)
    if not attempt.locks or lock_elsewhere(*others) is None:
        return False
    # No event comes from the other run when it frees the lock, so this run looks again by itself.
    change.look_again("locks", attempt)
    return True
