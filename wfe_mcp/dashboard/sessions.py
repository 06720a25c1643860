"""Sessions of browsers, form tokens against cross-site requests, and open passkey challenges.

A cookie identifies the browser, and each form has a token derived from it: a foreign page cannot send these forms. The
cookie authorises nothing, and shows the list only after the PIN: other programs on this host can receive it too, because
cookies are not bound to ports.

A challenge is kept in this process for a few minutes, belongs to one browser and is used once: a repeated, late or
foreign answer is refused. After a restart the user signs again.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from typing import TypeVar

from wfe_mcp.core.errors import Refused

_MAX_SESSIONS = 1_000


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
        while len(self._opened) > _MAX_SESSIONS:
            del self._opened[next(iter(self._opened))]

    def is_open(self, session: str) -> bool:
        """True once the PIN was entered in this session."""
        return session in self._opened


T = TypeVar("T")

_VALID_S = 300.0
_MAX_CHALLENGES = 200


class Challenges:
    """The open challenges."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, str, float, object]] = {}
        self._lock = threading.Lock()

    def begin(self, session: str, form: str, about: object) -> str:
        """Open a challenge for ``session`` and ``form``. Returns the name that the answer must contain."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._waiting[name] = (session, form, time.monotonic(), about)
            while len(self._waiting) > _MAX_CHALLENGES:
                del self._waiting[next(iter(self._waiting))]
        return name

    def take(self, session: str, form: str, name: str, kind: type[T]) -> T:
        """Close the challenge ``name`` and return what it is about. Refuses ``stale_revision``: no such challenge."""
        with self._lock:
            asked = self._waiting.pop(name, None)
        if asked is not None and asked[:2] == (session, form) and time.monotonic() - asked[2] < _VALID_S:
            about = asked[3]
            if isinstance(about, kind):
                return about
        raise Refused(
            "stale_revision", "This signature belongs to no open challenge.", "Reload the page and sign again."
        )
