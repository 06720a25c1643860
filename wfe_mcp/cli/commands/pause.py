"""``wfe-mcp pause`` and ``resume``: start nothing new in a run, and continue it."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Reason, Run, seconds_of

MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", metavar="USD", help="The most that model calls of this run may cost in all."),
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="The most tokens that this run may use in all.")
]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="How long the run may take from now on, such as 2h.")
]


def pause(invocation: Invocation, run: Run, reason: Reason = "", pin_fd: PinFd = None) -> None:
    """Start nothing new in a run; work under way is still recorded.

    With a PIN (--pin-fd) only a person can resume the run.
    """
    from wfe_mcp.views.tool_answers import control_run

    run = invocation.at(run)
    by = invocation.by if pin_fd is None else invocation.person(pin_fd, "pause the run")
    invocation.controlled(control_run(invocation.engine, by, run, "pause", reason=reason), "Paused")


def resume(
    invocation: Invocation,
    run: Run,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = "",
    pin_fd: PinFd = None,
) -> None:
    """Continue a paused run, or one whose time limit is over.

    It asks for your PIN. --max-cost, --max-tokens and --timeout replace the limits of the template and the
    configuration for this run.
    """
    from wfe_mcp.views.tool_answers import control_run

    run = invocation.at(run)
    timeout_s = seconds_of(timeout)
    by = invocation.person(pin_fd, "resume the run")
    answer = control_run(
        invocation.engine, by, run, "resume", max_cost_usd=max_cost, max_tokens=max_tokens, timeout_s=timeout_s
    )
    invocation.controlled(answer, "Resumed")
