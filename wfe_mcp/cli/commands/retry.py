"""``wfe-mcp retry``: a new attempt at a phase."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Feedback, Phase, PinFd, Run

Role = Annotated[
    str, typer.Option("--role", metavar="NAME", help="Who works it now: a configured role, or client (the agent).")
]


def retry(
    invocation: Invocation, run: Run, phase: Phase, feedback: Feedback = "", role: Role = "", pin_fd: PinFd = None
) -> None:
    """Open a new attempt at a phase.

    It asks for your PIN after a stop.
    """
    from wfe_mcp.cli.terminal.authorize import authorize
    from wfe_mcp.core.commands import Retry
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.at(run, phase)
    probe = Retry(phase=PhasePath(phase), feedback=feedback, role=role or None, by=invocation.by, at=engine.clock())
    by = authorize(invocation, run, probe, pin_fd, f"retry {phase}")
    control.retry(engine, by, run, phase, feedback, role or None)
    invocation.outcome(phase, f"Opened a new attempt at {phase}")
