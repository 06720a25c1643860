"""Redaction: secret values, and their removal from logs and messages.

Every key that this process resolves is registered here, and every text for users passes ``without_hidden``. This is the
second defence: the first is never to put a key into a text.
"""

import base64
import logging
from urllib.parse import quote, quote_plus

SHOWN = "[hidden]"
"""The replacement for a hidden value."""

_SHORTEST = 8
"""Shorter values could match common words."""

_forms: set[str] = set()


def hide(value: str) -> None:
    """Hide ``value`` from now on, also URL-quoted and in base64."""
    if len(value) >= _SHORTEST:
        quoted = {quote(value), quote(value, safe=""), quote_plus(value)}
        _forms.update({value, *quoted, *_in_base64(value.encode())})


def without_hidden(text: str) -> str:
    """``text`` with every hidden value replaced."""
    # A copy, because another thread may register one meanwhile; longest first, because one may contain another.
    for form in sorted(_forms.copy(), key=len, reverse=True):
        text = text.replace(form, SHOWN)
    return text


class HidingFormatter(logging.Formatter):
    """Formats a record, its traceback too, without hidden values."""

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines of ``record``."""
        return without_hidden(super().format(record))


def _in_base64(value: bytes) -> set[str]:
    """The base64 texts of ``value`` that are the same at any offset in a longer encoded text, as in ``user:value``."""
    found: set[str] = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value).decode().rstrip("=")
        kept = encoded[-(-before * 8 // 6) :]
        found.add(kept[:-1] if (before + len(value)) % 3 else kept)
    return found
