"""Lint rules for locks: detects possible deadlocks.

A phase takes all its locks at its claim, so it holds none while it waits. A loop holds its locks while a phase inside
waits for more.

    loop a holds x, a phase in it needs y  │  loop b holds y, a phase in it needs x      each may wait for the other

Rules:
1. All loops take locks in one order. A cycle is an error at each lock that closes it, naming both.
2. Two names are the same lock when they may become the same text: ``scope:${…}`` and ``scope:db``.
3. A lock with the same text on an enclosing loop is held already.
"""

import re
from collections.abc import Iterator, Sequence

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.expressions import ExpressionError, scan
from wfe_mcp.workflow.lint.flows import held_views
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import FlowPhase, SubflowRule


@dataclass(frozen=True, slots=True)
class _Order:
    """``holder`` has locked ``first`` while ``phase`` waits for ``then``, written at ``pointer``."""

    holder: str
    first: str
    phase: str
    then: str
    pointer: str


def lock_rules(views: tuple[PhaseView, ...], found: LintFindings) -> None:
    """No two loops take locks in opposite order."""
    orders = list(_orders(views, (), ""))
    waits = _Waits(orders)
    for order in orders:
        other = waits.that_closes(order)
        if other is not None:
            found.error(
                order.pointer,
                f"{order.phase!r} waits for the lock {order.then!r} while {order.holder!r} holds {order.first!r}, and "
                f"{other.phase!r} waits for {other.then!r} while {other.holder!r} holds {other.first!r}: each may wait for "
                "the other forever; take both locks in one place, or in the same order",
                None,
                order.then,
            )


def _orders(views: Sequence[PhaseView], held: tuple[tuple[str, str], ...], pointer: str) -> Iterator[_Order]:
    """The locks held while another is waited for; in an embedded template, at the ``pointer`` of its phase.

    ``held``: (phase, lock) around the flow, its own too.
    """
    for view in views:
        around = (*held, *((outer.phase.id, name) for outer in view.around for name in outer.phase.locks))
        for position, then in enumerate(view.phase.locks):
            if then not in {name for _, name in around}:
                at = pointer or f"{view.pointer}/locks/{position}"
                yield from (_Order(holder, first, view.phase.id, then, at) for holder, first in around)
        for rule in view.phase.on_fail or ():
            if isinstance(rule, SubflowRule):  # a failed phase holds no lock during its recovery
                yield from _orders(held_views(rule), around, pointer or view.pointer)
        if isinstance(view.phase, FlowPhase):
            own = tuple((view.phase.id, name) for name in view.phase.locks)
            yield from _orders(held_views(view.phase), (*around, *own), pointer or f"{view.pointer}/template")


class _Waits:
    """The orders of a template as a graph of its lock names. Names are few; orders are up to their square."""

    def __init__(self, orders: Sequence[_Order]) -> None:
        names = dict.fromkeys(name for order in orders for name in (order.first, order.then))
        self._same = {name: [other for other in names if _may_be_one(name, other)] for name in names}
        self._after: dict[str, dict[str, _Order]] = {name: {} for name in names}
        for order in orders:
            self._after[order.first].setdefault(order.then, order)
        self._reached: dict[str, dict[str, _Order]] = {}

    def that_closes(self, start: _Order) -> _Order | None:
        """The order that leads back to the lock ``start`` holds; itself when its own two locks may be the same."""
        if start.first in self._same[start.then]:
            return start
        reached = self._reached_from(start.then)
        return next((reached[name] for name in self._same[start.first] if name in reached), None)

    def _reached_from(self, name: str) -> dict[str, _Order]:
        """The locks that are waited for while ``name`` is held, directly or not, each with the order that waits."""
        if name not in self._reached:
            found: dict[str, _Order] = {}
            waiting = [name]
            while waiting:
                for held in self._same[waiting.pop()]:
                    for then, order in self._after[held].items():
                        if then not in found:
                            found[then] = order
                            waiting.append(then)
            self._reached[name] = found
        return self._reached[name]


def _may_be_one(left: str, right: str) -> bool:
    try:
        patterns = [_pattern(left), _pattern(right)]
    except ExpressionError:  # reported with the other expressions
        return False
    (before, after, left_fills), (start, end, right_fills) = patterns
    if not left_fills and not right_fills:
        return left == right
    if not left_fills:
        return _fits(left, start, end)
    if not right_fills:
        return _fits(right, before, after)
    return (before.startswith(start) or start.startswith(before)) and (after.endswith(end) or end.endswith(after))


def _fits(text: str, before: str, after: str) -> bool:
    return re.fullmatch(f"{re.escape(before)}.*{re.escape(after)}", text, re.DOTALL) is not None


def _pattern(name: str) -> tuple[str, str, bool]:
    """The text before the first expression of ``name`` and after the last, and whether it has one."""
    parts = scan(name)
    fills = any(part.is_expression for part in parts)
    first = "" if not parts or parts[0].is_expression else parts[0].text
    last = "" if not parts or parts[-1].is_expression else parts[-1].text
    return first, last, fills
