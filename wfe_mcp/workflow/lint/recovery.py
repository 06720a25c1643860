"""How can lint go on when a definition's form is wrong?

A faulty key is taken out, or something neutral put in its place, until the rest has the form of a template. What the
rules then say of a place that was mended, or of a name that went out with it, is not told: the fault of form is.
"""

import copy
from dataclasses import dataclass, field
from typing import Any, cast

from wfe_mcp.core.errors import Detail, nearest, pointer
from wfe_mcp.workflow.faults import Fault
from wfe_mcp.workflow.form import read_form
from wfe_mcp.workflow.model import Template, all_phases

__all__ = ["MENDED_TEMPLATE", "Mended", "mended"]

MENDED_TEMPLATE = "mended"
"""What a phase that has no form is said to run, so that the others keep their place."""

_ROUNDS = 12
_NEUTRAL: dict[str, Any] = {
    "format": "wfe/1",
    "name": "mended",
    "version": "0",
    "schema": {"type": "object"},
    "assert": "${true}",
    "check": "mended",
}


@dataclass(slots=True)
class Mended:
    """A template that can be linted, and what was changed to get there."""

    template: Template | None
    definition: Any
    faults: list[Fault]
    places: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])

    def is_about(self, detail: Detail) -> bool:
        """Whether ``detail`` only follows from a fault of form."""
        if any(detail.path == place or detail.path.startswith(f"{place}/") for place in self.places):
            return True
        if any(detail.path == place.rpartition("/")[0] for place in self.places):  # an object that lost a key
            return True
        if not isinstance(detail.got, str):
            return False
        root, *below = detail.got.split(".")
        if self._lost_an_artifact() and (root == "artifacts" or "/context/" in detail.path):
            made = (
                {phase.output.artifact for phase in all_phases(self.template.phases) if phase.output}
                if self.template
                else set[str]()
            )
            return [*below, root][0] not in made
        return any(name in (root, *below) for name in self.names)

    def _lost_an_artifact(self) -> bool:
        return any(place.endswith(("/artifact", "/output")) for place in self.places)


def mended(definition: object) -> Mended:
    """``definition`` as a template: itself when its form is right, else mended as far as that goes."""
    template, faults = read_form(definition)
    work = Mended(template, definition, faults)
    if template is not None or not isinstance(definition, dict):
        return work
    work.definition = copy.deepcopy(cast("dict[str, Any]", definition))
    left = faults
    for number in range(_ROUNDS):
        for at, detail in sorted(left, key=lambda fault: str(fault[0])):
            _mend(work, at, number, detail)
        work.template, left = read_form(work.definition)
        if work.template is not None:
            break
    return work


def _mend(work: Mended, at: tuple[str | int, ...], number: int, detail: Detail) -> None:
    """Put something neutral at ``at``, or take it out; in later rounds the object around it goes."""
    if not at:
        return
    *above, key = at[: max(1, len(at) - max(0, number - 1))]
    parent: Any = work.definition
    for part in above:
        try:
            parent = parent[part]
        except (KeyError, IndexError):  # gone with another fault
            return
    work.places.add(pointer(*above, key))
    if isinstance(parent, dict):
        members = cast("dict[str | int, Any]", parent)
        _forget(work, members.pop(key, None))
        if number == 0:
            _put_neutral(work, members, tuple(above), key, detail)
    elif above[-1:] == ["phases"]:
        _forget(work, parent[key])
        parent[key] = {"id": f"mended_{len(work.places)}", "kind": "flow", "template": MENDED_TEMPLATE}
    else:
        # The place of the others must not change: the whole list goes.
        _mend(work, tuple(above), 1, detail)


def _put_neutral(
    work: Mended, members: dict[str | int, Any], above: tuple[str | int, ...], key: str | int, detail: Detail
) -> None:
    if key in {"id", "artifact"}:
        members[key] = f"mended_{len(work.places)}"
    elif key in _NEUTRAL:
        members[key] = _NEUTRAL[str(key)]
    elif key in {"kind", "do"}:  # a misspelt kind is taken for the nearest; without one nothing here is judged
        near = nearest(str(detail.got), cast("list[str]", detail.expected), 1)
        if near:
            members[key] = near[0]
        else:
            work.places.add(pointer(*above))


def _forget(work: Mended, value: object) -> None:
    """The names in ``value`` went out: who refers to them is not to blame."""
    if isinstance(value, str):
        work.names.add(value)
    elif isinstance(value, dict):
        for child in cast("dict[str, object]", value).values():
            _forget(work, child)
    elif isinstance(value, list):
        for child in cast("list[object]", value):
            _forget(work, child)
