"""Which calls are legal now, best first?

Every entry is legal at that moment, at most three; empty exactly for completed, cancelled and imported runs and for runs
only a person can reopen. A bot that follows the first entry finishes any run that needs no person (design §6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.views.envelope import Next

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.runs.overview import Overview

__all__ = ["next_moves", "submit_move"]

_WAIT_S = 45


def next_moves(standing: Overview) -> tuple[Next, ...]:
    """The calls for an agent in this run."""
    run, state = standing.loaded.record.id, standing.loaded.state
    if standing.origin is not None:
        return ()
    if state.status is RunStatus.PAUSED:
        resume = Next("control_run", {"run": run, "action": "resume"})
        wait = Next("status", {"run": run, "wait_s": _WAIT_S}, why="it goes on by itself")
        return () if state.paused_by_human else (wait, resume) if standing.goes_on else (resume,)
    if state.is_over or state.status is RunStatus.PENDING:
        return ()
    moves = [
        Next("start_phase", {"run": run, "phase": path}, why=_why(state.current(path))) for path in standing.startable
    ]
    moves += [Next("approve", {"run": run, "phase": one.phase}, why="asks the person") for one in standing.unasked]
    if any(_will_move(standing, attempt) for attempt in state.open_attempts):
        moves.append(Next("status", {"run": run, "wait_s": _WAIT_S}, why="waits for a change"))
    return tuple(moves[:3])


def submit_move(run: str, phase: str, attempt: int) -> Next:
    """Hand in the artifact by the schema in ``data.output``."""
    return Next(
        "submit_artifact", {"run": run, "phase": phase, "attempt": attempt}, {"artifact": "/data/output/schema"}
    )


def _why(attempt: Attempt) -> str:
    return "yours already: brings the prompt again" if attempt.status is AttemptStatus.RUNNING else ""


def _will_move(standing: Overview, attempt: Attempt) -> bool:
    """True when waiting makes sense: a gate runs, a time is kept, a stored request is open, or others work."""
    state = standing.loaded.state
    if attempt.status is AttemptStatus.RUNNING and attempt.phase in state.loops:
        return False  # its items tell
    match attempt.status:
        case AttemptStatus.GATING:
            return True
        case AttemptStatus.FAILED:
            return attempt.mending == "compensate"
        case AttemptStatus.AWAITING:
            return attempt not in standing.unasked
        case AttemptStatus.PENDING:
            return attempt.not_before is not None
        case AttemptStatus.READY | AttemptStatus.RUNNING:
            return attempt.phase not in standing.startable or state.phase(attempt.phase).kind == "human"
        case _:
            return False
