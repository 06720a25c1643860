"""Phases and gates that depend on whether the project delivers changes, as a run has them.

A phase that only delivers is left out where the project delivers nothing; other phases and gates say it by their key
``delivery``. A template inside another never delivers.
"""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.workflow.step_kinds import DELIVERY_STEPS, DEPLOYMENT_STEPS

_Part = dict[str, Any]
_DELIVERING = {*DELIVERY_STEPS} - {*DEPLOYMENT_STEPS}


def only_delivers(phase: Mapping[str, Any]) -> bool:
    """Whether a phase, as its template writes it, has no steps but those of git and the forge, and no gates."""
    steps: list[Mapping[str, Any]] = phase.get("steps") or []
    judges = phase.get("gates") or phase.get("prompt_gates")
    return bool(steps) and not judges and all(step.get("builtin") in _DELIVERING for step in steps)


def delivers_in(phase: Mapping[str, Any]) -> bool:
    """Whether a step of the phase, or of one inside it, is one of git or the forge."""
    steps = any(step.get("builtin") in _DELIVERING for step in phase.get("steps") or ())
    return steps or any(delivers_in(inner) for inner in phase.get("phases") or ())


def deploys(phase: Mapping[str, Any]) -> bool:
    """Whether a step of the phase deploys, or asks an environment for its health."""
    return any(step.get("builtin") in DEPLOYMENT_STEPS for step in phase.get("steps") or ())


def as_delivered(definition: _Part, *, delivers: bool) -> _Part:
    """The definition of a run of a project that ``delivers`` changes, or does not; the same object where nothing differs."""
    definition = _with(definition, "phases", _phases(definition["phases"], delivers))
    defaults = definition.get("defaults")
    return _with(definition, "defaults", _inside(defaults, delivers)) if defaults else definition


def _phases(phases: list[_Part], delivers: bool) -> list[_Part]:
    """The phases that are there; all where none would be."""
    return [_inside(phase, delivers) for phase in phases if _is_there(phase, delivers)] or phases


def _inside(phase: _Part, delivers: bool) -> _Part:
    """``phase`` with the gates that are there, the phases of a loop, and what it embeds, which delivers nothing."""
    part = phase
    for key in ("gates", "prompt_gates"):
        part = _with(part, key, [gate for gate in phase.get(key) or () if _is_wanted(gate, delivers)])
    part = _with(part, "phases", _phases(phase.get("phases") or [], delivers))
    part = _with(part, "on_fail", [_embedding(rule) for rule in phase.get("on_fail") or ()])
    return _embedding(part)


def _embedding(part: _Part) -> _Part:
    embedded = part.get("definition")
    return _with(part, "definition", _definition_inside(embedded)) if embedded else part


def _definition_inside(definition: _Part) -> _Part:
    """What a template that is embedded has: it delivers nothing, and deploys nothing, since no environment is asked for it."""
    definition = as_delivered(definition, delivers=False)
    staying = [phase for phase in definition["phases"] if not deploys(phase)]
    return _with(definition, "phases", staying or definition["phases"])


def _is_there(phase: _Part, delivers: bool) -> bool:
    return _is_wanted(phase, delivers) and (delivers or not only_delivers(phase))


def _is_wanted(part: _Part, delivers: bool) -> bool:
    return part.get("delivery") in {None, "with" if delivers else "without"}


def _with(part: _Part, key: str, value: Any) -> _Part:
    """``part`` with another ``value``; itself where that is the same."""
    return part if value == part.get(key, []) else {**part, key: value}
