"""The answers of the tool ``work``: list, show, add, change, next."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from wfe_mcp.core.errors import Detail, Refused, nearest_hint
from wfe_mcp.core.item_values import ATTACH
from wfe_mcp.core.items import MOVES, Item, ItemKind, ItemStatus, missing, startable, waits
from wfe_mcp.core.model import By
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.item_runs import overlapping, start_item
from wfe_mcp.engine.work.items import (
    OPEN,
    add_item,
    change_item,
    items_to_start,
    kind_of,
    others_of,
    promote_item,
    status_of,
)
from wfe_mcp.views.moves.envelope import LIMIT_BYTES, Envelope, Next
from wfe_mcp.views.values.model import plain
from wfe_mcp.views.work.models import ItemList, ItemView, item_lines, item_list, item_view
from wfe_mcp.workspace.files.given_files import FileToAttach, from_project

_TO_DO = tuple(item_status for item_status in OPEN if item_status is not ItemStatus.ACCEPTED)
_SHOWN = 20
_MOST_DIGITS = 18
"""A longer number is none that a database holds."""
_HALF = (LIMIT_BYTES - 1_500) // 2
"""The text form of an answer holds it too, with every letter escaped."""


def work(
    engine: Engine,
    by: By,
    action: str,
    kind: str = "",
    status: str = "",
    id: str = "",
    item: Mapping[str, Any] | None = None,
    cursor: str = "",
) -> Envelope:
    """One call of the tool. Refuses ``bad_argument`` for what its action does not take or lacks."""
    if action in {"show", "change"} and not id:
        raise Refused(
            "bad_argument",
            f"{action} needs the id of a work item.",
            "Find it: work(action='list')",
            (Detail("/id", "is missing", "an id such as W-12"),),
        )
    match action:
        case "show":
            return item_answer(engine, id)
        case "add":
            return add(engine, by, kind or "task", item or {})
        case "change" if status == ItemStatus.ACTIVE:
            return start(engine, by, id, item or {})
        case "change":
            return change(engine, by, id, item or {}, status)
        case "next":
            return next_items(engine)
        case _:
            return items_answer(engine, kind, status, cursor)


def items_answer(
    engine: Engine, kind: str = "", status: str = "", cursor: str = "", limit: int = _SHOWN, *, whole: bool = False
) -> Envelope:
    """The items of a kind and status, in the order in which they were added; without a status those on which something is left to do, and of
    decisions and claims those that hold too.

    ``whole``: for a person, as many as asked for; else what an answer of a tool holds.
    """
    kinds = (kind_of(kind),) if kind else ()
    holding = {ItemKind.DECISION: OPEN, ItemKind.CLAIM: (*_TO_DO, ItemStatus.VALIDATED)}
    left = holding.get(kinds[0], _TO_DO) if kinds else _TO_DO
    statuses = left if not status else tuple(ItemStatus) if status == "all" else (status_of(status),)
    after = _after(cursor)
    with engine.store.read() as tx:
        rows = tx.items.page(engine.project_id, kinds=kinds, statuses=statuses, after=after, limit=limit + 1)
        page = rows[:limit]
        listing = item_list(tx, engine.project_id, page, str(page[-1].number) if len(rows) > limit else "", kinds)
    view = listing if whole else _fitting(listing)
    args = {"action": "list", "kind": kind, "status": status, "cursor": view.cursor}
    args = {name: value for name, value in args.items() if value}
    more = [Next("work", args, why="more")] if view.cursor else []
    first = [Next("work", {"action": "show", "id": view.items[0].id})] if view.items else []
    counts = ", ".join(f"{count} {name}" for name, count in view.counts.items()) or "none yet"
    what = plural(len(view.items), "work item")
    return Envelope(True, summary=f"{what}; in all: {counts}", next=(*first, *more), view=view)


def next_items(engine: Engine) -> Envelope:
    """What can be started now, best first, and the call that starts it."""
    with engine.store.read() as tx:
        items, waiting = startable(items_to_start(engine, tx))
        lines = item_lines(tx, engine.project_id, items[:_SHOWN])
        counts = tx.items.counts(engine.project_id)
    view = ItemList(items=tuple(lines), counts={str(name): count for name, count in sorted(counts.items())})
    moves = tuple(_starts(line.id) for line in lines[:2])
    if not lines:
        planned = counts.get(ItemStatus.PLANNED, 0)
        more = (
            Next("work", {"action": "list", "status": "planned"}, why="make one ready")
            if planned
            else Next("work", {"action": "list"})
        )
        why = f": none is ready, and {planned} planned." if planned and not counts.get(ItemStatus.READY) else "."
        if waiting:
            reason, _ = next(iter(waiting.values()))
            others = len(waiting) - 1
            also = f" {plural(others, 'more ready item')} {'waits' if others == 1 else 'wait'}, too." if others else ""
            why = f": {reason}{also}"
        return Envelope(True, summary=f"No work item can be started now{why}", next=(more,), view=view)
    return Envelope(True, summary=f"Next: {lines[0].id} {lines[0].title!r}", next=moves, view=_fitting(view))


def item_answer(engine: Engine, name: str, *, whole: bool = False) -> Envelope:
    """An item. ``whole``: for a person, with all of its history; else what an answer of a tool holds."""
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
        view, moves = item_view(engine, tx, item), _moves(item, others_of(engine, tx, item))
    if view.line.in_work:
        moves = (Next("status", {"run": view.line.in_work}, why="its run"),)
    says = ", ".join(filter(None, (_says(item), view.line.work)))
    return Envelope(True, summary=says, next=moves, view=view if whole else _cut(view))


def promote_to_work(engine: Engine, by: By, name: str, kind: str = "", parent: str = "") -> Envelope:
    """Make planned work of an idea, or of an item of another kind, under ``parent``."""
    return _answer_change(engine, name, "Promoted ", lambda: promote_item(engine, by, name, kind, parent))


def add(engine: Engine, by: By, kind: str, given: Mapping[str, Any]) -> Envelope:
    """Add an item. ``attach`` among the values names files of the project."""
    values, files = _with_attached(engine, given)
    return _answer(engine, add_item(engine, by, kind, values, files), "Added ")


def attach_to_item(engine: Engine, by: By, name: str, files: Sequence[FileToAttach]) -> Envelope:
    """Attach files to an item."""
    return _answer_change(engine, name, "Attached to ", lambda: change_item(engine, by, name, {}, files=files))


def detach_from_item(engine: Engine, by: By, name: str, file: str) -> Envelope:
    """Take a file from an item, by its name, sha256 or number."""
    return _answer_change(engine, name, "Detached from ", lambda: change_item(engine, by, name, {}, detach=file))


def change(
    engine: Engine,
    by: By,
    name: str,
    given: Mapping[str, Any],
    status: str = "",
    reason: str = "",
    *,
    fill: bool = False,
    version: int = 0,
) -> Envelope:
    """Give an item new values, or another status. ``reason``, ``fill`` and, as in ``add``, ``attach`` may be among the values.

    ``version``: as of ``change_item``.
    """
    values, files = _with_attached(engine, given)
    why, fills = reason or str(values.pop("reason", "")), fill or values.pop("fill", False) is True
    if not (values or status or fills or files):
        raise Refused("bad_argument", "Nothing is changed.", "Give status, or fields in item.")
    return _answer_change(
        engine,
        name,
        "Changed ",
        lambda: change_item(engine, by, name, values, status, why, fill=fills, version=version, files=files),
    )


def start(engine: Engine, by: By, name: str, given: Mapping[str, Any], reason: str = "") -> Envelope:
    """Start a run that works the item, the answer is that of its start; a claim is tested. ``reason``: as of ``start_item``."""
    from wfe_mcp.views.answers.tool_answers import started_answer

    with engine.store.read() as tx:
        is_claim = tx.items.get(engine.project_id, name).kind is ItemKind.CLAIM
    unknown = [key for key in given if key not in {"template", "inputs"}]
    if unknown:
        hint = nearest_hint(unknown[0], ("template", "inputs"), "To start, item takes template and inputs.")
        raise Refused(
            "bad_argument",
            f"{unknown[0]!r} is nothing that starts an item.",
            hint,
            (Detail(f"/item/{unknown[0]}", "is not taken here"),),
        )
    if is_claim:
        return queue_tests(engine, name)
    inputs: Any = given.get("inputs") or {}
    if not isinstance(inputs, dict):
        raise Refused(
            "bad_argument", "inputs is no object.", "", (Detail("/item/inputs", "is no object", "an object", inputs),)
        )
    values = cast("dict[str, Any]", inputs)
    answer = started_answer(engine, by, start_item(engine, by, name, str(given.get("template", "")), values, reason))
    with engine.store.read() as tx:
        also = "".join(
            f"; {other.text}, too" for other in overlapping(engine, tx, tx.items.get(engine.project_id, name))
        )
    return replace(answer, summary=answer.summary + also)


def _with_attached(engine: Engine, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[FileToAttach]]:
    """The fields among the values, and the files of the project that ``attach`` names."""
    values = dict(given)
    paths: Any = values.pop(ATTACH, [])
    if not (isinstance(paths, list) and all(isinstance(path, str) for path in cast("list[object]", paths))):
        fault = Detail("/item/attach", "is no list of paths", "files of the project", cast("object", paths))
        raise Refused("bad_argument", "attach is no list of paths.", "Name files of the project.", (fault,))
    return values, from_project(engine.root, cast("list[str]", paths))


def queue_tests(engine: Engine, name: str) -> Envelope:
    """Put the tests of a claim into the queue."""
    from wfe_mcp.engine.evaluation.claim_tests import enqueue_test

    item, job = enqueue_test(engine, name)
    with engine.store.read() as tx:
        view = item_view(engine, tx, item, history=False)
    again = Next("work", {"action": "show", "id": item.id}, why="its results")
    return Envelope(True, summary=f"Job {job.id} tests {_says(item)}", next=(again,), view=_cut(view))


def _answer_change(engine: Engine, name: str, did: str, change: Callable[[], Item]) -> Envelope:
    with engine.store.read() as tx:
        before = tx.items.get(engine.project_id, name)
    item = change()
    return _answer(engine, item, did if item != before else "It is so already: ")


def _answer(engine: Engine, item: Item, did: str) -> Envelope:
    with engine.store.read() as tx:
        view, moves = item_view(engine, tx, item, history=False), _moves(item, others_of(engine, tx, item))
    return Envelope(True, summary=f"{did}{_says(item)}", next=moves, view=_cut(view))


def _says(item: Item) -> str:
    return f"{item.id} {item.title!r}: {item.status} {item.kind}"


def _moves(item: Item, others: Sequence[Item]) -> tuple[Next, ...]:
    """The calls that an agent can make now, as far as the table knows."""
    if item.status is ItemStatus.READY and waits(item, others) is None:
        return (_starts(item.id),)
    if item.status is ItemStatus.PENDING and any("check" in test for test in item.tests):
        return (Next("work", {"action": "change", "id": item.id, "status": "active"}, why="runs its tests"),)
    if item.status is ItemStatus.ACTIVE and item.runs:
        return (Next("status", {"run": item.runs[-1]}, why="its run"),)
    may = [to for to, who in MOVES[item.status].items() if who == "agent"]
    if ItemStatus.READY in may and item.criteria and not missing(item):
        return (Next("work", {"action": "change", "id": item.id, "status": "ready"}),)
    return (Next("work", {"action": "next"}),)


def _starts(id_: str) -> Next:
    return Next("work", {"action": "change", "id": id_, "status": "active"}, why="starts a run for it")


def _after(cursor: str) -> int:
    if cursor and (not cursor.isdecimal() or len(cursor) > _MOST_DIGITS):
        raise Refused("bad_argument", f"{cursor!r} is no cursor.", "Use the one of the page before.")
    return int(cursor or 0)


def _fitting(view: ItemList) -> ItemList:
    """As many items as an answer holds."""
    while len(view.items) > 1 and len(json.dumps(plain(view))) > _HALF:
        view = replace(view, items=view.items[:-1], cursor=view.items[-2].id.removeprefix("W-"))
    return view


def _cut(view: ItemView) -> ItemView:
    """The item with its newest changes and the beginning of its body, so that it fits into an answer."""
    item = replace(view, history=view.history[-10:], children=view.children[:_SHOWN])
    while len(json.dumps(plain(item))) > _HALF and (item.history or len(item.body) > 1_000):
        item = replace(item, history=item.history[1:]) if item.history else replace(item, body=f"{item.body[:900]}…")
    return item
