"""``wfe-mcp backup`` and ``restore``: copy the database to a file, and replace it by such a copy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural, size

if TYPE_CHECKING:
    from wfe_mcp.engine.maintenance.restore_log import SetBack
    from wfe_mcp.store.maintenance.copies import DatabaseSummary

To = Annotated[
    str,
    typer.Argument(metavar="[FILE]", help="The file; without it a new one in the folder backups beside the database."),
]
From = Annotated[str, typer.Argument(metavar="[FILE]", help="A file that wfe-mcp backup wrote.")]
Dump = Annotated[
    bool,
    typer.Option("--after-pg-restore", help="pg_restore has set a server's database back: note what is missing now."),
]
Replace = Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")]
Anyway = Annotated[bool, typer.Option("--force", help="Even when the logs in FILE are damaged.")]


def backup(invocation: Invocation, file: To = "", force: Replace = False) -> None:
    """Copy the database, with all its projects, to one file.

    Servers may keep writing.
    """
    from wfe_mcp.engine.maintenance.backups import backup as write_backup

    words = ["backup", *([file] if file else []), *(["--force"] if force else [])]
    stopped = "No file was left.", words
    with invocation.long_work("Copying and checking the database", lambda: stopped) as progress:
        path, held = write_backup(
            invocation.engine, Path(file).absolute() if file else None, force=force, progress=progress
        )
    summary = f"Backed up {_words(held)}: {path}"
    invocation.answer(summary, data={"file": str(path), "holds": _view(held)})


def restore(
    invocation: Invocation, file: From = "", force: Anyway = False, after_pg_restore: Dump = False, pin_fd: PinFd = None
) -> None:
    """Replace the database by a backup.

    Later events are lost; the present database is kept aside.
    """
    from wfe_mcp.cli.terminal.pin import person

    if after_pg_restore and file:
        raise typer.BadParameter("restores no file: leave FILE out", param_hint="--after-pg-restore")
    if not after_pg_restore and not file:
        raise Refused("bad_argument", "No backup is named.", "Name one: wfe-mcp restore FILE")
    if after_pg_restore:
        _accept(invocation, pin_fd)
        return
    from wfe_mcp.engine.maintenance.backups import restore as restore_backup
    from wfe_mcp.engine.maintenance.restore_log import is_restored

    engine, began = invocation.engine, invocation.engine.clock()

    def stop_message() -> tuple[str, list[str]]:
        if is_restored(engine, began):
            return "The backup is in its place.", ["verify"]
        return "The database is as it was.", ["restore", *(["--force"] if force else []), file]

    with invocation.stoppable(stop_message):
        done = restore_backup(
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
        **_lost(back),
        "kept_aside": str(done.kept_aside) if done.kept_aside else None,
        "pin": "of the backup",
    }
    summary = f"Restored {_words(done.held)}, as of {exact(back.to)}: {file}"

    def render(screen: Screen) -> None:
        screen.line(summary, "green")
        screen.line(_lost_words(back))
        if done.kept_aside:
            screen.line(f"The database before: {done.kept_aside}")
        screen.line("PIN, keys and trust are those of the backup. wfe-mcp verify reports this restore from now on.")

    invocation.answer(summary, render, data=data)


def _accept(invocation: Invocation, pin_fd: int | None) -> None:
    from wfe_mcp.cli.terminal.pin import person
    from wfe_mcp.engine.maintenance.backups import accept_dump

    with invocation.screen.busy("Comparing with the anchors"):
        back, is_new = accept_dump(invocation.engine, lambda desk: person(desk, pin_fd, "accept the restored database"))
    summary = f"Noted that the database was set back to {exact(back.to)}"
    if not is_new:
        summary = f"That the database was set back to {exact(back.to)} was noted already, at {exact(back.at)}"

    def render(screen: Screen) -> None:
        screen.line(summary, "green")
        screen.line(_lost_words(back))
        screen.line(
            "Work that must not run twice waits for you: wfe-mcp jobs list. wfe-mcp verify reports this restore."
        )
        screen.line(
            "Tokens and logins that were ended after the dump count again: wfe-mcp token list, wfe-mcp people list"
        )

    invocation.answer(summary, render, data={**_lost(back), "noted_at": back.at.isoformat()})


def _lost(back: "SetBack") -> dict[str, Any]:
    runs = {run: {"kept": has, "had": had} for run, (has, had) in back.lost.items()}
    return {"set_back_to": back.to.isoformat(), "lost": {"events": back.lost_events, "runs": runs}, "reach": back.reach}


def _lost_words(back: "SetBack") -> str:
    runs = "; ".join(f"{run}: {had - has} of {had}" for run, (has, had) in back.lost.items())
    lost = f"Lost: {plural(back.lost_events, 'event')} of {plural(back.lost_runs, 'run')}"
    return f"{lost}{f' ({runs})' if runs else ''}{back.reach and f'. {back.reach}.'}"


def _words(summary: "DatabaseSummary") -> str:
    counts = (plural(summary.runs, "run"), plural(summary.events, "event"), plural(summary.projects, "project"))
    return f"{', '.join(counts)} ({size(summary.size_bytes)})"


def _view(summary: "DatabaseSummary") -> dict[str, Any]:
    newest = summary.newest.isoformat() if summary.newest else None
    return {
        "projects": summary.projects,
        "runs": summary.runs,
        "events": summary.events,
        "bytes": summary.size_bytes,
        "schema": summary.revision,
        "newest": newest,
    }
