"""Text made safe to show to the user who decides on it.

Text of agents and files may not move the cursor, change colours, or
change the reading direction: what the user sees is what is there.
"""

import re

# Control characters besides tab and line feed, and the marks that turn the reading direction (CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` with what a terminal would obey written out as Python writes it."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))
