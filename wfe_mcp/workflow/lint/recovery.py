"""Recovers a template from a definition with schema errors, so that lint can check the rest.

An invalid key is removed or replaced by a neutral value until the rest matches the schema. Later findings about a
replaced place, or about a removed name, are dropped: the schema error is reported.
"""

import copy
from dataclasses import field
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, nearest, pointer
from wfe_mcp.core.limits import ERRORS
from wfe_mcp.workflow.faults import Fault
from wfe_mcp.workflow.form import read_form
from wfe_mcp.workflow.model.template import Template, all_phases

NEUTRAL_TEMPLATE = "mended"
"""The template that an invalid phase is replaced with, so that the others keep their index."""

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
class RecoveredTemplate:
    """A template that can be linted, and the changes made for it."""

    template: Template | None
    definition: Any
    faults: list[Fault]
    places: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])

    def is_about(self, detail: Detail) -> bool:
        """True when ``detail`` only follows from a schema error."""
        if any(detail.path == place or detail.path.startswith(f"{place}/") for place in self.places):
            return True
        if any(detail.path == place.rpartition("/")[0] for place in self.places):  # an object that lost a key
            return True
        if not isinstance(detail.got, str):
            return False
        root, *below = detail.got.split(".")
        if self._lost_an_artifact() and (root == "artifacts" or "/context/" in detail.path):
            assert self.template is not None, "lint finds nothing else where there is no template"
            idents = {phase.output.artifact for phase in all_phases(self.template.phases) if phase.output}
            return [*below, root][0] not in idents
        return any(name in (root, *below) for name in self.names)

    def _lost_an_artifact(self) -> bool:
        return any(place.endswith(("/artifact", "/output")) for place in self.places)


def recover_template(definition: object) -> RecoveredTemplate:
    """``definition`` as a template: unchanged when it matches the schema, else recovered as far as possible."""
    template, faults = read_form(definition)
    work = RecoveredTemplate(template, definition, faults)
    if template is not None or not isinstance(definition, dict) or len(faults) > ERRORS.most:
        return work
    if not all(at for at, _ in faults):  # the whole value cannot be kept: nothing in it can be replaced
        return work
    work.definition = copy.deepcopy(cast("dict[str, Any]", definition))
    left = faults
    for number in range(_ROUNDS):
        for at, detail in sorted(left, key=lambda fault: str(fault[0])):
            _recover(work, at, number, detail)
        work.template, left = read_form(work.definition)
        if work.template is not None:
            break
    return work


def _recover(work: RecoveredTemplate, at: tuple[str | int, ...], number: int, detail: Detail) -> None:
    """Replace the value at ``at`` by a neutral one, or remove it; in later rounds remove the enclosing object."""
    if not at:
        return
    *above, key = at[: max(1, len(at) - max(0, number - 1))]
    parent: Any = work.definition
    for part in above:
        try:
            parent = parent[part]
        except (KeyError, IndexError):  # removed with another error
            return
    work.places.add(pointer(*above, key))
    if isinstance(parent, dict):
        members = cast("dict[str | int, Any]", parent)
        _forget(work, members.pop(key, None))
        if number == 0:
            _put_neutral(work, members, tuple(above), key, detail)
    elif above[-1:] == ["phases"]:
        _forget(work, parent[key])
        parent[key] = {"id": f"mended_{len(work.places)}", "kind": "flow", "template": NEUTRAL_TEMPLATE}
    else:
        # The index of the others must not change: remove the whole list.
        _recover(work, tuple(above), 1, detail)


def _put_neutral(
    work: RecoveredTemplate, members: dict[str | int, Any], above: tuple[str | int, ...], key: str | int, detail: Detail
) -> None:
    if key in {"id", "artifact"}:
        members[key] = f"mended_{len(work.places)}"
    elif key in _NEUTRAL:
        members[key] = _NEUTRAL[str(key)]
    elif key in {"kind", "do"}:  # a misspelt kind becomes the nearest one; without one the object is not checked
        near = nearest(str(detail.got), cast("list[str]", detail.expected), 1)
        if near:
            members[key] = near[0]
        else:
            work.places.add(pointer(*above))


def _forget(work: RecoveredTemplate, value: object) -> None:
    """Record the removed names in ``value``: references to them are not errors."""
    if isinstance(value, str):
        work.names.add(value)
    elif isinstance(value, dict):
        for child in cast("dict[str, object]", value).values():
            _forget(work, child)
    elif isinstance(value, list):
        for child in cast("list[object]", value):
            _forget(work, child)
