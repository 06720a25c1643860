"""Phases of steps: the server claims them and works their steps in order, or side by side where ``needs`` allow it.

    ready ──► claimed by "server" ──► step 1 ──► … ──► step n ──► artifact submitted ──► gates
                                        │
               failed ──► on_fail       └─ in doubt ──► the user

Rules:
1. Decisions read the state, never an event: the next change continues what a step, a pause or a crash left open.
2. One job per step, enqueued in the transaction that ends the steps it needs. A step's parameters are evaluated then,
   once, and kept, from the results of those steps only: what runs beside it can end before or after, so that it is not
   seen. What a tool answers is data and never evaluated (B-15).
3. A call that may have had its effect is made again only by its own ``retry`` or after the user has reopened the phase.
4. A new attempt of the iteration keeps the steps that ended well; after a failed gate, all run again.
5. When a step fails, none begins any more. The attempt fails once those that run have ended, and their results are kept.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from wfe_mcp.artifacts.ahead import Unjudged
from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import Attempt, AttemptStatus, RunId, RunState, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.artifacts.step_target import not_approved, params_of
from wfe_mcp.engine.files.drift import kept_back, prompt_hash
from wfe_mcp.engine.files.tree_binding import reads_files
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.phases.step_artifacts import submit_step_outputs
from wfe_mcp.store.records.jobs import Effect, JobStatus
from wfe_mcp.store.records.runs import IN_DOUBT, StepRecord, StepStatus
from wfe_mcp.workflow import step_kinds
from wfe_mcp.workflow.step_order import needed_steps, results_seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.core.spec import RunSpec
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx
    from wfe_mcp.workflow.model.phases import Phase, StepsPhase
    from wfe_mcp.workflow.model.steps import Step

SERVER = "server"
"""The holder of phases that the server works: every live process works on them, so it never dies."""

_UNDO = "compensate."
"""What the names of steps begin with that undo an attempt; no id holds a dot."""

_GOES_ON = {RunStatus.RUNNING, RunStatus.WAITING}
_LIVE = {StepStatus.READY, StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.WAITING}
_REPEATABLE_TRIES = 5
_MOST_JOBS = 25
"""Jobs of one step that may end before they begin; more is a bug."""


def start_steps(change: RunChange) -> bool:
    """Do what is due in phases of steps. True when a command was given: then more may be due."""
    if not has_steps(change.state.spec):
        return False
    leave(change)
    if change.state.status not in _GOES_ON:
        return False
    worked = [attempt for attempt in change.state.moving_attempts if change.state.phase(attempt.phase).kind == "steps"]
    return any(
        (attempt.status is AttemptStatus.RUNNING and _go_on(change, attempt))
        or (attempt.status is AttemptStatus.READY and claim_by_server(change, attempt))
        for attempt in worked
    )


def start_compensation(change: RunChange) -> bool:
    """Do what is due in attempts that are being undone. True when a command was given.

    Last of all that is settled: what an attempt leaves behind is stopped before its undoing begins.
    """
    if change.state.status not in _GOES_ON:
        return False
    return any(_undo(change, attempt) for attempt in change.state.moving_attempts if is_undone(attempt))


def has_steps(spec: RunSpec) -> bool:
    """True when the server may have steps to do: a phase of steps, or one that undoes what failed."""
    return bool(spec.stepped)


def is_undone(attempt: Attempt) -> bool:
    """True while the steps of ``compensate`` undo the failed ``attempt``."""
    return attempt.status is AttemptStatus.FAILED and attempt.repair == "compensate"


def is_worked(attempt: Attempt) -> bool:
    """True while steps of ``attempt`` are at work: its own, or those that undo it."""
    return attempt.status is AttemptStatus.RUNNING or is_undone(attempt)


def step_of(phase: Phase, name: str) -> Step:
    """The step that a row is about; one that undoes carries ``compensate.`` before its id."""
    from wfe_mcp.workflow.model.phases import StepsPhase

    own = phase.steps if isinstance(phase, StepsPhase) else ()
    return next(step for step in (*own, *undoing_steps(phase)) if step.id == name)


def undoing_steps(phase: Phase) -> list[Step]:
    """The steps that undo a phase, under names that no other step of it has."""
    return [step.model_copy(update={"id": f"{_UNDO}{step.id}"}) for step in phase.compensate]


def leave(change: RunChange) -> None:
    """Steps of an attempt that is over: what waits is cancelled, what runs is stopped, and a call is in doubt."""
    before = change.loaded.state
    for path in change.state.changed_since(before):
        if path not in before.attempts:
            continue
        was, now = before.attempts[path][-1], change.state.attempts[path][-1]
        # An attempt has two parts, its own steps and those that undo it: what ends one leaves the rows of the other.
        undone = is_undone(was)
        is_over = now.number != was.number or (undone, is_worked(now)) != (is_undone(now), True)
        if is_worked(was) and is_over and (undone or change.state.phase(path).kind == "steps"):
            rows = change.tx.steps.of_run(change.run.id, path, was.number)
            live = [row for row in rows if row.status in _LIVE and row.step.startswith(_UNDO) == undone]
            for row in live:
                in_doubt = row.status is StepStatus.RUNNING and not is_repeatable(row)
                status = StepStatus.UNKNOWN if in_doubt else StepStatus.CANCELLED
                error = "it was running when its attempt ended" if in_doubt else row.error
                change.tx.steps.save(replace(row, status=status, error=error, finished_at=change.at))
            if live:
                change.tx.jobs.request_cancel(run_id=change.run.id, phase=path, attempt=was.number)
                change.tx.after_commit(change.engine.wake)


def begin_phase(change: RunChange, attempt: Attempt, tree: str | None = None, head: str | None = None) -> bool:
    """The server claims the phase. False when it cannot now."""
    prompt = prompt_hash(change, attempt)
    command = c.StartPhase(holder=SERVER, tree=tree, head=head, prompt_sha256=prompt, **change.values_of(attempt))
    if refusal(change.state, command) is not None:
        return False
    change.give(command)
    return True


def is_repeatable(row: StepRecord) -> bool:
    """Whether a call that may have been made is made again without asking."""
    return step_kinds.is_repeatable(row.does)


def has_passed(row: StepRecord, step: Step) -> bool:
    """True when the next step can begin."""
    failed_well = row.status is StepStatus.FAILED and step.continue_on_error
    return row.status in {StepStatus.DONE, StepStatus.SKIPPED} or failed_well


def claim_by_server(change: RunChange, attempt: Attempt) -> bool:
    """The server claims a phase that is its own. False when not now, or when the files are read first."""
    command = c.StartPhase(holder=SERVER, **change.values_of(attempt))
    if refusal(change.state, command) is not None or kept_back(change, attempt):
        return False
    needs = change.state.phase(attempt.phase).exclusive or attempt.locks  # a job checks again
    if needs or reads_files(change.state, attempt.phase):
        _ask_for_files(change, attempt, "claim")
        return False
    return begin_phase(change, attempt)


def _ask_for_files(change: RunChange, attempt: Attempt, what: str) -> None:
    """A job reads tree and HEAD outside the transaction, then continues with ``what``."""
    alive = change.tx.jobs.filter(change.run.id, attempt.phase, attempt.number, (JobStatus.QUEUED, JobStatus.RUNNING))
    if not any(job.kind == "files" and not job.cancel_requested for job in alive):
        change.enqueue("files", queue="step", payload={"then": what}, **attempt.on)


def _go_on(change: RunChange, attempt: Attempt) -> bool:
    phase: StepsPhase = change.plan.phase(attempt.phase)  # pyright: ignore[reportAssignmentType] - the machine's kind says so
    rows = {row.step: row for row in change.tx.steps.of_run(change.run.id, attempt.phase, attempt.number)}
    if not rows:
        rows = carried_steps(change.tx, change.run.id, change.state, attempt, phase)
        for row in rows.values():
            change.tx.steps.save(row)
    rows = {name: _as_its_job_ended(change, row) for name, row in rows.items()}
    _begin_due(change, attempt, phase, rows)
    if stopping := _stopping(rows, phase):
        if any(row.status is StepStatus.RUNNING for row in rows.values()):
            return False  # their results are kept
        return _fail(change, stopping[0])
    if not all(step.id in rows and has_passed(rows[step.id], step) for step in phase.steps):
        return False
    if not reads_files(change.state, attempt.phase):
        try:
            submit_step_outputs(change, attempt, None)
        except Unjudged:
            pass  # its job checks before its transaction
        else:
            return True
    _ask_for_files(change, attempt, "hand_in")
    return False


def _begin_due(change: RunChange, attempt: Attempt, phase: StepsPhase, rows: dict[str, StepRecord]) -> None:
    """Queue the steps whose own needs are done, as many side by side as the phase allows; none once one has ended it."""
    for position, step in enumerate(phase.steps):
        if _stopping(rows, phase):
            return
        if step.id not in rows:
            before = [phase.steps[at] for at in needed_steps(phase.steps, position)]
            busy = sum(row.status in _LIVE for row in rows.values())
            if busy >= phase.max_parallel or not all(
                earlier.id in rows and has_passed(rows[earlier.id], earlier) for earlier in before
            ):
                continue
            rows[step.id] = _new(change, attempt, position, step, after=results_seen(phase.steps, position))
        if rows[step.id].status is StepStatus.READY:
            _enqueue(change, rows[step.id])


def _stopping(rows: dict[str, StepRecord], phase: StepsPhase) -> list[StepRecord]:
    """The steps that end the attempt, a call in doubt first: only a person may continue after it."""
    steps = [rows[step.id] for step in phase.steps if step.id in rows and not has_passed(rows[step.id], step)]
    ended = [row for row in steps if row.status in {StepStatus.FAILED, StepStatus.UNKNOWN}]
    return sorted(ended, key=lambda row: row.status is not StepStatus.UNKNOWN)


def _undo(change: RunChange, attempt: Attempt) -> bool:
    rows = {row.step: row for row in change.tx.steps.of_run(change.run.id, attempt.phase, attempt.number)}
    on = change.values_of(attempt)
    phase = change.plan.phase(attempt.phase)
    for position, step in enumerate(undoing_steps(phase), len(getattr(phase, "steps", ()))):
        row = _as_its_job_ended(change, rows.get(step.id) or _new(change, attempt, position, step, own=True))
        if has_passed(row, step):
            continue
        if row.status is StepStatus.READY:
            _enqueue(change, row)
        if row.status in {StepStatus.FAILED, StepStatus.UNKNOWN}:
            doubt = "failed" if row.status is StepStatus.FAILED else "may have completed"
            change.give(c.EndCompensation(fault=f"Step {row.step!r} ({row.does}) {doubt}: {row.error}", **on))
            return True
        return False
    change.give(c.EndCompensation(**on))
    return True


def carried_steps(tx: Tx, run: RunId, state: RunState, attempt: Attempt, phase: StepsPhase) -> dict[str, StepRecord]:
    """Finished steps of the previous attempt, if a step failed it and they were not undone, and a call in doubt not yet reviewed."""
    from wfe_mcp.engine.delivery.operations import undone_steps

    tries = state.attempts[attempt.phase]
    last = tries[attempt.number - 2] if attempt.number > 1 else None
    # All steps run again after a rollback, too: over calls to the outside only a person goes back.
    # After a failed step the next attempt continues at it; after a failed gate (a revision) all steps run again.
    if last is None or last.iteration != attempt.iteration or last.revision or last.status is AttemptStatus.ROLLED_BACK:
        return {}
    rows = {row.step: row for row in tx.steps.of_run(run, attempt.phase, last.made_in)}
    for step in undone_steps(tx, run, attempt.phase):
        rows.pop(step, None)
    kept: dict[str, StepRecord] = {}
    for step in phase.steps:
        row = rows.get(step.id)
        # Where a person was asked, their retry says that the call may be made again: it is not carried.
        in_doubt = row is not None and row.status is StepStatus.UNKNOWN and not last.human_only
        if row is None or not (has_passed(row, step) or in_doubt):
            continue
        kept[step.id] = replace(row, attempt=attempt.number, carried=row.carried or row.attempt)
    return kept


def _new(
    change: RunChange, attempt: Attempt, position: int, step: Step, *, own: bool = False, after: set[str] | None = None
) -> StepRecord:
    """Begin a step: evaluate its condition, parameters and key once. ``after``: the steps whose results it sees."""
    from wfe_mcp.workflow.expressions import ExpressionError, fill_shape
    from wfe_mcp.workflow.prompts import render

    row = StepRecord(change.run.id, attempt.phase, attempt.number, step.id, position, step.does, StepStatus.READY)
    values = roots(change, attempt, canonical_json(step.model_dump(mode="json", by_alias=True)), own=own, after=after)
    try:
        if step.if_ is not None and not change.plan.expressions.is_true(step.if_, values):
            row = replace(row, status=StepStatus.SKIPPED, finished_at=change.at)
        else:
            written = step.model_copy(update={"id": step.id.removeprefix(_UNDO)})
            row = _due(change, row, fill_shape(written, values, change.plan.expressions))
            if not own and (fault := not_approved(change, attempt, step.id, row.does, row.input)):
                row = replace(row, status=StepStatus.FAILED, error=fault, finished_at=change.at)
            if step.llm is not None:
                # As written, not as filled: a prompt is rendered in one pass, and values are data in it (B-15).
                prompt = render(step.llm.prompt, values, change.plan.expressions, nonce=change.run.id)
                row = replace(row, input={"prompt": prompt})
    except ExpressionError as exc:
        row = replace(row, status=StepStatus.FAILED, error=str(exc), finished_at=change.at)
    change.tx.steps.save(row)
    return row


def begin_step(change: RunChange, attempt: Attempt, steps: Sequence[Step], position: int) -> None:
    """Begin a step whose needs have ended: its row is the first of a new attempt, so that no other is carried there."""
    _new(change, attempt, position, steps[position], after=results_seen(steps, position))


def _due(change: RunChange, row: StepRecord, step: Step) -> StepRecord:
    from wfe_mcp.workflow.model.base import duration_s

    row = replace(row, input=params_of(step), idempotency_key=step.idempotency_key or None)
    if step.wait is not None:
        row = replace(row, not_before=change.at + timedelta(seconds=duration_s(step.wait)))
    known = change.tx.steps.with_key(change.run.id, row.idempotency_key) if row.idempotency_key else None
    if known is None:
        return row
    if known.does != row.does:
        error = f"the idempotency key {row.idempotency_key!r} is that of step {known.step!r} ({known.does})"
        return replace(row, status=StepStatus.FAILED, error=error, finished_at=change.at)
    return replace(
        row, status=StepStatus.DONE, output=known.output, carried=known.carried or known.attempt, finished_at=change.at
    )


def _enqueue(change: RunChange, row: StepRecord) -> None:
    # The number is in the key: a step whose job ended before it began needs another job.
    safe, number = is_repeatable(row), row.enqueued + 1
    job = change.enqueue(
        "step",
        queue=step_kinds.STEP_KINDS[row.does.partition(" ")[0]].queue,
        phase=row.phase,
        attempt=row.attempt,
        payload={"step": row.step},
        run_at=row.not_before,
        effect=Effect.IDEMPOTENT if safe else Effect.NON_REPEATABLE,
        max_attempts=_REPEATABLE_TRIES if safe else 1,
        dedupe_key=f"step:{row.run_id}:{row.phase}:{row.attempt}:{row.step}:{number}",
    )
    change.tx.steps.save(replace(row, status=StepStatus.QUEUED, enqueued=number, job_id=job))


def _as_its_job_ended(change: RunChange, row: StepRecord) -> StepRecord:
    """A step whose job ended without its answer: never begun, it is due again; a call that had begun is in doubt."""
    if row.status not in {StepStatus.QUEUED, StepStatus.RUNNING} or row.job_id is None:
        return row
    job = change.tx.jobs.get(row.job_id)
    if job is None or job.status in {JobStatus.QUEUED, JobStatus.RUNNING}:
        return row
    error = (job.error or f"its job was {job.status}").removeprefix(IN_DOUBT).rstrip(".")
    # Still queued: its job ended before it began, so nothing was called.
    if row.status is StepStatus.QUEUED and job.status is not JobStatus.CANCELLED and row.enqueued < _MOST_JOBS:
        row = replace(row, status=StepStatus.READY)
    else:
        in_doubt = row.status is StepStatus.RUNNING and not is_repeatable(row)
        status = StepStatus.UNKNOWN if in_doubt else StepStatus.FAILED
        row = replace(row, status=status, error=error, finished_at=change.at)
    change.tx.steps.save(row)
    return row


def _blocker(row: StepRecord) -> str:
    """The code of what only a person can clear for a failed step that delivers; empty for none."""
    is_delivery = row.does.removeprefix("builtin ") in step_kinds.DELIVERY_STEPS
    return str(row.output["blocker"]) if is_delivery and row.output else ""


def _fail(change: RunChange, row: StepRecord) -> bool:
    on: c.OnAttempt = {"phase": row.phase, "attempt": row.attempt, "by": SYSTEM, "at": change.at}
    code = _blocker(row) if row.status is StepStatus.FAILED else ""
    what = f"failed{code and f' [{code}]'}: {row.error}"
    if row.status is not StepStatus.FAILED:
        what = f"may have completed: {row.error}. Check its target first; a retry repeats the call and continues."
    human_only = bool(code) or row.status is not StepStatus.FAILED
    change.give(c.FailAttempt(reason=f"Step {row.step!r} ({row.does}) {what}", human_only=human_only, **on))
    return True
