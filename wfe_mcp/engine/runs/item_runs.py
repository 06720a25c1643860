"""The runs that work items: which template starts for a kind, and which inputs the item's text fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import PRIORITIES, Item, ItemKind, ItemStatus, refuse_start
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates.catalogue import default_template, find_template
from wfe_mcp.engine.work.items import WORK, others_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store.records.runs import LoadedRun

_TEMPLATES: Mapping[ItemKind, str] = {
    ItemKind.MILESTONE: "milestones",
    ItemKind.BUG: "quick_fix",
    ItemKind.FINDING: "quick_fix",
    ItemKind.THREAT: "quick_fix",
    ItemKind.REQUIREMENT: "spec_driven",
}
"""The template that starts for a kind; for others the project's default."""


def start_item(
    engine: Engine, by: By, name: str, template: str = "", inputs: Mapping[str, Any] | None = None
) -> LoadedRun:
    """Start a run that works the item. ``inputs``: in place of those that its text fills.

    Refuses what is no work (a decision), what is not ready or waits for others, and what ``start_run`` refuses.
    """
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
        if item.status is ItemStatus.ACTIVE and item.runs:
            raise Refused(
                "illegal_transition",
                f"{item.id} is being worked by run {item.runs[-1]}.",
                f"Look at it: wfe-mcp status {item.runs[-1]}",
            )
        refuse_start(item, others_of(engine, tx, item))
        children = tx.items.children(engine.project_id, item.id)
    chosen = template or _template_of(engine, item)
    given = _inputs(find_template(engine, chosen), item, children) | dict(inputs or {})
    return start_run(engine, by, chosen, given, title=item.title, triggered_by=WORK, external_id=item.id)


def template_for(engine: Engine, name: str) -> str:
    """The template that starts for the item called ``name`` where none is named."""
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
    return _template_of(engine, item)


def text_of(item: Item) -> str:
    """What an item says, for the agent that works it."""
    parts = [item.title if not item.body else f"{item.title}\n\n{item.body}"]
    parts += ["Done when:\n" + "\n".join(f"- {each}" for each in item.criteria)] if item.criteria else []
    parts += ["It is about: " + ", ".join(item.scopes)] if item.scopes else []
    return "\n\n".join(parts)


def _template_of(engine: Engine, item: Item) -> str:
    return _TEMPLATES.get(item.kind) or default_template(engine)


def _inputs(plan: CompiledTemplate, item: Item, children: list[Item]) -> dict[str, Any]:
    """The inputs that the text of the item can fill: what the run is about, and its name."""
    template = plan.template
    required: list[str] = list(template.inputs.get("required", ()))
    about = template.title_from.split(".")[0] or (required[0] if len(required) == 1 else "")
    given: dict[str, Any] = {}
    for name in dict.fromkeys([about, *required]):
        schema = template.inputs.get("properties", {}).get(name, {})
        if name == "plan" and item.kind is ItemKind.MILESTONE:
            given[name] = _plan(item, children)
        elif name == about and schema.get("type") == "string":
            given[name] = text_of(item)
        elif name == "name" and schema.get("type") == "string":
            given[name] = item.id.lower()
    return given


def _plan(item: Item, children: list[Item]) -> dict[str, Any]:
    """A milestone with the items under it as tasks, as ``milestone_plan@1``; what is over is left out."""
    words = {number: word for word, number in PRIORITIES.items()}
    tasks = [child for child in children if not child.is_over]
    if not tasks:
        raise Refused(
            "not_ready",
            f"{item.id} has no item that is left to do.",
            f"Add one: wfe-mcp work add TITLE --parent {item.id}",
        )
    names = {task.id for task in tasks}
    made = [
        {
            "id": task.id,
            "title": task.title,
            "acceptance": list(task.criteria) or [task.title],
            "depends_on": [need for need in task.needs if need in names],
            "conflict_scopes": list(task.scopes),
            "priority": words.get(task.priority, "normal"),
            "notes": task.body,
        }
        for task in tasks
    ]
    return {"title": item.title, "milestones": [{"id": item.id, "title": item.title, "goal": item.body, "tasks": made}]}
