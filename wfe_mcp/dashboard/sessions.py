"""Sessions of browsers, and form tokens against cross-site requests.

A cookie identifies the browser, and each form has a token derived from it: a foreign page cannot send these forms. The
cookie authorises nothing, and shows the list only after the PIN: other programs on this host can receive it too, because
cookies are not bound to ports.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from wfe_mcp.core.errors import Refused

_MOST = 1_000


class Sessions:
    """The sessions of this process, in memory."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._opened: dict[str, None] = {}

    @staticmethod
    def new() -> str:
        """A name for a new session."""
        return secrets.token_urlsafe(32)

    def token(self, session: str, form: str) -> str:
        """The token that ``form`` must contain when ``session`` sends it."""
        return hmac.new(self._secret, f"{session}\n{form}".encode(), hashlib.sha256).hexdigest()

    def accepts(self, session: str, form: str, sent: Mapping[str, str]) -> bool:
        """True when what was ``sent`` has the token of this session and form."""
        token = sent.get("token", "")
        return bool(session) and hmac.compare_digest(self.token(session, form).encode(), token.encode())

    def expect(self, session: str, form: str, sent: Mapping[str, str], nothing: str) -> None:
        """Refuse ``needs_human`` where ``session`` was not shown ``form``. ``nothing``: such as ``stored``, for the message."""
        if not self.accepts(session, form, sent):
            raise Refused(
                "needs_human", f"This browser was not shown this form. Nothing was {nothing}.", "Reload the page."
            )

    def open(self, session: str) -> None:
        """Record that the PIN was entered in this session."""
        self._opened[session] = None
        while len(self._opened) > _MOST:
            del self._opened[next(iter(self._opened))]

    def is_open(self, session: str) -> bool:
        """True once the PIN was entered in this session."""
        return session in self._opened
