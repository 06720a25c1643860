"""Undo of a delivery: each operation of a run is reversed as it was observed, the newest first.

Rules:
1. Only a person undoes a delivery, and only before the merge: a merge is reverted by a run of its own (``runs/reverting.py``).
2. Each reversal observes first, so that after a crash the next undo continues.
"""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.core.operation_events import OperationObserved
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.engine.delivery.operations import Operation, cleaned, merge_in, operations_of, record
from wfe_mcp.engine.delivery.place import NotDelivered, place_of
from wfe_mcp.engine.delivery.steps import DELIVERY
from wfe_mcp.engine.kernel.engine import Engine


def undoable(engine: Engine, run: str) -> list[Operation]:
    """What an undo would reverse, the newest first. Refuses ``illegal_transition`` where there is nothing, ``conflict`` after a merge."""
    known = operations_of(engine, run)
    gone = cleaned(known)  # another clean-up of the same branch was seen to its end
    found = [
        one
        for one in known
        if one.kind in DELIVERY
        and (
            one.state == "observed"
            or (one.state == "called" and not (one.kind == "git.clean" and one.target["branch"] in gone))
        )
    ]
    if not found:
        raise Refused(
            "illegal_transition",
            f"Run {run} has delivered nothing that can be undone.",
            f"What it did: wfe-mcp show {run}",
            run=run,
        )
    if (merge := merge_in(found)) is not None:
        raise Refused(
            "conflict",
            f"{merge.commit[:12]} is on '{merge.target['base']}', and others may build on it: a run of its own reverts it.",
            f"Open that run: wfe-mcp undo {run} --delivery",
            run=run,
        )
    return found[::-1]


def undo_delivery(engine: Engine, by: By, run: str) -> list[Operation]:
    """Reverse what the run delivered; the operations, the newest first.

    Refuses ``needs_human``, ``illegal_transition``, ``not_ready`` while one is called and not seen, and ``conflict`` after
    a merge or where another changed what the run did.
    """
    todo = undoable(engine, run)
    if not by.is_human:
        raise Refused(
            "needs_human",
            "Only the user undoes a delivery.",
            f"Ask the user to run: wfe-mcp undo {run} --delivery",
            run=run,
        )
    if unseen := next((one for one in todo if one.state == "called"), None):
        is_command = unseen.key.split(":")[1] == "@command"
        raise Refused(
            "not_ready",
            f"{unseen.kind} was called, and what it did was not seen yet.",
            f"Retry its phase first, which observes it: wfe-mcp status {run}"
            if not is_command
            else "Finish it first: wfe-mcp git cleanup --yes --remote"
            if unseen.target.get("remote")
            else "Finish it first: wfe-mcp git cleanup --yes",
            run=run,
        )
    for operation in todo:
        done = OperationObserved(key=operation.key, after=_reverse(engine, operation), undone=True)
        record(engine, operation.run, done, by)
    return todo


def _reverse(engine: Engine, operation: Operation) -> Mapping[str, Any]:
    with engine.store.read() as tx:
        run = engine.load(tx, operation.run).record
    undo = DELIVERY[operation.kind].undo
    try:
        place = place_of(engine, run)
        return (undo(place, operation) if undo is not None else None) or {}
    except NotDelivered as reason:
        why = f"{operation.kind} cannot be undone here: {reason}."
    except DeliveryFault as fault:
        why = str(fault)
    raise Refused("conflict", why, f"wfe-mcp show {operation.run}", run=operation.run)
