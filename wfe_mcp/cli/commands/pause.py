"""``wfe-mcp pause`` and ``resume``: nothing new starts, until it may again."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd, Reason, Run

__all__ = ["pause", "resume"]

MaxCost = Annotated[
    float | None, typer.Option("--max-cost", metavar="USD", help="What calls to models of this run may cost in all.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="The tokens that this run may use in all.")
]


def pause(door: Door, run: Run, reason: Reason = "", pin_fd: PinFd = None) -> None:
    """Start nothing new in the run; what is under way is still recorded.

    With a PIN (--pin-fd) it is your stop, and only a person ends it.
    """
    from wfe_mcp.views.tool_answers import control_run

    run = door.at(run)
    by = door.by if pin_fd is None else door.person(pin_fd, "pause the run")
    door.tell(control_run(door.engine, by, run, "pause", reason=reason))


def resume(door: Door, run: Run, max_cost: MaxCost = None, max_tokens: MaxTokens = None, pin_fd: PinFd = None) -> None:
    """Let a paused run go on. Asks for your PIN.

    With --max-cost or --max-tokens the run may spend that much in all from now on, whatever its template and the
    configuration say.
    """
    from wfe_mcp.views.tool_answers import control_run

    run = door.at(run)
    by = door.person(pin_fd, "resume the run")
    door.tell(control_run(door.engine, by, run, "resume", max_cost_usd=max_cost, max_tokens=max_tokens))
