"""The keys that phases take from the ``defaults`` of their template. Apart from ``form``, which loads the models."""

from typing import Any, cast


def fill_defaults(phases: object, defaults: dict[str, Any]) -> object:
    """``phases`` with the keys that they omit, inside loops too. What is no list of objects stays as it is."""
    if not isinstance(phases, list):
        return phases
    return [_filled_phase(phase, defaults) for phase in cast("list[object]", phases)]


def _filled_phase(phase: object, defaults: dict[str, Any]) -> object:
    if not isinstance(phase, dict):
        return phase
    own = {**defaults, **cast("dict[str, Any]", phase)}
    return {**own, "phases": fill_defaults(own["phases"], defaults)} if "phases" in own else own
