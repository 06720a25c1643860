"""Pages that wfe-mcp writes into a project: how they are marked, and how a text stands in them.

    <!-- Written by wfe-mcp handoff; changes here are not read back. 1f2e3d4c5b6a7988 -->

The mark ends with a hash of what follows it: a page that was edited is known by it.
"""

import re

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.texts import clean, cut

MAX_BYTES = 8_192
"""Of a page that is read at the beginning of every session."""

_BEGIN = "<!-- Written by wfe-mcp "
_HASH = re.compile(r"\b[0-9a-f]{16}(?= -->\n)")


def mark_page(command: str, text: str) -> str:
    """The page with its mark. ``command``: what writes it, without the program's name."""
    body = f"{text.rstrip()}\n"
    return f"{_BEGIN}{command}; changes here are not read back. {sha256_hex(body)[:16]} -->\n{body}"


def is_ours(page: str) -> bool:
    """Whether wfe-mcp wrote the page, or the page from which it was edited."""
    return page.startswith(_BEGIN)


def is_edited(page: str) -> bool:
    """Whether one of our pages is not as it was written; unknown of those from before the mark had a hash.

    On Windows, git and editors give it other line ends.
    """
    first, _, body = page.replace("\r\n", "\n").partition("\n")
    match = _HASH.search(f"{first}\n")
    return is_ours(page) and match is not None and sha256_hex(body)[:16] != match[0]


def quoted_line(text: str, chars: int) -> str:
    """A text on one line that opens nothing in Markdown; what is longer is cut."""
    return cut(" ".join(clean(text).split()).replace("`", "'").replace("<", "‹").replace("](", "] ("), chars)


def fitting(lines: list[str]) -> str:
    """As many of the lines as fit, and how many do not."""
    size = sum(len(line.encode()) + 1 for line in lines)
    kept = list(lines)
    while size > MAX_BYTES - 80:
        size -= len(kept.pop().encode()) + 1
    left = len(lines) - len(kept)
    return "\n".join([*kept, *(["", f"… and {left} more lines"] if left else [])])
