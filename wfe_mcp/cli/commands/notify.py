"""``wfe-mcp notify``: try how you are notified."""

from wfe_mcp.cli.terminal.invocation import Invocation


def try_out(invocation: Invocation) -> None:
    """Notify you every way that your configuration names, now."""
    from wfe_mcp.views.project.notifications import notification_test

    invocation.render(notification_test(invocation.engine, invocation.screen.ring))
