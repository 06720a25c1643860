"""Why a trigger would start nothing now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.units import joined
from wfe_mcp.engine.runs.start import is_for_people
from wfe_mcp.engine.templates.catalogue import find_template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.config.trigger_tables import TriggerSettings


def template_fault(engine: Engine, one: TriggerSettings, given: Iterable[str]) -> str:
    """Why its template cannot be started with the inputs ``given``, by their names; empty when it can."""
    try:
        schema = find_template(engine, one.template).template.inputs
    except Refused as no:
        return f"{no.message} {no.hint}".strip()
    if is_for_people(engine, engine.settings(), one.template):
        return f"policy.templates lets no agent start {one.template!r}, and this is no more than one."
    known, named = schema.get("properties", {}), set(given)
    for name in sorted(named - known.keys()):
        return f"{one.template} has no input {name!r}. {nearest_hint(name, known, f'It has: {joined(known)}.')}"
    missing = [
        name for name in schema.get("required", ()) if name not in named and "default" not in known.get(name, {})
    ]
    return f"{one.template} needs the input {missing[0]!r}." if missing else ""
