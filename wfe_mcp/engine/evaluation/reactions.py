"""What must be evaluated before a command's transaction can commit?

    due conditions ──► Answer        prompt under gates ──► OpenGates (its sha256)
    expr, report   ──► RecordVerdict files, git, command, plugin ──► a job (they read the world outside)
    deadlines      ──► timer jobs    attempts that left a gate ──► their jobs are cancelled
    steps          ──► a job each, by and for the server (``steps.py``)
    models         ──► a job for the whole phase (``driven.py``)

Rules:
1. It repeats until nothing is due: each answer can open the next question.
2. Only what needs no IO beyond the database runs here; everything else is a durable job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.guards import current_gate
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus, Stage, VerdictKind
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.questions import Question, questions
from wfe_mcp.engine.approvals.requests import SYSTEM, reissue
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.artifacts.prompts import prompt_of
from wfe_mcp.engine.phases.model_worker import settle_driven
from wfe_mcp.engine.phases.steps import settle_compensations, settle_steps

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.gates.judgement import Judgement

__all__ = ["SYSTEM", "enqueue_gate", "keep_times", "settle"]

_QUICK = {"expr", "report"}
_IN_JOBS = {"files": "command", "git": "command", "command": "command", "plugin": "command", "opinion": "llm"}
"""Gates that read the world outside, and the queue of the jobs that do."""
_JUDGED = {AttemptStatus.GATING, AttemptStatus.AWAITING}


def settle(turn: RunChange) -> None:
    """Evaluate what is due until nothing is, and enqueue what must happen outside the transaction."""
    if turn.state.going_back is not None:
        return  # nothing follows until the files are back
    while (
        _answer_one(turn)
        or _judge_one(turn)
        or _wake_one(turn)
        or settle_steps(turn)
        or settle_driven(turn)
        or settle_compensations(turn)
    ):
        pass
    reissue(turn)
    _keep_jobs(turn)
    _seal(turn)


def _answer_one(turn: RunChange) -> bool:
    for question in questions(turn.state):
        if question.kind == "items" and _waits_for_lock(turn, turn.attempt(question.phase)):
            continue
        turn.give(_answer(turn, question))
        return True
    return False


def _waits_for_lock(turn: RunChange, attempt: Attempt) -> bool:
    if not attempt.locks:
        return False
    from wfe_mcp.engine.phases.locks import waits_for_lock

    return waits_for_lock(turn, attempt)


def _answer(turn: RunChange, question: Question) -> c.Answer:
    # CEL is loaded with the first condition of a run.
    from wfe_mcp.engine.phases.locks import lock_names
    from wfe_mcp.engine.phases.loop_items import evaluated_items
    from wfe_mcp.engine.phases.subflows import hand_in_outputs, recovery_inputs
    from wfe_mcp.workflow.expressions import ExpressionError

    attempt = turn.attempt(question.phase)
    on: dict[str, Any] = {
        "phase": question.phase, "attempt": question.attempt, "kind": question.kind, "rule": question.rule,
        "by": SYSTEM, "at": turn.at,
    }  # fmt: skip
    last = turn.state.loops[question.phase].keys[-1] if question.kind == "until" else ""
    try:
        if question.kind == "items":
            keys, document = evaluated_items(turn, attempt)
            return c.Answer(keys=keys, items=document, **on)
        if question.kind == "recovery":
            inputs = {attempt.recovery: {"index": 0, "value": recovery_inputs(turn, attempt)}}
            return c.Answer(items=turn.tx.keep_document(inputs), **on)
        if question.kind == "outputs":
            return c.Answer(**hand_in_outputs(turn, attempt), **on)
        if question.kind == "locks":
            return c.Answer(keys=lock_names(turn, attempt), **on)
        seen = roots(turn, attempt, question.text, own=question.kind == "next", item=last)
        return c.Answer(value=turn.plan.expressions.is_true(question.text, seen), **on)
    except ExpressionError as exc:
        return c.Answer(error=str(exc), **on)


def _judge_one(turn: RunChange) -> bool:
    if turn.state.is_over:
        return False
    for attempt in turn.state.open_attempts:
        if attempt.status is not AttemptStatus.GATING:
            continue
        on: dict[str, Any] = {"phase": attempt.phase, "attempt": attempt.number, "by": SYSTEM, "at": turn.at}
        if attempt.sha256 is None and turn.state.status is RunStatus.PAUSED:
            continue
        if attempt.sha256 is None:
            _open_gates(turn, attempt, on)
            return True
        gate = current_gate(turn.state, attempt)
        if gate is not None and gate[0] in _QUICK:
            judgement = _quick(turn, attempt, gate[1])
            turn.give(
                c.RecordVerdict(
                    stage=attempt.stage or Stage.AFTER, gate=attempt.gate, sha256=attempt.sha256,
                    verdict=judgement.kind, message=judgement.message,
                    holder_alive=turn.engine.is_alive(attempt.holder, attempt.lease_until), **on,
                )
            )  # fmt: skip
            return True
    return False


def _wake_one(turn: RunChange) -> bool:
    """A back-off whose timer rang while the run was paused or stopped ends with the first turn after that."""
    for attempt in turn.state.open_attempts:
        if attempt.not_before is not None and attempt.not_before <= turn.at:
            command = c.Wake(phase=attempt.phase, attempt=attempt.number, by=SYSTEM, at=turn.at)
            if refusal(turn.state, command) is None:
                turn.give(command)
                return True
    return False


def _open_gates(turn: RunChange, attempt: Attempt, on: dict[str, Any]) -> None:
    """The gates before work judge the prompt; one that cannot be rendered fails the attempt, not the whole command.

    Those of a loop judge all that was made in it.
    """
    if attempt.stage is Stage.AFTER:
        from wfe_mcp.engine.phases.loop_items import loop_sha256

        turn.give(c.OpenGates(sha256=loop_sha256(turn, attempt), **on))
        return
    try:
        turn.give(c.OpenGates(sha256=sha256_hex(prompt_of(turn, attempt)), **on))
    except Refused as refused:
        turn.give(
            c.RecordVerdict(
                stage=Stage.BEFORE, gate=0, sha256="", verdict=VerdictKind.ERROR, message=refused.message,
                holder_alive=False, **on,
            )
        )  # fmt: skip


def _quick(turn: RunChange, attempt: Attempt, index: int) -> Judgement:
    from wfe_mcp.gates.expr import judge_expr
    from wfe_mcp.gates.report import judge_report

    gate = turn.plan.gates(attempt)[index]
    own, name = attempt.stage is Stage.AFTER, turn.plan.artifact_name(attempt.phase)
    if gate.kind == "report":
        report = roots(turn, attempt, f"artifacts.{name}", own=own)["artifacts"].get(name)
        return judge_report(gate, report, phase_role=turn.plan.phase(attempt.phase).role)
    assert gate.kind == "expr", "the only other quick gate"
    values = roots(turn, attempt, canonical_json(gate.model_dump(mode="json")), own=own)
    return judge_expr(gate, lambda text: turn.plan.expressions.is_true(text, values))


def _keep_jobs(turn: RunChange) -> None:
    """Jobs follow the state: one for each gate that reads the world, one for each time that must be kept."""
    before = turn.loaded.state
    if before.status is RunStatus.PAUSED and turn.state.status is not RunStatus.PAUSED:
        for attempt in turn.state.open_attempts:
            if attempt.status is AttemptStatus.GATING:
                enqueue_gate(turn, attempt)  # its job may have been suspended with the run
    for path in turn.state.changed_since(before):
        now, was = turn.attempt(path), before.attempts.get(path, (None,))[-1]
        if (
            was is not None
            and was.status is AttemptStatus.GATING
            and (was.number != now.number or now.status is not AttemptStatus.GATING)
            and now.mending != "compensate"  # its steps are jobs of the same attempt; a late gate finds nobody waiting
        ):
            _cancel_judging(turn, was)
        if now == was:
            continue
        if now.status is AttemptStatus.GATING:
            enqueue_gate(turn, now)
        keep_times(turn, now, was)


def keep_times(turn: RunChange, now: Attempt, was: Attempt | None) -> None:
    """The timers of ``now``, where it has other times than ``was``."""
    for kind, moment in (("timeout", now.deadline), ("wake", now.not_before)):
        before = getattr(was, "deadline" if kind == "timeout" else "not_before", None)
        if moment is not None and (moment != before or was is None or was.number != now.number):
            turn.enqueue(
                "timer", phase=now.phase, attempt=now.number, payload={"timer": kind}, run_at=moment, queue="timer",
                dedupe_key=f"timer:{kind}:{turn.run.id}:{now.phase}:{now.number}:{moment.isoformat()}",
            )  # fmt: skip


def _cancel_judging(turn: RunChange, was: Attempt) -> None:
    """Nobody waits for this verdict any more. Whoever works the phase next has enqueued in this very turn: that stays."""
    from wfe_mcp.store.records.jobs import JobStatus

    on: dict[str, Any] = {"phase": was.phase, "attempt": was.number}
    for job in turn.tx.jobs(turn.run.id, statuses=(JobStatus.QUEUED, JobStatus.RUNNING), **on):
        if job.kind == "gate" or job.payload.get("timer") in {"timeout", "wake"}:
            turn.tx.request_cancel(job.id)


def _seal(turn: RunChange) -> None:
    """What is accepted is sealed; questions nobody can answer any more are void."""
    for path in turn.state.changed_since(turn.loaded.state):
        now = turn.attempt(path)
        was = turn.loaded.state.attempts.get(path, (now,))[-1]
        if now.status is AttemptStatus.COMPLETED and was.status is not AttemptStatus.COMPLETED and now.revision:
            turn.tx.seal(turn.run.id, path, now.revision, turn.at)
        if was.status in _JUDGED and not (now.number == was.number and now.status in _JUDGED):
            turn.tx.void_requests(turn.run.id, path, was.number, turn.at)


def enqueue_gate(turn: RunChange, attempt: Attempt) -> None:
    """The job that judges the current gate of ``attempt``, when that gate reads the world outside.

    One at a time: a job that is still to answer for the same bytes, gate and tree is enough.
    """
    from wfe_mcp.store.records.jobs import JobStatus

    gate = current_gate(turn.state, attempt)
    if gate is None or gate[0] not in _IN_JOBS or turn.state.status is RunStatus.CANCELLED:
        return
    payload = {
        "stage": attempt.stage or Stage.AFTER,
        "gate": attempt.gate,
        "sha256": attempt.sha256,
        "tree": attempt.tree,
    }
    on: dict[str, Any] = {"phase": attempt.phase, "attempt": attempt.number}
    alive = turn.tx.jobs(turn.run.id, statuses=(JobStatus.QUEUED, JobStatus.RUNNING), **on)
    if not any(job.kind == "gate" and job.payload == payload and not job.cancel_requested for job in alive):
        judge = turn.plan.gates(attempt)[attempt.gate]
        asked = getattr(judge, "max_attempts", None)
        tries = {} if asked is None else {"max_attempts": asked}
        queue = "vision" if getattr(judge, "images", ()) else _IN_JOBS[gate[0]]
        turn.enqueue("gate", queue=queue, payload=payload, **tries, **on)
