"""The ledger of claims that were falsified: made from the log of the work items, so that nothing leaves it."""

import json
from collections.abc import Iterator

from wfe_mcp.core.items import Item, ItemKind, ItemStatus, load_item, with_values
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
        claims = sorted(_falsified_claims(engine, tx), key=lambda each: each.at, reverse=True)
    now = {claim.id for claim in claims if claim.status == ItemStatus.FALSIFIED}
    summary = (
        f"{plural(len(claims), 'falsified claim')}, {len(now)} of them open" if claims else "No claim was falsified."
    )
    return Envelope(True, summary=summary, view=Ledger(falsified=tuple(claims), open=len(now)))


def _falsified_claims(engine: Engine, tx: Tx) -> Iterator[Falsified]:
    items: dict[int, Item] = {}
    open_: dict[int, tuple[Item, str, str]] = {}
    again: list[tuple[Item, str, str, str]] = []
    for event in tx.items.history(engine.project_id):
        if event.type == SIGNED:
            continue
        before, values = items.get(event.number), json.loads(event.payload)
        item = with_values(before, values) if before else load_item(f"W-{event.number}", values)
        items[event.number] = item
        if item.kind is not ItemKind.CLAIM or (before and before.status) is item.status:
            continue
        if item.status is ItemStatus.FALSIFIED:
            open_[event.number] = (item, second(event.at), event.actor)
        elif event.number in open_:
            was, at, actor = open_.pop(event.number)
            again.append((with_values(was, {"needs": item.needs}), at, actor, second(event.at)))
    for item, at, actor, over in [*((*entry, "") for entry in open_.values()), *again]:
        last = items[int(item.id[2:])]
        needs = tx.items.by_ids(engine.project_id, (item if over else last).needs)
        failed = [result for result in item.results if result.get("outcome") == "failed"]
        failed += [piece for piece in item.evidence if piece.get("supports") is False]
        yield Falsified(
            id=item.id,
            title=item.title,
            status=str(last.status),
            why=item.reason,
            at=at,
            actor=actor,
            commit=next((str(proof["head"]) for proof in failed if proof.get("head")), ""),
            follow_ups=tuple(item_lines(tx, engine.project_id, needs)),
            again_at=over,
        )
