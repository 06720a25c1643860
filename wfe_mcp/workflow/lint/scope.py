"""The names that the expressions of a phase can use.

    before     when, prompt, prompt_gates, …      inputs run phase env · artifacts and vars of needed phases · loop items
    judged     gates, on_fail, next, compensate   … and the phase's own artifact: the submitted revision
    body       key, until, phases of a loop       … and the loop's item

Outside a loop, an artifact of its body is a map: item key → artifact. ``artifacts`` that exist elsewhere are *hidden*, with
the reason why.

The order of the phases in one list, from their ``needs``.

needs absent     the phase before it in the list        needs []   at once        names siblings only
ancestors        everything a phase needs, directly or not: what has certainly ended before it starts
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from wfe_mcp.artifacts.registry import check_schema, json_schema
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.expressions import ExpressionError, source_of
from wfe_mcp.workflow.lint.known import OPEN, Fields, KnownValue, MapOf, SchemaNode, used_names
from wfe_mcp.workflow.model.phases import LoopPhase, Phase, StepsPhase
from wfe_mcp.workflow.model.steps import Step
from wfe_mcp.workflow.model.template import Template, all_phases
from wfe_mcp.workflow.step_order import upstream


class Order:
    """The phases of one list by index. Names that are unknown are left out; a cycle ends where it closes."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.phases = tuple(phases)
        self.ids = tuple(phase.id for phase in phases)
        self._index = {name: index for index, name in reversed(list(enumerate(self.ids)))}
        self._needs = [self._needed_phases(index, phase.needs) for index, phase in enumerate(phases)]
        self._ancestors = _closures(self._needs)

    def _needed_phases(self, index: int, needs: tuple[str, ...] | None) -> tuple[int, ...]:
        if needs is None:
            return (index - 1,) if index else ()
        return tuple(self._index[name] for name in needs if name in self._index)

    def index_of(self, name: str) -> int | None:
        """The index of the phase ``name`` (the first, if the name is used twice)."""
        return self._index.get(name)

    def ancestors(self, index: int) -> int:
        """All phases that the one at ``index`` needs, directly or not, as bits; itself when it is in a cycle."""
        return self._ancestors[index]

    def is_before(self, index: int, other: int) -> bool:
        """True when the phase at ``other`` needs the one at ``index``, directly or not."""
        return bool(self._ancestors[other] >> index & 1)

    def cycle_of(self, index: int) -> list[str]:
        """The ids from the phase at ``index``, each followed by one that it needs, back to itself; it must be in a cycle."""
        came_from: dict[int, int] = {}
        waiting = [index]
        while index not in came_from:
            at = waiting.pop(0)
            for need in self._needs[at]:
                if need not in came_from:
                    came_from[need] = at
                    waiting.append(need)
        path = [index, came_from[index]]
        while path[-1] != index:
            path.append(came_from[path[-1]])
        return [self.ids[position] for position in reversed(path)]

    def can_jump(self, source: int, target: int) -> bool:
        """True when ``target`` is the phase itself or an earlier one: needed, or declared before and not waiting for it."""
        if target == source or self.is_before(target, source):
            return True
        return target < source and not self.is_before(source, target)


def _closures(needs: Sequence[Sequence[int]]) -> list[int]:
    """For each phase everything that it needs, as bits: a set per phase would take n² objects.

    Phases are settled after what they need; those in a cycle, and those that need them, by repetition.
    """
    closures = [0] * len(needs)
    followers: list[list[int]] = [[] for _ in needs]
    left = [len(set(direct)) for direct in needs]
    for index, direct in enumerate(needs):
        for need in set(direct):
            followers[need].append(index)
    waiting = [index for index, count in enumerate(left) if not count]
    while waiting:
        need = waiting.pop()
        for index in followers[need]:
            closures[index] |= closures[need] | 1 << need
            left[index] -= 1
            if not left[index]:
                waiting.append(index)
    stuck = [index for index, count in enumerate(left) if count]
    changed = bool(stuck)
    while changed:
        changed = False
        for index in stuck:
            before = closures[index]
            for need in needs[index]:
                closures[index] |= closures[need] | 1 << need
            changed = changed or closures[index] != before
    return closures


Scope = Mapping[str, KnownValue]
"""Root name → what is known below it."""

_RUN = Fields(dict.fromkeys(("id", "title", "iteration", "template", "started_at", "delivery"), OPEN))
_FEEDBACK: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"from": {}, "attempt": {}, "message": {}, "artifact": {}},
        "additionalProperties": False,
    },
}
_PHASE = Fields({**dict.fromkeys(("id", "path", "attempt"), OPEN), "feedback": SchemaNode(_FEEDBACK, _FEEDBACK)})

_NONE: Mapping[str, KnownValue] = {}


class _ReachedNames(Mapping[str, KnownValue]):
    """The names that some members of a list make known, over those known ``outside``.

    ``makers``: name → (index of the member, what it makes), shared by all members; ``members``: those that count, as bits.
    A dict for each phase would take n² entries.
    """

    def __init__(self, makers: "_Makers", members: int, outside: Mapping[str, KnownValue]) -> None:
        self._makers, self._members, self._outside = makers, members, outside

    def __getitem__(self, name: str) -> KnownValue:
        for index, value in reversed(self._makers.get(name, ())):
            if self._members >> index & 1:
                return value
        return self._outside[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._outside
        for name, maker in self._makers.items():
            if any(self._members >> index & 1 for index, _ in maker) and name not in self._outside:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


_Makers = Mapping[str, Sequence[tuple[int, KnownValue]]]


class _Hidden(Mapping[str, str]):
    """Why an artifact of the template is not known at a place: name → reason."""

    def __init__(
        self,
        makers: Mapping[str, tuple[int, str]],
        seen: Mapping[str, KnownValue],
        phase: str,
        at: int,
        *,
        judged: bool,
    ) -> None:
        self._makers, self._seen, self._phase, self._at, self._judged = makers, seen, phase, at, judged

    def __getitem__(self, name: str) -> str:
        position, maker = self._makers[name]
        if name in self._seen:
            raise KeyError(name)
        if position == self._at and not self._judged:
            return "it is the phase's own and exists once it is submitted: gates, on_fail and next see it"
        if position > self._at:
            return f"phase {maker!r} produces it, and comes later"
        return f"phase {maker!r} produces it, but {self._phase!r} does not need that phase; add it to needs"

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._makers if name not in self._seen)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class _MadeResults:
    """The artifacts and step results available at a place."""

    artifacts: Mapping[str, KnownValue]
    vars: Mapping[str, KnownValue]


@dataclass(frozen=True, slots=True)
class _ListResults:
    """What the phases of one list make, by name: artifacts and step results."""

    count: int
    artifacts: _Makers
    vars: _Makers

    def made_by(self, members: int, outside: _MadeResults) -> _MadeResults:
        """What ``members`` (bits) make, over what is known outside the list."""
        return _MadeResults(
            _ReachedNames(self.artifacts, members, outside.artifacts), _ReachedNames(self.vars, members, outside.vars)
        )

    @property
    def everyone(self) -> int:
        return (1 << self.count) - 1


_NOTHING = _MadeResults(_NONE, _NONE)


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
    results = scopes.scopes_of_list(template.phases)
    scope = scopes.scope(results.made_by(results.everyone, _NOTHING), {}, {})
    return {name: value for name, value in scope.items() if name != "phase"}


def step_scopes(scope: Scope, steps: Sequence[Step]) -> Iterator[Scope]:
    """The scope of each step: the results of the steps that it needs are known."""
    makers: dict[str, list[tuple[int, KnownValue]]] = {}
    for index, step in enumerate(steps):
        if step.assign is not None:
            makers.setdefault(step.assign, []).append((index, _result_of(step)))
    known = cast("Fields", scope["vars"]).known
    for before in upstream(steps):
        yield {**scope, "vars": Fields(_ReachedNames(makers, before, known))} if makers else scope


def _result_of(step: Step) -> KnownValue:
    return _node(step.output.schema_) if step.output else OPEN


def _node(schema: str | dict[str, Any]) -> KnownValue:
    """What is known of an artifact of this schema; open when the schema is invalid (another rule reports that)."""
    if check_schema(schema):
        return OPEN
    if isinstance(schema, str) and "." not in schema:
        return _shipped_schema(schema)
    document = json_schema(schema)
    return SchemaNode(document, document)


@lru_cache(maxsize=64)
def _shipped_schema(name: str) -> KnownValue:
    document = json_schema(name)
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
        self._nodes: dict[int, KnownValue] = {}

    def walk(
        self, phases: Sequence[Phase], pointer: str, around: tuple[PhaseView, ...], outer: _MadeResults, items: Scope
    ) -> Iterator[PhaseView]:
        order, results = Order(phases), self.scopes_of_list(phases)
        for index, phase in enumerate(phases):
            own = 1 << index
            before = order.ancestors(index) & ~own
            seen, judged = results.made_by(before, outer), results.made_by(before | own, outer)
            view = PhaseView(
                phase,
                f"{pointer}/{index}",
                index,
                order,
                around,
                self.scope(seen, items, self._hidden(phase, seen, judged=False)),
                self.scope(judged, items, self._hidden(phase, judged, judged=True)),
            )
            if isinstance(phase, LoopPhase):
                yield from self._loop(phase, view, seen, items)
            else:
                yield view

    def _loop(self, loop: LoopPhase, view: PhaseView, results: _MadeResults, items: Scope) -> Iterator[PhaseView]:
        inner = {**items, **_items(loop, view.before)}
        passed = results
        if loop.until:  # evaluated after a pass, with the artifacts of that pass
            inside = self.scopes_of_list(loop.phases)
            passed = inside.made_by(inside.everyone, results)
        body = self.scope(passed, inner, self._hidden(loop, passed, judged=True))
        view = replace(view, body=body)
        yield view
        yield from self.walk(loop.phases, f"{view.pointer}/phases", (*view.around, view), results, inner)

    def scopes_of_list(self, phases: Sequence[Phase]) -> _ListResults:
        """What each phase of a list makes for those after it."""
        artifacts: dict[str, list[tuple[int, KnownValue]]] = {}
        results: dict[str, list[tuple[int, KnownValue]]] = {}
        for index, phase in enumerate(phases):
            for name, value in self._artifacts_of(phase):
                artifacts.setdefault(name, []).append((index, value))
            for step in phase.steps if isinstance(phase, StepsPhase) else ():
                if step.assign:
                    results.setdefault(step.assign, []).append((index, _result_of(step)))
        return _ListResults(len(phases), artifacts, results)

    def _artifacts_of(self, phase: Phase) -> Iterator[tuple[str, KnownValue]]:
        if phase.output:
            yield phase.output.artifact, self._artifact(phase)
        if isinstance(phase, LoopPhase):
            for inner in phase.phases:
                yield from ((name, MapOf(value)) for name, value in self._artifacts_of(inner))

    def _artifact(self, phase: Phase) -> KnownValue:
        value = self._nodes.get(id(phase))
        if value is None:
            value = self._nodes[id(phase)] = _node(phase.output.schema_) if phase.output else OPEN
        return value

    def scope(self, results: _MadeResults, items: Scope, hidden: Mapping[str, str]) -> Scope:
        """The scope: roots with what is known below them."""
        return {
            "inputs": self._inputs,
            "run": _RUN,
            "phase": _PHASE,
            "env": OPEN,
            "artifacts": Fields(results.artifacts, hidden),
            "vars": Fields(results.vars),
            **items,
        }

    def _hidden(self, phase: Phase, results: _MadeResults, *, judged: bool) -> Mapping[str, str]:
        return _Hidden(self._makers, results.artifacts, phase.id, self._positions[id(phase)], judged=judged)


def _inputs(schema: Mapping[str, Any]) -> KnownValue:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return OPEN
    return Fields({name: SchemaNode(value, schema) for name, value in cast("dict[str, object]", properties).items()})


def _items(loop: LoopPhase, before: Scope) -> dict[str, KnownValue]:
    value: KnownValue = OPEN
    if loop.for_each:
        try:
            source = source_of(loop.for_each.in_)
        except ExpressionError:
            source = None
        value = used_names(source, before).value.element() if source else OPEN
    item = Fields({**dict.fromkeys(("key", "index", "count", "done"), OPEN), "value": value})
    named = {loop.for_each.as_: value} if loop.for_each and loop.for_each.as_ else {}
    return {"item": item, **named}
