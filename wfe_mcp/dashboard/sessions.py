"""Does a form come from the very page that we showed to this browser?

A cookie names the browser, a token in each form is made from it: a page that can do neither cannot send our forms. The
cookie decides nothing, and shows the list only once the PIN was typed: other programs of this host can be sent it too,
because cookies know no ports.
"""

import hashlib
import hmac
import secrets

__all__ = ["Sessions"]

_MOST = 1_000


class Sessions:
    """The browsers that this process has seen. They end with it."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._opened: dict[str, None] = {}

    @staticmethod
    def new() -> str:
        """A name for a browser that has none yet."""
        return secrets.token_urlsafe(32)

    def token(self, session: str, form: str) -> str:
        """What ``form`` must bring along when ``session`` sends it."""
        return hmac.new(self._secret, f"{session}\n{form}".encode(), hashlib.sha256).hexdigest()

    def accepts(self, session: str, form: str, token: str) -> bool:
        """True when ``token`` is the one that this browser was given for this form."""
        return bool(session) and hmac.compare_digest(self.token(session, form).encode(), token.encode())

    def open(self, session: str) -> None:
        """The person has typed their PIN in this browser."""
        self._opened[session] = None
        while len(self._opened) > _MOST:
            del self._opened[next(iter(self._opened))]

    def is_open(self, session: str) -> bool:
        """True once the person has typed their PIN in this browser."""
        return session in self._opened
