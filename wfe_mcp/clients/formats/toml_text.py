"""TOML: an entry is a table of its own, appended to the end."""

import re
from collections.abc import Sequence
from typing import Any

from wfe_mcp.clients.formats.splice import Edit, Unreadable, Unsplicable
from wfe_mcp.workspace.config.toml_tables import NotEditable, append_table, spans_of
from wfe_mcp.workspace.config.toml_text import parse_toml

_LINE = re.compile(r"line (\d+)")


def read(text: str) -> Any:
    """The document. Raises ``Unreadable``."""
    try:
        return parse_toml(text)
    except (ValueError, RecursionError) as fault:
        line = _LINE.search(str(fault))
        raise Unreadable(str(fault).partition(" (at ")[0], int(line[1]) if line else text.count("\n") + 1) from None


def insertion(text: str, path: Sequence[str], value: Any, newline: str) -> list[Edit]:
    """The edit that appends the table ``path``."""
    return [Edit(len(text), len(text), append_table(text, path, value, newline)[len(text) :])]


def removal(text: str, path: Sequence[str], element: Any = None) -> list[Edit]:
    """The edits that remove the table ``path`` and its subtables. Raises ``Unsplicable`` where it has no header of its own."""
    del element
    try:
        edits = [Edit(start, end) for start, end in spans_of(text, path)]
    except NotEditable as fault:
        raise Unsplicable(str(fault)) from None
    if not edits:
        raise Unsplicable(f"{'.'.join(path)} has no table header")
    return edits
