"""``wfe-mcp work``: what there is to do in the project: list, add, change and start work items."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.commands.start import pairs_of
from wfe_mcp.cli.terminal.claims import next_of_claim, show_claim
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Cursor, PageSize, Pairs, PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.views.values.model import as_text
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.views.moves.envelope import Envelope, Next
    from wfe_mcp.views.work.models import ItemChange, ItemLine, ItemView

_PAGE = 100

ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="The item: W-12, or 12.")]
ItemTitle = Annotated[str, typer.Argument(metavar="TITLE", help="What it is about, in a line.")]
Kind = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", help="milestone, task, bug, finding, requirement, idea, threat, decision or claim."
    ),
]
NewKind = Annotated[str, typer.Option("--kind", metavar="KIND", help="What it becomes; of an idea a task.")]
Status = Annotated[
    str, typer.Option("--status", metavar="STATUS", help="A status such as planned or ready; all: finished ones too.")
]
NewStatus = Annotated[str, typer.Option("--status", metavar="STATUS", help="The status that it gets.")]
NewTitle = Annotated[str | None, typer.Option("--title", metavar="TEXT", help="What it is about.")]
Description = Annotated[str | None, typer.Option("--body", metavar="TEXT", help="What is to be done, and why.")]
Priority = Annotated[
    str | None, typer.Option("--priority", metavar="N", help="1 to 10, or low, normal, high, critical.")
]
Parent = Annotated[str | None, typer.Option("--parent", metavar="ITEM", help="The item that it is a part of.")]
Needs = Annotated[
    list[str] | None, typer.Option("--needs", metavar="ITEM", help="What must be over before it starts; repeatable.")
]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", metavar="PATH", help="A path that it is about, * allowed; repeatable.")
]
Criteria = Annotated[list[str] | None, typer.Option("--criterion", metavar="TEXT", help="When it is done; repeatable.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TEXT", help="A tag; repeatable.")]
Sequential = Annotated[
    bool | None, typer.Option("--sequential/--parallel", help="Of the items under it one is active at a time, or any.")
]
SourceGiven = Annotated[
    str | None, typer.Option("--source", metavar="ADDRESS", help="Where it came from, such as the address of an issue.")
]
TrackerGiven = Annotated[
    str,
    typer.Option(
        "--tracker", metavar="ADDRESS", help="The issue at GitHub or GitLab that it is about: https://…/issues/12."
    ),
]
WhichFile = Annotated[int, typer.Option("--file", metavar="N", help="Its attached file N.", show_default=False)]
Save = Annotated[str, typer.Option("--save", metavar="FILE", help="Write the attached file there.")]
Fill = Annotated[bool, typer.Option("--fill", help="Say what is missing by the text of its kind.")]
InWorktree = Annotated[
    bool, typer.Option("--worktree", help="In a work tree of its own, which is made for it.", show_default=False)
]
Template = Annotated[str, typer.Option("--template", metavar="NAME", help="In place of the one for its kind.")]
Why = Annotated[str, typer.Argument(metavar="REASON", help="The reason, in a line.")]
NoWait = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why it does not wait for what it needs; asks for your PIN.")
]
WhyGiven = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason; kept with the item.")]


def list_all(
    invocation: Invocation, kind: Kind = "", status: Status = "", limit: PageSize = _PAGE, cursor: Cursor = ""
) -> None:
    """List the work items on which something is left to do.

    wfe-mcp decision list has the decisions that hold, too.
    """
    list_items(invocation, kind, status, limit, cursor)


def list_items(invocation: Invocation, kind: str, status: str, limit: int = _PAGE, cursor: str = "") -> None:
    """Show a page of items."""
    from wfe_mcp.views.work.answers import items_answer
    from wfe_mcp.views.work.models import ItemList

    answer = items_answer(invocation.engine, kind, status, cursor, limit, whole=True)
    view = answer.view_as(ItemList)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        _table(invocation, screen, view.items)
        if view.cursor:
            most = "" if limit == _PAGE else str(limit)
            options = {"--kind": kind, "--status": status, "--limit": most, "--cursor": view.cursor}
            words = [word for name, value in options.items() if value for word in (name, value)]
            screen.next(f"wfe-mcp work list {shell_line(words)}")
        elif not view.items:
            own = {"decision": "wfe-mcp decision add TITLE", "claim": "wfe-mcp claim add TITLE"}
            screen.next(own.get(kind, "wfe-mcp work add TITLE"))
        elif all(item.status == "planned" for item in view.items):
            screen.next(f"wfe-mcp work show {view.items[0].id}")

    invocation.render(answer, render)


def show(invocation: Invocation, item: ItemId, file: WhichFile = 0, save: Save = "") -> None:
    """Show a work item with its history, or a file attached to it."""
    from wfe_mcp.views.work.answers import item_answer

    if save and not file:
        raise typer.BadParameter("takes the number of an attached file: --file 1", param_hint="--save")
    if file:
        from wfe_mcp.cli.commands.artifact import show_item_file

        show_item_file(invocation, item, file, save)
    else:
        render_item(invocation, item_answer(invocation.engine, item, whole=True))


def add(
    invocation: Invocation,
    title: ItemTitle,
    kind: Kind = "task",
    body: Description = None,
    priority: Priority = None,
    parent: Parent = None,
    needs: Needs = None,
    scopes: Scopes = None,
    criteria: Criteria = None,
    tags: Tags = None,
    sequential: Sequential = None,
    source: SourceGiven = None,
) -> None:
    """Add a work item."""
    from wfe_mcp.views.work.answers import add as add_item

    values = _given_fields(
        priority,
        title=title,
        body=body,
        parent=parent,
        needs=needs,
        scopes=scopes,
        criteria=criteria,
        tags=tags,
        sequential=sequential,
        source=source,
    )
    render_item(invocation, add_item(invocation.engine, invocation.by, kind, values))


def edit(
    invocation: Invocation,
    item: ItemId,
    status: NewStatus = "",
    title: NewTitle = None,
    body: Description = None,
    priority: Priority = None,
    parent: Parent = None,
    needs: Needs = None,
    scopes: Scopes = None,
    criteria: Criteria = None,
    tags: Tags = None,
    sequential: Sequential = None,
    source: SourceGiven = None,
    tracker: TrackerGiven = "",
    reason: WhyGiven = "",
    fill: Fill = False,
    pin_fd: PinFd = None,
) -> None:
    """Change a work item.

    An empty value, such as --needs '', removes what the item had. What ends it without a run, or opens it again, asks for your PIN. What a bug, finding, threat, requirement, or a task with
    the tag feature, bugfix, refactor or security does not say can be said by the text of its kind: --fill.
    """
    values = _given_fields(
        priority,
        title=title,
        body=body,
        parent=parent,
        needs=needs,
        scopes=scopes,
        criteria=criteria,
        tags=tags,
        sequential=sequential,
        source=source,
    )
    if tracker:
        from wfe_mcp.views.work.imports import issue_address

        values["source"] = issue_address(invocation.engine, item, tracker)
    change(invocation, item, values, status, reason, pin_fd, fill=fill)


def next_item(invocation: Invocation) -> None:
    """Show what can be started now, best first."""
    from wfe_mcp.views.work.answers import next_items
    from wfe_mcp.views.work.models import ItemList

    answer = next_items(invocation.engine)
    view = answer.view_as(ItemList)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        _table(invocation, screen, view.items)
        if view.items:
            screen.next(f"wfe-mcp work start {view.items[0].id}")
        elif view.counts.get("planned"):
            screen.next("wfe-mcp work list --status planned", "wfe-mcp work edit ITEM --status ready")
        else:
            screen.next("wfe-mcp work list")

    invocation.render(answer, render)


def start(
    invocation: Invocation,
    item: ItemId,
    template: Template = "",
    pairs: Pairs = None,
    worktree: InWorktree = False,
    reason: NoWait = "",
    pin_fd: PinFd = None,
) -> None:
    """Start a run that works an item.

    The template is that of its kind: quick_fix for a bug, milestones for a milestone, the project's default for a task.
    """
    if worktree:
        from wfe_mcp.cli.commands.worktree import enter
        from wfe_mcp.engine.runs.item_runs import item_to_start
        from wfe_mcp.engine.work.items import name_of_work

        item_to_start(invocation.engine, item, template, reason=reason)
        enter(invocation, name_of_work(invocation.engine, item))
    from wfe_mcp.engine.runs.item_runs import template_for
    from wfe_mcp.views.work.answers import start as start_run

    chosen = template or template_for(invocation.engine, item)
    values: dict[str, Any] = {"template": chosen, "inputs": pairs_of(invocation, chosen, pairs or [])}
    invocation.render(
        invocation.as_needed(
            lambda by: start_run(invocation.engine, by, item, values, reason), pin_fd, f"start {chosen}"
        )
    )


def block(invocation: Invocation, item: ItemId, reason: Why) -> None:
    """Say that an item cannot continue, and why."""
    change(invocation, item, {}, "blocked", reason, None)


def drop(invocation: Invocation, item: ItemId, reason: Why, pin_fd: PinFd = None) -> None:
    """Drop an item: it will not be done.

    It asks for your PIN.
    """
    change(invocation, item, {}, "dropped", reason, pin_fd)


def promote(invocation: Invocation, item: ItemId, kind: NewKind = "", parent: Parent = None) -> None:
    """Make planned work of an idea, or an item of another kind.

    --parent puts it under a milestone.
    """
    from wfe_mcp.views.work.answers import promote_to_work

    render_item(invocation, promote_to_work(invocation.engine, invocation.by, item, kind, parent or ""))


def change(
    invocation: Invocation,
    item: str,
    given: dict[str, Any],
    status: str,
    reason: str,
    pin_fd: int | None,
    *,
    fill: bool = False,
) -> None:
    """Change an item as the caller, and where that takes a person, as the user with their PIN."""
    from wfe_mcp.views.work.answers import change as change_item, item_answer

    def summarize() -> str:
        return f"change {item_answer(invocation.engine, item).summary}{status and f' → {status}'}"

    answer = invocation.as_needed(
        lambda by: change_item(invocation.engine, by, item, given, status, reason, fill=fill), pin_fd, summarize
    )
    render_item(invocation, answer)


def _given_fields(priority: str | None, **options: Any) -> dict[str, Any]:
    """The options that were given, as fields of an item. One empty text is an empty list."""
    options["priority"] = int(priority) if priority and priority.isdecimal() else priority
    return {name: [] if value == [""] else value for name, value in options.items() if value is not None}


def render_item(invocation: Invocation, answer: "Envelope") -> None:
    """Show an item in full."""
    from wfe_mcp.views.work.models import ItemView

    view = answer.view_as(ItemView)
    invocation.render(answer, lambda screen: _show(invocation, screen, answer, view))


def _show(invocation: Invocation, screen: Screen, answer: "Envelope", view: "ItemView") -> None:
    """The item, what it waits for, what touches it, what is under it, and its newest changes."""
    line = view.line
    screen.line(answer.summary, "bold")
    facts = {
        "priority": str(line.priority),
        "part of": line.parent,
        "waits for": ", ".join(line.waits_for),
        "about": ", ".join(view.scopes),
        "tags": ", ".join(view.tags),
        "from": view.source,
        "reason": view.reason,
        "base": view.gone_from_base,
        "run": line.run,
        "branch": view.branch,
        "commits": ", ".join(commit[:12] for commit in view.commits),
        "pull request": view.pull_request,
    }
    screen.table((), [(name, value) for name, value in facts.items() if value])
    if view.body:
        screen.print_quoted(view.body)
    for file in view.files:
        screen.line(f"  file {file.number}: {file.name} ({file.media_type}, {file.size_bytes:,} bytes)")
    for criterion in view.criteria:
        screen.line(f"  done when: {criterion}")
    for name, what in view.missing.items():
        screen.line(f"  missing before it starts: {name}: {what}", "yellow")
    if view.plan is not None:
        screen.line(f"  plan: score {view.plan.score} of 100")
        for problem in view.plan.problems:
            screen.line(f"  ! {problem}", "yellow")
    if view.claim is not None:
        show_claim(screen, view.claim)
    for other in view.overlaps:
        screen.line(f"  {other.text}: {other.title}")
    _table(invocation, screen, view.children)
    now = invocation.engine.clock()
    screen.table((), [(screen.time(event.at, now), event.actor, _change_text(event)) for event in view.history])
    _next(screen, view, answer.next)
    if view.claim is not None:
        next_of_claim(screen, view, view.claim)


def _next(screen: Screen, view: "ItemView", moves: "Sequence[Next]") -> None:
    """The command that a person types next. ``moves``: the calls that are possible now."""
    from wfe_mcp.core.items import OPTIONS

    line = view.line
    if run := line.in_work or (line.run if line.status == "active" else ""):
        screen.next(f"wfe-mcp status {run}")
    elif line.status == "ready":
        can_start = any(move.args.get("status") == "active" for move in moves)
        waited = f"wfe-mcp work show {line.waits_for[0]}" if line.waits_for else "wfe-mcp work next"
        screen.next(f"wfe-mcp work start {line.id}" if can_start else waited)
    elif line.status == "blocked" or (
        line.status == "planned" and view.claim is None and (view.children or line.kind != "milestone")
    ):
        options = " ".join((*(OPTIONS[name] for name in view.missing), "--status ready"))
        screen.next(f"wfe-mcp work edit {line.id} {options}")
    elif line.status == "proposed":
        screen.next(f"wfe-mcp decision accept {line.id}")


def _table(invocation: Invocation, screen: Screen, lines: "tuple[ItemLine, ...]") -> None:
    now = invocation.engine.clock()
    rows = [
        (
            line.id,
            line.kind,
            line.status,
            str(line.priority),
            screen.time(line.changed_at, now) if line.changed_at else "",
            f"{line.title}  ({line.note})" if line.note else line.title,
        )
        for line in lines
    ]
    if rows:
        screen.table(("item", "kind", "status", "priority", "changed", "title"), rows)


def _change_text(change: "ItemChange") -> str:
    """What a change did, in a line."""
    signed = ", signed" if change.signed else ""
    shown = {name: value for name, value in change.values.items() if name not in {"body", "tests", "evidence"}}
    if "results" in shown:
        shown["results"] = ", ".join(f"{result['test']} {result['outcome']}" for result in shown["results"]) or "none"
    text = ", ".join(f"{name}: {as_text(value)}" for name, value in shown.items())
    return f"{text or ', '.join(change.values)}{signed}"
