"""``wfe-mcp cancel``: end a run for good."""

from wfe_mcp.cli.door import Door
from wfe_mcp.cli.options import Reason, Run

__all__ = ["cancel"]


def cancel(door: Door, run: Run, reason: Reason = "") -> None:
    """End the run for good. Its history stays."""
    from wfe_mcp.views.answers import control_run

    run = door.at(run)
    door.tell(control_run(door.engine, door.by, run, "cancel", reason=reason))
