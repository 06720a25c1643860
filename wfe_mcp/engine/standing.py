"""Whose turn is it, and why does nothing move?

One reading of a run that every door shows: who is waited for, what is in the way, which phases could start now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.guards import current_gate
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus
from wfe_mcp.core.paths import typed
from wfe_mcp.engine.caps import Spending, spending
from wfe_mcp.engine.holding import held_elsewhere, lock_elsewhere
from wfe_mcp.engine.phases import claimable
from wfe_mcp.engine.steps import has_steps, is_undone, is_worked
from wfe_mcp.store.step_records import StepRecord, StepStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import RunState
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.engine.plans import Plan
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import LoadedRun

__all__ = ["Standing", "WaitingOn", "standing"]

WaitingOn = Literal["agent", "human", "job", "reviewer", "none"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A run, read. ``startable``: phases this process may claim (or holds); ``blockers``: sentences for a reader.

    ``steps``: those of every attempt that the server works or has worked. ``context``: the bundles the run has frozen.
    ``spending``: what its calls to models have used; None before the first.
    """

    loaded: LoadedRun
    plan: Plan
    waiting_on: WaitingOn
    startable: tuple[PhasePath, ...]
    blockers: tuple[str, ...]
    steps: tuple[StepRecord, ...] = ()
    context: tuple[Mapping[str, Any], ...] = ()
    spending: Spending | None = None

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


def standing(engine: Engine, tx: Tx, loaded: LoadedRun) -> Standing:
    """Read ``loaded`` as this process sees it."""
    plan = engine.plans.of_run(tx, loaded.record)
    works = loaded.state.status in {RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED}
    startable = claimable(engine, tx, loaded) if works else ()
    steps = tuple(tx.steps(loaded.record.id)) if has_steps(loaded.state.spec) else ()
    untrusted = _untrusted(loaded, steps)
    elsewhere = _elsewhere(engine, tx, loaded, startable) if works else ()
    waiting_on = _waiting_on(loaded, startable, needs_trust=bool(untrusted), elsewhere=bool(elsewhere))
    context = tuple(tx.document(loaded.record.frozen_sha256).get("context", ()))
    blockers = (*_blockers(loaded, plan), *untrusted, *elsewhere)
    spent = spending(engine, tx, loaded, plan)
    return Standing(loaded, plan, waiting_on, startable, blockers, steps, context, spent)


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
    loaded: LoadedRun, startable: tuple[PhasePath, ...], *, needs_trust: bool, elsewhere: bool
) -> WaitingOn:
    state = loaded.state
    if state.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
        return "none"
    if state.status in {RunStatus.BLOCKED, RunStatus.FAILED}:
        return "human"
    if state.status is RunStatus.PAUSED:
        return "human" if state.paused_by_human else "agent"
    if startable:
        return "agent"
    if needs_trust:
        return "human"
    if any(_is_worked_by_server(state, attempt) for attempt in state.open_attempts):
        return "job"
    gating = [attempt for attempt in state.open_attempts if attempt.status is AttemptStatus.GATING]
    if gating and not elsewhere and all((current_gate(state, one) or ("",))[0] == "opinion" for one in gating):
        return "reviewer"
    if elsewhere or gating or any(attempt.not_before for attempt in state.open_attempts):
        return "job"
    return "human" if state.status is RunStatus.WAITING else "agent"


def _is_worked_by_server(state: RunState, attempt: Attempt) -> bool:
    works = {AttemptStatus.READY, AttemptStatus.RUNNING}
    return is_undone(attempt) or (attempt.status in works and state.is_served(attempt.phase))


def _blockers(loaded: LoadedRun, plan: Plan) -> tuple[str, ...]:
    run, state = loaded.record.id, loaded.state
    found = [f"The run is {state.status}: {state.reason or 'stopped'}"] if state.status in _STOPPED else []
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


def _awaiting(loaded: LoadedRun, plan: Plan, attempt: Attempt) -> str:
    gate = current_gate(loaded.state, attempt)
    if gate is None or gate[0] != "approval":
        return f"{attempt.phase} waits for trust ({_first_line(attempt.reason)}); a person runs: wfe-mcp init or wfe-mcp trust"
    assurance = getattr(plan.gates(attempt)[gate[1]], "assurance", "human")
    return f"{attempt.phase} awaits approval ({assurance}) of {str(attempt.sha256)[:12]}: wfe-mcp approve {loaded.record.id} {typed(attempt.phase)}"


def _first_line(reason: str) -> str:
    """What a sentence can hold of a reason: the output of a check follows in further lines."""
    return reason.partition("\n")[0][:200]
