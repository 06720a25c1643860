"""The milestones and their open tasks as a plan that can be imported: milestones.md, or ``milestone_plan@1``."""

import json
from collections.abc import Iterator
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.item_values import PRIORITIES
from wfe_mcp.core.items import Item, ItemKind
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.item_runs import milestone_of
from wfe_mcp.engine.work.items import open_items
from wfe_mcp.importers.entries import part_of


@dataclass(frozen=True, slots=True)
class ExportedPlan:
    """A plan as text. ``not_carried``: what of the items has no place in it."""

    text: str
    milestones: int
    tasks: int
    not_carried: tuple[str, ...]


def exported_plan(engine: Engine, *, as_markdown: bool) -> ExportedPlan:
    """The milestones on which something is left to do. Refuses ``not_ready`` where none has an open task."""
    from wfe_mcp.importers.plan_prompt import as_markdown as markdown_of

    with engine.store.read() as tx:
        items = open_items(engine, tx)
        title = engine.root.name
    milestones = [
        (item, [child for child in items if child.parent == item.id])
        for item in items
        if item.kind is ItemKind.MILESTONE
    ]
    documents = [milestone_of(item, children) for item, children in milestones if children]
    if not documents:
        raise Refused(
            "not_ready",
            "No milestone has a task that is left to do.",
            "Add one: wfe-mcp work add TITLE --kind milestone",
        )
    lost = tuple(_lost(items, milestones, as_markdown=as_markdown))
    tasks = sum(len(document["tasks"]) for document in documents)
    if not as_markdown:
        text = json.dumps({"title": title, "milestones": documents}, indent=2, ensure_ascii=False) + "\n"
        return ExportedPlan(text, len(documents), tasks, lost)
    plan = {"title": title, "milestones": [_in_lines(document, number) for number, document in enumerate(documents, 1)]}
    return ExportedPlan(markdown_of(plan), len(documents), tasks, lost)


def _in_lines(milestone: dict[str, Any], number: int) -> dict[str, Any]:
    """The milestone as milestones.md has it: numbered, its goal in a line, tasks without a description."""
    tasks = [{name: value for name, value in task.items() if name != "notes"} for task in milestone["tasks"]]
    return milestone | {"id": f"M{number}", "goal": " ".join(milestone["goal"].split()), "tasks": tasks}


def _lost(items: list[Item], milestones: list[tuple[Item, list[Item]]], *, as_markdown: bool) -> Iterator[str]:
    inside = {item.id for item, children in milestones if children}
    parts = {child.id: child for _, children in milestones for child in children}
    known = {item.id for item in items}
    described = {
        child.id
        for item, children in milestones
        for child in children
        if as_markdown and child.body not in {"", part_of(item.title, item.body)}  # which an import says again
    }
    for item in items:
        if item.id not in inside and item.id not in parts:
            yield f"{item.id} {item.title!r} is in no milestone with tasks"
    for item in parts.values():
        if outside := [need for need in item.needs if need in known and need not in parts]:
            yield f"{item.id} needs {', '.join(outside)}, which the plan does not have"
        ranked = as_markdown and item.priority != PRIORITIES["normal"]
        has = {"tags": bool(item.tags), "body": item.id in described, "priority": ranked}
        if any(has.values()):
            yield f"{item.id}: {', '.join(name for name, is_there in has.items() if is_there)}"
