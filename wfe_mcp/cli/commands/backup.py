"""``wfe-mcp backup`` and ``restore``: copy the database to a file, and replace it by such a copy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact
from wfe_mcp.core.units import plural, size

if TYPE_CHECKING:
    from wfe_mcp.store.maintenance.copies import Held

To = Annotated[
    str,
    typer.Argument(metavar="[FILE]", help="The file; without it a new one in the folder backups beside the database."),
]
From = Annotated[str, typer.Argument(metavar="FILE", help="A file that wfe-mcp backup wrote.")]
Replace = Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")]
Anyway = Annotated[bool, typer.Option("--force", help="Even when the logs in FILE are damaged.")]


def backup(invocation: Invocation, file: To = "", force: Replace = False) -> None:
    """Copy the database, with all its projects, to one file.

    Servers may keep writing.
    """
    from wfe_mcp.engine.maintenance.backups import backup as backed_up

    words = ["backup", *([file] if file else []), *(["--force"] if force else [])]
    stopped = "No file was left.", words
    with invocation.long_work("Copying and checking the database", lambda: stopped) as progress:
        path, held = backed_up(
            invocation.engine, Path(file).absolute() if file else None, force=force, progress=progress
        )
    summary = f"Backed up {_words(held)}: {path}"
    invocation.answer(summary, data={"file": str(path), "holds": _view(held)})


def restore(invocation: Invocation, file: From, force: Anyway = False, pin_fd: PinFd = None) -> None:
    """Replace the database by a backup.

    Later events are lost; the present database is kept aside.
    """
    from wfe_mcp.cli.terminal.pin import person
    from wfe_mcp.engine.maintenance.backups import restore as restored
    from wfe_mcp.engine.maintenance.restore_log import is_restored

    engine, began = invocation.engine, invocation.engine.clock()

    def stopped() -> tuple[str, list[str]]:
        if is_restored(engine, began):
            return "The backup is in its place.", ["verify"]
        return "The database is as it was.", ["restore", *(["--force"] if force else []), file]

    with invocation.stoppable(stopped):
        done = restored(
            engine,
            Path(file).absolute(),
            lambda desk: person(desk, pin_fd, "restore the backup"),
            force=force,
            busy=invocation.screen.busy,
        )
    back = done.set_back
    data: dict[str, Any] = {
        "file": file,
        "holds": _view(done.held),
        "set_back_to": back.to.isoformat(),
        "lost": {
            "events": back.lost_events,
            "runs": {run: {"kept": has, "had": had} for run, (has, had) in back.lost.items()},
        },
        "kept_aside": str(done.kept_aside) if done.kept_aside else None,
        "pin": "of the backup",
    }
    summary = f"Restored {_words(done.held)}, as of {exact(back.to)}: {file}"

    def render(screen: Screen) -> None:
        screen.line(summary, "green")
        runs = "; ".join(f"{run}: {had - has} of {had}" for run, (has, had) in back.lost.items())
        screen.line(
            f"Lost: {plural(back.lost_events, 'event')} of {plural(back.lost_runs, 'run')}"
            + (f" ({runs})" if runs else "")
        )
        if done.kept_aside:
            screen.line(f"The database before: {done.kept_aside}")
        screen.line("PIN, keys and trust are those of the backup. wfe-mcp verify reports this restore from now on.")

    invocation.answer(summary, render, data=data)


def _words(held: "Held") -> str:
    counts = (plural(held.runs, "run"), plural(held.events, "event"), plural(held.projects, "project"))
    return f"{', '.join(counts)} ({size(held.size_bytes)})"


def _view(held: "Held") -> dict[str, Any]:
    newest = held.newest.isoformat() if held.newest else None
    return {
        "projects": held.projects,
        "runs": held.runs,
        "events": held.events,
        "bytes": held.size_bytes,
        "schema": held.revision,
        "newest": newest,
    }
