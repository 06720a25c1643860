"""``next``: the calls of an agent that are legal now, best first (design §6).

Rules:
1. Every entry is one of ``legal_moves`` for an agent, or waits with ``status``; at most three.
2. Empty exactly for completed, cancelled and imported runs, and for runs that only the user can reopen.
3. An agent that follows the first entry finishes any run that needs no person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.model import AttemptStatus, By, RunStatus
from wfe_mcp.core.moves import legal_moves
from wfe_mcp.views.envelope import Next
from wfe_mcp.views.move_calls import tool_call

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt, RunState
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.runs.overview import Overview

_WAIT_S = 45


def next_moves(overview: Overview) -> tuple[Next, ...]:
    """The calls for an agent in this run."""
    run, state = overview.loaded.record.id, overview.loaded.state
    if overview.origin is not None or state.is_over or state.status is RunStatus.PENDING:
        return ()
    legal = legal_moves(state, By(), overview.loaded.record.updated_at)
    if state.status is RunStatus.PAUSED:
        resume = tuple(tool_call(run, move) for move in legal if isinstance(move, c.Resume))
        return (_wait(run, "continues by itself"), *resume) if resume and overview.goes_on else resume
    starts = {move.phase: move for move in legal if isinstance(move, c.StartPhase)}
    asks = {move.phase: move for move in legal if isinstance(move, c.AskApproval)}
    moves = [tool_call(run, starts[path], _why(state, path)) for path in overview.startable if path in starts]
    moves += [tool_call(run, asks[one.phase], "asks the user") for one in overview.unasked if one.phase in asks]
    if state.going_back is not None or any(_will_move(overview, attempt) for attempt in state.open_attempts):
        moves.append(_wait(run, "waits for a change"))
    return tuple(moves[:3])


def _wait(run: str, why: str) -> Next:
    return Next("status", {"run": run, "wait_s": _WAIT_S}, why=why)


def _why(state: RunState, path: PhasePath) -> str:
    is_held = state.current(path).status is AttemptStatus.RUNNING
    return "already assigned to you; repeats the prompt" if is_held else ""


def _will_move(overview: Overview, attempt: Attempt) -> bool:
    """True when waiting makes sense: a gate runs, a retry is scheduled, a request is open, or others work."""
    state = overview.loaded.state
    if attempt.status is AttemptStatus.RUNNING and attempt.phase in state.loops:
        return False  # its items decide
    match attempt.status:
        case AttemptStatus.GATING:
            return True
        case AttemptStatus.FAILED:
            return attempt.repair == "compensate"
        case AttemptStatus.AWAITING:
            return attempt not in overview.unasked
        case AttemptStatus.PENDING:
            return attempt.not_before is not None
        case AttemptStatus.READY | AttemptStatus.RUNNING:
            return attempt.phase not in overview.startable or state.phase(attempt.phase).kind == "human"
        case _:
            return False
