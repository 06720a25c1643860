"""What the start, the end and the reopening of a run mean for the item that it works.

Rules:
1. The item of a run is its ``external_id``, where ``triggered_by`` is WORK: both are sealed with the run.
2. A run that works a milestone has its items as tasks: each is done when its task is. Which of them it works now is kept with
   the run alone (``tasks_in_work``): it may go back, be retried or end, and a task of it need not be ready.
3. A milestone whose items are all over, one of them done, is done; with open work that comes under it, it is planned again.
"""

import json
import logging
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.events import ItemClosed
from wfe_mcp.core.items import Item, ItemKind, ItemStatus, after_reopening, after_run, refuse_start, with_values
from wfe_mcp.core.loops import left_for_a_person
from wfe_mcp.core.model import Assurance, RunId, RunStatus
from wfe_mcp.core.texts import in_short
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.work.items import WORK, item_of_run, items_of, keep_changes, others_of
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.records.runs import LoadedRun

log = logging.getLogger("wfe_mcp.engine")

_OVER = {RunStatus.COMPLETED: True, RunStatus.FAILED: False, RunStatus.CANCELLED: False}


class InWork(NamedTuple):
    """What a run does with a task of its milestone. ``stopped``: why it waits for the user there, empty while it goes on."""

    run: str
    stopped: str = ""


def tasks_in_work(tx: Tx, project_id: str) -> dict[str, InWork]:
    """The items that the runs of their milestones work now, by their ids. A run that cannot be read works none."""
    tasks: dict[str, InWork] = {}
    for milestone in items_of(tx, project_id, (ItemKind.MILESTONE,), (ItemStatus.ACTIVE, ItemStatus.BLOCKED)):
        loaded = readable_run(tx, milestone.runs[-1]) if milestone.runs else None
        if loaded is None or loaded.state.status in _OVER:
            continue
        names = {child.id for child in tx.items.children(project_id, milestone.id)}
        for path, loop in loaded.state.loops.items():
            for key in names.intersection(loop.open):
                stopped = left_for_a_person(loaded.state, (*loaded.state.attempts_in(path, (key,)),))
                tasks[key] = InWork(loaded.record.id, in_short(stopped.reason) if stopped else "")
    return tasks


def readable_run(tx: Tx, run: str) -> LoadedRun | None:
    """The run as it is; None where there is none, or its record cannot be read."""
    try:
        return tx.runs.load(RunId(run), to_change=False)
    except Refused:
        return None


def begin_item(change: RunChange, reason: str = "") -> None:
    """Make the item active that this new run was started for. ``reason``: why a person does not let it wait for others.

    Refuses what cannot start.
    """
    engine, tx, run = change.engine, change.tx, change.run
    item = tx.items.get(run.project_id, run.external_id)
    refuse_start(item, () if reason and change.by.is_human else others_of(engine, tx, item))
    values = {"status": ItemStatus.ACTIVE, "runs": (*item.runs, run.id), "reason": reason}
    keep_changes(engine, tx, item, values, change.by, change.at)


def follow_items(change: RunChange) -> None:
    """Keep the item of a run in step with it: part of the transaction that saves the run. It never refuses."""
    run, before, status = change.run, change.loaded_before.state.status, change.state.status
    is_moved = before is not status and bool({before, status} & {*_OVER})
    closed = [event.key for event in change.events if isinstance(event, ItemClosed) and not event.failed]
    if not (is_moved or closed) or not run.external_id:
        return
    item = item_of_run(change.tx, run)
    if item is None:
        if run.triggered_by == WORK and is_moved:
            log.warning("run %s was started for work item %r, which does not name it", run.id, run.external_id)
        return
    if item.kind is ItemKind.MILESTONE:
        for key in closed:
            _follow_task(change, item, key)
    if is_moved:
        _follow_run(change, item, before, status)


def _follow_run(change: RunChange, item: Item, before: RunStatus, status: RunStatus) -> None:
    run = change.run.id
    opened = {} if before not in _OVER else after_reopening(item, run, completed=_OVER[before])
    if opened and item.status is ItemStatus.DONE and _is_persons(change, item):
        opened = {}
    item_now = with_values(item, opened)
    ended = {} if status not in _OVER else after_run(item_now, run, completed=_OVER[status])
    if with_values(item_now, ended) != item:
        item_now = keep_changes(change.engine, change.tx, item, opened, SYSTEM, change.at)
        keep_changes(change.engine, change.tx, item_now, ended, SYSTEM, change.at)


def _follow_task(change: RunChange, milestone: Item, key: str) -> None:
    """The item under ``milestone`` that was the task ``key`` of its run is done."""
    tx, project = change.tx, change.run.project_id
    for child in tx.items.children(project, milestone.id):
        if child.id == key and not child.is_over:
            values = {"status": ItemStatus.DONE, "runs": (*child.runs, change.run.id), "failures": 0, "reason": ""}
            keep_changes(change.engine, tx, child, values, SYSTEM, change.at)


def _is_persons(change: RunChange, item: Item) -> bool:
    """Whether a person gave the item its status: a run that continues does not take that back."""
    events = change.tx.items.history(change.run.project_id, item.id)
    moved = [event for event in events if event.type != SIGNED and "status" in json.loads(event.payload)]
    return moved[-1].assurance >= Assurance.HUMAN
