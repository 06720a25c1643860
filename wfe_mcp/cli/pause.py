"""``wfe-mcp pause`` and ``resume``: nothing new starts, until it may again."""

from wfe_mcp.cli.door import Door
from wfe_mcp.cli.options import PinFd, Reason, Run

__all__ = ["pause", "resume"]


def pause(door: Door, run: Run, reason: Reason = "", pin_fd: PinFd = None) -> None:
    """Start nothing new in the run; what is under way is still recorded.

    With a PIN (--pin-fd) it is your stop, and only a person ends it.
    """
    from wfe_mcp.views.answers import control_run

    run = door.at(run)
    by = door.by if pin_fd is None else door.person(pin_fd, "pause the run")
    door.tell(control_run(door.engine, by, run, "pause", reason=reason))


def resume(door: Door, run: Run, pin_fd: PinFd = None) -> None:
    """Let a paused run go on. Asks for your PIN."""
    from wfe_mcp.views.answers import control_run

    run = door.at(run)
    by = door.person(pin_fd, "resume the run")
    door.tell(control_run(door.engine, by, run, "resume"))
