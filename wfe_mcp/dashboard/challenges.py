"""What have we asked a browser to have signed, and is this the answer to it?

Kept in this process alone, for a few minutes, for the browser that was asked, and taken once: an answer that comes again,
late, or from elsewhere is to nothing. When the process ends the person signs again.
"""

import secrets
import threading
import time
from typing import TypeVar

from wfe_mcp.core.errors import Refused

__all__ = ["Ceremonies"]

T = TypeVar("T")

_VALID_S = 300.0
_MOST = 200


class Ceremonies:
    """What waits for an answer."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, str, float, object]] = {}
        self._lock = threading.Lock()

    def begin(self, session: str, form: str, about: object) -> str:
        """Remember what ``session`` was asked in ``form``; the name that its answer must bring."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._waiting[name] = (session, form, time.monotonic(), about)
            while len(self._waiting) > _MOST:
                del self._waiting[next(iter(self._waiting))]
        return name

    def take(self, session: str, form: str, name: str, kind: type[T]) -> T:
        """What was asked, once. Refuses ``stale_revision`` an answer to nothing."""
        with self._lock:
            asked = self._waiting.pop(name, None)
        if asked is not None and asked[:2] == (session, form) and time.monotonic() - asked[2] < _VALID_S:
            about = asked[3]
            if isinstance(about, kind):
                return about
        raise Refused(
            "stale_revision", "This signature answers nothing that was asked here.", "Load the page and sign again."
        )
