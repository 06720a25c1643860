"""``wfe-mcp pause`` and ``resume``: start nothing new in a run, and continue it."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd, Reason, Run

__all__ = ["pause", "resume"]

MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", metavar="USD", help="The most that model calls of this run may cost in all."),
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="The most tokens that this run may use in all.")
]


def pause(door: Door, run: Run, reason: Reason = "", pin_fd: PinFd = None) -> None:
    """Start nothing new in a run; work under way is still recorded.

    With a PIN (--pin-fd) only a person can resume the run.
    """
    from wfe_mcp.cli.terminal.outcome import controlled
    from wfe_mcp.views.tool_answers import control_run

    run = door.at(run)
    by = door.by if pin_fd is None else door.person(pin_fd, "pause the run")
    door.tell(controlled(door, control_run(door.engine, by, run, "pause", reason=reason), "Paused"))


def resume(door: Door, run: Run, max_cost: MaxCost = None, max_tokens: MaxTokens = None, pin_fd: PinFd = None) -> None:
    """Continue a paused run.

    It asks for your PIN. --max-cost and --max-tokens replace the limits of the template and the configuration for this run.
    """
    from wfe_mcp.cli.terminal.outcome import controlled
    from wfe_mcp.views.tool_answers import control_run

    run = door.at(run)
    by = door.person(pin_fd, "resume the run")
    answer = control_run(door.engine, by, run, "resume", max_cost_usd=max_cost, max_tokens=max_tokens)
    door.tell(controlled(door, answer, "Resumed"))
