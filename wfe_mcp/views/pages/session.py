"""The view of a session of the page."""

from wfe_mcp.views.values.model import view_model


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
