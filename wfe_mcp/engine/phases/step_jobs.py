"""Jobs that work one step each and record its result.

    claim ──► begin (the row says running) ──► the call, outside any transaction ──► finish (in the job's last one)

Rules:
1. A job counts only while its row names it and its claim holds: a late answer changes nothing.
2. A job that dies before ``begin`` has done nothing, so that the step simply begins again. After that a call to the
   outside is in doubt (``unknown``); a check or a wait is repeated.
"""

import uuid
from dataclasses import replace
from datetime import timedelta

from wfe_mcp.artifacts.ahead import judge_ahead
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.artifacts.step_target import approved_head
from wfe_mcp.engine.files.checkpoints import at_start
from wfe_mcp.engine.files.tree_binding import bound_tree, files_at_start
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import sealed_evidence
from wfe_mcp.engine.kernel.leases import held_elsewhere
from wfe_mcp.engine.kernel.run_change import BUSY_S, RunChange, run_as_read
from wfe_mcp.engine.kernel.step_call import StepCall, StepResult, check_evidence
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.engine.nested.nested import ANSWER, unjudged_answer
from wfe_mcp.engine.phases.step_artifacts import made_by_steps, submit_step_outputs
from wfe_mcp.engine.phases.step_calls import make
from wfe_mcp.engine.phases.steps import begin_phase, is_repeatable, is_worked, step_of
from wfe_mcp.jobs.job_context import ChildStopped, JobContext, Outcome, Suspended
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.store.records.runs import StepRecord, StepStatus
from wfe_mcp.tools.fault import StepStopped
from wfe_mcp.workflow.model.base import duration_s
from wfe_mcp.workflow.model.rules import StepRetry
from wfe_mcp.workflow.model.steps import Step


def work_step(engine: Engine, context: JobContext) -> Outcome:
    """The handler of the jobs that work one step: begin, call; returns the change to write."""
    call = _begin(engine, context.job)
    if call is None:
        return Outcome({"stale": True}, lambda tx: look_again(engine, tx, context.job))
    # A step without needs can begin before the first one: the files are saved before whichever begins.
    first = call.row.position == 0
    if (first or call.step.needs == ()) and call.row.tries == 1:
        at_start(engine, call.run.id, call.attempt.phase, call.attempt.number, again=not first)
    try:
        answer = make(engine, call, context)
    except StepStopped as stopped:
        if not stopped.may_have_happened:
            _not_begun(engine, context.job)
        raise ChildStopped(context.stop.reason) from None
    except Suspended:
        _not_begun(engine, context.job)
        raise
    result = {"fault": answer.fault[:500]} if answer.fault else {"done": True}
    return Outcome(result, lambda tx: _finish(engine, tx, context.job, answer))


def _begin(engine: Engine, job: JobRecord) -> StepCall | None:
    """The call to make; None when the job is outdated or must wait."""
    with engine.store.tx() as tx:
        current = run_as_read(engine, tx, job.of_run)
        row, attempt = _row(current, job), _attempt(current, job)
        if row is None or not _is_held(tx, job) or attempt.number != job.attempt or not is_worked(attempt):
            return None
        # Begun by an earlier claim: again only where a second call does no harm.
        if row.status is not StepStatus.QUEUED and not (row.status is StepStatus.RUNNING and is_repeatable(row)):
            return None
        if current.state.status not in {RunStatus.RUNNING, RunStatus.WAITING} or current.state.going_back:
            tx.steps.save(replace(row, status=StepStatus.READY, not_before=None))
            return None
        # Committed before the call is made: after a crash the row says that it may have happened.
        row = replace(row, status=StepStatus.RUNNING, tries=row.tries + 1, started_at=current.at, error="")
        tx.steps.save(row)
        roles = {name: role.provider for name, role in current.plan.template_of(attempt.phase).roles.items()}
        head = approved_head(current, attempt, row.position)
        return StepCall(current.run, attempt, _step(current, row), row, current.frozen, roles, head)


def _not_begun(engine: Engine, job: JobRecord) -> None:
    """Nothing was sent: reset the step, so that the next job begins it."""
    with engine.store.tx() as tx:
        current = run_as_read(engine, tx, job.of_run)
        row = _row(current, job)
        if row is not None and row.status is StepStatus.RUNNING and _is_held(tx, job):
            tx.steps.save(replace(row, status=StepStatus.QUEUED, tries=row.tries - 1))


def work_files(engine: Engine, context: JobContext) -> Outcome:
    """The handler of the jobs that prepare a transaction for a phase outside of it: read or check, then continue.

    They read the files for a phase of steps: before it is claimed, before its gates judge. They check what may take
    seconds against its schema: what steps or inner phases made, and the inputs of an inner template.
    """
    job = context.job
    path = PhasePath(job.phase or "")
    if job.payload["then"] == "claim":
        with engine.store.read() as tx:
            loaded = engine.load(tx, job.of_run)
            held = held_elsewhere(engine, tx, loaded.record, loaded.state, path)
            read = files_at_start(engine, tx, loaded, path)
        # Perhaps for a night: the files are not read for that.
        if held is not None and _is_open(loaded.state.current(path), job):
            return Outcome({}, lambda tx: _look_later(engine, tx, job))
        tree, _, head = read()
        return Outcome({}, lambda tx: _claim(engine, tx, job, tree, head))
    if job.payload["then"] == ANSWER:
        _check_answer(engine, job)
        return Outcome({}, lambda tx: look_again(engine, tx, job))
    with engine.store.read() as tx:
        loaded = engine.load(tx, job.of_run)
        plan, attempt = engine.plans.of_run(tx, loaded.record), loaded.state.current(path)
        artifact = made_by_steps(tx, loaded.record.id, plan, attempt)
    judge_ahead(plan.schema(path), artifact)
    seen = bound_tree(engine, job.of_run, path)
    return Outcome({}, lambda tx: _submit_outputs(engine, tx, job, seen))


def _check_answer(engine: Engine, job: JobRecord) -> None:
    with engine.store.tx() as tx:
        current = run_as_read(engine, tx, job.of_run)
        due = unjudged_answer(current, _attempt(current, job), job.payload["kind"])
    if due is not None:
        judge_ahead(due.schema, due.value)


def _claim(engine: Engine, tx: Tx, job: JobRecord, tree: str | None, head: str | None) -> None:
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        attempt = _attempt(current, job)
        if not _is_open(attempt, job):
            return
        if held_elsewhere(engine, tx, current.run, current.state, attempt.phase) is None:
            begin_phase(current, attempt, tree, head)
            return
        _look_later(engine, tx, job)


def _is_open(attempt: Attempt, job: JobRecord) -> bool:
    return attempt.number == job.attempt and attempt.status is AttemptStatus.READY


def _look_later(engine: Engine, tx: Tx, job: JobRecord) -> None:
    tx.lines.repeat(job.id, engine.clock() + timedelta(seconds=BUSY_S))


def _submit_outputs(engine: Engine, tx: Tx, job: JobRecord, tree: str | None) -> None:
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        attempt = _attempt(current, job)
        goes_on = current.state.status in {RunStatus.RUNNING, RunStatus.WAITING}
        if goes_on and attempt.number == job.attempt and attempt.status is AttemptStatus.RUNNING:
            submit_step_outputs(current, attempt, tree)


def look_again(engine: Engine, tx: Tx, job: JobRecord) -> None:
    """Do what is due in the run of a job: what it checked counts, or it will not run again."""
    with change_run_in(engine, tx, job.of_run, SYSTEM):
        pass


def wait_s(retry: StepRetry, tries: int) -> float:
    """Seconds to wait after attempt ``tries`` (1-based)."""
    first = duration_s(retry.initial)
    grown = {"none": 0.0, "fixed": first, "linear": first * tries, "exponential": first * 2.0 ** min(tries - 1, 60)}
    return min(duration_s(retry.max), grown[retry.backoff])


def _finish(engine: Engine, tx: Tx, job: JobRecord, answer: StepResult) -> None:
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        row = _row(current, job)
        if row is not None and row.status is StepStatus.RUNNING:
            if answer.judgement is not None:
                tx.evidence.add(
                    sealed_evidence(engine, tx, check_evidence(current, row, answer.judgement, uuid.uuid4().hex[:16]))
                )
            row = replace(row, served_by=answer.served_by)
            tx.steps.save(_ended_record(current, row, _step(current, row), answer))


def _ended_record(current: RunChange, row: StepRecord, step: Step, answer: StepResult) -> StepRecord:
    if not answer.fault:
        return replace(row, status=StepStatus.DONE, output=answer.value, finished_at=current.at)
    if answer.needs_trust or answer.lacks:  # no attempt is counted
        output = {"credentials": [*answer.lacks]} if answer.lacks else None
        return replace(row, status=StepStatus.WAITING, tries=row.tries - 1, error=answer.fault, output=output)
    if step.retry is not None and row.tries < step.retry.max_attempts and not answer.blocker:
        later = current.at + timedelta(seconds=wait_s(step.retry, row.tries))
        return replace(row, status=StepStatus.READY, not_before=later, error=answer.fault)
    in_doubt = answer.may_have_happened and not step.continue_on_error
    status = StepStatus.UNKNOWN if in_doubt else StepStatus.FAILED
    return replace(row, status=status, error=answer.fault, output=answer.value, finished_at=current.at)


def _is_held(tx: Tx, job: JobRecord) -> bool:
    """The claim that this job came with still holds."""
    held = tx.jobs.get(job.id)
    return held is not None and held.fence == job.fence and held.lease_owner == job.lease_owner


def _row(current: RunChange, job: JobRecord) -> StepRecord | None:
    """The row that waits for this very job."""
    rows = current.tx.steps.of_run(current.run.id, PhasePath(job.phase or ""), job.attempt)
    return next((row for row in rows if row.step == job.payload["step"] and row.job_id == job.id), None)


def _attempt(current: RunChange, job: JobRecord) -> Attempt:
    return current.attempt(PhasePath(job.phase or ""))


def _step(current: RunChange, row: StepRecord) -> Step:
    return step_of(current.plan.phase(row.phase), row.step)
