"""Which changes of work items only a person's key can have signed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wfe_mcp.core.items import MOVES, Item, ItemStatus, changed, loaded
from wfe_mcp.core.model import Assurance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.items import ItemEventRecord


def item_changes(tx: Tx, project_id: str) -> Iterator[tuple[ItemEventRecord, str, bool]]:
    """Each event of the project's work log, how it is named, and whether what it does needs a person."""
    items: dict[int, Item] = {}
    for event in tx.items.history(project_id):
        if not event.number:
            yield event, event.type, False
            continue
        before, needs = items.get(event.number), False
        try:
            values = json.loads(event.payload)
            item = loaded(f"W-{event.number}", values) if before is None else changed(before, values)
            needs = event.assurance is not Assurance.HUMAN and _needs_person(before, item)
            items[event.number] = item
        except (ValueError, TypeError, AttributeError):  # a log that was tampered with; its chain says so
            pass
        yield event, f"{event.type} W-{event.number}", needs


def _needs_person(before: Item | None, after: Item) -> bool:
    if before is None:
        return after.status not in {ItemStatus.IDEA, ItemStatus.PLANNED, ItemStatus.PROPOSED}
    if before.status is after.status:
        return False
    return MOVES[before.status].get(after.status, "person") == "person"
