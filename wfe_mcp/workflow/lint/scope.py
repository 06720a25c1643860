"""The names that the expressions of a phase can use.

    before     when, prompt, prompt_gates, …      inputs run phase env · artifacts and vars of needed phases · loop items
    judged     gates, on_fail, next, compensate   … and the phase's own artifact: the submitted revision
    body       key, until, phases of a loop       … and the loop's item

Outside a loop, an artifact of its body is a map: item key → artifact. ``artifacts`` that exist elsewhere are *hidden*, with
the reason why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from wfe_mcp.workflow.expressions import ExpressionError, source_of
from wfe_mcp.workflow.lint.known import OPEN, Fields, Known, MapOf, SchemaNode
from wfe_mcp.workflow.lint.order import Order
from wfe_mcp.workflow.lint.used_names import used_names
from wfe_mcp.workflow.model import LoopPhase, Phase, Step, StepsPhase, Template, all_phases

Scope = Mapping[str, Known]
"""Root name → what is known below it."""

_RUN = Fields(dict.fromkeys(("id", "title", "iteration", "template", "started_at"), OPEN))
_FEEDBACK: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"from": {}, "attempt": {}, "message": {}, "artifact": {}},
        "additionalProperties": False,
    },
}
_PHASE = Fields(
    {**dict.fromkeys(("id", "path", "attempt"), OPEN), "feedback": SchemaNode(_FEEDBACK, _FEEDBACK)},
)


@dataclass(frozen=True, slots=True)
class _Made:
    """The artifacts and step results available at a place."""

    artifacts: Mapping[str, Known]
    vars: Mapping[str, Known]

    def __or__(self, other: "_Made") -> "_Made":
        return _Made({**self.artifacts, **other.artifacts}, {**self.vars, **other.vars})


_NOTHING = _Made({}, {})


@dataclass(frozen=True, slots=True)
class PhaseView:
    """A phase, its place and its scopes. ``around``: the views of the enclosing loops, innermost last."""

    phase: Phase
    pointer: str
    index: int
    order: Order
    around: tuple["PhaseView", ...]
    before: Scope
    judged: Scope
    body: Scope | None = None


def views(template: Template) -> tuple[PhaseView, ...]:
    """Every phase in declared order, with its scopes."""
    return tuple(_Scopes(template).walk(template.phases, "/phases", (), _NOTHING, {}))


def outputs_scope(template: Template) -> Scope:
    """The scope of the template's ``outputs``: all artifacts."""
    scopes = _Scopes(template)
    made = _NOTHING
    for phase in template.phases:
        made |= scopes.made_by(phase)
    scope = scopes.scope(made, {}, {})
    return {name: known for name, known in scope.items() if name != "phase"}


def with_step(scope: Scope, step: Step) -> Scope:
    """The scope of the steps after ``step``."""
    if step.assign is None:
        return scope
    return {**scope, "vars": Fields({**cast("Fields", scope["vars"]).known, step.assign: _result_of(step)})}


def _result_of(step: Step) -> Known:
    return _node(step.output.schema_) if step.output else OPEN


def _node(schema: str | dict[str, Any]) -> Known:
    """What is known of an artifact of this schema; open when the schema is invalid (another rule reports that)."""
    from wfe_mcp.artifacts.registry import check_schema, json_schema

    if check_schema(schema):
        return OPEN
    document = json_schema(schema)
    return SchemaNode(document, document)


class _Scopes:
    def __init__(self, template: Template) -> None:
        self._inputs = _inputs(template.inputs)
        self._makers = {
            phase.output.artifact: (position, phase.id)
            for position, phase in reversed(list(enumerate(all_phases(template.phases))))
            if phase.output
        }
        self._positions = {id(phase): position for position, phase in enumerate(all_phases(template.phases))}
        self._nodes: dict[int, Known] = {}

    def walk(
        self,
        phases: Sequence[Phase],
        pointer: str,
        around: tuple[PhaseView, ...],
        outer: _Made,
        items: Scope,
    ) -> Iterator[PhaseView]:
        order = Order(phases)
        for index, phase in enumerate(phases):
            seen = outer
            for ancestor in sorted(order.ancestors(index) - {index}):
                seen |= self.made_by(phases[ancestor])
            own = self.made_by(phase)
            view = PhaseView(
                phase,
                f"{pointer}/{index}",
                index,
                order,
                around,
                self.scope(seen, items, self._hidden(phase, seen, judged=False)),
                self.scope(seen | own, items, self._hidden(phase, seen | own, judged=True)),
            )
            if isinstance(phase, LoopPhase):
                yield from self._loop(phase, view, seen, items)
            else:
                yield view

    def _loop(self, loop: LoopPhase, view: PhaseView, seen: _Made, items: Scope) -> Iterator[PhaseView]:
        inner = {**items, **_items(loop, view.before)}
        passed = seen
        if loop.until:  # evaluated after a pass, with the artifacts of that pass
            for phase in loop.phases:
                passed |= self.made_by(phase)
        body = self.scope(passed, inner, self._hidden(loop, passed, judged=True))
        view = replace(view, body=body)
        yield view
        yield from self.walk(loop.phases, f"{view.pointer}/phases", (*view.around, view), seen, inner)

    def made_by(self, phase: Phase) -> _Made:
        """What the phases after ``phase`` can use of it."""
        artifacts = {phase.output.artifact: self._artifact(phase)} if phase.output else {}
        if isinstance(phase, LoopPhase):
            for inner in phase.phases:
                made = self.made_by(inner)
                artifacts.update({name: MapOf(known) for name, known in made.artifacts.items()})
        results = [step for step in phase.steps if step.assign] if isinstance(phase, StepsPhase) else []
        return _Made(artifacts, {str(step.assign): _result_of(step) for step in results})

    def _artifact(self, phase: Phase) -> Known:
        known = self._nodes.get(id(phase))
        if known is None:
            known = self._nodes[id(phase)] = _node(phase.output.schema_) if phase.output else OPEN
        return known

    def scope(self, made: _Made, items: Scope, hidden: Mapping[str, str]) -> Scope:
        """The scope: roots with what is known below them."""
        return {
            "inputs": self._inputs,
            "run": _RUN,
            "phase": _PHASE,
            "env": OPEN,
            "artifacts": Fields(made.artifacts, hidden),
            "vars": Fields(made.vars),
            **items,
        }

    def _hidden(self, phase: Phase, seen: _Made, *, judged: bool) -> dict[str, str]:
        here = self._positions[id(phase)]
        hidden: dict[str, str] = {}
        for name, (position, maker) in self._makers.items():
            if name in seen.artifacts:
                continue
            if position == here and not judged:
                hidden[name] = "it is the phase's own and exists once it is submitted: gates, on_fail and next see it"
            elif position > here:
                hidden[name] = f"phase {maker!r} produces it, and comes later"
            else:
                hidden[name] = (
                    f"phase {maker!r} produces it, but {phase.id!r} does not need that phase; add it to needs"
                )
        return hidden


def _inputs(schema: Mapping[str, Any]) -> Known:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return OPEN
    return Fields({name: SchemaNode(value, schema) for name, value in cast("dict[str, object]", properties).items()})


def _items(loop: LoopPhase, before: Scope) -> dict[str, Known]:
    value: Known = OPEN
    if loop.for_each:
        try:
            source = source_of(loop.for_each.in_)
        except ExpressionError:
            source = None
        value = used_names(source, before).value.element() if source else OPEN
    item = Fields({**dict.fromkeys(("key", "index", "count", "done"), OPEN), "value": value})
    named = {loop.for_each.as_: value} if loop.for_each and loop.for_each.as_ else {}
    return {"item": item, **named}
