"""Lint rules for embedded templates and for locks, which can wait for each other.

1. An inner template has no errors; the outer one requires its configuration too.
2. ``with`` gives every required input, and no unknown one; what is no expression fits the input's schema.
3. A phase has one recovery; loops and flows have none: their inner phases can fail. The artifact of a flow is the
   ``outputs`` of its template and is not editable.
4. Context bundles are frozen when the run starts, when the inputs of an inner template are not yet known.
5. A template that is not embedded yet (``workflow/flows.py``) is listed as required.

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
from typing import Any, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, near_miss, pointer
from wfe_mcp.workflow.expressions import ExpressionError, scan
from wfe_mcp.workflow.flows import held_template
from wfe_mcp.workflow.lint.inputs import value_faults
from wfe_mcp.workflow.lint.report import LintFindings, LintReport
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.load import input_schemas
from wfe_mcp.workflow.model.phases import BundleRef, FlowPhase, LoopPhase
from wfe_mcp.workflow.model.rules import SubflowRule
from wfe_mcp.workflow.model.template import Template


def flow_rules(views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """All rules on embedded templates, over all phases."""
    for view in views:
        if isinstance(view.phase, FlowPhase):
            _flow(view.phase, view.pointer, findings)
            _check_output(view.phase, view.pointer, findings)
        recoveries = [
            (f"{view.pointer}/on_fail/{position}", rule)
            for position, rule in enumerate(view.phase.on_fail or ())
            if isinstance(rule, SubflowRule)
        ]
        for at, rule in recoveries:
            _flow(rule, at, findings)
        _recoverable(view, recoveries, findings)


def _recoverable(view: PhaseView, recoveries: list[tuple[str, SubflowRule]], findings: LintFindings) -> None:
    for at, _ in recoveries[1:]:
        findings.error(at, "a phase has at most one recovery", "one rule 'subflow'")
    if recoveries and isinstance(view.phase, LoopPhase | FlowPhase):
        findings.error(
            recoveries[0][0],
            f"{view.phase.id!r} contains other phases: put the recovery on those",
            "a phase that is not a loop or a flow",
        )


def held_views(shape: FlowPhase | SubflowRule) -> tuple[PhaseView, ...]:
    """The phases of the inner template; none when it is missing or has schema errors."""
    from wfe_mcp.workflow.lint.scope import views

    try:
        return views(held_template(shape))
    except Refused:
        return ()


def _flow(shape: FlowPhase | SubflowRule, at: str, findings: LintFindings) -> None:
    if shape.definition is None:
        findings.templates.add(shape.template)
        return
    report = _report(shape.definition, findings)
    for name in ("checks", "roles", "servers", "context", "plugins", "templates"):
        getattr(findings, name).update(getattr(report.requires, name))
    for error in report.errors:
        findings.error(
            f"{at}/template",
            f"template {shape.template!r} at {error.path or '/'}: {error.message}",
            None,
            shape.template,
        )
    if report.ok:
        _bundles(shape, at, findings)
        _inputs(held_template(shape), shape, at, findings)


def _report(definition: dict[str, Any], findings: LintFindings) -> LintReport:
    # lint calls this rule for each embedded template: the recursion is as deep as the nesting.
    from wfe_mcp.workflow.lint import lint

    return lint(definition, findings.project)


def _inputs(inner: Template, shape: FlowPhase | SubflowRule, at: str, findings: LintFindings) -> None:
    schema = inner.inputs
    properties = input_schemas(schema)
    known = tuple(properties)
    if "additionalProperties" not in schema:
        for name in shape.with_:
            if name not in properties:
                hint = near_miss(name, known)
                findings.error(
                    f"{at}/with/{name}", f"template {shape.template!r} has no input {name!r}{hint}", list(known), name
                )
    for name, value in shape.with_.items():
        if "${" not in canonical_json(value):
            for fault in value_faults(schema, name, value) if name in properties else ():
                findings.error(f"{at}/with{pointer(name)}{fault.path}", fault.message, fault.expected, fault.got)
    for name in cast("list[str]", schema.get("required", [])):
        if name not in shape.with_ and "default" not in properties.get(name, {}):
            findings.error(f"{at}/with", f"template {shape.template!r} needs the input {name!r}", list(known), None)


def _bundles(shape: FlowPhase | SubflowRule, at: str, findings: LintFindings) -> None:
    for view in held_views(shape):
        for ref in view.phase.context:
            if isinstance(ref, BundleRef) and "${" in (ref.scope or ""):
                findings.error(
                    f"{at}/template",
                    f"the scope of the context bundle {ref.bundle!r} in template {shape.template!r} is unknown when the run "
                    "starts: its inputs are known only when the phase opens; write the scope there",
                    "a scope without ${",
                    ref.scope,
                )


def _check_output(phase: FlowPhase, at: str, findings: LintFindings) -> None:
    if phase.output is None:
        return
    if phase.output.editable:
        findings.error(
            f"{at}/output/editable", "the artifact of a flow comes from its template and is not editable", False, True
        )
    if phase.definition is not None and not phase.definition.get("outputs"):
        findings.warn(f"{at}/output", f"template {phase.template!r} has no 'outputs': the artifact is always empty")


@dataclass(frozen=True, slots=True)
class _Order:
    """``holder`` has locked ``first`` while ``phase`` waits for ``then``, written at ``pointer``."""

    holder: str
    first: str
    phase: str
    then: str
    pointer: str


def lock_rules(views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """No two loops take locks in opposite order."""
    orders = list(_orders(views, (), ""))
    waits = _Waits(orders)
    for order in orders:
        other = waits.that_closes(order)
        if other is not None:
            findings.error(
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
            orders: dict[str, _Order] = {}
            waiting = [name]
            while waiting:
                for held in self._same[waiting.pop()]:
                    for then, order in self._after[held].items():
                        if then not in orders:
                            orders[then] = order
                            waiting.append(then)
            self._reached[name] = orders
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
