"""What the start and the end of a run mean for the item that it works.

The item of a run is its ``external_id``, where ``triggered_by`` is WORK: both are sealed with the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.items import ItemStatus, after_run, refuse_move
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.work.items import WORK, keep_changes, others_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.run_change import RunChange

_OVER = {RunStatus.COMPLETED: True, RunStatus.FAILED: False, RunStatus.CANCELLED: False}


def follow_items(change: RunChange) -> None:
    """Keep the item of a run in step with it: part of the transaction that saves the run."""
    run = change.run
    if run.triggered_by != WORK or not run.external_id:
        return
    engine, tx, status = change.engine, change.tx, change.state.status
    item = tx.items.get(engine.project_id, run.external_id)
    if run.id not in item.runs and status not in _OVER:
        refuse_move(item, ItemStatus.ACTIVE, "run", others_of(engine, tx, item))
        values = {"status": ItemStatus.ACTIVE, "runs": (*item.runs, run.id), "reason": ""}
        keep_changes(engine, tx, item, values, change.by)
    elif status in _OVER and change.loaded_before.state.status is not status:
        keep_changes(engine, tx, item, after_run(item, run.id, completed=_OVER[status]), SYSTEM)
