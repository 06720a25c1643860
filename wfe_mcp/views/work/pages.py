"""Work items as the page shows them: the backlog of one project or of all, a whole item with what is around it, falsified claims."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from itertools import groupby

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import MOVES, Item, ItemKind, ItemStatus, load_item, overlap, refuse_move, with_values
from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.item_runs import template_for
from wfe_mcp.engine.search.finding import CATCH_UP_S, catch_up
from wfe_mcp.engine.work.items import others_of
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.items import item_of
from wfe_mcp.store.records.runs import ItemRow
from wfe_mcp.store.words.query import MAX_TERMS, Query, Term, words
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.pages.decision import blocks_json
from wfe_mcp.views.values.model import INLINE, JsonObject, second, view_model, view_of
from wfe_mcp.views.work.models import ItemLine, ItemLines, ItemView, item_lines, item_view

_MOST_ACTIVE = 200
"""Active items that a card is compared with."""


@view_model
class ItemMove:
    """A status that an item can get. ``takes``: run (a run is started), pin, or nothing; ``refused``: why it cannot now."""

    to: str
    takes: str = ""
    refused: str = ""


@view_model
class ItemCard:
    """An item of the backlog. ``version``: the event of the log that made it so; ``done`` of ``parts`` under it are over.

    ``overlaps``: the active items that touch the same paths.
    """

    line: ItemLine = field(metadata=INLINE)
    project: str
    version: int
    moves: tuple[ItemMove, ...] = ()
    parts: int = 0
    done: int = 0
    overlaps: tuple[str, ...] = ()


@view_model
class Backlog:
    """Items in order. ``count``: how many there are, also where fewer are shown; ``counts``: how many have which status."""

    items: tuple[ItemCard, ...]
    count: int
    counts: JsonObject


@view_model
class ItemRun:
    """A run that worked an item, or found it."""

    run: str
    title: str
    state: str
    template: str
    at: str


@view_model
class ItemPage:
    """A whole item. ``text``: its body as blocks; ``above``: its parent, and the parent of that.

    ``needed``: what it needs; ``needed_by``: what needs it; ``run_lines``: its runs, newest first; ``template``: of a run for it.
    """

    view: ItemView = field(metadata=INLINE)
    project: str
    version: int
    added_at: str
    text: tuple[JsonObject, ...] = ()
    above: tuple[ItemLine, ...] = ()
    needed: tuple[ItemLine, ...] = ()
    needed_by: tuple[ItemLine, ...] = ()
    parts: int = 0
    done: int = 0
    run_lines: tuple[ItemRun, ...] = ()
    moves: tuple[ItemMove, ...] = ()
    template: str = ""


def backlog(
    engine: Engine,
    project: str,
    kinds: Sequence[ItemKind],
    statuses: Sequence[ItemStatus],
    text: str = "",
    *,
    newest: bool = False,
    limit: int,
    among: Sequence[str] | None = None,
) -> Backlog:
    """The items of a project, for "" of those ``among``, else of all, the highest priority first, else (``newest``) the last to change.

    ``text``: only items with words that begin with these. Refuses ``unavailable`` for them without full-text search.
    """
    wanted = words(text)[:MAX_TERMS]
    query = Query(((tuple(Term((word,), is_prefix=True) for word in wanted), ()),)) if wanted else None
    if query is not None:
        catch_up(engine, within_s=CATCH_UP_S)
    with engine.store.read() as tx:
        several = [record.id for record in tx.projects.all()] if among is None else among
        projects = [project] if project else several
        rows, count = tx.items.backlog(projects, kinds, statuses, query, newest=newest, limit=limit)
        counts = {str(status): many for status, many in tx.items.counts(*projects).items()}
        cards = _cards(tx, rows)
    return Backlog(items=cards, count=count, counts=dict(sorted(counts.items())))


def item_page(engine: Engine, name: str) -> ItemPage:
    """The page of an item. Refuses ``bad_argument`` for an unknown one."""
    project = engine.project_id
    with engine.store.read() as tx:
        row = tx.items.row(project, name)
        item = item_of(row)
        done, parts = tx.items.progress(project, (item.id,)).get(item.id, (0, 0))
        runs = [tx.runs.load(RunId(run_id)) for run_id in reversed(item.runs)]
        view = item_view(engine, tx, item)
        page = ItemPage(
            view=view,
            project=project,
            version=row.last_seq,
            added_at=second(row.added_at),
            text=blocks_json(item.body),
            above=tuple(_above(tx, project, item)),
            needed=tuple(item_lines(tx, project, tx.items.by_ids(project, item.needs))),
            needed_by=tuple(item_lines(tx, project, tx.items.naming(project, item.id))),
            parts=parts,
            done=done,
            run_lines=tuple(
                view_of(
                    ItemRun,
                    run.record,
                    run=run.record.id,
                    state=str(run.state.status),
                    at=second(run.record.created_at),
                )
                for run in runs
                if run is not None
            ),
            moves=_moves(item, others_of(engine, tx, item)),
        )
    return replace(page, template=template_for(engine, name)) if item.is_work else page


def _cards(tx: Tx, rows: Iterable[ItemRow]) -> tuple[ItemCard, ...]:
    """The cards of ``rows``, in their order; what they name is read once for each project."""
    items = list(rows)
    cards: dict[tuple[str, int], ItemCard] = {}
    for project, some in groupby(sorted(items, key=lambda row: row.project_id), key=lambda row: row.project_id):
        of_project = [(row, item_of(row)) for row in some]
        lines = ItemLines(tx, project, (item for _, item in of_project))
        active = [item_of(row) for row in tx.items.backlog([project], (), (ItemStatus.ACTIVE,), limit=_MOST_ACTIVE)[0]]
        progress = tx.items.progress(project, {item.id for _, item in of_project})
        for row, item in of_project:
            beside = [other for other in active if other.id != item.id]
            done, parts = progress.get(item.id, (0, 0))
            open_ = item.status in {ItemStatus.READY, ItemStatus.ACTIVE}
            cards[project, row.number] = ItemCard(
                line=lines.line(item, second(row.changed_at)),
                project=project,
                version=row.last_seq,
                moves=_moves(item, [*lines.others(item), *(other for other in beside if other.parent == item.parent)]),
                parts=parts,
                done=done,
                overlaps=tuple(
                    other.id for other in beside if open_ and other.scopes and overlap(item.scopes, other.scopes)
                ),
            )
    return tuple(cards[row.project_id, row.number] for row in items)


def _moves(item: Item, others: list[Item]) -> tuple[ItemMove, ...]:
    """What a person at the page can do with the status of an item."""
    may = MOVES[item.status].items()
    is_ready = item.status is ItemStatus.READY
    persons = [(to, who) for to, who in may if who != "test" and (is_ready or to is not ItemStatus.ACTIVE)]
    return tuple(_move(item, to, who, others) for to, who in persons)


def _move(item: Item, to: ItemStatus, who: str, others: list[Item]) -> ItemMove:
    takes = "run" if to is ItemStatus.ACTIVE else "" if who == "agent" else "pin"
    try:
        refuse_move(item, to, "person", others)
    except Refused as refused:
        return ItemMove(to=to, takes=takes, refused=refused.message)
    return ItemMove(to=to, takes=takes)


def _above(tx: Tx, project: str, item: Item) -> list[ItemLine]:
    """The parents of an item, the outermost first."""
    items: list[Item] = []
    while item.parent and len(items) < 10:
        item = tx.items.get(project, item.parent)
        items.insert(0, item)
    return item_lines(tx, project, items)


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
