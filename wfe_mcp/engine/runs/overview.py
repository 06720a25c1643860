"""Whose turn is it, and why does nothing move?

One reading of a run that every door shows: who is waited for, what is in the way, which phases could start now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.guards import current_gate
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus
from wfe_mcp.core.paths import typed
from wfe_mcp.engine.files.drift import ChangedFile, blocks, changed_artifacts
from wfe_mcp.engine.kernel.leases import held_elsewhere, lock_elsewhere
from wfe_mcp.engine.kernel.read_only_runs import origin_of, way_on
from wfe_mcp.engine.models import outages
from wfe_mcp.engine.models.caps import Spending, spending
from wfe_mcp.engine.phases.claim import claimable
from wfe_mcp.engine.phases.model_worker import JOB, is_driven
from wfe_mcp.engine.phases.steps import has_steps, is_undone, is_worked
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.store.records.steps import StepRecord, StepStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import RunState
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.calls import ToolTotal
    from wfe_mcp.store.records.runs import LoadedRun

__all__ = ["Overview", "WaitingOn", "overview"]

_OPEN_JOBS = (JobStatus.QUEUED, JobStatus.RUNNING)

WaitingOn = Literal["agent", "human", "job", "reviewer", "none"]


@dataclass(frozen=True, slots=True)
class Overview:
    """A run, read. ``startable``: phases this process may claim (or holds); ``blockers``: sentences for a reader.

    ``steps``: those of every attempt that the server works or has worked. ``context``: the bundles the run has frozen.
    ``spending``: what its calls to models have used; None before the first. ``tools``: which tools models used, where
    somebody asked for it. ``origin``: where an imported run comes from. ``by_hand``: phases that a person works in a
    model's place. ``goes_on``: something happens by itself: the server works, a gate runs, a time is kept. ``changed``: mirrors of sealed artifacts that hold something
    else now.
    """

    loaded: LoadedRun
    plan: CompiledTemplate
    waiting_on: WaitingOn
    startable: tuple[PhasePath, ...]
    blockers: tuple[str, ...]
    steps: tuple[StepRecord, ...] = ()
    context: tuple[Mapping[str, Any], ...] = ()
    spending: Spending | None = None
    tools: tuple[ToolTotal, ...] = ()
    by_hand: tuple[PhasePath, ...] = ()
    goes_on: bool = False
    changed: tuple[ChangedFile, ...] = ()
    origin: Mapping[str, Any] | None = None

    @property
    def sleeps(self) -> bool:
        """True when only a job, a person or a reviewer can move the run, and a person who is waited for was asked."""
        return self.waiting_on in {"job", "human", "reviewer"} and not self.unasked

    @property
    def unasked(self) -> tuple[Attempt, ...]:
        """The approvals that wait for somebody to ask the person."""
        return tuple(
            attempt
            for attempt in self.loaded.state.open_attempts
            if attempt.status is AttemptStatus.AWAITING
            and attempt.asked is None
            and (current_gate(self.loaded.state, attempt) or ("", 0))[0] == "approval"
        )


def overview(engine: Engine, tx: Tx, loaded: LoadedRun) -> Overview:
    """Read ``loaded`` as this process sees it."""
    plan = engine.plans.of_run(tx, loaded.record)
    is_history = loaded.record.origin_sha256 is not None
    works = not is_history and loaded.state.status in {RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED}
    startable = claimable(engine, tx, loaded) if works else ()
    steps = tuple(tx.steps(loaded.record.id)) if has_steps(loaded.state.spec) else ()
    untrusted = _untrusted(loaded, steps)
    elsewhere = _elsewhere(engine, tx, loaded, startable) if works else ()
    changed = changed_artifacts(engine, tx, loaded.record, loaded.state, plan)
    in_the_way = _in_the_way(engine, tx, loaded, changed) if works else ()
    if in_the_way:
        startable = tuple(path for path in startable if loaded.state.current(path).status is AttemptStatus.RUNNING)
    by_hand = _by_hand(tx, loaded) if works else ()
    is_paused = loaded.state.status is RunStatus.PAUSED
    moves = outages.ends_alone(tx, loaded.record.id) if is_paused else elsewhere or _goes_on(loaded.state, by_hand)
    needs_person = bool(untrusted or in_the_way)
    goes_on = works and not needs_person and bool(moves)
    waiting_on = (
        "none"
        if is_history
        else _waiting_on(
            loaded, startable, by_hand, needs_person=needs_person, elsewhere=bool(elsewhere), goes_on=goes_on
        )
    )
    context = tuple(tx.document(loaded.record.frozen_sha256).get("context", ()))
    blockers = (
        _history(loaded)
        if is_history
        else (
            *_blockers(loaded, plan),
            *(_told_by_hand(loaded, path) for path in by_hand),
            *untrusted,
            *elsewhere,
            *in_the_way,
        )
    )
    spent = spending(engine, tx, loaded, plan)
    return Overview(
        loaded,
        plan,
        waiting_on,
        startable,
        blockers,
        steps,
        context,
        spent,
        by_hand=by_hand,
        goes_on=goes_on,
        changed=changed,
        origin=origin_of(tx, loaded.record),
    )


def _history(loaded: LoadedRun) -> tuple[str, ...]:
    """An imported run that had not ended where it was worked does not go on here."""
    if loaded.state.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
        return ()
    return (f"Imported, so it does not go on here. Begin a new run: {way_on(loaded.record)}",)


def _in_the_way(engine: Engine, tx: Tx, loaded: LoadedRun, changed: tuple[ChangedFile, ...]) -> tuple[str, ...]:
    """Changed files that let nothing new start, as sentences."""
    if not changed or not blocks(engine, tx, loaded.record.template):
        return ()
    return tuple(
        f"Nothing new starts: {one.path} differs from the accepted artifact. {one.mend(loaded.record.id)}"
        for one in changed
    )


def _by_hand(tx: Tx, loaded: LoadedRun) -> tuple[PhasePath, ...]:
    """The phases at work whose job only waits for a person's answer."""
    state = loaded.state
    worked = [one for one in state.open_attempts if one.status is AttemptStatus.RUNNING and is_driven(state, one.phase)]
    return tuple(
        attempt.phase
        for attempt in worked
        if any(
            job.kind == JOB and job.queue.startswith("manual:")
            for job in tx.jobs(loaded.record.id, attempt.phase, attempt.number, _OPEN_JOBS)
        )
    )


def _told_by_hand(loaded: LoadedRun, path: PhasePath) -> str:
    from wfe_mcp.providers.manual import places
    from wfe_mcp.workspace.files.mirror import attempt_folder

    attempt, run = loaded.state.current(path), loaded.record.id
    prompt, answers = places(attempt_folder(run, path, attempt.number))
    return (
        f"{path} is a person's: the prompt is in {prompt} ; the output goes into {answers[0]} (it is picked up by itself), "
        f"or: wfe-mcp submit {run} {typed(path)} --path FILE"
    )


def _goes_on(state: RunState, by_hand: tuple[PhasePath, ...]) -> bool:
    """Whether anything happens by itself in a run that is not stopped."""
    return any(
        attempt.status is AttemptStatus.GATING
        or attempt.not_before is not None
        or (_is_worked_by_server(state, attempt) and attempt.phase not in by_hand)
        for attempt in state.open_attempts
    )


def _elsewhere(engine: Engine, tx: Tx, loaded: LoadedRun, startable: tuple[PhasePath, ...]) -> tuple[str, ...]:
    """Ready phases that another run keeps from beginning, as sentences."""
    ready = (attempt for attempt in loaded.state.open_attempts if attempt.status is AttemptStatus.READY)
    held = (
        (lock_elsewhere if loaded.state.phase(attempt.phase).loop else held_elsewhere)(
            engine, tx, loaded.record, loaded.state, attempt.phase
        )
        for attempt in ready
        if attempt.phase not in startable
    )
    return tuple(refused.message for refused in held if refused is not None)


def _untrusted(loaded: LoadedRun, steps: tuple[StepRecord, ...]) -> tuple[str, ...]:
    """Steps that wait for trust, as sentences."""
    running = {(attempt.phase, attempt.number) for attempt in loaded.state.open_attempts if is_worked(attempt)}
    return tuple(
        f"{row.phase} step {row.step} {row.error}"
        for row in steps
        if row.status is StepStatus.WAITING and (row.phase, row.attempt) in running
    )


def _waiting_on(
    loaded: LoadedRun, startable: tuple[PhasePath, ...], by_hand: tuple[PhasePath, ...], *, needs_person: bool,
    elsewhere: bool, goes_on: bool,
) -> WaitingOn:  # fmt: skip
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
    """True when nothing but models who review are at work."""
    if any(_is_worked_by_server(state, one) and one.phase not in by_hand for one in state.open_attempts):
        return False
    gating = [one for one in state.open_attempts if one.status is AttemptStatus.GATING]
    return bool(gating) and all((current_gate(state, one) or ("",))[0] == "opinion" for one in gating)


def _is_worked_by_server(state: RunState, attempt: Attempt) -> bool:
    works = {AttemptStatus.READY, AttemptStatus.RUNNING}
    return is_undone(attempt) or (attempt.status in works and state.is_served(attempt.phase))


def _blockers(loaded: LoadedRun, plan: CompiledTemplate) -> tuple[str, ...]:
    run, state = loaded.record.id, loaded.state
    found = [f"The run is {state.status}: {state.reason or 'stopped'}"] if state.status in _STOPPED else []
    if state.going_back is not None:
        found.append(f"The run is going back to event {state.going_back.to}; its files are being put back")
    for attempt in state.open_attempts:
        match attempt.status:
            case AttemptStatus.AWAITING:
                found.append(_awaiting(loaded, plan, attempt))
            case AttemptStatus.FAILED if attempt.mending:
                done = f"{attempt.recovery} runs inside it" if attempt.mending == "recover" else "it is being undone"
                found.append(f"{attempt.phase} failed ({_first_line(attempt.reason)}); {done}")
            case AttemptStatus.FAILED:
                found.append(
                    f"{attempt.phase} failed ({_first_line(attempt.reason)}); a person decides: wfe-mcp {_decisions(state, attempt)} {run} {typed(attempt.phase)}"
                )
            case AttemptStatus.COMPLETED if attempt.held:
                found.append(f"{attempt.phase} is done and held; a person says: wfe-mcp proceed {run}")
            case AttemptStatus.READY if state.phase(attempt.phase).kind == "human":
                found.append(
                    f"{attempt.phase} is a person's own work: wfe-mcp submit {run} {typed(attempt.phase)} --file FILE"
                )
            case _:
                pass
    return tuple(found)


def _decisions(state: RunState, attempt: Attempt) -> str:
    gate = current_gate(state, attempt)
    return "retry|skip|force-accept|opinion overrule" if gate and gate[0] == "opinion" else "retry|skip|force-accept"


_STOPPED = {RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.FAILED}


def _awaiting(loaded: LoadedRun, plan: CompiledTemplate, attempt: Attempt) -> str:
    gate = current_gate(loaded.state, attempt)
    if gate is None or gate[0] != "approval":
        return f"{attempt.phase} waits for trust ({_first_line(attempt.reason)}); a person runs: wfe-mcp init or wfe-mcp trust"
    assurance = getattr(plan.gates(attempt)[gate[1]], "assurance", "human")
    return f"{attempt.phase} awaits approval ({assurance}) of {str(attempt.sha256)[:12]}: wfe-mcp approve {loaded.record.id} {typed(attempt.phase)}"


def _first_line(reason: str) -> str:
    """What a sentence can hold of a reason: the output of a check follows in further lines."""
    return reason.partition("\n")[0][:200]
