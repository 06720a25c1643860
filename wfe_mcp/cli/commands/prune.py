"""``wfe-mcp prune`` and ``wfe-mcp archive``: put old runs aside, or remove them for good."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Runs
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural, size
from wfe_mcp.views.runs.models import RunList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.maintenance.pruning import PruneResult, UnneededTrees
    from wfe_mcp.store.records.runs import RunRecord


_LISTED = 100
"""Runs that --dry-run lists; it counts all of them."""

ChosenRuns = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN]...", help="These runs, instead of the old ones.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List what would be deleted; delete nothing.")]
Older = Annotated[
    str,
    typer.Option(
        "--older-than", metavar="TIME", help="Runs that ended longer ago than this: 90d; else [retention] runs."
    ),
]
Keep = Annotated[
    int | None, typer.Option("--keep", min=0, max=1_000_000_000, metavar="N", help="Keep the N runs that ended last.")
]
Archived = Annotated[bool | None, typer.Option("--archived/--all", help="Only archived runs, or all finished ones.")]
Off = Annotated[bool, typer.Option("--off", help="Remove the protection.")]


def prune(
    invocation: Invocation,
    runs: ChosenRuns = None,
    dry_run: DryRun = False,
    older_than: Older = "",
    keep: Keep = None,
    archived: Archived = None,
    pin_fd: PinFd = None,
) -> None:
    """Delete finished runs: rows, files, checkpoints.

    It asks for your PIN. It needs [retention] runs, --older-than or a RUN. verify reports deleted runs. Trees of files in .git/wfe
    that no run needs go too, after two weeks, without a PIN.
    """
    from wfe_mcp.engine.maintenance import pruning

    if older_than:
        _refuse_no_duration(older_than)
    left = 0 if dry_run else pruning.remove_leftovers(invocation.engine)
    summary = "Deleted already" if runs else "No run is old enough"
    trees = pruning.UnneededTrees()
    try:
        prunable = pruning.prunable(
            invocation.engine,
            runs or (),
            older=older_than,
            keep=keep,
            archived_only=archived,
            most=_LISTED if dry_run else None,
        )
    except Refused as refused:
        if refused.code != "bad_argument":
            raise
        trees = pruning.clean_trees(invocation.engine, dry_run=dry_run)
        if not (left or trees.count):
            raise
        summary, prunable = refused.message.rstrip("."), pruning.Prunable()
    else:
        if dry_run or not prunable.runs:
            besides = [str(record.id) for record in prunable.runs]
            trees = pruning.clean_trees(invocation.engine, besides, dry_run=dry_run)
    chosen = prunable.runs
    listed = [_row(record) for record in chosen]

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        columns = ("run", "state", "template", "ended", "events", "title")
        screen.table(columns, [[row[column] for column in columns] for row in listed])

    if dry_run or not chosen:
        listing = f"; the oldest {len(chosen):,} are listed" if prunable.count > len(chosen) else ""
        summary = f"{plural(prunable.count, 'run')} would be deleted{listing}" if dry_run else summary
        summary = f"Deleted leftover files of {plural(left, 'pruned run')}" if left else summary
        summary += _of_trees(trees, dry_run=dry_run)
        data = {"runs": listed, "count": prunable.count, "dry_run": dry_run}
        invocation.answer(summary, render, data=data | _tree_data(trees))
        return
    if not invocation.screen.as_json:
        invocation.screen.talk(
            f"Delete {plural(len(chosen), 'run')} permanently: {', '.join(str(record.id) for record in chosen)}"
        )
    by = invocation.person(pin_fd, "delete them")
    options = ["--older-than", older_than] if older_than else []
    options += [] if keep is None else ["--keep", str(keep)]
    options += [] if archived is None else ["--archived" if archived else "--all"]
    done = _delete(invocation, chosen, by, options, are_named=bool(runs))
    trees = pruning.clean_trees(invocation.engine)
    listed = [_row(record) for record in done.runs]
    summary = f"Deleted {plural(len(done.runs), 'run')} and {plural(done.documents, 'document')}{_of_trees(trees)}. To shrink the database: wfe-mcp vacuum"
    data = {"runs": listed, "documents": done.documents, "dry_run": False}
    invocation.answer(summary, render, data=data | _tree_data(trees))


def _delete(
    invocation: Invocation, chosen: "Sequence[RunRecord]", by: "By", options: list[str], *, are_named: bool
) -> "PruneResult":
    from wfe_mcp.engine.maintenance.pruning import prune

    gone = [0]

    def stop_message() -> tuple[str, list[str]]:
        words = ["prune", *([run.id for run in chosen[gone[0] :]] if are_named else ()), *options]
        return f"{gone[0]:,} of {plural(len(chosen), 'run')} are deleted, the others are whole.", words

    with invocation.long_work("Deleting runs", stop_message) as progress:

        def note_deleted(number: int, total: int) -> None:
            gone[0] = number
            progress(number, total)

        return prune(invocation.engine, chosen, by, note_deleted)


def _of_trees(trees: "UnneededTrees", *, dry_run: bool = False) -> str:
    """The end of a summary; empty where there is nothing to say."""
    if not trees.count:
        return ""
    what = f"{plural(trees.count, 'stored tree')} of files ({size(trees.bytes)})"
    if trees.stay:
        return f"; {what} stay, as another database has runs here"
    return f"; {what} would be deleted" if dry_run else f"; deleted {what}"


def _tree_data(trees: "UnneededTrees") -> dict[str, object]:
    return {"trees": trees.count, "tree_bytes": trees.bytes, "trees_stay": trees.stay}


def keep(invocation: Invocation, runs: Runs, off: Off = False) -> None:
    """Protect runs from prune, however old they get."""
    from wfe_mcp.engine.maintenance import pruning
    from wfe_mcp.views.reports.run_rows import run_rows

    records = [
        pruning.release(invocation.engine, run) if off else pruning.keep(invocation.engine, run, invocation.by)
        for run in runs
    ]
    summary = (
        f"{', '.join(str(record.id) for record in records)}: {'prune may delete it' if off else 'protected from prune'}"
    )
    invocation.answer(summary, view=RunList(runs=run_rows(invocation.engine, records), kept=not off))


def vacuum(invocation: Invocation) -> None:
    """Shrink the database.

    Servers that use it wait meanwhile.
    """
    from wfe_mcp.store.maintenance.copies import vacuum as vacuum_database

    path = invocation.engine.store.path
    stopped = "The database is whole.", ["vacuum"]
    with invocation.long_work("Shrinking the database", lambda: stopped):
        before, after = vacuum_database(path)
    summary = f"Freed {size(before - after)} (now {size(after)})."
    invocation.answer(summary, data={"before_bytes": before, "after_bytes": after})


def _row(record: "RunRecord") -> dict[str, Any]:
    ended = record.ended_at.isoformat(timespec="seconds") if record.ended_at else ""
    state = f"{record.status} archived" if record.archived_at else str(record.status)
    return {
        "run": record.id,
        "state": state,
        "template": record.template,
        "title": record.title,
        "ended": ended,
        "events": record.last_seq,
    }


def _refuse_no_duration(text: str) -> None:
    from wfe_mcp.workspace.config.layers import seconds

    try:
        seconds(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a duration, such as 90d or 12h", param_hint="--older-than") from None


def archive(invocation: Invocation, runs: Runs) -> None:
    """Hide finished runs from list.

    They stay readable.
    """
    from wfe_mcp.engine.runs import control as stale
    from wfe_mcp.views.runs.run import run_row

    rows = tuple(run_row(stale.archive(invocation.engine, run)) for run in runs)
    invocation.answer(f"Archived {plural(len(rows), 'run')}", view=RunList(runs=rows))


def unarchive(invocation: Invocation, runs: Runs) -> None:
    """Show archived runs in list again."""
    from wfe_mcp.engine.runs import control as stale
    from wfe_mcp.views.runs.run import run_row

    rows = tuple(run_row(stale.unarchive(invocation.engine, run)) for run in runs)
    invocation.answer(f"Unarchived {plural(len(rows), 'run')}", view=RunList(runs=rows))
