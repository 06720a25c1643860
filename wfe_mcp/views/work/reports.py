"""Reports about the work items, and the pages of them that stand in a repository; all in Markdown.

    status        how many are where, what is worked, what is blocked, what is next
    tasks         each open task, and each finished one with its runs and what they checked
    milestones    each milestone with its progress and its tasks: the roadmap
    git           branch, commits and pull request of each item, and what git cleanup would remove, and why the rest stays

Rules:
1. Titles and reasons are quoted: nothing in them opens a heading or a link.
2. The same records make the same text: no time of writing is in it.

The milestones and their open tasks also become a plan that can be imported: milestones.md, or ``milestone_plan@1``.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, nearest_hint
from wfe_mcp.core.item_values import PRIORITIES
from wfe_mcp.core.items import Item, ItemKind, ItemStatus, startable
from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.runs.item_runs import milestone_of
from wfe_mcp.engine.work.following import InWork, tasks_in_work
from wfe_mcp.engine.work.items import items_of, open_items
from wfe_mcp.importers.entries import part_of
from wfe_mcp.store import Tx
from wfe_mcp.views.reports.handoff import files as handoff_files, fitting, mark_page, quoted_line, run_of
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.repository import branch, changes, head

T = TypeVar("T")

MOST_LINES, _TITLE, _REASON = 40, 120, 240
_BACKLOG = frozenset({ItemKind.IDEA, ItemKind.REQUIREMENT, ItemKind.BUG, ItemKind.FINDING, ItemKind.THREAT})


def report(engine: Engine, kind: str) -> str:
    """The report of this kind, or all. Refuses ``bad_argument`` for another one."""
    names = [*REPORTS] if kind == "all" else [kind]
    if names[0] not in REPORTS:
        known = [*REPORTS, "all"]
        hint = nearest_hint(kind, known, f"One of: {', '.join(known)}.")
        raise Refused("bad_argument", f"{kind!r} is no report.", hint, (Detail("/kind", "is no report", known, kind),))
    with engine.store.read() as tx:
        items = items_of(tx, engine.project_id)
        return "\n".join(line for name in names for line in (*REPORTS[name](engine, tx, items), "")).rstrip() + "\n"


def pages(engine: Engine) -> dict[str, str]:
    """The pages that a next session begins with, by name, each at most 8 KiB: of the newest open run, if there is one."""
    with engine.store.read() as tx:
        is_run = bool(tx.runs.open_ids(engine.project_id))
        items = items_of(tx, engine.project_id)
        lines = {name: [*REPORTS[name](engine, tx, items)] for name in ("status", "milestones")}
        following = [*_next(items)]
    files = handoff_files(engine, run_of(engine)) if is_run else {}
    start = [
        "# Start here",
        "",
        "An AI coding agent works in this project by wfe-mcp, which keeps the plan and the evidence. These pages were written",
        "from its records; they may be old, and what is changed in them is not read back.",
        "",
        "1. Read [current-status.md](current-status.md): what is worked, what is blocked, what is next.",
        "2. Read [next-handoff.md](next-handoff.md): what the next worker does first.",
        "3. Read [roadmap.md](roadmap.md): the milestones and the backlog.",
        "4. Ask the server itself before you act: the tool `work`, action `next`, and `status` of its run.",
    ]
    texts = {
        "START_HERE.md": "\n".join(start),
        "roadmap.md": fitting(lines["milestones"]),
        "current-status.md": fitting(lines["status"]),
        "next-handoff.md": fitting(["# Next", "", *following]),
    }
    return {
        name: files[name] if name in files and name == "next-handoff.md" else mark_page("work export", text)
        for name, text in texts.items()
    }


def _status(engine: Engine, tx: Tx, items: list[Item]) -> Iterator[str]:
    counts = {status: sum(item.status is status for item in items) for status in ItemStatus}
    yield from ("# Status", "")
    yield ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "There are no work items."
    tasks = tasks_in_work(tx, engine.project_id)
    for title, status in (("Worked", ItemStatus.ACTIVE), ("Blocked", ItemStatus.BLOCKED)):
        shown = [item for item in items if (ItemStatus.ACTIVE if item.id in tasks else item.status) is status]
        if shown:
            yield from ("", f"## {title}", "")
            yield from _most(shown, lambda item: f"- {_name_item(item)}{_run(tx, item, tasks)}{_reason(item)}")
    yield from ("", "## Next", "", *_next(items))


def _next(items: list[Item]) -> Iterator[str]:
    free, waiting = startable(items)
    names = {item.id: item for item in items}
    yield from _most(free, lambda item: f"- {_name_item(item)}: `wfe-mcp work start {item.id}`")
    yield from _most([*waiting], lambda name: f"- {_name_item(names[name])}: {quoted_line(waiting[name][0], _REASON)}")
    if not free and not waiting:
        yield "Nothing is ready: `wfe-mcp work list`."


def _tasks(_engine: Engine, tx: Tx, items: list[Item]) -> Iterator[str]:
    tasks = [
        item
        for item in items
        if item.kind not in {ItemKind.MILESTONE, ItemKind.IDEA, ItemKind.DECISION, ItemKind.CLAIM}
    ]
    yield from ("# Tasks", "")
    yield from _most([item for item in tasks if not item.is_over], _line)
    if not any(not item.is_over for item in tasks):
        yield "No task is open."
    over = [item for item in tasks if item.is_over]
    if over:
        yield from ("", "## Over", "")
        yield from _most(over[::-1], lambda item: f"{_line(item)}{_audit(tx, item)}")


def _milestones(_engine: Engine, tx: Tx, items: list[Item]) -> Iterator[str]:
    yield from ("# Roadmap", "")
    under: dict[str, list[Item]] = {}
    for item in items:
        under.setdefault(item.parent, []).append(item)
    milestones = [item for item in items if item.kind is ItemKind.MILESTONE]
    for item in sorted(milestones, key=lambda each: each.is_over):
        tasks = under.get(item.id, [])
        over = sum(task.is_over for task in tasks)
        share = f", {over} of {plural(len(tasks), 'task')} over ({100 * over // len(tasks)} %)" if tasks else ""
        yield f"## {_name_item(item)}: {item.status}{share}"
        yield ""
        if item.body and not item.is_over:
            yield from (quoted_line(item.body, _REASON), "")
        yield from (_line(task) for task in tasks)
        yield from ([f"Pull request: {quoted_line(item.pull_request, _REASON)}"] if item.pull_request else [])
        yield ""
    if not milestones:
        yield from ("There is no milestone.", "")
    rest = [item for item in items if not item.parent and item.kind is ItemKind.TASK and not item.is_over]
    ideas = [item for item in items if item.kind in _BACKLOG and not item.is_over]
    decided = [item for item in items if item.status is ItemStatus.ACCEPTED]
    for title, section in (("Other tasks", rest), ("Backlog", ideas), ("Decisions about the architecture", decided)):
        if section:
            yield from (f"## {title}", "", *_most(section, _line), "")


def _git(engine: Engine, _tx: Tx, items: list[Item]) -> Iterator[str]:
    from wfe_mcp.engine.maintenance.worktrees import clean_up

    yield from ("# Git", "")
    if repository(engine.root) is None:
        yield "The project is in no git repository."
    else:
        name, commit, changed = branch(engine.root) or "", (head(engine.root) or "")[:12], changes(engine.root)
        yield f"- on {quoted_line(name, _TITLE) or 'no branch'}, at {commit or 'no commit'}"
        yield f"- {plural(len(changed), 'file')} not committed" if changed else "- all is committed"
    for item in items:
        known = [item.branch and f"on {item.branch}", *(commit[:12] for commit in item.commits), item.pull_request]
        if any(known):
            yield f"- {_name_item(item)}: {quoted_line(', '.join(filter(None, known)), _REASON)}"
    try:
        leftovers = clean_up(engine, SYSTEM)
    except Refused as no:
        yield from ("", quoted_line(no.message, _REASON))
        return
    if leftovers:
        yield from ("", "## What deliveries left", "")
        yield from _most(
            leftovers,
            lambda leftover: (
                f"- {quoted_line(leftover.name, _TITLE)}: {quoted_line(leftover.stays, _REASON) or '`wfe-mcp git cleanup` removes it'}"
            ),
        )


REPORTS: Mapping[str, Callable[[Engine, Tx, list[Item]], Iterator[str]]] = {
    "status": _status,
    "tasks": _tasks,
    "milestones": _milestones,
    "git": _git,
}
"""The reports, in the order of ``all``."""


def _line(item: Item) -> str:
    """A task as a line with a box."""
    needs = f"; after {', '.join(item.needs)}" if item.needs and not item.is_over else ""
    return f"- [{'x' if item.is_over else ' '}] {_name_item(item)} ({item.status}{needs}){_reason(item)}"


def _name_item(item: Item) -> str:
    return f"{item.id} {quoted_line(item.title, _TITLE)}"


def _reason(item: Item) -> str:
    return f": {quoted_line(item.reason, _REASON)}" if item.reason else ""


def _run(tx: Tx, item: Item, tasks: Mapping[str, InWork]) -> str:
    if item.id in tasks:
        run, stopped = tasks[item.id]
        return f", stopped in run {run}: {quoted_line(stopped, _REASON)}" if stopped else f", in work by run {run}"
    loaded = tx.runs.load(RunId(item.runs[-1])) if item.runs else None
    return "" if loaded is None else f", run {loaded.record.id} {loaded.state.status}"


def _audit(tx: Tx, item: Item) -> str:
    """What the last run of an item checked: the verdicts of its gates, in the run of a milestone those of this task."""
    loaded = tx.runs.load(RunId(item.runs[-1])) if item.runs else None
    if loaded is None:
        return ""
    attempts = loaded.state.attempts
    own = [path for path in attempts if f"[{item.id}]" in path] or attempts
    verdicts = [str(verdict.kind) for path in own for verdict in attempts[path][-1].verdicts]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in dict.fromkeys(verdicts))
    return f"; run {item.runs[-1]}{f': gates {counts}' if counts else ''}"


def _most(entries: Sequence[T], line: Callable[[T], str]) -> Iterator[str]:
    """The lines of the first entries, and how many more there are. A line may cost a look at a run, so no others are made."""
    yield from map(line, entries[:MOST_LINES])
    if len(entries) > MOST_LINES:
        yield f"- … and {len(entries) - MOST_LINES} more"


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
        (item, [child for child in items if child.parent == item.id and child.is_work])
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
