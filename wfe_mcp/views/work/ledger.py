"""The ledger of claims that were falsified: made from the log of the work items, so that nothing leaves it."""

import json
from collections.abc import Iterator

from wfe_mcp.core.items import Item, ItemKind, ItemStatus, changed, loaded
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.values.model import second, view_model
from wfe_mcp.views.work.models import ItemLine, item_lines


@view_model
class Falsified:
    """A claim that was falsified once. ``status``: what it is now; ``again_at``: when it was taken up again."""

    id: str
    title: str
    status: str
    why: str
    at: str
    actor: str
    commit: str = ""
    follow_ups: tuple[ItemLine, ...] = ()
    again_at: str = ""


@view_model
class Ledger:
    """Every time that a claim of the project was falsified, the newest first. ``open``: how many are so now."""

    falsified: tuple[Falsified, ...]
    open: int = 0


def ledger(engine: Engine) -> Envelope:
    """The ledger of falsified claims, made from their log."""
    with engine.store.read() as tx:
        found = sorted(_falsified(engine, tx), key=lambda each: each.at, reverse=True)
    now = {each.id for each in found if each.status == ItemStatus.FALSIFIED}
    summary = (
        f"{plural(len(found), 'falsified claim')}, {len(now)} of them open" if found else "No claim was falsified."
    )
    return Envelope(True, summary=summary, view=Ledger(falsified=tuple(found), open=len(now)))


def _falsified(engine: Engine, tx: Tx) -> Iterator[Falsified]:
    made: dict[int, Item] = {}
    open_: dict[int, tuple[Item, str, str]] = {}
    again: list[tuple[Item, str, str, str]] = []
    for event in tx.items.history(engine.project_id):
        if event.type == SIGNED:
            continue
        before, values = made.get(event.number), json.loads(event.payload)
        item = changed(before, values) if before else loaded(f"W-{event.number}", values)
        made[event.number] = item
        if item.kind is not ItemKind.CLAIM or (before and before.status) is item.status:
            continue
        if item.status is ItemStatus.FALSIFIED:
            open_[event.number] = (item, second(event.at), event.actor)
        elif event.number in open_:
            was, at, actor = open_.pop(event.number)
            again.append((changed(was, {"needs": item.needs}), at, actor, second(event.at)))
    for item, at, actor, over in [*((*each, "") for each in open_.values()), *again]:
        last = made[int(item.id[2:])]
        needs = tx.items.named(engine.project_id, (item if over else last).needs)
        failed = [each for each in item.results if each.get("outcome") == "failed"]
        failed += [each for each in item.evidence if each.get("supports") is False]
        yield Falsified(
            id=item.id,
            title=item.title,
            status=str(last.status),
            why=item.reason,
            at=at,
            actor=actor,
            commit=next((str(each["head"]) for each in failed if each.get("head")), ""),
            follow_ups=tuple(item_lines(tx, engine.project_id, needs)),
            again_at=over,
        )
