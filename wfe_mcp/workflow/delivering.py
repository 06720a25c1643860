"""Phases that only deliver a change: a run has them where its project delivers, and a template inside another never has."""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.workflow.step_kinds import DELIVERY_STEPS, DEPLOYMENT_STEPS


def only_delivers(phase: Mapping[str, Any]) -> bool:
    """Whether a phase, as its template writes it, has no steps but those of git and the forge, and no gates."""
    delivering = {*DELIVERY_STEPS} - {*DEPLOYMENT_STEPS}
    steps: list[Mapping[str, Any]] = phase.get("steps") or []
    judges = phase.get("gates") or phase.get("prompt_gates")
    return bool(steps) and not judges and all(step.get("builtin") in delivering for step in steps)


def as_delivered(definition: dict[str, Any], *, delivers: bool) -> dict[str, Any]:
    """The definition of a run of a project that ``delivers`` changes, or does not; the same object where nothing differs."""
    phases = [_inside(phase) for phase in definition["phases"] if delivers or not only_delivers(phase)]
    same = len(phases) == len(definition["phases"]) and all(map(_is, phases, definition["phases"]))
    return definition if same or not phases else {**definition, "phases": phases}


def _inside(phase: dict[str, Any]) -> dict[str, Any]:
    """``phase`` without what delivers in a template that it embeds: the outermost one delivers."""
    embedded = phase.get("definition")
    inner = as_delivered(embedded, delivers=False) if embedded else embedded
    return phase if inner is embedded else {**phase, "definition": inner}


def _is(one: object, other: object) -> bool:
    return one is other
