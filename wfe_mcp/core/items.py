"""Work items: what there is to do, and what was decided about the architecture.

    milestone, task, bug, finding, requirement, idea, threat     idea → planned → ready → active → done
    decision (of architecture)                                   proposed → accepted → deprecated or superseded
    claim (about the work)                                       pending → validated, falsified or inconclusive

Rules:
1. ``MOVES`` is the table of all changes of a status, and who may make each: an agent, a run, or a person.
2. A person may make every move of the table; an agent those of its own; a run those that its end causes.
3. An item starts once all that it and its parent need is over: done or dropped. Under a ``sequential`` parent one item is
   active at a time, and a milestone is worked either as a whole or by its items; those of a dropped one wait.
4. A run that fails takes its item back to ``ready``; after ``MOST_FAILURES`` the item is blocked until a person frees it. One
   that continues after its end takes the item with it: ``active`` again.
5. The status of a claim follows from its tests (``claims.py``). One that was falsified is taken up again by a move of its own,
   once what it needs is over.
6. What a change holds is the new value of each changed field: ``with_values`` applies it, so that a log of changes is the item.
"""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.item_states import MOVES, OVER, ItemKind, ItemStatus, Mover
from wfe_mcp.core.item_texts import text_for
from wfe_mcp.core.item_values import LISTS, PRIORITIES, Values, check_values, wrong_value
from wfe_mcp.core.units import join_names

MOST_FAILURES = 3
_BODY_LEAST, _TITLE_LEAST = 10, 3


class ItemFile(NamedTuple):
    """A file attached to an item. The log names it so; its bytes are beside the items, by their sha256."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Item:
    """A work item. ``scopes``: the paths that it is about, as globs; ``criteria``: when it is done.

    ``source``: where it came from: an address, or ``FILE#ID``. ``imported``: of an item of a file, a short hash of each field
    as the file last had it. ``fingerprint``: of the finding that it was made from. ``reason``: why it is blocked, dropped or
    superseded, or a claim has its verdict. ``failures``: how many runs for it failed in a row. ``sequential``: of its children
    one is active at a time. ``tests``, ``results``, ``evidence``: of a claim, as ``claims.py`` has them.
    """

    id: str
    kind: ItemKind
    title: str
    status: ItemStatus
    body: str = ""
    priority: int = PRIORITIES["normal"]
    parent: str = ""
    needs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sequential: bool = False
    source: str = ""
    imported: tuple[str, ...] = ()
    fingerprint: str = ""
    runs: tuple[str, ...] = ()
    branch: str = ""
    commits: tuple[str, ...] = ()
    pull_request: str = ""
    reason: str = ""
    failures: int = 0
    files: tuple[ItemFile, ...] = ()
    tests: tuple[Values, ...] = ()
    results: tuple[Values, ...] = ()
    evidence: tuple[Values, ...] = ()

    @property
    def is_work(self) -> bool:
        """Whether a run can work it: a decision is a person's, and the status of a claim follows from its tests."""
        return self.kind not in {ItemKind.DECISION, ItemKind.CLAIM}

    @property
    def is_over(self) -> bool:
        """True when nothing is left to do."""
        return self.status in OVER


def new_item(id_: str, kind: ItemKind, given: Values) -> Item:
    """A new item of ``given``, with the criteria of its kind where it has none. Refuses ``bad_argument``."""
    status = _FIRST.get(kind, ItemStatus.PLANNED)
    values = check_values(given)
    for name in ("evidence", "tests"):
        if name in values and (name == "evidence" or kind is not ItemKind.CLAIM):
            raise wrong_value(name, f"is no field of a new {kind}", "only a claim has it", values[name])
    if not values.get("title"):
        raise wrong_value("title", "is missing", "a line that says what it is about", None)
    values.setdefault("criteria", list(criteria_of(kind)))
    return with_values(Item(id_, kind, "", status), values)


_FIRST = {ItemKind.DECISION: ItemStatus.PROPOSED, ItemKind.IDEA: ItemStatus.IDEA, ItemKind.CLAIM: ItemStatus.PENDING}


def criteria_of(kind: ItemKind) -> tuple[str, ...]:
    """What an item of this kind has to meet where its criteria are not given."""
    return text_for(kind).criteria


def missing(item: Item) -> dict[str, str]:
    """What the item does not say and has to before work on it begins, with what belongs there. A milestone is its items."""
    if item.kind is ItemKind.MILESTONE:
        return {}
    text = text_for(item.kind, item.tags)
    short = f", in at least {_BODY_LEAST} characters" if item.body else ""
    wanted = {
        "title": (len(item.title) >= _TITLE_LEAST, "a line that says what it is about"),
        "body": (len(item.body) >= _BODY_LEAST, f"{text.asks}{short}"),
        "criteria": (bool(item.criteria), text.criteria[0] if text.criteria else "how anyone sees that it is done"),
    }
    return {name: what for name, (is_there, what) in wanted.items() if not is_there}


OPTIONS = {"title": "--title TEXT", "body": "--body TEXT", "criteria": "--criterion TEXT"}
"""How a person says what is missing."""
_SAYS = {"title": "what it is about", "body": "what is to be done", "criteria": "when it is done"}
"""What each says, in the words of forms and pages."""


def missing_values(item: Item) -> dict[str, Any]:
    """What is missing, as the text of the item's kind has it; nothing for a task that has no such text."""
    text = text_for(item.kind, item.tags)
    texts: dict[str, Any] = {"body": text.body, "criteria": text.criteria}
    return {name: texts[name] for name in missing(item) if texts.get(name)}


def with_values(item: Item, values: Values) -> Item:
    """``item`` with these values in place of its own."""
    item_values = {name: tuple(value) if name in LISTS else value for name, value in values.items()}
    if "status" in item_values:
        item_values["status"] = ItemStatus(item_values["status"])
    if "kind" in item_values:
        item_values["kind"] = ItemKind(item_values["kind"])
    if "files" in item_values:
        item_values["files"] = tuple(ItemFile(*file) for file in item_values["files"])
    return replace(item, **item_values)


def values_of(item: Item) -> dict[str, Any]:
    """The fields of ``item`` that say something, as JSON has them: what the first entry of its log holds."""
    plain_values: dict[str, Any] = {}
    for field in fields(item):
        value = getattr(item, field.name)
        if field.name != "id" and (field.name in {"kind", "title", "status"} or value != field.default):
            plain_values[field.name] = list(value) if field.name in LISTS else value
    return plain_values


def load_item(id_: str, values: Values) -> Item:
    """The item whose first entry holds ``values``."""
    return with_values(Item(id_, ItemKind.IDEA, "", ItemStatus.IDEA), values)


def refuse_move(item: Item, to: ItemStatus, who: Mover, others: Iterable[Item] = (), options: str = "") -> None:
    """Refuse a move that the table does not have, that another must make, or whose conditions are not met.

    ``others``: the items that it needs, and those beside it under its parent. ``options``: further ones of the command for
    the user, such as the reason that an agent gave.
    """
    may = dict(MOVES[item.status])
    if item.status is ItemStatus.BLOCKED and item.failures >= MOST_FAILURES:
        may[ItemStatus.PLANNED] = "person"
    # From elsewhere only a run that continues makes it active again.
    if to not in may or (to is ItemStatus.ACTIVE and item.status is not ItemStatus.READY):
        raise _illegal(item, to)
    if may[to] == "test" != who:
        raise Refused(
            "illegal_transition",
            f"That {item.id} is {to} follows from its tests and its evidence.",
            f"Run them: wfe-mcp claim test {item.id}",
        )
    if who != "person" and may[to] not in {"agent", who}:
        by_run = may[to] == "run"
        raise Refused(
            "needs_human",
            f"{item.id} becomes {to} by a run of it, or by a person."
            if by_run
            else f"Only a person decides that {item.id} is {to}.",
            _by_the_user(item, to, options, by_run=by_run),
        )
    if to in {ItemStatus.READY, ItemStatus.ACTIVE}:
        refuse_unready(item, then=("--status ready",) if to is ItemStatus.READY else ())
    if to is ItemStatus.ACTIVE:
        _refuse_waiting(item, others)
    if item.status is ItemStatus.FALSIFIED and to is ItemStatus.PENDING:
        _refuse_open(item, others)


def _by_the_user(item: Item, to: ItemStatus, options: str, *, by_run: bool) -> str:
    """What the user does in the place of an agent that may not move ``item`` there."""
    if to is ItemStatus.ACCEPTED:
        return f"The user does in a terminal of their own: wfe-mcp decision accept {item.id}"
    if to is ItemStatus.SUPERSEDED:
        return f"The user does in a terminal of their own: wfe-mcp decision replace {item.id} ITEM"
    first = (
        f"Start one: wfe-mcp work start {item.id}. Or the user"
        if by_run and item.status is ItemStatus.READY
        else "The user"
    )
    return first + f" says so in a terminal of their own: wfe-mcp work edit {item.id} --status {to}{options}"


def refuse_start(item: Item, others: Iterable[Item] = ()) -> None:
    """Refuse to start a run for an item that is not ready, or that waits. ``others``: as of ``refuse_move``."""
    refuse_move(item, ItemStatus.ACTIVE, "run", others)


def after_run(item: Item, run: str, *, completed: bool) -> dict[str, Any]:
    """What changes in ``item`` when ``run``, which was started for it, is over; nothing when it is over already."""
    if item.is_over or run not in item.runs[-1:]:
        return {}
    if completed:
        return {"status": ItemStatus.DONE, "reason": "", "failures": 0}
    failures = item.failures + 1
    if item.status is not ItemStatus.ACTIVE:  # such as blocked meanwhile, with a reason: only a person frees it
        return {"failures": failures}
    if failures >= MOST_FAILURES:
        reason = f"{failures} runs for it ended without success, the last of them {run}"
        return {"status": ItemStatus.BLOCKED, "failures": failures, "reason": reason}
    return {"status": ItemStatus.READY, "failures": failures}


def after_reopening(item: Item, run: str, *, completed: bool) -> dict[str, Any]:
    """What changes in ``item`` when ``run`` continues after its end. ``completed``: it had ended with success.

    Nothing where the item was moved since then otherwise than by that end, or where another run works it.
    """
    if run not in item.runs[-1:]:
        return {}
    was = ItemStatus.DONE if completed else ItemStatus.BLOCKED if item.failures >= MOST_FAILURES else ItemStatus.READY
    if item.status is not was:
        return {}
    return {"status": ItemStatus.ACTIVE, "reason": "", "failures": max(0, item.failures - (not completed))}


def startable(items: Iterable[Item]) -> tuple[list[Item], dict[str, tuple[str, str]]]:
    """Of these items those that can start, best first: by priority, then as they were added; and why the other ready
    ones wait, with what to do about it. ``items``: all open ones, and the milestones that were dropped.
    """
    known = {item.id: item for item in items}
    active: dict[str, list[Item]] = {}  # of thousands of items under one parent few are, and the others let none wait
    for item in known.values():
        if item.status is ItemStatus.ACTIVE:
            active.setdefault(item.parent, []).append(item)
    free, waiting = list[Item](), dict[str, tuple[str, str]]()
    for item in known.values():
        if item.status is not ItemStatus.READY:
            continue
        parent = known.get(item.parent)
        named = (*item.needs, item.parent, *(parent.needs if parent else ()))
        beside = active.get(item.parent, []) if item.parent else []
        wait = waits(item, [*(known[name] for name in named if name in known), *beside, *active.get(item.id, ())])
        if wait is None:
            free.append(item)
        else:
            waiting[item.id] = wait
    return sorted(free, key=lambda item: (-item.priority, number_of(item.id))), waiting


def waits(item: Item, others: Iterable[Item]) -> tuple[str, str] | None:
    """Why ``item`` cannot start yet, and what to do about it; None when it can.

    ``others``: what it needs, its parent and what that needs, the items beside it and under it.
    """
    known = {other.id: other for other in others if other.id != item.id}
    parent = known.get(item.parent)
    for waiting in filter(None, (item, parent)):
        needs = [need for need in waiting.needs if need in known and not known[need].is_over]
        if needs:
            whose = "" if waiting is item else f", which {waiting.id} needs"
            them = "it" if len(needs) == 1 else "them"
            return (
                f"{item.id} waits for {', '.join(needs)}{whose}.",
                f"Finish {them} first, or drop it: wfe-mcp work show {needs[0]}",
            )
    if parent is not None and parent.kind is ItemKind.MILESTONE and parent.status is ItemStatus.DROPPED:
        return (
            f"{item.id} is part of {parent.id}, which was dropped.",
            f"Drop it too, or take it out: wfe-mcp work edit {item.id} --parent ''",
        )
    active = [other for other in known.values() if other.status is ItemStatus.ACTIVE]
    under = [child.id for child in active if child.parent == item.id and item.kind is ItemKind.MILESTONE]
    if parent is not None and parent in active and parent.kind is ItemKind.MILESTONE:
        return f"{parent.id} is worked as a whole, and {item.id} with it.", f"Look at it: wfe-mcp work show {parent.id}"
    beside = [
        sibling.id for sibling in active if parent is not None and parent.sequential and sibling.parent == parent.id
    ]
    if beside or under:
        return (
            f"{(beside or under)[0]} is active, and of the items of {item.parent if beside else item.id} one is worked at a time.",
            f"Finish it first: wfe-mcp work show {(beside or under)[0]}",
        )
    return None


def number_of(id_: str) -> int:
    """The number in an item's id."""
    return int(id_.rpartition("-")[2])


def overlap(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """The scopes of ``first`` that may touch a file of ``second``, as far as their texts up to the first wildcard say."""
    theirs = [_beginning(scope) for scope in second]
    return [scope for scope in first if any(_touch(_beginning(scope), other) for other in theirs)]


def _illegal(item: Item, to: ItemStatus) -> Refused:
    legal = ", ".join(status for status in MOVES[item.status] if status is not to) or "nothing: its record is closed"
    hint = f"It can become: {legal}."
    if to is ItemStatus.ACTIVE and ItemStatus.READY in MOVES[item.status]:
        lacks = "".join(f" {OPTIONS[name]}" for name in missing(item))
        hint = f"Make it ready first: wfe-mcp work edit {item.id}{lacks} --status ready"
    return Refused("illegal_transition", f"{item.id} is {item.status}, and cannot become {to}.", hint)


def refuse_unready(item: Item, *, then: tuple[str, ...] = ()) -> None:
    """Refuse ``not_ready`` an item that does not say what it has to before work on it begins, with what belongs there.

    ``then``: the option of the move that was refused, so that one command does both.
    """
    lacks = missing(item)
    if lacks:
        faults = tuple(Detail(pointer("item", name), "is missing", what) for name, what in lacks.items())
        say = f"Say it: wfe-mcp work edit {item.id} {' '.join((*(OPTIONS[name] for name in lacks), *then))}"
        fill = f"; or take the text of its kind: wfe-mcp work edit {item.id} {' '.join(('--fill', *then))}"
        raise Refused(
            "not_ready",
            f"{item.id} is not ready: it does not say {join_names([_SAYS[name] for name in lacks])}.",
            say + (fill if missing_values(item) else ""),
            faults,
        )


def _refuse_waiting(item: Item, others: Iterable[Item]) -> None:
    wait = waits(item, others)
    if wait is not None:
        why, what = wait
        raise Refused("not_ready", why, f"{what}. Or the user starts it: wfe-mcp work start {item.id} --reason TEXT")


def _refuse_open(claim: Item, others: Iterable[Item]) -> None:
    """Refuse to take a falsified claim up again before what it needs is over; something has to have been done for it."""
    left = [other.id for other in others if other.id in claim.needs and not other.is_over]
    if left or not claim.needs:
        raise Refused(
            "not_ready",
            f"{claim.id} was falsified: {claim.reason or 'see its tests'}. "
            + (f"Its follow-ups are open: {', '.join(left)}." if left else "It has no follow-up yet."),
            f"Finish them first: wfe-mcp work show {left[0]}"
            if left
            else f"Name what has to be done for it: wfe-mcp claim follow-up {claim.id} ITEM",
            tuple(Detail(pointer("item", "needs"), "is open", "done", id_) for id_ in left),
        )


def _beginning(scope: str) -> str:
    """What every path of ``scope`` begins with; of a scope without a wildcard also what the path itself is, with a slash."""
    text = scope.split("*")[0].split("?")[0].split("[")[0]
    return text if text != scope else f"{scope.rstrip('/')}/"


def _touch(first: str, second: str) -> bool:
    return first.startswith(second) or second.startswith(first)
