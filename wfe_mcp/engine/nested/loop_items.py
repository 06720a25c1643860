"""The items of a loop: keys, order and values.

Evaluated once, when the loop opens; keys and order go into the log, the values into a document. A fault in
them is reported as one sentence, and the loop fails.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.paths import inside
from wfe_mcp.engine.artifacts.expression_scope import item_roots, roots
from wfe_mcp.workflow.expressions import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wfe_mcp.core.model import Attempt
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.workflow.model import ForEach

ONLY = "1"
"""The key of what a flow runs, and of the first pass of a loop that repeats."""


def evaluated_items(change: RunChange, attempt: Attempt) -> tuple[tuple[str, ...], str | None]:
    """The keys in the order of the walk, and the document of the values. Raises ExpressionError."""
    loop = change.state.phase(attempt.phase).loop
    if loop is not None and loop.flow:
        from wfe_mcp.engine.nested.subflows import flow_inputs

        return (ONLY,), change.tx.documents.keep({ONLY: {"index": 0, "value": flow_inputs(change, attempt)}})
    walk = change.plan.loop(attempt.phase).for_each
    if walk is None:  # ``until``: the first pass
        return (ONLY,), None
    found = change.plan.expressions.evaluate(walk.in_, roots(change, attempt, walk.in_))
    if not isinstance(found, list):
        raise ExpressionError(walk.in_, f"a loop walks over a list, this is {type(found).__name__}")
    values = cast("list[object]", found)
    keys = _keys(change, attempt, walk, values)
    order = range(len(values)) if walk.order_by is None else _order(walk.order_by, keys, values)
    ordered = [(keys[position], values[position]) for position in order]
    document = {key: {"index": index, "value": value} for index, (key, value) in enumerate(ordered)}
    return tuple(key for key, _ in ordered), change.tx.documents.keep(document)


def loop_sha256(change: RunChange, attempt: Attempt) -> str:
    """What the gates of a loop judge: its items and every artifact made in them."""
    items = change.state.loops[attempt.phase].items
    return sha256_of({"items": items, "made": dict(_made(change, attempt.phase))})


def _made(change: RunChange, loop: PhasePath) -> Iterator[tuple[PhasePath, str | None]]:
    state = change.state.loops[loop]
    for key in state.keys[: state.begun]:
        for phase in change.state.spec.body(loop):
            path = inside(loop, key, phase.path)
            if path in change.state.loops:
                yield from _made(change, path)
            elif change.state.current(path).status is AttemptStatus.COMPLETED:
                yield path, change.state.current(path).sha256


def _keys(change: RunChange, attempt: Attempt, walk: ForEach, values: Sequence[object]) -> list[str]:
    if walk.key is None:
        return [_own_key(value, index) for index, value in enumerate(values)]
    seen = roots(change, attempt, walk.key)
    keys: list[str] = []
    for index, value in enumerate(values):
        found = change.plan.expressions.evaluate(
            walk.key, seen | item_roots(walk.as_, "", index, len(values), value, {})
        )
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise ExpressionError(
                walk.key, f"a key is text or a number, that of item {index} is {type(found).__name__}"
            )
        keys.append(str(found))
    return keys


def _own_key(value: object, index: int) -> str:
    """The item's ``id``, else its index."""
    own = cast("dict[str, object]", value).get("id") if isinstance(value, dict) else None
    return str(own) if isinstance(own, str | int) and not isinstance(own, bool) else str(index)


def _order(field: str, keys: Sequence[str], values: Sequence[object]) -> list[int]:
    """The positions in the order of ``field``; items that lack it come last, equal ones as they were."""
    fields = [cast("dict[str, Any]", value).get(field) if isinstance(value, dict) else None for value in values]
    present = [given for given in fields if given is not None]
    if any(isinstance(given, list) for given in present):
        if not all(isinstance(given, list) for given in present):
            raise ExpressionError(field, "order_by finds lists of keys in some items and other values in others")
        return _after(field, keys, [[str(need) for need in given or ()] for given in fields])
    numbers = all(isinstance(given, int | float) for given in present)
    if not numbers and not all(isinstance(given, str) for given in present):
        raise ExpressionError(
            field, "order_by takes numbers, or texts, or lists of keys, and one of them for all items"
        )
    return sorted(range(len(values)), key=lambda at: (fields[at] is None, 0 if fields[at] is None else fields[at]))


def _after(field: str, keys: Sequence[str], needs: Sequence[Sequence[str]]) -> list[int]:
    """Every item after those it names; among those that could be next, the first in the list. Others' keys are no need."""
    position = {key: at for at, key in enumerate(keys)}
    waits = [{position[need] for need in named if need in position} for named in needs]
    followers: dict[int, list[int]] = {}
    for at, before in enumerate(waits):
        for one in before:
            followers.setdefault(one, []).append(at)
    free = [at for at, before in enumerate(waits) if not before]
    order: list[int] = []
    while free:
        at = heapq.heappop(free)
        order.append(at)
        for follower in followers.get(at, ()):
            waits[follower].discard(at)
            if not waits[follower]:
                heapq.heappush(free, follower)
    if len(order) < len(keys):
        circle = ", ".join(repr(keys[at]) for at, before in enumerate(waits) if before)
        raise ExpressionError(field, f"order_by finds items that wait for each other: {circle[:300]}")
    return order
