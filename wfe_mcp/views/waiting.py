"""Conditions that a waiting caller polls.

Level-triggered: a poll reads the state, never a change since a cursor; a lost wake-up costs one period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.views.envelopes import overview_of
from wfe_mcp.views.next_moves import next_moves

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import LoadedRun


def gates_are_done(engine: Engine, run: str, phase: str, attempt: int) -> bool:
    """True once ``attempt`` is judged, waits for a person, or for a provider that asks for more than half a minute.

    A paused run settles nothing until it is resumed, so there is nothing to wait for: a cap may pause it while its gates run.
    """
    from wfe_mcp.engine.models.gate_waits import is_left_alone

    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        if loaded.state.status is RunStatus.PAUSED:
            return True
        judged = loaded.state.attempts[PhasePath(phase)][attempt - 1]
        return judged.status is not AttemptStatus.GATING or is_left_alone(tx, loaded, judged, engine.clock())


def moment(engine: Engine, run: str) -> LoadedRun:
    """The run before the wait."""
    with engine.store.read() as tx:
        return engine.load(tx, run)


def has_moved(engine: Engine, before: LoadedRun) -> bool:
    """True when the run differs from ``before``: a checkpoint or a record in its log is nothing to wait for."""
    with engine.store.read() as tx:
        if tx.runs.revision(before.record.id) == before.record.revision:
            return False
        return engine.load(tx, before.record.id).state != before.state


def sleeps(engine: Engine, run: str) -> bool:
    """True while only a job, a person or a reviewer can move the run, and there is something to wait for.

    False when the user must reopen the run first: the caller then gets the answer at once.
    """
    found = overview_of(engine, run)
    return found.sleeps and bool(next_moves(found))
