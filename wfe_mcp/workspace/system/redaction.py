"""Redaction: secret values, and their removal from logs, messages and what children print.

Every key that this process resolves is registered here, and every text for users passes ``without_hidden``. This is the
second defence: the first is never to put a key into a text.
"""

import base64
import html
import json
import logging
import os
import re
from bisect import bisect_left
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

from wfe_mcp.core.texts import clean

SHOWN = "[hidden]"
"""The replacement for a hidden value."""

SHORTEST = 8
"""Shorter values could match common words."""

_SHORTEST_LINE = 16
_WRAPPED = (64, 76)
"""Characters in a line of base64, as `openssl` and `base64` print it."""
_ESCAPES = dict(zip("abefnrtv\\", "\a\b\x1b\f\n\r\t\v\\", strict=True))


class _Hidden(NamedTuple):
    """What is looked for; one object, so that another thread sees all of it or nothing."""

    forms: frozenset[str]
    text: re.Pattern[str] | None = None
    raw: re.Pattern[bytes] | None = None
    sorted_raw: tuple[bytes, ...] = ()

    def begins_in(self, content: bytes) -> int:
        """Where the first value begins of which only the beginning is in ``content``; its length where none does."""
        longest = max(map(len, self.sorted_raw))
        for at in range(max(0, len(content) - longest + 1), len(content)):
            end = content[at:]
            place = bisect_left(self.sorted_raw, end)
            if place < len(self.sorted_raw) and self.sorted_raw[place].startswith(end):
                return at
        return len(content)


_hidden = _Hidden(frozenset())


def hide(value: str) -> None:
    """Hide ``value`` from now on, also URL-quoted, escaped for JSON and XML, and in base64.

    Of a value with lines each long one is hidden by itself, of an address also its password.
    """
    global _hidden
    forms = {form for part in _parts(value) for form in _forms(part)} | _hidden.forms
    if len(forms) > len(_hidden.forms):
        longest_first = sorted(forms, key=len, reverse=True)  # one may contain another
        raw = [_bytes_of(form) for form in longest_first]
        text = re.compile("|".join(map(re.escape, longest_first)))
        _hidden = _Hidden(frozenset(forms), text, re.compile(b"|".join(map(re.escape, raw))), tuple(sorted(raw)))


def without_hidden(text: str) -> str:
    """``text`` with every hidden value replaced."""
    return text if _hidden.text is None else _hidden.text.sub(SHOWN, text)


def raw_without_hidden(content: bytes) -> bytes:
    """``content`` with every hidden value replaced."""
    return content if _hidden.raw is None else _hidden.raw.sub(SHOWN.encode(), content)


class HidingStream:
    """The pieces of a stream without hidden values, also where a piece ends within one."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What can be shown so far: the beginning of a value at its end is held back."""
        hidden = _hidden  # one may be hidden while the stream goes on
        if hidden.raw is None:
            return piece
        content, shown, at = self._held + piece, bytearray(), 0
        sure = hidden.begins_in(content)
        for match in hidden.raw.finditer(content):
            if match.start() >= sure:
                break
            shown += content[at : match.start()] + SHOWN.encode()
            at = match.end()
        self._held = content[max(at, sure) :]
        return bytes(shown + content[at:sure])

    def end(self) -> bytes:
        """The rest."""
        held, self._held = self._held, b""
        return raw_without_hidden(held)

    def feed_text(self, piece: str) -> str:
        """``feed`` for text: hidden values begin and end at characters, so no character is cut."""
        return self.feed(piece.encode(errors="replace")).decode()

    def end_text(self) -> str:
        """``end`` for text."""
        return self.end().decode()


class HidingFormatter(logging.Formatter):
    """Formats a record, its traceback too, without hidden values, and so that nothing in it looks like another record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of ``record``; what it has in further lines, such as the name of a folder, is indented."""
        return clean(without_hidden(super().format(record))).replace("\n", "\n  ")


def _parts(value: str) -> list[str]:
    parts = [value.strip()] if len(value.strip()) >= SHORTEST else []
    lines = [line.strip() for line in value.splitlines()]
    # The first and last line of a key in PEM stand in every such file.
    parts += [line for line in lines[1:] and lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----")]
    if "://" in value and len(lines) == 1:
        try:
            password = urlsplit(value).password or ""
        except ValueError:  # no address after all
            password = ""
        parts += [password] if len(password) >= SHORTEST else []
    return parts


def _forms(value: str) -> set[str]:
    """``value`` as programs write it."""
    written = {json.dumps(value, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False)}
    raw = _bytes_of(value)
    quoted = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    escaped = {html.escape(value), html.escape(value, quote=False), html.escape(value).replace("&#x27;", "&apos;")}
    return {value, *written, *quoted, *escaped, *_in_shell(value), raw.hex(), *_in_base64(raw)}


def _in_shell(value: str) -> set[str]:
    """``value`` as shells trace it, as Python's ``repr`` writes it, and as an ``echo`` that reads escapes prints it."""
    printed = {repr(value)[1:-1], repr(f'{value}"')[1:-2], value.replace("\\", "\\\\")}
    traced = {value.replace("'", quoted) for quoted in ("'\\''", "'\"'\"'")}
    echoed = re.sub(r"\\([abefnrtv\\])", lambda escape: _ESCAPES[escape[1]], value)
    return {*printed, *traced, *([echoed] if len(echoed) >= SHORTEST else [])}


def _bytes_of(value: str) -> bytes:
    """As a program is given ``value``: a variable of the environment need not be UTF-8."""
    try:
        return os.fsencode(value)
    except UnicodeEncodeError:  # half a character, which no program can be given
        return value.encode(errors="replace")


def _in_base64(value: bytes) -> set[str]:
    """The base64 texts of ``value`` that are the same at any offset in a longer encoded text, as in ``user:value``."""
    texts: set[str] = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value).decode().rstrip("=")
        kept = encoded[-(-before * 8 // 6) :]
        texts.add(kept[:-1] if (before + len(value)) % 3 else kept)
    alone = base64.b64encode(value).decode()
    for width in _WRAPPED:
        lines = [alone[at : at + width] for at in range(0, len(alone), width)]
        texts.update(line for line in lines[1:] and lines if len(line) >= _SHORTEST_LINE)
    return texts | {text.replace("+", "-").replace("/", "_") for text in texts}
