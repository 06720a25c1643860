"""How is text laid out on a terminal?"""

import unicodedata
from collections.abc import Sequence

from wfe_mcp.views.plain import clean

__all__ = ["clean", "columns_of", "indented", "shortened"]


def shortened(text: str, most: int) -> str:
    """The first line of ``text``, at most ``most`` characters."""
    first, _, more = text.strip().partition("\n")
    cut = len(first) > most or bool(more)
    return f"{first[: most - 1].rstrip()}…" if cut else first


def indented(text: str) -> str:
    """Each line of ``text`` behind what it belongs to."""
    return "\n".join(f"     {line}" for line in text.rstrip().splitlines())


def columns_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines, columns padded to their widest cell, the last one free."""
    lines = [header, *rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _width(cell: str) -> int:
    """Places a terminal gives to ``cell``: two for wide characters, none for combining ones."""
    if cell.isascii():
        return len(cell)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in cell
    )
