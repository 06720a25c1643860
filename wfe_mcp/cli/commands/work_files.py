"""``wfe-mcp work attach``, ``detach``, ``import``, ``export``, ``report`` and ``run``: files of items, items from files, many runs at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.commands.import_run import Format
from wfe_mcp.cli.commands.submit import Files
from wfe_mcp.cli.commands.work import ItemId, render_item
from wfe_mcp.cli.terminal.changes import loss_lines
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Force, PinFd
from wfe_mcp.cli.terminal.pages import write_pages
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.views.values.model import as_text
from wfe_mcp.workspace.files.given_files import from_anywhere
from wfe_mcp.workspace.files.project_files import write_new

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.views.moves.envelope import Envelope

Source = Annotated[
    str,
    typer.Argument(
        metavar="[FILE|FOLDER]",
        help="A milestones.md or backlog.md, a plan in JSON (milestone_plan@1), or the folder of Task Master, Backlog.md, "
        "spec-kit, OpenSpec, spec-workflow or shrimp.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; store nothing.")]
Finished = Annotated[
    bool, typer.Option("--finished", help="Keep what is done, archived or rejected there, too; asks for your PIN.")
]
Tracker = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="FORGE",
        help="github or gitlab: the issues of the repository that the remote in [delivery] is at, in place of a file.",
    ),
]
Label = Annotated[
    str, typer.Option("--label", metavar="L", help="With --from: only issues with this label; A,B: with both.")
]
IssueState = Annotated[
    str, typer.Option("--state", metavar="STATE", help="With --from: open, closed or all.", show_default=False)
]
Ready = Annotated[
    bool, typer.Option("--ready", help="Make what says enough ready to start; a milestone stays planned.")
]

AllReady = Annotated[bool, typer.Option("--all-ready", help="Start a run for each item that can start.")]
Most = Annotated[
    int, typer.Option("--most", min=1, max=50, metavar="N", help="How many items may be active at a time.")
]

AttachedFile = Annotated[str, typer.Argument(metavar="NAME", help="Its name, else its number in work show.")]
Target = Annotated[
    str,
    typer.Argument(
        metavar="FILE|FOLDER",
        help="A folder of the project for the pages; or a file that is not there yet, for the plan: .md or .json.",
    ),
]
ReportKind = Annotated[
    str, typer.Argument(metavar="[KIND]", help="status, tasks, milestones, git or all.", show_default=False)
]

_SHOWN = 20
"""Most lines of a list that a terminal shows; ``--json`` has all."""


def attach(invocation: Invocation, item: ItemId, files: Files) -> None:
    """Attach files to a work item, such as the screenshot of a bug.

    The record names each with its sha256, so that wfe-mcp verify finds one that was changed or is missing.
    """
    from wfe_mcp.views.work.answers import attach_to_item

    render_item(invocation, attach_to_item(invocation.engine, invocation.by, item, from_anywhere(files)))


def detach(invocation: Invocation, item: ItemId, file: AttachedFile) -> None:
    """Take a file from a work item; its history keeps the file."""
    from wfe_mcp.views.work.answers import detach_from_item

    render_item(invocation, detach_from_item(invocation.engine, invocation.by, item, file))


def import_(
    invocation: Invocation,
    source: Source = "",
    tracker: Tracker = "",
    label: Label = "",
    state: IssueState = "open",
    dry_run: DryRun = False,
    ready: Ready = False,
    finished: Finished = False,
    wanted: Format = "",
    pin_fd: PinFd = None,
) -> None:
    """Make work items of a plan, a file of another tool, or issues.

    Imported again, it changes what the file or the tracker changed since, and nothing that was changed here.
    """
    from wfe_mcp.views.work.imports import How, imported_issues, imported_items

    if bool(source) == bool(tracker):
        hint = "Give a file, or --from github or --from gitlab."
        raise Refused("bad_argument", f"What is imported is {'said twice' if source else 'not said'}.", hint)
    how = How(finished, ready, dry_run)

    def imports(by: "By") -> "Envelope":
        if tracker:
            return imported_issues(invocation.engine, by, tracker, label, state, how)
        return imported_items(invocation.engine, by, Path(source), wanted, how)

    answer = invocation.as_needed(imports, pin_fd, f"import {source or f'issues of {tracker}'} with what is over there")

    def render(screen: Screen) -> None:
        render_imported(screen, answer)
        if not dry_run:
            is_ready = any(item["status"] == "ready" for item in answer.data["added"])
            screen.next("wfe-mcp work next" if is_ready else "wfe-mcp work list")

    invocation.render(answer, render)


def export(invocation: Invocation, target: Target, force: Force = False) -> None:
    """Write a plan, or pages about all items.

    A plan has the milestones and their open tasks. It is a milestones.md or a milestone_plan@1, which work import reads. The pages are START_HERE.md, roadmap.md with its
    earlier versions in roadmap-archive, current-status.md and next-handoff.md; what is edited in them is not read back.
    """
    if Path(target).suffix.lower() in {".md", ".json"}:
        _export_plan(invocation, Path(target))
        return
    from wfe_mcp.views.work.reports import pages

    written, edited = write_pages(invocation, target, pages(invocation.engine), force=force, archive="roadmap.md")
    summary = f"{plural(len(written), 'page')} in {target}"

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for path in written:
            screen.line(f"  {path}{', over what was edited' if path in edited else ''}")

    invocation.answer(summary, render, data={"written": written, "edited": edited})


def _export_plan(invocation: Invocation, target: Path) -> None:
    from wfe_mcp.views.work.reports import exported_plan

    plan = exported_plan(invocation.engine, as_markdown=target.suffix.lower() == ".md")
    write_new(target, plan.text)
    summary = f"{target}: {plural(plan.milestones, 'milestone')} with {plural(plan.tasks, 'task')}"

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for loss in plan.not_carried:
            screen.line(f"! not carried: {loss}", "yellow")

    invocation.answer(summary, render, data={"path": str(target), "not_carried": list(plan.not_carried)})


def report(invocation: Invocation, kind: ReportKind = "status") -> None:
    """Print a report in Markdown: status, tasks, milestones, git, or all."""
    from wfe_mcp.views.work.reports import report as report_of

    text = report_of(invocation.engine, kind)
    invocation.answer(f"Report: {kind}", lambda screen: screen.print_quoted(text.rstrip()), data={"markdown": text})


def render_imported(screen: Screen, answer: "Envelope", *, with_lost: bool = True) -> None:
    """Show what became of each entry of a file; ``with_lost``: and what became nothing."""
    data = answer.data
    screen.line(answer.summary, "bold")
    where = "the tracker" if data["format"] == "issues" else "the file"
    texts = [
        *(
            f"  + {item['id']} {item['kind']}{item['parent'] and ' of '}{item['parent']}: {item['title']}"
            for item in data["added"]
        ),
        *(
            f"  ~ {item['id']} {name}: {as_text(value)}"
            for item in data["changed"]
            for name, value in item["values"].items()
        ),
    ]
    notes = [
        *(f"! kept {item['id']} {item['title']!r}: {item['why']}" for item in data["kept"]),
        *(f"! {item['id']} {item['title']!r} is in {where} no more; it stays here" for item in data["gone"]),
        *(loss_lines(data["not_carried"]) if with_lost else ()),
    ]
    for lines, style in ((texts, ""), (notes, "yellow")):
        for text in lines[:_SHOWN]:
            screen.line(text, style) if style else screen.line(text)
        if len(lines) > _SHOWN:
            screen.line(f"  and {len(lines) - _SHOWN} more: --json lists all")


def run(
    invocation: Invocation, all_ready: AllReady = False, most: Most = 3, dry_run: DryRun = False, pin_fd: PinFd = None
) -> None:
    """Start what is ready, best first.

    Items that touch the same paths wait for each other, those of a sequential milestone too.
    """
    from wfe_mcp.views.work.imports import started_items

    if not all_ready:
        hint = "Start all that is ready: wfe-mcp work run --all-ready"
        raise Refused("bad_argument", "What is to run is not said.", hint)
    data = invocation.as_needed(
        lambda by: started_items(invocation.engine, by, most, dry_run=dry_run), pin_fd, "start what is ready"
    )
    summary = str(data.pop("summary"))

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for item in data["started"]:
            screen.line(f"  {item['id']} {item['title']}" + (f": run {item['run']}" if "run" in item else ""))
        for item in data["waiting"]:
            screen.line(f"  waits: {item['id']} {item['title']}: {item['why']}")
        for item in data["refused"]:
            screen.line(f"! refused: {item['id']} {item['title']}: {item['why']} {item['next']}", "yellow")
        runs = [item["run"] for item in data["started"] if "run" in item]
        screen.next(f"wfe-mcp status {runs[0]}" if runs else "wfe-mcp work next")

    invocation.answer(summary, render, data=data)
