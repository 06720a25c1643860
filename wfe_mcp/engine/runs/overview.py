"""The status of a run that every interface shows: who acts next, what stops it, which phases can start.

Facts only: views turn them into sentences and commands.

The ``outputs`` of a run's own template: values of the completed run by name (S2-23).
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus
from wfe_mcp.engine.files.drift import ChangedFile, blocks, changed_artifacts
from wfe_mcp.engine.kernel.leases import folder_elsewhere, held_elsewhere, lock_elsewhere
from wfe_mcp.engine.kernel.transaction import origin_of, way_on
from wfe_mcp.engine.models import waits
from wfe_mcp.engine.models.caps import Spending, spending
from wfe_mcp.engine.models.waits import AskedPerson, all_persons_asked
from wfe_mcp.engine.phases.claim import claimable
from wfe_mcp.engine.phases.model_worker import JOB, is_driven
from wfe_mcp.engine.phases.steps import has_steps, is_undone, is_worked
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.store.records.steps import StepRecord, StepStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import RunState
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.calls import ToolTotal
    from wfe_mcp.store.records.runs import LoadedRun


_OPEN_JOBS = (JobStatus.QUEUED, JobStatus.RUNNING)

WaitingOn = Literal["agent", "human", "job", "reviewer", "none"]


@dataclass(frozen=True, slots=True)
class Overview:
    """The status of a run."""

    loaded: LoadedRun
    plan: CompiledTemplate
    waiting_on: WaitingOn
    startable: tuple[PhasePath, ...]
    """Phases that this process can claim, or holds."""
    obstacles: tuple[str, ...]
    """What stops the run besides its phases, as sentences: untrusted steps, other runs, changed files."""
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
    by_hand: tuple[PhasePath, ...] = ()
    """Phases that a person works in place of a model."""
    goes_on: bool = False
    """The run continues by itself: the server works, a gate runs, or a retry is scheduled."""
    changed: tuple[ChangedFile, ...] = ()
    """Mirrors of sealed artifacts that differ from them."""
    origin: Mapping[str, Any] | None = None
    """Where an imported run comes from."""
    way_on: str = ""
    """The command that continues the work of an imported run."""
    last_judged: tuple[PhasePath, int] | None = None
    """The phase and attempt of the newest verdict."""
    outputs: RunOutputs | None = None
    """Those that the template names, of a completed run."""
    unanswered: Mapping[PhasePath, str] = field(default_factory=dict["PhasePath", str])
    """Phases at an opinion gate whose reviewers did not answer the last time, with the reason."""
    asked_persons: Mapping[PhasePath, tuple[AskedPerson, ...]] = field(
        default_factory=dict["PhasePath", tuple[AskedPerson, ...]]
    )
    """Phases at an opinion gate that waits for persons."""
    folder: str = ""
    """The folder of the run where it is another work tree than this process is in."""

    @property
    def sleeps(self) -> bool:
        """True when only a job, a person or a reviewer can move the run, and every request to a person is stored."""
        return self.waiting_on in {"job", "human", "reviewer"} and not self.unasked

    @property
    def unasked(self) -> tuple[Attempt, ...]:
        """The approvals without a stored request."""
        return tuple(
            attempt
            for attempt in self.loaded.state.open_attempts
            if attempt.status is AttemptStatus.AWAITING
            and attempt.asked is None
            and current_gate(self.loaded.state, attempt) == "approval"
        )


def overview(engine: Engine, tx: Tx, loaded: LoadedRun) -> Overview:
    """The status of ``loaded`` as this process sees it."""
    plan = engine.plans.of_run(tx, loaded.record)
    is_history = loaded.record.origin_sha256 is not None
    works = not is_history and loaded.state.status in {RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED}
    startable = claimable(engine, tx, loaded) if works else ()
    steps = tuple(tx.steps.of_run(loaded.record.id)) if has_steps(loaded.state.spec) else ()
    untrusted = _untrusted_steps(loaded, steps)
    elsewhere = _elsewhere(engine, tx, loaded, startable) if works else ()
    changed = changed_artifacts(engine, tx, loaded.record, loaded.state, plan)
    obstacles = _obstacles(engine, tx, loaded, changed) if works else ()
    if obstacles:
        startable = tuple(path for path in startable if loaded.state.current(path).status is AttemptStatus.RUNNING)
    by_hand = _by_hand(tx, loaded) if works else ()
    asked_persons: Mapping[PhasePath, tuple[AskedPerson, ...]] = all_persons_asked(tx, loaded) if works else {}
    of_person = (*by_hand, *asked_persons)
    is_paused = loaded.state.status is RunStatus.PAUSED
    moves = waits.ends_alone(tx, loaded.record.id) if is_paused else elsewhere or _goes_on(loaded.state, of_person)
    needs_person = bool(untrusted or obstacles)
    goes_on = works and not needs_person and bool(moves)
    waiting_on = (
        "none"
        if is_history
        else _waiting_on(
            loaded, startable, of_person, needs_person=needs_person, elsewhere=bool(elsewhere), goes_on=goes_on
        )
    )
    frozen = tx.documents.load(loaded.record.frozen_sha256)
    context = tuple(frozen.get("context", ()))
    spent = spending(engine, tx, loaded, plan)
    return Overview(
        loaded,
        plan,
        waiting_on,
        startable,
        (*untrusted, *elsewhere, *obstacles),
        steps,
        context,
        frozen.get("given_roles", {}),
        spent,
        by_hand=by_hand,
        goes_on=goes_on,
        changed=changed,
        origin=origin_of(tx, loaded.record),
        way_on=way_on(engine, loaded.record) if loaded.record.origin_sha256 else "",
        last_judged=tx.events.last_judged(loaded.record.id),
        outputs=run_outputs(engine, tx, loaded, plan),
        unanswered=_unanswered(tx, loaded) if works else {},
        asked_persons=asked_persons,
        folder="" if is_history else folder_elsewhere(engine, loaded.record),
    )


def _obstacles(engine: Engine, tx: Tx, loaded: LoadedRun, changed: tuple[ChangedFile, ...]) -> tuple[str, ...]:
    """Changed files that stop new phases, as sentences."""
    if not changed or not blocks(engine, tx, loaded.record.template):
        return ()
    return tuple(
        f"No phase can start: {one.path} differs from the accepted artifact. {one.remedy(loaded.record.id)}"
        for one in changed
    )


def _by_hand(tx: Tx, loaded: LoadedRun) -> tuple[PhasePath, ...]:
    """The running phases whose job only waits for a person's answer."""
    state = loaded.state
    worked = [one for one in state.open_attempts if one.status is AttemptStatus.RUNNING and is_driven(state, one.phase)]
    return tuple(
        attempt.phase
        for attempt in worked
        if any(
            job.kind == JOB and job.queue.startswith("manual:")
            for job in tx.jobs.filter(loaded.record.id, attempt.phase, attempt.number, _OPEN_JOBS)
        )
    )


def _unanswered(tx: Tx, loaded: LoadedRun) -> dict[PhasePath, str]:
    found: dict[PhasePath, str] = {}
    for attempt in loaded.state.open_attempts:
        if attempt.status is AttemptStatus.GATING and current_gate(loaded.state, attempt) == "opinion":
            jobs = tx.jobs.filter(loaded.record.id, attempt.phase, attempt.number, _OPEN_JOBS)
            errors = [job.error for job in jobs if job.error]
            found |= {attempt.phase: errors[-1]} if errors else {}
    return found


def _goes_on(state: RunState, by_hand: tuple[PhasePath, ...]) -> bool:
    """True when a run that is not stopped continues by itself."""
    return any(
        (attempt.status is AttemptStatus.GATING and attempt.phase not in by_hand)
        or attempt.not_before is not None
        or (_is_worked_by_server(state, attempt) and attempt.phase not in by_hand)
        for attempt in state.open_attempts
    )


def _elsewhere(engine: Engine, tx: Tx, loaded: LoadedRun, startable: tuple[PhasePath, ...]) -> tuple[str, ...]:
    """Ready phases that another run blocks, as sentences."""
    ready = (attempt for attempt in loaded.state.open_attempts if attempt.status is AttemptStatus.READY)
    held = (
        (lock_elsewhere if loaded.state.phase(attempt.phase).loop else held_elsewhere)(
            engine, tx, loaded.record, loaded.state, attempt.phase
        )
        for attempt in ready
        if attempt.phase not in startable
    )
    return tuple(refused.message for refused in held if refused is not None)


def _untrusted_steps(loaded: LoadedRun, steps: tuple[StepRecord, ...]) -> tuple[str, ...]:
    """Steps that need trust, as sentences."""
    running = {(attempt.phase, attempt.number) for attempt in loaded.state.open_attempts if is_worked(attempt)}
    return tuple(
        f"{row.phase} step {row.step} needs trust: {row.error}"
        for row in steps
        if row.status is StepStatus.WAITING and (row.phase, row.attempt) in running
    )


def _waiting_on(
    loaded: LoadedRun,
    startable: tuple[PhasePath, ...],
    by_hand: tuple[PhasePath, ...],
    *,
    needs_person: bool,
    elsewhere: bool,
    goes_on: bool,
) -> WaitingOn:
    state = loaded.state
    if state.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
        return "none"
    if state.status in {RunStatus.BLOCKED, RunStatus.FAILED}:
        return "human"
    if state.status is RunStatus.PAUSED:
        return "human" if state.paused_by_human else "job" if goes_on else "agent"
    if startable:
        return "agent"
    if needs_person:
        return "human"
    if goes_on:
        return "reviewer" if not elsewhere and _asks_reviewers(state, by_hand) else "job"
    return "human" if by_hand or state.status is RunStatus.WAITING else "agent"


def _asks_reviewers(state: RunState, by_hand: tuple[PhasePath, ...]) -> bool:
    """True when only reviewing models are working."""
    if any(_is_worked_by_server(state, one) and one.phase not in by_hand for one in state.open_attempts):
        return False
    gating = [one for one in state.open_attempts if one.status is AttemptStatus.GATING and one.phase not in by_hand]
    return bool(gating) and all(current_gate(state, one) == "opinion" for one in gating)


def _is_worked_by_server(state: RunState, attempt: Attempt) -> bool:
    works = {AttemptStatus.READY, AttemptStatus.RUNNING}
    return is_undone(attempt) or (attempt.status in works and state.is_served(attempt.phase))


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
    from wfe_mcp.engine.artifacts.expression_scope import run_roots
    from wfe_mcp.engine.kernel.run_change import run_as_read
    from wfe_mcp.workflow.expressions import ExpressionError

    seen = run_roots(run_as_read(engine, tx, loaded), canonical_json(outputs))
    found = RunOutputs()
    for name, value in outputs.items():
        try:
            found.values[name] = plan.expressions.evaluate_json(value, seen)
        except ExpressionError as error:
            found.faults[name] = str(error)
    return found
