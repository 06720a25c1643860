"""``wfe-mcp force-accept``: overrule the gates, for all to see."""

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Phase, PinFd, Reason, Run

__all__ = ["force_accept"]


def force_accept(door: Door, run: Run, phase: Phase, reason: Reason, pin_fd: PinFd = None) -> None:
    """Accept PHASE although its gates say no. Asks for your PIN.

    The open revision counts, else the last refused draft. The run is tainted, which every door shows for ever.
    """
    from wfe_mcp.cli.terminal.outcome import run_outcome
    from wfe_mcp.engine.runs import control

    engine, run = door.engine, door.at(run, phase)
    by = door.person(pin_fd, f"overrule the gates of {phase}")
    control.force_accept(engine, by, run, phase, reason)
    door.tell(run_outcome(engine, run, phase, f"{phase} accepted by force"))
