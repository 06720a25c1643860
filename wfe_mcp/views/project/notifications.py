"""View of notifications: how the user is notified and what was not shown last; and a test of every way."""

from collections.abc import Callable

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import join_names
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.notifications.notify import last_failure, send, ways_of
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.values.model import view_model


@view_model
class NotificationsView:
    """How the user is notified. ``ways``: those that are configured, as a text. ``quiet``, ``remind``: as configured.

    ``last_failure``: why the newest notification was not shown; empty where it was. ``faults``: what does not count, and why.
    """

    ways: str
    events: tuple[str, ...]
    quiet: str
    remind: str
    last_failure: str = ""
    faults: tuple[str, ...] = ()


@view_model
class NotificationTest:
    """What a test came to: the ways that worked, and what is wrong with the others."""

    shown: tuple[str, ...]
    failed: tuple[str, ...]


def notifications_view(engine: Engine) -> NotificationsView:
    """How the user of ``engine`` is notified in its project."""
    loaded = engine.settings()
    notify = loaded.settings.notify
    return NotificationsView(
        ways=ways_of(notify),
        events=tuple(notify.events),
        quiet=notify.quiet,
        remind=notify.remind,
        last_failure=last_failure(engine),
        faults=loaded.faults_in("notify"),
    )


def notification_test(engine: Engine, ring: Callable[[str], bool] | None = None) -> Envelope:
    """Notify the user every way that is configured, now. ``ring``: rings a terminal with this title; False without one."""
    loaded = engine.settings()
    notify = loaded.settings.notify
    shown, faults = send(engine, notify, {"kind": "test", "reference": "wfe-mcp"})
    if notify.terminal and ring is not None and ring("wfe-mcp: a test"):
        shown.append("terminal")
    view = NotificationTest(shown=tuple(shown), failed=tuple(faults))
    if shown and not faults:
        return Envelope(True, summary=f"Notified you by {join_names(shown)}.", view=view)
    waiting = [key for key in loaded.unsigned if key.startswith("notify.")]
    if waiting and not ways_of(notify):
        why = f"Your own configuration names {join_names(waiting)}, which you have not trusted yet."
        error = Refused("needs_trust", why, "Ask the user to look at it and run: wfe-mcp trust")
        return Envelope(False, summary=why, view=view, error=error)
    why = " ".join(faults) or ("terminal: none is here to ring." if notify.terminal else "No way is configured.")
    how = "Set desktop, command or apprise in [notify] of your own configuration, then: wfe-mcp trust"
    return Envelope(False, summary=why, view=view, error=Refused("unavailable", why, "" if faults else how))
