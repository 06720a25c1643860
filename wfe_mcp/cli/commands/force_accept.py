"""``wfe-mcp force-accept``: accept a phase although its gates fail."""

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Reason, Run


def force_accept(invocation: Invocation, run: Run, phase: Phase, reason: Reason, pin_fd: PinFd = None) -> None:
    """Accept a phase although its gates fail.

    It asks for your PIN. It accepts the open revision, else the last refused draft. The run is tainted from then on, and every view shows it.
    """
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.at(run, phase)
    by = invocation.person(pin_fd, f"overrule the gates of {phase}")
    control.force_accept(engine, by, run, phase, reason)
    invocation.outcome(phase, f"Force-accepted {phase}; the run is tainted")
