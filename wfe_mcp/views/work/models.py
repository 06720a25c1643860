"""Work items as values: a line of a list, the whole item, its history."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any

from wfe_mcp.core.items import Item, ItemKind, ItemStatus, missing
from wfe_mcp.engine.delivery.reverted_items import gone_from_base
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.item_runs import Overlap, milestone_of, overlapping
from wfe_mcp.engine.work.following import tasks_in_work
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.items import item_of
from wfe_mcp.store.records.runs import ItemEventRecord, ItemRow
from wfe_mcp.views.values.model import INLINE, JsonObject, second, view_model, view_of
from wfe_mcp.views.work.claims import ClaimFacts, claim_view


@view_model
class ItemLine:
    """A work item in a list. ``waits_for``: what it and its parent need and what is not over; ``run``: the newest one for it.

    ``in_work``: the run of its milestone that works it now, with its status as it is; ``stopped``: why that waits there.
    """

    id: str
    kind: str
    title: str
    status: str
    priority: int
    parent: str = ""
    waits_for: tuple[str, ...] = ()
    run: str = ""
    changed_at: str = ""
    in_work: str = ""
    stopped: str = ""

    @property
    def work(self) -> str:
        """What the run of its milestone does with it, in a few words."""
        if self.stopped:
            return f"stopped in run {self.in_work}: {self.stopped}"
        return f"in work by run {self.in_work}" if self.in_work else ""

    @property
    def note(self) -> str:
        """The same, else what it waits for."""
        return self.work or (f"waits for {', '.join(self.waits_for)}" if self.waits_for else "")


@view_model
class ItemList:
    """Work items of the project. ``counts``: how many of the kind have which status; ``cursor`` continues after the last one."""

    items: tuple[ItemLine, ...]
    counts: JsonObject
    cursor: str = ""


@view_model
class ItemChange:
    """One change of an item: the new values, when and by whom. ``signed``: with the key of a person."""

    at: str
    actor: str
    channel: str
    values: JsonObject
    signed: bool = False


@view_model
class ItemFileLine:
    """A file attached to an item, without its bytes: its number in the item, what its bytes are, and their sha256."""

    number: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str


@view_model
class PlanScore:
    """The quality of a milestone with its open items as a plan: 100 minus each penalty, and what costs points."""

    score: int
    problems: tuple[str, ...] = ()


@view_model
class ItemView:
    """A whole work item. ``missing``: what it does not say and has to before it starts; ``plan``: how good that of a milestone is.

    ``gone_from_base``: of one that is done, that nothing of its merged change is on the base any more; empty where that is not so.
    """

    line: ItemLine = field(metadata=INLINE)
    body: str = ""
    needs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sequential: bool = False
    source: str = ""
    runs: tuple[str, ...] = ()
    branch: str = ""
    commits: tuple[str, ...] = ()
    pull_request: str = ""
    reason: str = ""
    gone_from_base: str = ""
    failures: int = 0
    files: tuple[ItemFileLine, ...] = ()
    children: tuple[ItemLine, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    missing: JsonObject = field(default_factory=dict[str, Any])
    plan: PlanScore | None = None
    claim: ClaimFacts | None = None
    history: tuple[ItemChange, ...] = ()


class ItemLines:
    """Makes the lines of ``items``, and of what is named beside them; what they need is read once for all of them."""

    def __init__(self, tx: Tx, project_id: str, items: Iterable[Item]) -> None:
        listed = list(items)
        above = tx.items.by_ids(project_id, {item.parent for item in listed if item.parent})
        needed = tx.items.by_ids(project_id, {need for item in (*listed, *above) for need in item.needs})
        self._known = {item.id: item for item in (*above, *needed)}
        self._tasks = tasks_in_work(tx, project_id) if above else {}

    def others(self, item: Item) -> list[Item]:
        """The parent of one of them, what it needs, and what its parent needs."""
        parent = self._known.get(item.parent)
        names = dict.fromkeys((item.parent, *item.needs, *(parent.needs if parent else ())))
        return [self._known[name] for name in names if name in self._known]

    def line(self, item: Item, changed_at: str) -> ItemLine:
        """The line of one of them."""
        needed = [] if item.is_over else [other for other in self.others(item) if other.id != item.parent]
        in_work, stopped = self._tasks.get(item.id, ("", ""))
        return view_of(
            ItemLine,
            item,
            waits_for=tuple(other.id for other in needed if not other.is_over),
            run=item.runs[-1] if item.runs else "",
            changed_at=changed_at,
            in_work=in_work,
            stopped=stopped,
        )


def item_lines(tx: Tx, project_id: str, items: Iterable[Item]) -> list[ItemLine]:
    """The lines of ``items``, with what they wait for and when they were changed."""
    listed = list(items)
    times = {f"W-{row.number}": row.changed_at for row in tx.items.rows(project_id, (item.id for item in listed))}
    lines = ItemLines(tx, project_id, listed)
    return [lines.line(item, second(times[item.id])) for item in listed]


def item_list(tx: Tx, project_id: str, rows: Sequence[ItemRow], cursor: str, kinds: Sequence[ItemKind]) -> ItemList:
    """A page of items of these kinds; none given: of all."""
    counts = {str(status): count for status, count in tx.items.counts(project_id, kinds=kinds).items()}
    lines = item_lines(tx, project_id, map(item_of, rows))
    return ItemList(items=tuple(lines), counts=dict(sorted(counts.items())), cursor=cursor)


def item_view(engine: Engine, tx: Tx, item: Item, *, history: bool = True) -> ItemView:
    """The whole of ``item``, with the items under it and its history."""
    project = engine.project_id
    log = tx.items.history(project, item.id)
    changes = [event for event in log if event.type != SIGNED]
    last = second(changes[-1].at) if changes else ""
    signatures = {event.seq for event in log} - {event.seq for event in changes}  # each signs the event before it
    is_near = item.status in {ItemStatus.READY, ItemStatus.ACTIVE}
    return view_of(
        ItemView,
        item,
        line=ItemLines(tx, project, [item]).line(item, last),
        gone_from_base=gone_from_base(engine, tx, item),
        files=tuple(ItemFileLine(number=nth, **file._asdict()) for nth, file in enumerate(item.files, 1)),
        children=tuple(item_lines(tx, project, tx.items.children(project, item.id))),
        missing=missing(item) if item.status in {ItemStatus.IDEA, ItemStatus.PLANNED} else {},
        plan=_score(item, tx.items.children(project, item.id)),
        claim=claim_view(engine, tx, item) if item.kind is ItemKind.CLAIM else None,
        overlaps=tuple(overlapping(engine, tx, item)) if is_near else (),
        history=tuple(
            view_of(ItemChange, event, values=_shown_change(event), signed=event.seq + 1 in signatures)
            for event in (changes if history else ())
        ),
    )


def _score(item: Item, children: Sequence[Item]) -> PlanScore | None:
    """The score of a milestone on which something is left to do; None of anything else."""
    tasks = [child for child in children if child.is_work]
    if item.kind is not ItemKind.MILESTONE or item.is_over or (tasks and all(task.is_over for task in tasks)):
        return None
    from wfe_mcp.importers.quality import quality_of, weaknesses

    milestone = milestone_of(item, children)
    lines = {task["id"]: 0 for task in milestone["tasks"]}
    quality = quality_of(list(weaknesses([milestone], [0], lines)))
    problems = tuple(f"{problem['message']} (−{problem['penalty']})" for problem in quality["problems"])
    return PlanScore(score=quality["score"], problems=problems)


def _shown_change(event: ItemEventRecord) -> dict[str, Any]:
    """What a change says, files by their names; not the hashes by which an import knows what changed here."""
    values = {name: value for name, value in json.loads(event.payload).items() if name != "imported"}
    return values | ({"files": [file[0] for file in values["files"]]} if "files" in values else {})
