"""``wfe-mcp prune``, ``keep`` and ``vacuum``: what may go, what stays, and who gets the room?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.store.records.runs import RunRecord

__all__ = ["keep", "prune", "vacuum"]

Runs = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN]...", help="These runs, instead of those that are old enough.")
]
Named = Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or the first characters of their ids.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")]
Older = Annotated[
    str, typer.Option("--older-than", metavar="TIME", help="Runs that ended so long ago: 90d; else [retention] runs.")
]
Keep = Annotated[
    int | None, typer.Option("--keep", min=0, metavar="N", help="So many of those that ended last stay.")
]  # fmt: skip
Archived = Annotated[bool | None, typer.Option("--archived/--all", help="Only archived runs, or all that are over.")]
Off = Annotated[bool, typer.Option("--off", help="Let them go again.")]


def prune(
    door: Door, runs: Runs = None, dry_run: DryRun = False, older_than: Older = "", keep: Keep = None,
    archived: Archived = None, pin_fd: PinFd = None,
) -> None:  # fmt: skip
    """Remove runs of this project that are over, for good: rows, files, checkpoints. verify tells of it.

    Nothing is ever removed by itself; without [retention] runs, --older-than or a RUN nothing is.
    """
    from wfe_mcp.engine.maintenance import pruning
    from wfe_mcp.views.envelope import Envelope

    if older_than:
        _refuse_no_duration(older_than)
    left = 0 if dry_run else pruning.remove_leftovers(door.engine)
    try:
        chosen = pruning.prunable(door.engine, runs or (), older=older_than, keep=keep, archived_only=archived)
    except Refused as refused:
        if not left or refused.code != "bad_argument":
            raise
        chosen = []
    listed = [_row(record) for record in chosen]

    def tell(screen: "Screen") -> None:
        screen.line(told, "bold")
        screen.table(("run", "state", "template", "title", "ended", "events"), [list(row.values()) for row in listed])

    if dry_run or not chosen:
        told = f"{len(chosen)} run(s) would go" if dry_run else "No run is old enough to go"
        told = f"Files of {left} pruned run(s) were left, and are removed now" if left else told
        door.tell(Envelope(True, summary=told, data={"runs": listed, "dry_run": dry_run}), tell)
        return
    if not door.screen.as_json:
        door.screen.talk(f"{len(chosen)} run(s) go for good: {', '.join(str(record.id) for record in chosen)}")
    by = door.person(pin_fd, "remove them")
    with door.screen.busy("Runs are removed"):
        done = pruning.prune(door.engine, chosen, by)
    listed = [_row(record) for record in done.runs]
    told = f"{len(done.runs)} run(s) and {done.documents} document(s) removed; wfe-mcp vacuum gives the room back"
    door.tell(Envelope(True, summary=told, data={"runs": listed, "documents": done.documents, "dry_run": False}), tell)


def keep(door: Door, runs: Named, off: Off = False) -> None:
    """Never prune these runs, however old they get."""
    from wfe_mcp.engine.maintenance import pruning
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.runs import run_row

    found = [pruning.let_go(door.engine, run) if off else pruning.keep(door.engine, run, door.by) for run in runs]
    told = f"{', '.join(str(record.id) for record in found)}: {'prune may take it' if off else 'kept'}"
    door.tell(Envelope(True, summary=told, data={"runs": [run_row(record) for record in found], "kept": not off}))


def vacuum(door: Door) -> None:
    """Write the database anew without the room that nothing uses; safe while servers have it open, who wait."""
    from wfe_mcp.store.maintenance.copies import vacuum as vacuumed
    from wfe_mcp.views.envelope import Envelope

    with door.screen.busy("The database is written anew"):
        before, after = vacuumed(door.engine.store.path)
    told = f"{before - after:,} bytes won: the database has {after:,} now, {before:,} before"
    door.tell(Envelope(True, summary=told, data={"before_bytes": before, "after_bytes": after}))


def _row(record: "RunRecord") -> dict[str, Any]:
    ended = record.ended_at.isoformat(timespec="seconds") if record.ended_at else ""
    state = f"{record.status} archived" if record.archived_at else str(record.status)
    return {"run": record.id, "state": state, "template": record.template, "title": record.title, "ended": ended,
            "events": record.last_seq}  # fmt: skip


def _refuse_no_duration(text: str) -> None:
    from wfe_mcp.workspace.config.settings import seconds

    try:
        seconds(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no duration, such as 90d or 12h", param_hint="--older-than") from None
