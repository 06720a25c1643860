"""Has what a caller waits for happened?

Level-triggered: whoever polls asks for the state, never for a change since a cursor; a lost wake-up costs one period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.views.answers import standing_of
from wfe_mcp.views.next_moves import next_moves

if TYPE_CHECKING:
    from wfe_mcp.engine.desk import Engine

__all__ = ["gates_are_done", "revision", "sleeps"]


def gates_are_done(engine: Engine, run: str, phase: str, attempt: int) -> bool:
    """True once ``attempt`` is judged, or waits for a person."""
    with engine.store.read() as tx:
        state = engine.load(tx, run).state
    return state.attempts[PhasePath(phase)][attempt - 1].status is not AttemptStatus.GATING


def revision(engine: Engine, run: str) -> int:
    """A number that rises with each change of the run; cheap."""
    with engine.store.read() as tx:
        return tx.run_revision(tx.find_run(engine.project_id, run).id)


def sleeps(engine: Engine, run: str) -> bool:
    """True while only a job, a person or a reviewer can move the run, and there is something to wait for.

    Where a person must reopen the run first, nobody was asked: whoever waits hears so at once, not after a while.
    """
    found = standing_of(engine, run)
    return found.sleeps and bool(next_moves(found))
