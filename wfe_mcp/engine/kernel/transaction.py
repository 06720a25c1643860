"""How does whoever is asked for something change a run?

A turn is a change (``changing.py``) of a run that stands nowhere in between: a rollback that was cut off is ended first, and
the files of what the turn completes are saved.

A refusal that must leave a trace (a refused draft, evidence that went stale) is raised after the commit.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wfe_mcp.engine.files.checkpoints import at_completion
from wfe_mcp.engine.history.rollback_recovery import end_interrupted
from wfe_mcp.engine.kernel.commit import change

if TYPE_CHECKING:
    from collections.abc import Generator

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun

__all__ = ["turn", "turn_in"]


@contextlib.contextmanager
def turn(engine: Engine, run: str | LoadedRun, by: By) -> Generator[RunChange]:
    """A turn in its own transaction. What it changed is saved when the block ends without an exception."""
    with contextlib.ExitStack() as stack:
        tx = stack.enter_context(engine.store.tx())
        loaded = engine.load(tx, run)
        if loaded.state.going_back is not None:
            stack.close()  # files are put back outside any transaction
            end_interrupted(engine, loaded.record.id)
            tx = stack.enter_context(engine.store.tx())
            loaded = engine.load(tx, loaded.record.id)
        current = stack.enter_context(turn_in(engine, tx, loaded.record.id, by, loaded=loaded))
        yield current
    if current.refusal is not None:
        raise current.refusal


def turn_in(
    engine: Engine, tx: Tx, run_id: str, by: By, *, settles: bool = True, loaded: LoadedRun | None = None
) -> contextlib.AbstractContextManager[RunChange]:
    """A turn inside a transaction that somebody else opened (a job that ends). ``settles`` False only reads."""
    return change(engine, tx, run_id, by, settles=settles, loaded=loaded, then=at_completion)
