"""The status of a run that every interface shows: who acts next, what stops it, which phases can start.

Facts only: views turn them into sentences and commands.

The ``outputs`` of a run's own template: values of the completed run by name (S2-23).
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.attempt_states import Awaiting
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.consequences import next_end
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import in_short
from wfe_mcp.engine.artifacts.expression_scope import run_roots
from wfe_mcp.engine.credentials.faults import lacking_credentials
from wfe_mcp.engine.files import drift
from wfe_mcp.engine.kernel.leases import folder_elsewhere, held_elsewhere, lock_elsewhere, missing_folder
from wfe_mcp.engine.kernel.run_change import queue_name, run_as_read
from wfe_mcp.engine.kernel.transaction import origin_of, way_on
from wfe_mcp.engine.models import waits
from wfe_mcp.engine.models.caps import Spending, spending
from wfe_mcp.engine.phases.claim import claimable
from wfe_mcp.engine.phases.model_worker import JOB, is_driven
from wfe_mcp.engine.phases.steps import has_steps, is_worked
from wfe_mcp.engine.runs.needs import (
    Need,
    RunFacts,
    Stop,
    WaitingOn,
    Who,
    is_worked_by_server,
    may_need_a_person,
    needs_of,
    who_is_needed,
)
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, labels_of
from wfe_mcp.store.records.runs import LoadedRun, RunRecord, StepRecord, StepStatus
from wfe_mcp.store.repository import Recent
from wfe_mcp.workflow.step_kinds import DELIVERY_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.calls import ToolTotal


_BY_ITSELF = {Who.RUN, Who.WORKER, Who.RUNNER, Who.OUTAGE, Who.MODEL, Who.CHECK, Who.REVIEWER, Who.SERVER}
_ABSENT = {Who.WORKER, Who.RUNNER}
_IN_THE_WAY = {Stop.UNTRUSTED_STEP, Stop.NEEDS_CREDENTIAL, Stop.CHANGED_FILE}


@dataclass(frozen=True, slots=True)
class Overview(RunFacts):
    """The status of a run."""

    steps: tuple[StepRecord, ...] = ()
    """Those of every attempt that the server works on or has worked on."""
    context: tuple[Mapping[str, Any], ...] = ()
    """The bundles that the run has frozen."""
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    """Who works as a role of the template, as the start named it."""
    spending: Spending | None = None
    """What its calls to models have used; None before the first."""
    tools: tuple[ToolTotal, ...] = ()
    """The tools that models used; empty where the caller does not want them."""
    changed: tuple[drift.ChangedFile, ...] = ()
    """Mirrors of sealed artifacts that differ from them."""
    origin: Mapping[str, Any] | None = None
    """Where an imported run comes from."""
    way_on: str = ""
    """The command that continues the work of an imported run."""
    last_judged: tuple[PhasePath, int] | None = None
    """The phase and attempt of the newest verdict."""
    outputs: RunOutputs | None = None
    """Those that the template names, of a completed run."""
    operations: tuple[Operation, ...] = ()
    """What its steps have done outside the working folder."""
    holder: str = ""
    """This process, as phases name who holds them."""
    lapsed: frozenset[PhasePath] = frozenset()
    """Phases that some have approved, of several people, and whose request has expired: all of them decide again."""
    folder: str = ""
    """The folder of the run where it is another work tree than this process is in."""
    page: str = ""
    """Its page at a server that people log in to; empty in any other process."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """Everything that the run waits for, with who must act."""
        return needs_of(self)

    @property
    def who(self) -> Who:
        """Who must act first."""
        return who_is_needed(self.needs)

    @property
    def waiting_on(self) -> WaitingOn:
        """The same in the word of an answer, whether or not a process takes the work up."""
        return who_is_needed(tuple(need for need in self.needs if need.who not in _ABSENT)).waiting_on

    @property
    def goes_on(self) -> bool:
        """The run continues by itself: the server works, a gate runs, or a retry is scheduled."""
        needs = self.needs
        is_stopped = any(need.stop in _IN_THE_WAY for need in needs)
        return not is_stopped and any(need.who in _BY_ITSELF for need in needs)

    @property
    def sleeps(self) -> bool:
        """True when only a job, a person or a reviewer can move the run, and every request to a person is stored."""
        return not self.startable and not self.unasked and self.waiting_on in {"job", "human", "reviewer"}

    def is_left(self, attempt: Attempt) -> bool:
        """Whether the worker of a running ``attempt`` is gone: the next to start its phase takes it over."""
        is_running = attempt.status is AttemptStatus.RUNNING and attempt.phase in self.startable
        return is_running and attempt.holder != self.holder

    def as_counted(self, attempt: Attempt) -> Attempt:
        """``attempt`` without approvals that do not count any more."""
        if attempt.phase not in self.lapsed or not isinstance(attempt.state, Awaiting):
            return attempt
        return replace(attempt, state=replace(attempt.state, approvals=()))

    @property
    def unasked(self) -> tuple[Attempt, ...]:
        """The approvals without a stored request."""
        return tuple(
            attempt
            for attempt in self.loaded.state.moving_attempts
            if attempt.status is AttemptStatus.AWAITING
            and attempt.asked is None
            and current_gate(self.loaded.state, attempt) == "approval"
        )


def overview(engine: Engine, tx: Tx, loaded: LoadedRun) -> Overview:
    """The status of ``loaded`` as this process sees it."""
    plan, state = engine.plans.of_run(tx, loaded.record), loaded.state
    is_history = loaded.record.origin_sha256 is not None
    works = not is_history and state.status in {RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED}
    startable = claimable(engine, tx, loaded) if works else ()
    steps = tuple(tx.steps.of_run(loaded.record.id)) if has_steps(state.spec) else ()
    waiting = _waiting_steps(loaded, steps)
    # Of a folder that is missing, each file would differ.
    is_missing = missing_folder(engine, loaded.record) is not None
    changed = () if is_missing else drift.changed_artifacts(engine, tx, loaded.record, state, plan)
    blocking = _blocking_files(engine, tx, loaded, changed) if works else ()
    resumes_at = waits.resumes_at(tx, loaded.record.id) if works and state.status is RunStatus.PAUSED else None
    frozen = tx.documents.load(loaded.record.frozen_sha256)
    return Overview(
        loaded,
        plan,
        tuple(path for path in startable if not blocking or state.current(path).status is AttemptStatus.RUNNING),
        tuple(
            (row.phase, f"{row.phase} step {row.step} needs trust: {row.error}") for row in waiting if not row.output
        ),
        lacking_credentials(engine, tx, loaded, waiting),
        _elsewhere(engine, tx, loaded, startable) if works else (),
        blocking,
        resumes_at,
        not works or not _needs_worker(loaded, resumes_at) or engine.has_worker(tx),
        steps=steps,
        again=(*_tried_again(loaded, steps), *_models_asked_again(tx, loaded)) if works else (),
        operations=_operations(tx, loaded, steps),
        context=tuple(frozen.get("context", ())),
        roles=frozen.get("given_roles", {}),
        spending=spending(engine, tx, loaded, plan),
        for_runner=_for_runner(engine, tx, loaded) if works else (),
        by_hand=_by_hand(tx, loaded) if works else (),
        changed=changed,
        origin=origin_of(tx, loaded.record),
        way_on=way_on(engine, loaded.record) if is_history else "",
        last_judged=tx.events.last_judged(loaded.record.id),
        outputs=run_outputs(engine, tx, loaded, plan),
        unanswered=_opinion_errors(tx, loaded) if works else {},
        asked_persons=waits.all_persons_asked(tx, loaded) if works else {},
        holder=engine.holder,
        lapsed=frozenset(_expired_requests(tx, loaded, engine.clock())),
        folder="" if is_history else folder_elsewhere(engine, loaded.record),
        page=engine.people_at and f"{engine.people_at}/app/#/runs/{loaded.record.id}",
    )


def _expired_requests(tx: Tx, loaded: LoadedRun, now: datetime) -> Iterator[PhasePath]:
    for attempt in (attempt for attempt in loaded.state.moving_attempts if attempt.approvals):
        request = tx.approvals.open_request(loaded.record.id, attempt.phase, attempt.number)
        if request is not None and request.expires_at is not None and request.expires_at <= now:
            yield attempt.phase


def _operations(tx: Tx, loaded: LoadedRun, steps: tuple[StepRecord, ...]) -> tuple[Operation, ...]:
    """Those of the run; looked up only where one of its steps delivers."""
    if not any(row.does.removeprefix("builtin ") in DELIVERY_STEPS for row in steps):
        return ()
    from wfe_mcp.engine.delivery.operations import operations_of

    return tuple(operations_of(tx, loaded.record.id))


def _needs_worker(loaded: LoadedRun, resumes_at: datetime | None) -> bool:
    """True where something of the run may be in a queue."""
    return resumes_at is not None or any(
        attempt.status is AttemptStatus.GATING
        or attempt.not_before is not None
        or is_worked_by_server(loaded.state, attempt)
        for attempt in loaded.state.moving_attempts
    )


def _blocking_files(
    engine: Engine, tx: Tx, loaded: LoadedRun, changed: tuple[drift.ChangedFile, ...]
) -> tuple[tuple[PhasePath, str], ...]:
    """Changed files that stop new phases, as sentences."""
    if not changed or not drift.blocks(engine, tx, loaded.record.template):
        return ()
    return tuple(
        (
            file.phase,
            f"No phase can start: {file.path} differs from the accepted artifact. {file.remedy(loaded.record.id)}",
        )
        for file in changed
    )


def _driven(tx: Tx, loaded: LoadedRun) -> Iterator[tuple[PhasePath, list[JobRecord]]]:
    """The running phases that a model or a person works in place of the agent, with their open jobs."""
    for attempt in loaded.state.moving_attempts:
        if attempt.status is AttemptStatus.RUNNING and is_driven(loaded.state, attempt.phase):
            yield attempt.phase, tx.jobs.filter(loaded.record.id, attempt.phase, attempt.number, waits.OPEN_JOBS)


def _by_hand(tx: Tx, loaded: LoadedRun) -> tuple[PhasePath, ...]:
    """The running phases whose job only waits for a person's answer."""
    return tuple(
        phase
        for phase, jobs in _driven(tx, loaded)
        if any(job.kind == JOB and job.queue.startswith("manual:") for job in jobs)
    )


def _models_asked_again(tx: Tx, loaded: LoadedRun) -> Iterator[tuple[PhasePath, str]]:
    """The phases whose model did not answer, each with when it is asked again, and why."""
    for phase, jobs in _driven(tx, loaded):
        for job in jobs:
            if job.error and (when := waits.next_try(job)):
                yield phase, f"{phase} is tried again{when}: {in_short(job.error)}"


def _for_runner(engine: Engine, tx: Tx, loaded: LoadedRun) -> tuple[tuple[PhasePath, str, bool], ...]:
    """See ``RunFacts.for_runner``."""
    queue = queue_name("runner", engine.project_id)
    jobs = [
        job
        for attempt in loaded.state.moving_attempts
        if attempt.status is AttemptStatus.GATING and current_gate(loaded.state, attempt) == "command"
        for job in tx.jobs.filter(loaded.record.id, attempt.phase, attempt.number, (JobStatus.QUEUED,))
        if job.queue == queue
    ]
    if not jobs:
        return ()
    from wfe_mcp.engine.access.runners import seen_runners

    there = [runner.labels for runner in seen_runners(engine, tx) if runner.project in {"", engine.project_id}]
    asked = ((PhasePath(job.phase or ""), labels_of(job.limit_key)) for job in jobs)
    return tuple(
        (phase, ",".join(sorted(labels)), any(labels <= labels_there for labels_there in there))
        for phase, labels in asked
    )


def _opinion_errors(tx: Tx, loaded: LoadedRun) -> dict[PhasePath, tuple[str, str]]:
    error_by_path: dict[PhasePath, tuple[str, str]] = {}
    for attempt in loaded.state.moving_attempts:
        if attempt.status is AttemptStatus.GATING and current_gate(loaded.state, attempt) == "opinion":
            jobs = tx.jobs.filter(loaded.record.id, attempt.phase, attempt.number, waits.OPEN_JOBS)
            errors = [(job.error, waits.next_try(job)) for job in jobs if job.error]
            error_by_path |= {attempt.phase: errors[-1]} if errors else {}
    return error_by_path


def _elsewhere(
    engine: Engine, tx: Tx, loaded: LoadedRun, startable: tuple[PhasePath, ...]
) -> tuple[tuple[PhasePath, str, str], ...]:
    """Ready phases that another run blocks, as sentences, with that run."""
    ready = (attempt for attempt in loaded.state.moving_attempts if attempt.status is AttemptStatus.READY)
    held = (
        (
            attempt.phase,
            (lock_elsewhere if loaded.state.phase(attempt.phase).loop else held_elsewhere)(
                engine, tx, loaded.record, loaded.state, attempt.phase
            ),
        )
        for attempt in ready
        if attempt.phase not in startable
    )
    return tuple((path, no.message, str(no.data["other_run"])) for path, no in held if no is not None)


def _waiting_steps(loaded: LoadedRun, steps: tuple[StepRecord, ...]) -> list[StepRecord]:
    """Those that wait for trust, or, as their ``output`` names them, for credentials."""
    waiting = [row for row in steps if row.status is StepStatus.WAITING]
    if not waiting:
        return []
    running = {(attempt.phase, attempt.number) for attempt in loaded.state.moving_attempts if is_worked(attempt)}
    return [row for row in waiting if (row.phase, row.attempt) in running]


def _tried_again(loaded: LoadedRun, steps: tuple[StepRecord, ...]) -> tuple[tuple[PhasePath, str], ...]:
    """The steps that wait for their next try, and why the last one did not succeed."""
    now = {attempt.phase: attempt.number for attempt in loaded.state.moving_attempts if is_worked(attempt)}
    return tuple(
        (
            row.phase,
            f"{row.phase} step {row.step} is tried again at {row.not_before:%H:%M:%S} UTC: {in_short(row.error)}",
        )
        for row in steps
        if row.error and row.not_before and row.status in _NOT_BEGUN and now.get(row.phase) == row.attempt
    )


_NOT_BEGUN = {StepStatus.READY, StepStatus.QUEUED}


@dataclass(frozen=True, slots=True)
class RunOutputs:
    """``values`` by name; ``faults``: why the others have none."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: dict[str, str] = field(default_factory=dict[str, str])


def run_outputs(engine: Engine, tx: Tx, loaded: LoadedRun, plan: CompiledTemplate) -> RunOutputs | None:
    """The outputs of a completed run; None while it is open, and where its template names none.

    They are a function of what the log holds, so nothing of them is stored. One that cannot be evaluated hides no other.
    """
    if loaded.state.status is not RunStatus.COMPLETED:
        return None
    outputs = plan.template.outputs
    if not outputs:
        return None
    from wfe_mcp.workflow.expressions import ExpressionError

    seen = run_roots(run_as_read(engine, tx, loaded), canonical_json(outputs))
    outcome = RunOutputs()
    for name, value in outputs.items():
        try:
            outcome.values[name] = plan.expressions.evaluate_json(value, seen)
        except ExpressionError as error:
            outcome.faults[name] = str(error)
    return outcome


@dataclass(frozen=True, slots=True)
class _StateNeeds:
    """What a state says: ``busy`` where a person may be needed."""

    busy: bool
    ends_at: datetime | None = None
    sealed: tuple[drift.SealedFile, ...] = ()


_KNOWN: Recent[_StateNeeds] = Recent(20_000)
"""By a run and the hash of its last event: some 500 bytes each. With fewer than open runs, each would be read each time."""


def is_quiet(engine: Engine, tx: Tx, record: RunRecord) -> bool:
    """Whether no person is needed in the run, and no time of it is over; False where it is not known.

    Who lists what waits for people makes the overview of the others alone. What a state says is kept, as the hash of the
    last event determines it; time and files are asked each time.
    """

    def read() -> _StateNeeds:
        loaded = tx.runs.load(record.id)
        if loaded is None or loaded.record.last_hash != record.last_hash or may_need_a_person(loaded.state):
            return _StateNeeds(busy=True)
        sealed = drift.sealed_files(record, loaded.state, engine.plans.of_run(tx, record))
        return _StateNeeds(False, next_end(loaded.state), sealed)

    try:
        needs = _KNOWN.get(f"{record.id}:{record.last_hash}", read)
    except Refused:  # its record cannot be read
        return False
    is_over = needs.ends_at is not None and engine.clock() >= needs.ends_at
    return not needs.busy and not is_over and drift.are_as_seen(engine, record, needs.sealed)
