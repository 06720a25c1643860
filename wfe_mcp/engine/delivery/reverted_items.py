"""Work items whose change was reverted: they are planned again, and one that was reverted by other means says so.

Rules:
1. A run that reverts another one, once it is completed and merged, makes planned again what that run had done; so does the undo of
   a delivery before its merge. One that reverts such a run makes it done again. What a person said of an item, or another run has worked since, stays.
2. A revert by other means is no event here. An item says that nothing of its change is on the base any more, read from the files
   there: neither the words of a commit nor the name of a branch proves it. A person decides what follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import Item, ItemStatus
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.delivery.git.merges import changed_files
from wfe_mcp.delivery.git.remote import tip_known
from wfe_mcp.engine.delivery.operations import merge_in, operations_of, reverts_in
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.work.following import is_persons, readable_run
from wfe_mcp.engine.work.items import item_of_run, keep_changes
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.repository import is_ancestor

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx


def follow_revert(change: RunChange) -> None:
    """Plan again what a run had done whose merge this run has reverted: part of the transaction that saves the run."""
    before, status = change.loaded_before.state.status, change.state.status
    has_steps = any(phase.kind == "steps" for phase in change.state.spec.phases)
    if before is status or status is not RunStatus.COMPLETED or not has_steps:
        return
    run, merged = _reverted_by(change.tx, change.run.id), merge_in(operations_of(change.tx, change.run.id))
    if not run or merged is None:
        return
    is_back = False
    while earlier := _reverted_by(change.tx, run):
        run, is_back = earlier, not is_back
    if is_back:
        why = f"run {change.run.id} brought back what run {run} had merged"
        _set_again(change.engine, change.tx, run, ItemStatus.PLANNED, ItemStatus.DONE, why, change.at)
    else:
        plan_again(change.engine, change.tx, run, f"run {change.run.id} reverted what run {run} had merged", change.at)


def _reverted_by(tx: Tx, run: RunId) -> RunId:
    """The run whose merge ``run`` has taken out; empty where it is no such run."""
    reverts = reverts_in(operations_of(tx, run))
    return reverts[-1].target["run"] if reverts else RunId("")


def plan_again(engine: Engine, tx: Tx, run: str, why: str, at: datetime | None = None) -> None:
    """Make planned again the item that ``run`` has done, and those under it. ``at``: None for now."""
    _set_again(engine, tx, run, ItemStatus.DONE, ItemStatus.PLANNED, why, at)


def _set_again(
    engine: Engine, tx: Tx, run: str, before: ItemStatus, after: ItemStatus, why: str, at: datetime | None
) -> None:
    loaded = readable_run(tx, run)
    item = item_of_run(tx, loaded.record) if loaded is not None else None
    if loaded is None or item is None or (after is ItemStatus.DONE and loaded.state.status is not RunStatus.COMPLETED):
        return
    for part in (item, *tx.items.children(engine.project_id, item.id)):
        if part.status is before and _worked_last(tx, part) == run and not is_persons(tx, engine, part):
            keep_changes(engine, tx, part, {"status": after, "reason": why}, SYSTEM, at)


def _worked_last(tx: Tx, item: Item) -> str:
    """The newest run of the item that did not only revert another one."""
    for run in reversed(item.runs):
        loaded = readable_run(tx, run)
        if loaded is None or loaded.record.external_id not in item.runs:
            return run
    return ""


def gone_from_base(engine: Engine, tx: Tx, item: Item) -> str:
    """That nothing of what the newest run of a done item merged is on the base any more, as it was fetched last; else empty."""
    if item.status is not ItemStatus.DONE or not item.branch or repository(engine.root) is None:
        return ""
    run = _worked_last(tx, item)
    merge = merge_in(operations_of(tx, run)) if run else None
    if merge is None or not merge.before.get("sha"):
        return ""
    base, before = str(merge.target["base"]), str(merge.before["sha"])
    last = (
        merge.commit if merge.kind == "git.merge" else str(merge.target["sha"])
    )  # a forge may merge into a base that has gone on
    now = tip_known(engine.root, engine.settings().settings.delivery.remote, base)
    try:
        if not now or is_ancestor(engine.root, now, merge.commit):  # as it was fetched before the merge, or at it
            return ""
        changed = {*changed_files(engine.root, before, last)}
        is_gone = bool(changed) and changed.isdisjoint(changed_files(engine.root, before, now))
    except Refused:  # such as commits that are not here
        return ""
    if not is_gone:
        return ""
    return (
        f"nothing of what run {run} merged is on '{base}' any more, which is at {now[:12]}; "
        f"to open it again: wfe-mcp work edit {item.id} --status planned"
    )
