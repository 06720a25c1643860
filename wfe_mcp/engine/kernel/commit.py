"""How does one command change one run?

    load ──► decide ──► settle (conditions, prompts, quick gates, jobs) ──► append ──► commit ──► tell the outside

Rules:
1. One command, one transaction: the events, the state rows, the artifacts and the jobs it causes appear together.
2. An imported run takes no command: it is history (``imports.py``).
3. Files, worker and listeners hear of it after the commit; what they miss after a crash is made again on demand.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from wfe_mcp.engine.evaluation.reactions import settle
from wfe_mcp.engine.files.mirrors import mirror
from wfe_mcp.engine.kernel.read_only_runs import refuse_change
from wfe_mcp.engine.kernel.run_change import RunChange

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun

__all__ = ["change"]

log = logging.getLogger("wfe_mcp.engine")


@contextlib.contextmanager
def change(
    engine: Engine, tx: Tx, run: str | LoadedRun, by: By, *, settles: bool = True, loaded: LoadedRun | None = None,
    then: Callable[[RunChange], None] | None = None,
) -> Generator[RunChange]:  # fmt: skip
    """A turn inside ``tx``, saved when the block ends without an exception. ``settles`` False only reads.

    ``then``: what is done once it is committed and on disk, before anybody else hears of it.
    """
    loaded = loaded or engine.load(tx, run)
    if settles:
        refuse_change(loaded.record)
    current = RunChange(engine, tx, loaded, engine.plans.of_run(tx, loaded.record), by, engine.clock())
    yield current
    if settles:
        settle(current)
    if current.events or tx.has_unnamed(current.run.id):
        current.loaded = tx.save_run(loaded, current.state, current.events, by, current.at)
        tx.after_commit(lambda: _tell(current, then))


def _tell(current: RunChange, then: Callable[[RunChange], None] | None) -> None:
    """Tell the outside what a turn did: the anchors, mirrors on disk, whoever listens."""
    current.engine.has_changed((current.run.id,), current.events, by_human=current.by.is_human)
    with _logged("mirror"):
        mirror(current)
    if then is not None:
        with _logged(then.__name__):
            then(current)
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
