"""How the changes of a client's files are shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.clients.files import Change
    from wfe_mcp.clients.table import Places


def show_change(screen: Screen, title: str, change: Change, places: Places) -> None:
    """The lines that are added and removed; the rest of a file may hold secrets and is not shown."""
    view = change_view(change)
    new = " (new)" if change.before is None else " (removed)" if change.after is None else ""
    screen.aside(f"{title}: {shown(change.file, places)}{new}, {change.what}", "bold")
    for mark, colour in (("-", "red"), ("+", "green")):
        for line in view["removed" if mark == "-" else "added"].splitlines():
            screen.aside(f"  {mark} {line}".rstrip(), colour)


def change_view(change: Change) -> dict[str, Any]:
    """A change as JSON: the file, and the text that is added or removed without what is common to both."""
    before = (change.before or b"").decode(errors="replace")
    after = (change.after or b"").decode(errors="replace")
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    return {
        "file": str(change.file),
        "what": change.what,
        "line": before.count("\n", 0, start) + 1,
        "removed": before[start : len(before) - end].strip("\r\n"),
        "added": after[start : len(after) - end].strip("\r\n"),
    }


def shown(file: Path, places: Places) -> str:
    """A path as people write it: relative to the project, or to the home folder."""
    if file.is_relative_to(places.root):
        return str(file.relative_to(places.root))
    return f"~{os.sep}{file.relative_to(places.home)}" if file.is_relative_to(places.home) else str(file)


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    shortest = min(len(one), len(other))
    return next((at for at in range(shortest) if one[at] != other[at]), shortest)
