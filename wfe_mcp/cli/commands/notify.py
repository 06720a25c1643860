"""``wfe-mcp notify``: try how you are notified."""

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import join_names


def try_out(invocation: Invocation) -> None:
    """Notify you every way that your configuration names, now."""
    from wfe_mcp.engine.notifications.notify import send

    engine = invocation.engine
    notify = engine.settings().settings.notify
    shown, faults = send(engine, notify, {"kind": "test", "reference": "wfe-mcp"})
    if notify.terminal and invocation.screen.ring("wfe-mcp: a test"):
        shown.append("terminal")
    data = {"shown": shown, "failed": faults}
    if faults or not shown:
        why = "; ".join(faults) or "No way is configured."
        how = "Set desktop, command or apprise in [notify] of your own configuration, then: wfe-mcp trust"
        hint = "" if faults else how
        invocation.answer(why, data=data, error=Refused("unavailable", why, hint))
        return
    invocation.answer(f"Notified you by {join_names(shown)}.", data=data)
