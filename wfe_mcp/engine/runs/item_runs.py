"""The runs that work items: which template starts for a kind, which inputs the item's text fills, and which start together."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.item_values import PRIORITIES
from wfe_mcp.core.items import Item, ItemKind, ItemStatus, overlap, refuse_start, startable, waits
from wfe_mcp.core.model import By
from wfe_mcp.core.units import plural, shorten_names
from wfe_mcp.engine.files.tree_binding import changed_since, first_tree, last_tree
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates.catalogue import default_template, find_template
from wfe_mcp.engine.work.following import readable_run, tasks_in_work
from wfe_mcp.engine.work.items import WORK, item_of_run, items_of, items_to_start, others_of
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.workflow.load import input_schemas
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.system.shell_words import shell_line, shell_word

_TEMPLATES: Mapping[ItemKind, str] = {
    ItemKind.MILESTONE: "milestones",
    ItemKind.BUG: "quick_fix",
    ItemKind.FINDING: "quick_fix",
    ItemKind.THREAT: "quick_fix",
    ItemKind.REQUIREMENT: "spec_driven",
}
"""The template that starts for a kind; for others the project's default."""


def start_item(
    engine: Engine, by: By, name: str, template: str = "", inputs: Mapping[str, Any] | None = None, reason: str = ""
) -> LoadedRun:
    """Start a run that works the item. ``inputs``: in place of those that its text fills; ``reason``: why it does not wait for
    others, which only a person says.

    Refuses what is no work (a decision), what is not ready or waits for others, and what ``start_run`` refuses.
    """
    item, is_waiting = item_to_start(engine, name, template, inputs, reason, may_waive=by.is_human)
    with engine.store.read() as tx:
        children = tx.items.children(engine.project_id, item.id)
    chosen, reason = template or _template_of(engine, item), reason if is_waiting else ""
    values = _inputs(find_template(engine, chosen), item, children) | dict(inputs or {})
    return start_run(
        engine, by, chosen, values, title=item.title, triggered_by=WORK, external_id=item.id, reason=reason
    )


def item_to_start(
    engine: Engine,
    name: str,
    template: str = "",
    inputs: Mapping[str, Any] | None = None,
    reason: str = "",
    *,
    may_waive: bool = True,
) -> tuple[Item, bool]:
    """The item called ``name``, and whether it waits for others all the same. ``may_waive``: ``reason`` lets it start then.

    Refuses one that a run works, that is no work or not ready, and one that waits for others.
    """
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
        if item.status is ItemStatus.ACTIVE and item.runs:
            raise Refused(
                "illegal_transition",
                f"{item.id} is being worked by run {item.runs[-1]}.",
                f"Look at it: wfe-mcp status {item.runs[-1]}",
            )
        refuse_start(item)
        wait = waits(item, others_of(engine, tx, item))
    if wait is not None and not (reason and may_waive):
        named = ["--template", template] if template and template != _template_of(engine, item) else []
        raise _waiting(wait, [item.id, *named, *_pairs(inputs or {})], reason)
    return item, wait is not None


def _waiting(wait: tuple[str, str], words: Sequence[str], reason: str) -> Refused:
    """The refusal of an item that waits. ``words``: with which the user starts it all the same; ``reason``: of an agent."""
    why, what = wait
    typed = f"wfe-mcp work start {shell_line(words)} --reason {shell_word(reason or 'TEXT')}"
    if not reason:
        return Refused("not_ready", why, f"{what}. Or the user starts it: {typed}")
    hint = f"The user does it in a terminal of their own: {typed}"
    return Refused("needs_human", f"{why} Only a person lets it start all the same.", hint)


def _pairs(inputs: Mapping[str, Any]) -> Iterator[str]:
    """``inputs`` as the options of a command."""
    for name, value in inputs.items():
        yield from ("--input", f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


def template_for(engine: Engine, name: str) -> str:
    """The template that starts for the item called ``name`` where none is named."""
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
    return _template_of(engine, item)


def text_of(item: Item) -> str:
    """What an item says, for the agent that works it."""
    parts = [item.title if not item.body else f"{item.title}\n\n{item.body}"]
    parts += ["Done when:\n" + "\n".join(f"- {criterion}" for criterion in item.criteria)] if item.criteria else []
    parts += ["It is about: " + ", ".join(item.scopes)] if item.scopes else []
    return "\n\n".join(parts)


def _template_of(engine: Engine, item: Item) -> str:
    return _TEMPLATES.get(item.kind) or default_template(engine)


def _inputs(plan: CompiledTemplate, item: Item, children: list[Item]) -> dict[str, Any]:
    """The inputs that the text of the item can fill: what the run is about, and its name."""
    template = plan.template
    required: list[str] = list(template.inputs.get("required", ()))
    about = template.title_from.split(".")[0] or (required[0] if len(required) == 1 else "")
    schemas = input_schemas(template.inputs)
    inputs: dict[str, Any] = {}
    for name in dict.fromkeys([about, *required]):
        schema = schemas.get(name, {})
        if name == "plan" and item.kind is ItemKind.MILESTONE:
            inputs[name] = _plan(item, children)
        elif name == about and schema.get("type") == "string":
            inputs[name] = text_of(item)
        elif name == "name" and schema.get("type") == "string":
            inputs[name] = item.id.lower()
    return inputs


def milestone_of(item: Item, children: Iterable[Item]) -> dict[str, Any]:
    """A milestone with the items under it as tasks, as in ``milestone_plan@1``; what is over is left out."""
    tasks = [child for child in children if child.is_work and not child.is_over]
    names = {task.id for task in tasks}
    entries = [
        {
            "id": task.id,
            "title": task.title,
            "acceptance": list(task.criteria),
            "depends_on": [need for need in task.needs if need in names],
            "conflict_scopes": list(task.scopes),
            "priority": next((word for word, least in PRIORITIES.items() if task.priority >= least), "low"),
            "notes": task.body,
        }
        for task in tasks
    ]
    return {"id": item.id, "title": item.title, "goal": item.body, "tasks": entries}


def _plan(item: Item, children: list[Item]) -> dict[str, Any]:
    """A milestone as the plan of a run; a task without criteria is done when its title is true."""
    milestone = milestone_of(item, children)
    if not milestone["tasks"]:
        raise Refused(
            "not_ready",
            f"{item.id} has no item that is left to do.",
            f"Add one: wfe-mcp work add TITLE --parent {item.id}",
        )
    for task in milestone["tasks"]:
        task["acceptance"] = task["acceptance"] or [task["title"]]
    return {"title": item.title, "milestones": [milestone]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What touches the paths of an item: an active one or a task in work, with the scopes of the item that it shares.

    With ``run``: an open run, with the files that it has changed; ``id`` is its item, if it has one.
    """

    id: str
    title: str
    scopes: tuple[str, ...]
    run: str = ""

    @property
    def text(self) -> str:
        """What it does, in a few words."""
        does = f"run {self.run} has changed" if self.run else f"{self.id} is active and touches"
        return f"{does} {shorten_names(self.scopes, _MOST_PATHS)}"


def overlapping(engine: Engine, tx: Tx, item: Item) -> list[Overlap]:
    """What touches the paths of ``item``, but what the run of its own milestone works."""
    if not item.scopes:
        return []
    project, tasks = engine.project_id, tasks_in_work(tx, engine.project_id)
    around = tx.items.by_ids(project, filter(None, (item.parent,)))
    own = {*item.runs, *(run for parent in around for run in parent.runs)}
    worked = [task for task in tx.items.by_ids(project, tasks) if tasks[task.id].run not in own]
    active = [*items_of(tx, project, statuses=(ItemStatus.ACTIVE,)), *worked]
    others = {other.id: other for other in active if other.id != item.id and other.scopes}
    shared = ((other, overlap(item.scopes, other.scopes)) for other in others.values())
    touching = [Overlap(id=other.id, title=other.title, scopes=tuple(scopes)) for other, scopes in shared if scopes]
    known = {run for other in touching for run in others[other.id].runs}
    for run in tx.runs.open_ids(project, limit=_MOST_COMPARED):
        loaded = None if run in own | known else readable_run(tx, run)
        changed = () if loaded is None else changed_since(loaded, first_tree(loaded.state), last_tree(loaded.state))
        files = tuple(path for path in changed or () if match_globs(path, item.scopes))
        if loaded is not None and files:
            worked_item = item_of_run(tx, loaded.record)
            item_id = worked_item.id if worked_item else ""
            touching.append(Overlap(id=item_id, title=loaded.record.title, scopes=files, run=run))
    return touching


_MOST_PATHS = 5
_MOST_COMPARED = 20
"""So many of the newest open runs are compared with an item."""

MOST_ACTIVE = 3
"""How many items are worked at a time by default."""


@dataclass(slots=True)
class ReadyRuns:
    """``started``: the items with their runs (in a dry run without); ``waiting``: the other ready ones, why and what to do;
    ``refused``: those whose run did not start.
    """

    started: list[tuple[Item, str]] = field(default_factory=list[tuple[Item, str]])
    waiting: list[tuple[Item, tuple[str, str]]] = field(default_factory=list[tuple[Item, tuple[str, str]]])
    refused: list[tuple[Item, Refused]] = field(default_factory=list[tuple[Item, Refused]])


def start_ready(engine: Engine, by: By, most: int = MOST_ACTIVE, *, dry_run: bool = False) -> ReadyRuns:
    """Start a run for each item that can start, best first, as long as at most ``most`` items are active.

    Items whose scopes touch those of an active one, or of a task in work, wait, as those that the rules of an item let wait.
    """
    with engine.store.read() as tx:
        items = {item.id: item for item in items_to_start(engine, tx)}
        worked = [items[name] for name in tasks_in_work(tx, engine.project_id) if name in items]
    runs, chosen = ReadyRuns(), list[Item]()
    held: dict[str, tuple[str, str]] = {}
    while True:
        free, waiting = startable(items.values())
        active = [item for item in items.values() if item.status is ItemStatus.ACTIVE]
        # What is held up stays so: more and more is active.
        for item in (candidate for candidate in free if candidate.id not in held):
            wait = _held_up(item, active, worked, most)
            if wait is None:
                chosen.append(item)
                items[item.id] = replace(item, status=ItemStatus.ACTIVE)
                break
            held[item.id] = wait
        else:
            break
    runs.waiting += [(items[name], why) for name, why in (held | waiting).items()]
    for item in chosen:
        try:
            runs.started.append((item, "" if dry_run else start_item(engine, by, item.id).record.id))
        except Refused as no:
            runs.refused.append((item, no))
    return runs


def _held_up(item: Item, active: Sequence[Item], worked: Sequence[Item], most: int) -> tuple[str, str] | None:
    if len(active) >= most:
        return (
            f"{plural(len(active), 'item')} of at most {most} are active.",
            "See them: wfe-mcp work list --status active",
        )
    shares = ((other, overlap(item.scopes, other.scopes)) for other in (*active, *worked))
    touching = next(((other, shared) for other, shared in shares if shared), None)
    if touching is None:
        return None
    return (
        f"{touching[0].id} is active and touches {', '.join(touching[1])}, too.",
        f"Look at it: wfe-mcp work show {touching[0].id}",
    )
