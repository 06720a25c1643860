"""The view of a session of the page."""

from collections.abc import Mapping
from dataclasses import field

from wfe_mcp.views.values.model import view_model


@view_model
class SessionView:
    """Whose session it is. ``project``: the id of that which the page was started in. ``asks_pin``: this page takes the PIN. ``token``: only when the session begins.

    ``scope``: ``read`` looks, and ``manage`` does what an agent may; only the PIN decides. ``login``: a person at a server, who decides by passkey; ``roles``: theirs, by the id of the project.
    """

    user: str
    asks_pin: bool
    scope: str
    project: str = ""
    token: str = ""
    ends_at: str = ""
    login: bool = False
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
