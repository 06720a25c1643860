"""How does one command change one run?

    load ──► decide ──► settle (conditions, prompts, quick gates, jobs) ──► append ──► commit ──► tell the outside

Rules:
1. One command, one transaction: the events, the state rows, the artifacts and the jobs it causes appear together.
2. An imported run takes no command: it is history (``imports.py``).
3. A refusal that must leave a trace (a refused draft, evidence that went stale) is raised after the commit.
4. Files, worker and listeners hear of it after the commit; what they miss after a crash is made again on demand.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from wfe_mcp.engine.checkpoints import at_completion
from wfe_mcp.engine.imports import refuse_change
from wfe_mcp.engine.mirrors import mirror
from wfe_mcp.engine.settling import settle
from wfe_mcp.engine.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Generator

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import LoadedRun

__all__ = ["turn", "turn_in"]

log = logging.getLogger("wfe_mcp.engine")


@contextlib.contextmanager
def turn(engine: Engine, run_id: str, by: By) -> Generator[Turn]:
    """A turn in its own transaction. What it changed is saved when the block ends without an exception.

    A rollback whose process died is ended first.
    """
    with contextlib.ExitStack() as stack:
        tx = stack.enter_context(engine.store.tx())
        loaded = engine.load(tx, run_id)
        if loaded.state.going_back is not None:
            stack.close()  # files are put back outside any transaction
            _end_interrupted(engine, run_id)
            tx, loaded = stack.enter_context(engine.store.tx()), None
        current = stack.enter_context(turn_in(engine, tx, run_id, by, loaded=loaded))
        yield current
    if current.refusal is not None:
        raise current.refusal


def _end_interrupted(engine: Engine, run_id: str) -> None:
    from wfe_mcp.engine.rollback import end_interrupted

    end_interrupted(engine, run_id)


@contextlib.contextmanager
def turn_in(
    engine: Engine, tx: Tx, run_id: str, by: By, *, settles: bool = True, loaded: LoadedRun | None = None
) -> Generator[Turn]:
    """A turn inside a transaction that somebody else opened (a job that ends). ``settles`` False only reads."""
    loaded = loaded or engine.load(tx, run_id)
    if settles:
        refuse_change(loaded.record)
    current = Turn(engine, tx, loaded, engine.plans.of_run(tx, loaded.record), by, engine.clock())
    yield current
    if settles:
        settle(current)
    if current.events or tx.has_unnamed(current.run.id):
        current.loaded = tx.save_run(loaded, current.state, current.events, by, current.at)
        tx.after_commit(lambda: _tell(current))


def _tell(current: Turn) -> None:
    """Tell the outside what a turn did: mirrors on disk, whoever listens, the anchors."""
    current.engine.has_changed((current.run.id,), current.events, by_human=current.by.is_human)
    with _logged("mirror"):
        mirror(current)
    with _logged("checkpoint"):
        at_completion(current)
    for listener in current.engine.listeners:
        with _logged("listener"):
            listener(current.run.id)


@contextlib.contextmanager
def _logged(what: str) -> Generator[None]:
    """After the commit nothing may undo the answer: what fails is logged, and made again on demand."""
    try:
        yield
    except Exception:
        log.exception("%s failed after the commit", what)
