"""How does a worker claim a phase?

Claiming is idempotent for the holder (this server process): the same call brings the prompt, the schema and the
feedback again. A dead holder's phase is taken over at once; a live one's answers ``leased``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, By, RunStatus
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.engine.desk import LEASE, Engine
from wfe_mcp.engine.prompts import fenced_feedback, prompt_of
from wfe_mcp.engine.settling import SYSTEM
from wfe_mcp.engine.trees import files_at_start
from wfe_mcp.engine.turn import Turn, turn

if TYPE_CHECKING:
    from wfe_mcp.engine.plans import Plan
    from wfe_mcp.store.records import LoadedRun

__all__ = ["Claim", "claim", "free_dead_leases", "start_phase"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A phase in somebody's hands: what to do, and what will be judged."""

    loaded: LoadedRun
    plan: Plan
    attempt: Attempt
    prompt: str
    feedback: list[dict[str, Any]]


def start_phase(engine: Engine, by: By, run_id: str, phase: str | None, *, holder: str | None = None) -> Claim:
    """Claim ``phase``, else the one this holder has, else the first that is ready."""
    holder = holder or engine.holder
    tree, head = files_at_start(engine, run_id, phase)
    with turn(engine, run_id, by) as current:
        free_dead_leases(current)
        path = PhasePath(phase) if phase else _choice(current, holder)
        _refuse_busy_tree(current, path)
        claim(current, path, holder, tree, head)
        attempt = current.attempt(path)
        made = Claim(
            current.loaded, current.plan, attempt, prompt_of(current, attempt), fenced_feedback(current, attempt)
        )
    return Claim(current.loaded, made.plan, made.attempt, made.prompt, made.feedback)


def claim(current: Turn, path: PhasePath, holder: str, tree: str | None, head: str | None = None) -> None:
    """Give StartPhase for ``holder`` in this turn."""
    on: dict[str, Any] = {"phase": path, "by": current.by, "at": current.at}
    current.give(c.StartPhase(holder=holder, lease_until=current.at + LEASE, tree=tree, head=head, **on))


def free_dead_leases(current: Turn) -> None:
    """Phases whose holder is gone are ready again."""
    for attempt in current.state.open_attempts:
        if current.engine.lease_is_lost(attempt) and attempt.status in {
            AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING,
        }:  # fmt: skip
            current.give(c.LoseLease(phase=attempt.phase, attempt=attempt.number, by=SYSTEM, at=current.at))


def _choice(current: Turn, holder: str) -> PhasePath:
    """The phase this holder has, else the first one it may claim now."""
    from wfe_mcp.core.moves import refusal

    attempts = current.state.open_attempts
    for attempt in attempts:
        if attempt.status is AttemptStatus.RUNNING and attempt.holder == holder:
            return attempt.phase
    first: Refused | None = None
    for attempt in attempts:
        if attempt.status in {AttemptStatus.READY, AttemptStatus.RUNNING}:
            refused = refusal(
                current.state, c.StartPhase(phase=attempt.phase, holder=holder, by=current.by, at=current.at)
            )
            if refused is None:
                return attempt.phase
            first = first or refused
    if first is not None:
        raise first
    if current.state.is_over or current.state.status is RunStatus.PAUSED:
        raise Refused("illegal_transition", f"The run is {current.state.status}: no phase can start.", "Call status.")
    raise Refused("not_ready", "No phase is ready now.", "Call status to see what is waited for.")


def _refuse_busy_tree(current: Turn, path: PhasePath) -> None:
    """A phase whose gates read the tree has it for itself, over all runs (design §4)."""
    if path not in current.state.attempts or not current.state.phase(path).exclusive:
        return
    if current.attempt(path).status is not AttemptStatus.READY:
        return
    for other in current.tx.exclusive_holders(current.run.worktree):
        if other.run_id == current.run.id:
            continue
        if other.status is AttemptStatus.GATING or current.engine.is_alive(other.holder, other.lease_until):
            raise Refused(
                "leased", f"Run {other.run_id} works in this folder: its phase {other.phase!r} is {other.status} and its gates read the files.",
                f"Finish or cancel run {other.run_id} first, or work in another git worktree.",
            )  # fmt: skip
