"""Text made safe to show to the user who decides on it.

Text of agents and files may not move the cursor, change colours, or
change the reading direction: what the user sees is what is there.
"""

import json
import re
from typing import cast

# Control characters besides tab and line feed, and the marks that turn the reading direction (CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

_WORD = re.compile(r"(?! )[^,\"\n]+(?<! )")


def clean(text: str) -> str:
    """``text`` with what a terminal would obey written out as Python writes it."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))


def as_text(value: object) -> str:
    """A value as a person reads it: a text as it is, a list of words with commas, anything else as JSON.

    A list in which a text has a comma, a quote or space around it stays JSON: no two lists read the same.
    """
    if isinstance(value, str):
        return value
    parts = cast("list[object]", value) if isinstance(value, list) else []
    if parts and all(isinstance(each, str) and _WORD.fullmatch(each) for each in parts):
        return ", ".join(map(str, parts))
    return json.dumps(value, ensure_ascii=False)
