"""Undo of a delivery: each operation of a run is reversed as it was observed, the newest first.

Rules:
1. Only a person undoes a delivery, and only before the merge: a merge is reverted by a run of its own (``runs/reverting.py``). Once
   that is done, what the run did not merge is undone.
2. Each reversal observes first, so that after a crash the next undo continues.
3. A call whose end was not observed (a crash, a push that the remote refused) is looked for where it acts, and so is a merge of
   the run's pull request by another.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel
from wfe_mcp.core.operation_events import OperationObserved
from wfe_mcp.core.readers import by_own_pin
from wfe_mcp.delivery.fault import DeliveryFault, in_undo
from wfe_mcp.engine.delivery.forge_steps import merge_by_others
from wfe_mcp.engine.delivery.operations import (
    Operation,
    merges_left,
    operations_of,
    record,
    record_seen,
    to_reverse,
    without_merged,
)
from wfe_mcp.engine.delivery.place import DeliveryPlace, NotDelivered, place_of
from wfe_mcp.engine.delivery.reverted_items import plan_again
from wfe_mcp.engine.delivery.site import refusing
from wfe_mcp.engine.delivery.steps import DELIVERY
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.work.items import item_of_run, keep_changes

T = TypeVar("T")
About = TypeVar("About")


def undoable(engine: Engine, run: str) -> list[Operation]:
    """What an undo would reverse, the newest first.

    Refuses ``illegal_transition`` where there is nothing, ``not_ready`` while a step is at work or a clean-up is not finished, and
    ``conflict`` after a merge or where another changed what the run did.
    """
    operations = looked_for(engine, run)
    if merges := merges_left(engine, operations):
        raise Refused(
            "conflict",
            f"{merges[-1].commit[:12]} was merged into '{merges[-1].target['base']}', and others may build on it: a run of its own reverts it.",
            f"Open that run: wfe-mcp undo {run} --delivery",
            run=run,
        )
    deliveries = to_reverse(operations)
    if not deliveries:
        raise Refused(
            "illegal_transition",
            f"Run {run} has delivered nothing that can be undone.",
            f"What it did: wfe-mcp show {run}",
            run=run,
        )
    if unseen := next((called for called in reversed(deliveries) if called.state == "called"), None):
        raise Refused(
            "not_ready",
            f"{unseen.kind} was called, and what it did was not seen yet.",
            "Finish it first: wfe-mcp git cleanup --yes --remote"
            if unseen.target.get("remote")
            else "Finish it first: wfe-mcp git cleanup --yes",
            run=run,
        )
    for operation in reversed(deliveries):
        if (may_undo := DELIVERY[operation.kind].may_undo) is not None:
            _look_there(engine, operation.run, partial(may_undo, operations), operation)
    return deliveries[::-1]


def undo_delivery(engine: Engine, by: By, run: str) -> list[Operation]:
    """Reverse what the run delivered; the operations, the newest first. Refuses ``needs_human``, and as ``undoable`` does."""
    looked_for(engine, run, by if by.is_human else None)
    refuse_agent(by, run)
    todo = undoable(engine, run)
    for operation in todo:
        undo = DELIVERY[operation.kind].undo
        after = _look_there(engine, operation.run, undo, operation) if undo is not None else None
        if operation is todo[-1]:  # before its record: who was killed between the two finds it to be undone
            _take_from_items(engine, run)
        record(engine, operation.run, OperationObserved(key=operation.key, after=after or {}, undone=True), by)
    return todo


def _take_from_items(engine: Engine, run: str) -> None:
    """The work item of the run and those under it name no more what the run made; what it had done is planned again."""
    operations = without_merged(operations_of(engine, run))
    branches = {str(operation.target.get("branch", "")) for operation in operations}
    commits = {operation._replace(undone=False).commit for operation in operations}
    with engine.store.tx() as tx:
        item = item_of_run(tx, engine.load(tx, run).record)
        for part in [item, *tx.items.children(engine.project_id, item.id)] if item is not None else ():
            if part.branch in branches - {""}:
                left = tuple(sha for sha in part.commits if sha not in commits)
                keep_changes(engine, tx, part, {"branch": "", "commits": left, "pull_request": ""}, SYSTEM)
        plan_again(engine, tx, run, f"the delivery of run {run} was undone")


def refuse_agent(by: By, run: str) -> None:
    """Refuse ``needs_human`` to all but the user, with how they do it."""
    if not by.is_human:
        how = by_own_pin(f"wfe-mcp undo {run} --delivery", at_cli=by.channel is Channel.CLI)
        raise Refused("needs_human", "Only the user undoes a delivery.", how, run=run)


def looked_for(engine: Engine, run: str, by: By | None = None) -> list[Operation]:
    """The operations of a run, with what each call has done whose end was not observed; one that did nothing is ``undone``.

    ``by`` records that; None: it is only looked for. Refuses ``not_ready`` while a step is at work, and ``conflict`` or
    ``unavailable`` where it cannot be seen.
    """
    operations = operations_of(engine, run)
    unseen = [
        operation
        for operation in operations
        if operation.state == "called" and operation.kind in DELIVERY and operation.key.split(":")[1] != "@command"
    ]
    if unseen:
        _refuse_at_work(engine, unseen[-1])
    seen = {operation.key: _as_seen(engine, operation) for operation in unseen}
    if by is not None:
        for operation in seen.values():
            record(
                engine,
                operation.run,
                OperationObserved(key=operation.key, after=operation.after or {}, undone=operation.undone),
                by,
            )
    operations = [seen.get(operation.key, operation) for operation in operations]
    is_open = any(operation.kind == "forge.open" and operation.state == "observed" for operation in operations)
    merged = _look_there(engine, run, merge_by_others, operations) if is_open else None
    if merged is not None and by is not None:
        record_seen(engine, merged, by)
    return operations if merged is None else [*operations, merged]


def _refuse_at_work(engine: Engine, operation: Operation) -> None:
    with engine.store.read() as tx:
        jobs = [job for job in tx.jobs.running() if job.run_id == operation.run]
    if any(engine.is_alive(job.lease_owner, job.lease_until) for job in jobs):
        raise Refused(
            "not_ready",
            f"{operation.kind} is at work.",
            f"Wait for it: wfe-mcp watch {operation.run}",
            run=operation.run,
        )


def _as_seen(engine: Engine, operation: Operation) -> Operation:
    look = DELIVERY[operation.kind].seen
    if look is None:
        return operation._replace(after={}, done={})
    seen = _look_there(engine, operation.run, look, operation)
    if seen is None:
        return operation._replace(after=operation.before, undone=True)
    return operation._replace(after=seen, done=seen)


def _look_there(engine: Engine, run: str, look: Callable[[DeliveryPlace, About], T | None], about: About) -> T | None:
    """What ``look`` returns of ``about`` where the run is delivered. Refuses ``conflict``, and ``unavailable`` while the forge does not answer."""
    with engine.store.read() as tx:
        record_of = engine.load(tx, run).record
    with refusing():
        try:
            return look(place_of(engine, record_of), about)
        except NotDelivered as reason:
            why = f"Nothing of run {run} can be undone here: {reason}."
        except DeliveryFault as fault:
            why = in_undo(fault, run)
        raise Refused("conflict", why, f"wfe-mcp show {run}", run=run)
