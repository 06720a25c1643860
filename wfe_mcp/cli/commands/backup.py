"""``wfe-mcp backup`` and ``restore``: is there a second copy, and how does it come back?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.store.maintenance.copies import Held

__all__ = ["backup", "restore"]

To = Annotated[
    str, typer.Argument(metavar="[FILE]", help="Where to; without it a new file in the folder backups beside the database.")
]  # fmt: skip
From = Annotated[str, typer.Argument(metavar="FILE", help="What wfe-mcp backup has written.")]
Replace = Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")]
Anyway = Annotated[bool, typer.Option("--force", help="Even when the logs in FILE do not add up.")]


def backup(door: Door, file: To = "", force: Replace = False) -> None:
    """Copy the database, all projects in it, to one file; safe while servers write."""
    from wfe_mcp.engine.maintenance.backups import backup as backed_up
    from wfe_mcp.views.envelope import Envelope

    with door.screen.busy("The database is copied and checked"):
        path, held = backed_up(door.engine, Path(file).absolute() if file else None, force=force)
    told = f"{path}: {_words(held)}"
    door.tell(Envelope(True, summary=told, data={"file": str(path), "holds": _view(held)}))


def restore(door: Door, file: From, force: Anyway = False, pin_fd: PinFd = None) -> None:
    """Set the database back to a backup. What happened since is lost, and verify says so; today's is kept aside."""
    from wfe_mcp.cli.terminal.pin import person
    from wfe_mcp.engine.maintenance.backups import restore as restored
    from wfe_mcp.views.envelope import Envelope

    done = restored(
        door.engine, Path(file).absolute(), lambda desk: person(desk, pin_fd, "set the database back"), force=force
    )
    back = done.set_back
    data: dict[str, Any] = {
        "file": file, "holds": _view(done.held), "set_back_to": back.to.isoformat(),
        "lost": {"events": back.lost_events, "runs": {run: {"kept": has, "had": had} for run, (has, had) in back.lost.items()}},
        "kept_aside": str(done.kept_aside) if done.kept_aside else None, "pin": "of the backup",
    }  # fmt: skip
    told = f"Restored from {file}: {_words(done.held)}, as it was {back.to.isoformat(timespec='seconds')}"

    def tell(screen: "Screen") -> None:
        screen.line(told, "green")
        runs = "; ".join(f"{run}: {had - has} of {had}" for run, (has, had) in back.lost.items())
        screen.line(f"Lost: {back.lost_events} event(s) of {back.lost_runs} run(s)" + (f" ({runs})" if runs else ""))
        if done.kept_aside:
            screen.line(f"What was there before: {done.kept_aside}")
        screen.line("PIN, keys and trust are those of the backup. wfe-mcp verify tells of this restore from now on.")

    door.tell(Envelope(True, summary=told, data=data), tell)


def _words(held: "Held") -> str:
    return f"{held.runs} run(s), {held.events} event(s) of {held.projects} project(s), {_size(held.size_bytes)}, schema {held.revision}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _view(held: "Held") -> dict[str, Any]:
    newest = held.newest.isoformat() if held.newest else None
    return {"projects": held.projects, "runs": held.runs, "events": held.events, "bytes": held.size_bytes,
            "schema": held.revision, "newest": newest}  # fmt: skip
