"""The view of a session of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.views.model import second, view_model

if TYPE_CHECKING:
    from datetime import datetime


@view_model
class SessionView:
    """Whose session it is. ``asks_pin``: this page takes the PIN. ``token``: only when the session begins.

    ``scope``: ``read`` looks, and ``manage`` does what an agent may; only the PIN decides.
    """

    user: str
    asks_pin: bool
    scope: str
    token: str = ""
    ends_at: str = ""


def session_view(
    user: str, scope: str, *, asks_pin: bool, token: str = "", ends_at: datetime | None = None
) -> SessionView:
    """The session of ``user``."""
    return SessionView(user=user, scope=scope, asks_pin=asks_pin, token=token, ends_at=second(ends_at))
