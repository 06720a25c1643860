"""``wfe-mcp proceed``: continue after a phase that was held for you."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Run

Phase = Annotated[str, typer.Argument(metavar="[PHASE]", help="Only this phase; without it all held phases.")]


def proceed(invocation: Invocation, run: Run, phase: Phase = "", pin_fd: PinFd = None) -> None:
    """Continue a run after phases that were held for you.

    It asks for your PIN.
    """
    from wfe_mcp.cli.commands.control import say_what_follows
    from wfe_mcp.views.answers.tool_answers import control_run

    run = invocation.at(run)
    say_what_follows(invocation, run, "proceed", phase)
    by = invocation.person(pin_fd, "continue the run")
    invocation.controlled(control_run(invocation.engine, by, run, "proceed", phase), "Continued")
