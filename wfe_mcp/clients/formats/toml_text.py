"""TOML: an entry is a table of its own, appended to the end."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from wfe_mcp.clients.formats.splice import Edit, Unreadable, Unsplicable

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_LINE = re.compile(r"line (\d+)")


def read(text: str) -> Any:
    """The document. Raises ``Unreadable``."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        line = _LINE.search(str(fault))
        raise Unreadable(str(fault).partition(" (at ")[0], int(line[1]) if line else text.count("\n") + 1) from None


def insertion(text: str, path: Sequence[str], value: Any, newline: str) -> list[Edit]:
    """The edit that appends the table ``path``."""
    import tomli_w  # only who writes TOML loads it

    nested: Any = value
    for key in reversed(path):
        nested = {key: nested}
    written = tomli_w.dumps(nested).replace("\n", newline)
    before = "" if not text else newline if text.endswith("\n") else newline * 2
    return [Edit(len(text), len(text), before + written)]


def removal(text: str, path: Sequence[str], element: Any = None) -> list[Edit]:
    """The edits that remove the table ``path`` and its subtables. Raises ``Unsplicable`` where it has no header of its own."""
    del element
    name = r"[ \t]*\.[ \t]*".join(rf"(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')" for key in path)
    ours = re.compile(rf"^[ \t]*\[[ \t]*{name}[ \t]*(?:\]|\.)", re.MULTILINE)
    edits: list[Edit] = []
    for found in ours.finditer(text):
        following = _HEADER.search(text, text.index("]", found.start()))
        end = len(text) if following is None else following.start()
        edits.append(Edit(found.start(), found.start() + len(_content(text[found.start() : end]))))
    if not edits:
        raise Unsplicable(f"{'.'.join(path)} has no table header")
    return edits


def _content(lines: str) -> str:
    """A table without the comments and empty lines after it: they belong to the next one."""
    kept = lines.splitlines(keepends=True)
    while kept and (not kept[-1].strip() or kept[-1].lstrip().startswith("#")):
        kept.pop()
    return "".join(kept)
