"""``wfe-mcp proceed``: go on after a phase that was held for you."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd, Run

__all__ = ["proceed"]

Phase = Annotated[str, typer.Argument(metavar="[PHASE]", help="Only this phase; else all that are held.")]


def proceed(door: Door, run: Run, phase: Phase = "", pin_fd: PinFd = None) -> None:
    """Let the run go on after phases that were held for you. Asks for your PIN."""
    from wfe_mcp.views.tool_answers import control_run

    run = door.at(run)
    by = door.person(pin_fd, "let the run go on")
    door.tell(control_run(door.engine, by, run, "proceed", phase))
