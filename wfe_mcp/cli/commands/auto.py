"""``wfe-mcp auto``: whether a run continues by itself after each phase."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Run

First = Annotated[str, typer.Argument(metavar="on|off", help="on: continue after each phase; off: wait for proceed.")]


def auto(invocation: Invocation, first: First, second: Run, pin_fd: PinFd = None) -> None:
    """Continue after each phase, or wait for you.

    'on' asks for your PIN.
    """
    from wfe_mcp.views.tool_answers import control_run

    switch, run = (first, second) if first in {"on", "off"} else (second, first)  # both orders are clear
    if switch not in {"on", "off"}:
        raise typer.BadParameter(f"on or off is expected, not {first!r}", param_hint="on|off")
    run = invocation.at(run)
    by = invocation.by if switch == "off" else invocation.person(pin_fd, "switch automatic mode on")
    answer = control_run(invocation.engine, by, run, "auto_on" if switch == "on" else "auto_off")
    invocation.controlled(answer, f"Turned {switch} automatic mode of")
