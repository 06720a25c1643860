"""Adds, changes and lists work items.

Rules:
1. An agent may add and describe items. What ends one (done, dropped, accepted …) follows from a run, or a person decides it.
2. An item names others only where they exist, and never itself: neither ``needs`` nor ``parent`` has a circle.
3. What is over, and an accepted decision, is described no more: its record stays as it was.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from wfe_mcp.core.errors import Detail, Refused, nearest_hint, pointer
from wfe_mcp.core.item_values import check_values, wrong_value
from wfe_mcp.core.items import (
    OVER,
    Item,
    ItemKind,
    ItemStatus,
    Mover,
    criteria_of,
    missing_values,
    new_item,
    overlap,
    refuse_move,
    refuse_unready,
    values_of,
    with_values,
)
from wfe_mcp.core.model import By
from wfe_mcp.core.texts import slug
from wfe_mcp.core.titles import first_words
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.identity import mark
from wfe_mcp.engine.outbox.outbox import publish_item
from wfe_mcp.engine.work.claims import bound_evidence, refuse_fixed, refuse_unknown, taken_up, values_with_evidence
from wfe_mcp.engine.work.item_files import with_files
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.workspace.files.given_files import FileToAttach
from wfe_mcp.workspace.system.shell_words import shell_word

E = TypeVar("E", bound=StrEnum)

WORK = "work item"
"""What has started a run that works an item: its ``triggered_by``, with the item's id as ``external_id``."""
_WORK_BEFORE = "work"
"""The same in runs of earlier versions, and a text that anyone may give: there the item has to name the run."""

MOST_DECISIONS, _DECISION_CHARS = 20, 600
_NAME_CHARS = 48
CLOSED = OVER | {ItemStatus.ACCEPTED}
"""The statuses of items that are described no more."""
OPEN = tuple(status for status in ItemStatus if status not in OVER)
"""The statuses of items on which something is left to do; an accepted decision holds until another replaces it."""


def add_item(engine: Engine, by: By, kind: str, given: Mapping[str, Any], files: Sequence[FileToAttach] = ()) -> Item:
    """Add an item of ``kind`` with these fields and files. Refuses ``bad_argument`` with all faults at once, ``too_large``."""
    what = kind_of(kind)
    with engine.store.tx() as tx:
        item = _with_known(engine, tx, new_item(tx.items.new_id(engine.project_id), what, given))
        if item.tests:
            refuse_unknown(engine, tx, item)
        item = keep_new(engine, tx, item, by)
        return keep_changes(engine, tx, item, {"files": with_files(engine, tx, item, files)}, by)


def change_item(
    engine: Engine,
    by: By,
    name: str,
    given: Mapping[str, Any],
    status: str = "",
    reason: str = "",
    *,
    fill: bool = False,
    version: int = 0,
    files: Sequence[FileToAttach] = (),
    detach: str = "",
) -> Item:
    """Give an item new values, and move it to ``status``. ``reason``: why it is blocked, dropped or replaced; ``files``: to
    attach, where the same bytes under the same name are kept once; ``detach``: one to take out, as ``with_files`` finds it.

    ``fill``: what it does not say and has to before it can start is said by the text of its kind. ``version``: the event of
    the log that the caller has seen last; 0 for whatever the item is now. Refuses ``illegal_transition``, ``not_ready``,
    ``bad_argument``, ``needs_human`` for what only a person decides, and ``conflict`` where another has changed it since.
    """
    values = check_values(given)
    to = status_of(status) if status else None
    evidence = bound_evidence(engine, by, values.pop("evidence")) if "evidence" in values else []
    with engine.store.tx() as tx:
        item = tx.items.get(engine.project_id, name)
        if version:
            _refuse_changed(tx, engine.project_id, item, version)
        if item.kind is ItemKind.CLAIM:
            refuse_fixed(item, values, by)
        elif "tests" in values:
            raise wrong_value("tests", f"is no field of a {item.kind}", "only a claim has it", values["tests"])
        if evidence:
            item = keep_changes(engine, tx, item, values_with_evidence(item, evidence), by)
        values |= _fill_missing(with_values(item, values)) if fill else {}
        if (values or files or detach) and item.status in CLOSED:
            raise Refused(
                "illegal_transition",
                f"{item.id} is {item.status}: its record stays as it is.",
                f"Open it again: wfe-mcp work edit {item.id} --status planned"
                if item.status in {ItemStatus.DONE, ItemStatus.DROPPED}
                else "Add another claim: wfe-mcp claim add TITLE"
                if item.kind is ItemKind.CLAIM
                else "Add a decision that takes its place: wfe-mcp decision add TITLE",
            )
        if values:
            known = _with_known(engine, tx, with_values(item, values))
            item = keep_changes(engine, tx, item, {name: getattr(known, name) for name in values}, by)
        item = keep_changes(engine, tx, item, {"files": with_files(engine, tx, item, files, detach)}, by)
        if to is ItemStatus.BLOCKED is item.status and reason:
            return keep_changes(engine, tx, item, {"reason": reason}, by)
        if to is not None and to is not item.status:
            who: Mover = "person" if by.is_human else "agent"
            options = f" --reason {shell_word(reason)}" if reason else ""
            refuse_move(item, to, who, others_of(engine, tx, item), options)
            if to is ItemStatus.BLOCKED and not reason:
                raise Refused(
                    "bad_argument",
                    "What blocks it is missing.",
                    f"Say it: wfe-mcp work block {item.id} REASON",
                    (Detail(pointer("item", "reason"), "is missing", "one line"),),
                )
            moved = {"status": to, "failures": 0 if by.is_human else item.failures, "reason": reason}
            moved |= taken_up(engine, tx, item, by) if to is ItemStatus.PENDING else {}
            item = keep_changes(engine, tx, item, moved, by)
        return item


def promote_item(engine: Engine, by: By, name: str, kind: str = "", parent: str = "") -> Item:
    """Make planned work of an item that has not begun: of an idea a task, else with another ``kind``, under ``parent``.

    Refuses what has begun or is over.
    """
    with engine.store.tx() as tx:
        item = tx.items.get(engine.project_id, name)
        what = kind_of(kind) if kind else ItemKind.TASK if item.kind is ItemKind.IDEA else item.kind
        unworked = {what, item.kind} & {ItemKind.DECISION, ItemKind.CLAIM}
        if item.status not in {ItemStatus.IDEA, ItemStatus.PLANNED} or unworked:
            raise Refused(
                "illegal_transition",
                f"{item.id} is {f'a {min(unworked)}' if unworked else item.status}: it is not promoted.",
                f"Promoted is what is an idea or planned: wfe-mcp work show {item.id}",
            )
        values: dict[str, Any] = {
            "kind": what,
            "status": ItemStatus.PLANNED,
            "criteria": item.criteria or criteria_of(what),
        }
        if parent:
            values["parent"] = _with_known(engine, tx, with_values(item, {"parent": parent})).parent
        return keep_changes(engine, tx, item, values, by)


def _fill_missing(item: Item) -> dict[str, Any]:
    """What is missing, by the text of the kind. Refuses ``not_ready`` where the kind has none."""
    missing = missing_values(item)
    if not missing:
        refuse_unready(item)
    return missing


def name_of_work(engine: Engine, name: str) -> str:
    """The name of a branch or folder for the work on an item: its id and the first words of its title."""
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
    return slug(f"{item.id} {item.title}", _NAME_CHARS)


def _follow_milestone(engine: Engine, tx: Tx, before: Item | None, item: Item, at: datetime | None) -> None:
    """Keep the milestones that ``item`` was and is under in step with it: done where all of their items are over and one of
    them is done, and planned again where open work comes under one. ``before``: None for a new item.
    """
    had = (before.parent, before.is_over) if before else ("", True)
    if item.kind is ItemKind.DECISION or (had == (item.parent, item.is_over) and before):
        return
    for parent in tx.items.by_ids(engine.project_id, filter(None, {had[0], item.parent})):
        if parent.kind is not ItemKind.MILESTONE:
            continue
        is_open_there = parent.id == item.parent and not item.is_over
        if is_open_there and parent.status is ItemStatus.DONE:
            keep_changes(engine, tx, parent, {"status": ItemStatus.PLANNED, "reason": ""}, SYSTEM, at)
        if not is_open_there and parent.status in {ItemStatus.PLANNED, ItemStatus.READY, ItemStatus.BLOCKED}:
            children = tx.items.children(engine.project_id, parent.id)
            is_left = any(not child.is_over and child.kind is not ItemKind.DECISION for child in children)
            if not is_left and any(child.status is ItemStatus.DONE for child in children):
                done = {"status": ItemStatus.DONE, "reason": "all items under it are over"}
                keep_changes(engine, tx, parent, done, SYSTEM, at)


def others_of(engine: Engine, tx: Tx, item: Item) -> list[Item]:
    """What it needs, its parent and what that needs, the items beside it, and those under a milestone."""
    project = engine.project_id
    above = tx.items.by_ids(project, filter(None, (item.parent,)))
    needed = tx.items.by_ids(project, {*item.needs, *(need for parent in above for need in parent.needs)})
    beside = tx.items.children(project, item.parent) if item.parent else []
    under = tx.items.children(project, item.id) if item.kind is ItemKind.MILESTONE else []
    return [*needed, *above, *(other for other in beside if other.id != item.id), *under]


def open_items(engine: Engine, tx: Tx) -> list[Item]:
    """The items on which something is left to do, as they were added."""
    return items_of(tx, engine.project_id, statuses=OPEN)


def items_to_start(engine: Engine, tx: Tx) -> list[Item]:
    """What ``startable`` chooses of."""
    dropped = items_of(tx, engine.project_id, (ItemKind.MILESTONE,), (ItemStatus.DROPPED,))
    return [*open_items(engine, tx), *dropped]


def item_of_run(tx: Tx, run: RunRecord) -> Item | None:
    """The item that ``run`` was started for; None for any other run, and where the item is missing or names it not."""
    item = tx.items.find(run.project_id, run.external_id) if run.triggered_by in {WORK, _WORK_BEFORE} else None
    return item if item is not None and run.id in item.runs else None


def items_of(
    tx: Tx, project_id: str, kinds: tuple[ItemKind, ...] = (), statuses: tuple[ItemStatus, ...] = ()
) -> list[Item]:
    """All items of these kinds and statuses, as they were added."""
    from wfe_mcp.store.items import MOST_ROWS, item_of

    items: list[Item] = []
    after = 0
    while rows := tx.items.page(project_id, kinds=kinds, statuses=statuses, after=after):
        items += map(item_of, rows)
        after = rows[-1].number
        if len(rows) < MOST_ROWS:
            break
    return items


def decision_lines(engine: Engine, tx: Tx, item: str = "") -> list[str]:
    """The accepted decisions for the prompts of a run, a line each: all, or those that touch the scopes of the item that it works."""
    scopes = tx.items.get(engine.project_id, item).scopes if item else ()
    accepted = items_of(tx, engine.project_id, (ItemKind.DECISION,), (ItemStatus.ACCEPTED,))
    items = [decision for decision in accepted if not (decision.scopes and scopes) or overlap(decision.scopes, scopes)]
    lines = [f"{decision.id} {decision.title}{_about(decision)}" for decision in items[:MOST_DECISIONS]]
    more = len(items) - len(lines)
    return [*lines, f"and {plural(more, 'more decision')}: work(action='list', kind='decision')"] if more else lines


def kind_of(text: str) -> ItemKind:
    """The kind called ``text``. Refuses ``bad_argument`` with the nearest one."""
    return _choice_named(ItemKind, text, "kind", "kind of work item")


def status_of(text: str) -> ItemStatus:
    """The status called ``text``. Refuses ``bad_argument`` with the nearest one."""
    return _choice_named(ItemStatus, text, "status", "status of a work item")


def _choice_named(of: type[E], text: str, argument: str, what: str) -> E:
    names = [*map(str, of)]
    if text not in names:
        raise Refused(
            "bad_argument",
            f"{text!r} is no {what}.",
            nearest_hint(text, names, f"One of: {', '.join(names)}."),
            (Detail(pointer(argument), f"is no {argument}", names, text),),
        )
    return of(text)


def _about(decision: Item) -> str:
    """Where a decision holds, and why it was taken."""
    text = first_words(" ".join(decision.body.split()), _DECISION_CHARS)
    return (f" ({', '.join(decision.scopes)})" if decision.scopes else "") + (f": {text}" if text else "")


def keep_new(engine: Engine, tx: Tx, item: Item, by: By, at: datetime | None = None) -> Item:
    """Keep a new item, and mark the folder as the project that has it. ``at``: None for now."""
    tx.after_commit(engine.has_changed)
    # Without the mark and a commit, nothing would tell where the items are once the folder is renamed.
    tx.after_commit(lambda: mark(engine.root, engine.project_id, make=True))
    tx.items.add(engine.project_id, item, by, at or engine.clock())
    publish_item(engine, tx, item)
    _follow_milestone(engine, tx, None, item, at)
    return item


def keep_changes(
    engine: Engine, tx: Tx, item: Item, values: Mapping[str, Any], by: By, at: datetime | None = None
) -> Item:
    """``item`` with what differs in ``values``, kept. ``at``: None for now."""
    new = {name: value for name, value in values.items() if getattr(item, name) != value}
    if not new:
        return item
    tx.after_commit(engine.has_changed)
    item_now = tx.items.change(engine.project_id, item, new, by, at or engine.clock())
    publish_item(engine, tx, item_now, new)
    _follow_milestone(engine, tx, item, item_now, at)
    return item_now


def _refuse_changed(tx: Tx, project_id: str, item: Item, version: int) -> None:
    """Refuse to change what another has changed after ``version``; the details have each field as it is now."""
    log = tx.items.history(project_id, item.id)
    since = [event for event in log if event.seq > version and event.type != SIGNED]
    if not since:
        return
    names = {name: event for event in since for name in json.loads(event.payload)}
    details = tuple(
        Detail(pointer("item", name), f"was changed by {event.actor}", got=values_of(item).get(name, ""))
        for name, event in names.items()
    )
    raise Refused(
        "conflict",
        f"{since[-1].actor} has changed {item.id} since you opened it: {', '.join(names)}.",
        "Look at what is new, then save yours again.",
        details,
        data={"version": since[-1].seq},
    )


def _with_known(engine: Engine, tx: Tx, item: Item) -> Item:
    """``item``; refuses one that names an item which is not there, or leads back to itself."""
    parent = tx.items.get(engine.project_id, item.parent).id if item.parent else ""
    needs = [tx.items.get(engine.project_id, need).id for need in item.needs]
    known = with_values(item, {"parent": parent, "needs": needs})
    refuse_circle(engine, tx, known, "parent")
    refuse_circle(engine, tx, known, "needs")
    return known


def refuse_circle(engine: Engine, tx: Tx, item: Item, name: str) -> None:
    """Refuse an item that its parents or needs, by ``name`` of the field, lead back to."""
    seen, left = set[str](), items_before(item, name)
    while left:
        items = tx.items.by_ids(engine.project_id, left)
        # A milestone is over once its items are.
        milestones = [above.id for above in items if above.kind is ItemKind.MILESTONE and not above.is_over]
        milestones = milestones if name == "needs" else []
        if item.id in left or item.parent in milestones:
            raise Refused(
                "bad_argument",
                f"{item.id} would come before itself.",
                f"Take one of its {'parents' if name == 'parent' else 'needs'} out.",
                (Detail(pointer("item", name), "leads back to the item", got=items_before(item, name)),),
            )
        seen.update(left)
        parts = (part.id for above in milestones for part in tx.items.children(engine.project_id, above))
        named = (needed for above in items for needed in items_before(above, name))
        left = [needed for needed in (*parts, *named) if needed not in seen]


def items_before(item: Item, name: str) -> list[str]:
    """The ids that the field ``needs`` or ``parent`` of an item names."""
    value: str | Sequence[str] = getattr(item, name)
    return list(filter(None, [value] if isinstance(value, str) else value))
