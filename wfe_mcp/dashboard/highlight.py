"""Syntax colours of code, as spans with a class; loaded with the first diff that is shown.

The lines of a hunk are read without what is above them, so a colour inside a long text or comment can be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.dashboard.html import Html, tag
from wfe_mcp.views.plain import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLASSES = (
    ("Token.Comment", "c"),
    ("Token.Keyword", "k"),
    ("Token.Literal.String", "s"),
    ("Token.Literal.Number", "m"),
    ("Token.Name.Function", "f"),
    ("Token.Name.Class", "f"),
    ("Token.Name.Tag", "f"),
    ("Token.Operator.Word", "k"),
)
"""Kinds of tokens by their beginning, and their class."""
_MOST_CHARS = 60_000


def coloured(path: str, lines: Sequence[str]) -> list[list[Html | str]]:
    """Each of ``lines`` as pieces of HTML or text. Plain where the language of ``path`` is unknown or the text too long."""
    return [
        [tag("span", text, class_=f"syn-{name}") if name else text for name, text in pieces]
        for pieces in _classed(path, lines)
    ]


def _classed(path: str, lines: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Each of ``lines`` as pieces: a class (``c`` comment, ``k`` keyword, ``s`` text, ``m`` number, ``f`` name; empty) and text."""
    plain = [[("", line)] for line in lines]
    text = "\n".join(lines)
    if len(text) > _MOST_CHARS or clean(text) != text:
        return plain
    # Half a second of imports, so only where a diff is shown.
    from pygments.lexers import get_lexer_for_filename  # pyright: ignore[reportUnknownVariableType] - no types
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)  # pyright: ignore[reportUnknownVariableType]
    except ClassNotFound:
        return plain
    found: list[list[tuple[str, str]]] = [[]]
    tokens: list[tuple[object, str]] = list(lexer.get_tokens(text))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    for kind, value in tokens:
        name = next((each for start, each in _CLASSES if str(kind).startswith(start)), "")
        first, *rest = value.split("\n")
        for number, piece in enumerate((first, *rest)):
            found += [[]] if number else []
            if piece:
                found[-1].append((name, piece))
    # A lexer may change line ends; the lines that are decided on must stay as they are.
    return found if len(found) == len(lines) and "".join(value for _, value in tokens) == text else plain
