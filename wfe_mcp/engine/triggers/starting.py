"""Starts the template of a trigger as an agent would, and says beforehand why it would not."""

from typing import Any, Literal

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.readers import for_person
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.roles import fill_role
from wfe_mcp.engine.runs.start import is_for_people, refuse_missing, start_run
from wfe_mcp.engine.templates.catalogue import find_template
from wfe_mcp.engine.templates.overrides import configure_plan
from wfe_mcp.workflow.load import input_schemas
from wfe_mcp.workspace.config.event_tables import TriggerSettings

Kind = Literal["incoming", "schedule"]


def start(engine: Engine, kind: Kind, name: str, trigger: TriggerSettings, cause: str, inputs: dict[str, Any]) -> str:
    """The run for ``cause``, a message or a time: a second call for it answers with the same. Refuses as ``start_run``."""
    source = f"{kind} {name}"
    return start_run(
        engine,
        By(source, Channel(kind), Assurance.AGENT),
        trigger.template,
        {**trigger.inputs, **inputs},
        driver=trigger.driver or "",
        triggered_by=source,
        external_id=cause,
        idempotency_key=f"{source}: {cause}",
    ).record.id


def template_fault(engine: Engine, trigger: TriggerSettings, more: tuple[str, ...] = ()) -> str:
    """Why its template cannot be started now; empty when it can. ``more``: inputs that a message brings, by their names."""
    settings = engine.settings()
    try:
        template = find_template(engine, trigger.template)
        plan, roles = configure_plan(engine, template, settings, {}, dict(trigger.inputs))
        refuse_missing(plan, settings, engine, roles, dict(trigger.inputs))
        if trigger.driver:
            fill_role(settings, trigger.driver)
    except Refused as no:
        return f"{no.message.removesuffix('.')}. {for_person(no.hint)}".rstrip()
    if is_for_people(engine, settings, trigger.template):
        return f"policy.templates lets no agent start {trigger.template!r}, and this is no more than one."
    schema, named = template.template.inputs, {*trigger.inputs, *more}
    known = input_schemas(schema)
    has = f"It has: {', '.join(known)}."
    for name in sorted(named - known.keys()):
        return f"{trigger.template} has no input {name!r}. {nearest_hint(name, known, has)}"
    missing = [key for key in schema.get("required", ()) if key not in named and "default" not in known.get(key, {})]
    return f"{trigger.template} needs the input {missing[0]!r}." if missing else ""
