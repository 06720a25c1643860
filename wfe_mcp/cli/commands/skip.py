"""``wfe-mcp skip``: leave out a phase."""

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Reason, Run
from wfe_mcp.core.paths import PhasePath


def skip(invocation: Invocation, run: Run, phase: Phase, reason: Reason, pin_fd: PinFd = None) -> None:
    """Leave out a phase.

    It asks for your PIN unless the template lets agents skip it.
    """
    from wfe_mcp.cli.terminal.authorize import authorize
    from wfe_mcp.core.commands import Skip
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.at(run, phase)
    probe = Skip(phase=PhasePath(phase), reason=reason, by=invocation.by, at=engine.clock())
    by = authorize(invocation, run, probe, pin_fd, f"skip {phase}")
    control.skip(engine, by, run, phase, reason)
    invocation.outcome(phase, f"Skipped {phase}")
