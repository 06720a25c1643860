"""Embeds the templates that a template names into its definition.

A phase of kind ``flow`` names a template, and so does a rule ``subflow``. When a run starts, the named definitions are
embedded, recursively: one document holds everything that the run will execute.

    {"kind": "flow", "template": "tag", "with": {…}}  ──whole──►  … "definition": {"format": "wfe/1", "name": "tag", …}

Rules:
1. A template never contains itself, directly or indirectly; at most ``MAX_DEPTH`` levels are nested.
2. An embedded definition is kept: a frozen template needs no other file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.limits import PHASES, VALUE_BYTES
from wfe_mcp.workflow.load import input_schemas, parse

if TYPE_CHECKING:
    from wfe_mcp.artifacts.validate import ValidationResult
    from wfe_mcp.workflow.model.phases import FlowPhase
    from wfe_mcp.workflow.model.rules import SubflowRule
    from wfe_mcp.workflow.model.template import Template

MAX_DEPTH = 5
"""Levels of nested templates, the outermost not counted."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A definition with the named ones embedded. ``faults``: what could not be embedded, each with its refusal."""

    definition: dict[str, Any]
    faults: tuple[tuple[Detail, Refused], ...] = ()


def whole(definition: dict[str, Any], find: Callable[[str], dict[str, Any]]) -> Whole:
    """``definition`` with all named templates embedded. ``find``: the definition of a name, or Refused."""
    faults: list[tuple[Detail, Refused]] = []
    size = _Size(PHASES.most - _length(definition), VALUE_BYTES.most)
    filled = _embed_flows(definition, (str(definition.get("name")),), find, faults, size)
    return Whole(filled, tuple(faults))


def held_template(shape: FlowPhase | SubflowRule) -> Template:
    """The embedded template. Refuses ``unknown_template`` when it is not embedded yet."""
    if shape.definition is None:
        raise Refused(
            "unknown_template",
            f"Template {shape.template!r} is not embedded yet: that happens when a run starts.",
            "Start a run of the template that names it.",
        )
    return _parse_template(canonical_json(shape.definition))


def inputs_of(
    template: Template,
    given: Mapping[str, Any],
    check: Callable[[dict[str, Any], object], ValidationResult] | None = None,
) -> tuple[dict[str, Any], tuple[Detail, ...]]:
    """``given`` with the defaults of the template's inputs, and its errors; an unknown name is an error.

    ``check``: what checks them in place of ``validate``.
    """
    from wfe_mcp.artifacts.validate import validate

    schema = template.inputs
    usual = {name: own["default"] for name, own in input_schemas(schema).items() if "default" in own}
    inputs = usual | dict(given)
    return inputs, (check or validate)({"type": "object", "additionalProperties": False, **schema}, inputs).faults


@lru_cache(maxsize=64)
def _parse_template(text: str) -> Template:
    return parse(json.loads(text))


@dataclass(slots=True)
class _Size:
    """How much may still be embedded. Each level multiplies: ten templates in each of ten in each of ten."""

    phases: int
    size_bytes: int

    def take(self, definition: dict[str, Any]) -> dict[str, Any]:
        """``definition``, counted. Refuses ``too_large``."""
        if self.phases >= 0 and self.size_bytes >= 0:  # above a limit nothing more is counted
            self.phases -= _length(definition)
            self.size_bytes -= len(canonical_json(definition))
        over = PHASES if self.phases < 0 else VALUE_BYTES if self.size_bytes < 0 else None
        if over is not None:
            left = self.phases if over is PHASES else self.size_bytes
            raise Refused(
                "too_large",
                f"The template with those it runs {over.fault(over.most - left, at_least=True)}.",
                over.remedy,
            )
        return definition


def _length(definition: dict[str, Any]) -> int:
    phases: object = definition.get("phases")
    return len(cast("list[object]", phases)) if isinstance(phases, list) else 0


def _embed_flows(
    definition: dict[str, Any],
    around: tuple[str, ...],
    find: Callable[[str], dict[str, Any]],
    faults: list[tuple[Detail, Refused]],
    size: _Size,
    at: tuple[str | int, ...] = (),
) -> dict[str, Any]:
    """``definition`` with each flow embedded. ``around``: the names of the enclosing templates, itself last."""
    filled: dict[str, Any] = definition
    defaults = cast("object", definition.get("defaults"))
    inherited = cast("dict[str, Any]", defaults).get("on_fail") if isinstance(defaults, dict) else None
    for place, flow in (*_recoveries(inherited, ("defaults", "on_fail")), *_flows(definition, ())):
        name = flow["template"]
        try:
            inner: object = flow.get("definition") or size.take(_find_flow(name, around, find))
        except Refused as refused:
            why = refused.text.rstrip(".")
            faults.append((Detail(pointer(*at, *place, "template"), why, None, name), refused))
            continue
        if not isinstance(inner, dict):  # written by hand, and no template: lint says so
            continue
        held = cast("dict[str, Any]", inner)
        held = _embed_flows(held, (*around, str(held.get("name"))), find, faults, size, (*at, *place, "definition"))
        filled = _replace_at(filled, place, flow | {"definition": held})
    return filled


def _find_flow(name: str, around: tuple[str, ...], find: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    base = name.partition("@")[0]
    if base in around:
        way = " → ".join((*around[around.index(base) :], base))
        raise Refused(
            "invalid_template", f"Template {base!r} would contain itself: {way}.", "Remove one of these references."
        )
    if len(around) > MAX_DEPTH:
        raise Refused(
            "invalid_template",
            f"More than {MAX_DEPTH} levels of templates are nested: {' → '.join((*around, base))}.",
            "Use the inner ones one after another instead.",
        )
    return find(name)


def _flows(value: object, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every phase that names a template, with its place; those in loops too."""
    phases = cast("dict[str, object]", value).get("phases") if isinstance(value, dict) else None
    for index, phase in enumerate(cast("list[object]", phases)) if isinstance(phases, list) else ():
        if isinstance(phase, dict):
            definition, place = cast("dict[str, Any]", phase), (*at, "phases", index)
            if definition.get("kind") == "flow" and isinstance(definition.get("template"), str):
                yield place, definition
            yield from _recoveries(definition.get("on_fail"), (*place, "on_fail"))
            yield from _flows(definition, place)


def _recoveries(rules: object, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    for index, rule in enumerate(cast("list[object]", rules)) if isinstance(rules, list) else ():
        definition = cast("dict[str, Any]", rule) if isinstance(rule, dict) else {}
        if definition.get("do") == "subflow" and isinstance(definition.get("template"), str):
            yield (*at, index), definition


def _replace_at(value: Any, at: tuple[str | int, ...], new: object) -> Any:
    """A copy of ``value`` with ``new`` at ``at``; unchanged parts are shared."""
    if not at:
        return new
    if isinstance(value, list):
        members = list(cast("list[object]", value))
        members[cast("int", at[0])] = _replace_at(members[cast("int", at[0])], at[1:], new)
        return members
    return {**value, at[0]: _replace_at(value[at[0]], at[1:], new)}
