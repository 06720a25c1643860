"""Open passkey challenges.

A challenge is kept in this process for a few minutes, belongs to one browser and is used once: a repeated, late or
foreign answer is refused. After a restart the user signs again.
"""

import secrets
import threading
import time
from typing import TypeVar

from wfe_mcp.core.errors import Refused

T = TypeVar("T")

_VALID_S = 300.0
_MOST = 200


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
            while len(self._waiting) > _MOST:
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
