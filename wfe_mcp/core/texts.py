"""Limits for the texts of a call, the same for every interface.

Artifacts, inputs and templates have their own rules (``artifacts.parse``); these are for every other text.
"""

import re
from collections.abc import Mapping

from wfe_mcp.core.canonical import cannot_be_encoded
from wfe_mcp.core.errors import Detail, Refused, pointer

MAX_NAME = 2_000
"""Characters of a name, a title, a key or a path."""

MAX_TEXT = 50_000
"""Characters of feedback, a reason, a comment, a note or a question."""

_LONG = frozenset({"feedback", "reason", "comment", "note", "question", "phrase"})

# Control characters besides tab and line feed, and the marks that turn the reading direction (CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` with what a terminal would obey written out as Python writes it."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))


def refuse_unkept(texts: Mapping[str, object]) -> None:
    """Check that every text among the values can be stored; other values are ignored.

    Refuses ``bad_argument`` (NUL, half a character) and ``too_large``, every text at once.
    """
    faults: list[Detail] = []
    is_large = False
    for name, text in texts.items():
        most = MAX_TEXT if name in _LONG else MAX_NAME
        if not isinstance(text, str):
            continue
        if len(text) > most:
            is_large = True
            faults.append(Detail(pointer(name), f"is longer than {most:,} characters", f"at most {most:,}", len(text)))
        elif "\x00" in text or cannot_be_encoded(text):
            faults.append(Detail(pointer(name), "holds NUL or half a character, which cannot be stored", "plain text"))
    if faults:
        code = "too_large" if is_large else "bad_argument"
        raise Refused(code, f"{faults[0].path} {faults[0].message}.", "Fix it and call again.", tuple(faults))
