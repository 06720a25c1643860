"""Clients at the terminal: which are on this machine, and the changes of their files and hooks, as they are shown and chosen."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal.confirm import user_agrees
from wfe_mcp.clients import files, hooks, launch, look
from wfe_mcp.clients.table import CLIENTS, Client, Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.clients.connect import Plan
    from wfe_mcp.clients.files import Change


def show_change(screen: Screen, title: str, change: Change, places: Places) -> None:
    """The lines that are added and removed; the rest of a file may hold secrets and is not shown."""
    view = change_view(change)
    new = " (new)" if change.before is None else " (removed)" if change.after is None else ""
    screen.aside(f"{title}: {path_for_people(change.file, places)}{new}, {change.what}", "bold")
    for mark, colour in (("-", "red"), ("+", "green")):
        for line in view["removed" if mark == "-" else "added"].splitlines():
            screen.aside(f"  {mark} {line}".rstrip(), colour)


def change_view(change: Change) -> dict[str, Any]:
    """A change as JSON: the file, and the text that is added or removed without what is common to both."""
    before = (change.before or b"").decode(errors="replace")
    after = (change.after or b"").decode(errors="replace")
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    part = (before if len(before) > len(after) else after)[start:]
    part = part[: len(part) - end]
    while part and len(part) == abs(len(before) - len(after)) and start and part[-1] == before[start - 1] != "\n":
        # Only added, or only removed: what is common may as well come after it, so that it begins where a key does.
        part, start, end = part[-1] + part[:-1], start - 1, end + 1
    return {
        "file": str(change.file),
        "what": change.what,
        "line": before.count("\n", 0, start) + 1,
        "removed": before[start : len(before) - end].strip("\r\n"),
        "added": after[start : len(after) - end].strip("\r\n"),
    }


def path_for_people(file: Path, places: Places) -> str:
    """A path as people write it: relative to the project, or to the home folder."""
    if file.is_relative_to(places.root):
        return str(file.relative_to(places.root))
    return f"~{os.sep}{file.relative_to(places.home)}" if file.is_relative_to(places.home) else str(file)


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    shortest = min(len(one), len(other))
    return next((at for at in range(shortest) if one[at] != other[at]), shortest)


def wants_hooks(plans: Sequence[Plan]) -> bool:
    """The user's answer; no without a question where no client has hooks, and where they could not stay."""
    names = " and ".join(plan.client.title for plan in plans if hooks.hook_file(plan.client.name) is not None)
    if not names or launch.this_installation().is_temporary:
        return False
    return user_agrees(f"Add hooks that hold {names} to the open phase of a run? They are silent without one.")


def hook_note(plan: Plan) -> str:
    """What the user still does before the client runs its hooks; empty: nothing, or the plan adds none."""
    row = hooks.hook_file(plan.client.name)
    return row.before if row is not None and hook_changes(plan) else ""


def hook_changes(plan: Plan) -> list[Path]:
    """The files that get hooks; their command is a path of this machine."""
    return [change.file for change in plan.changes if "hooks" in change.what]


def places_of(root: Path) -> Places:
    """The places of this user, this machine and this project."""
    return Places(root, Path.home(), sys.platform, os.environ)


def records_here() -> files.Records:
    """What install wrote on this machine so far."""
    from wfe_mcp.workspace.system.location import data_dir

    return files.Records(data_dir())


def installed_clients(places: Places) -> list[Client]:
    """The clients that are installed here."""
    return [client for client in CLIENTS if look.is_installed(client, places)]


def not_connected(places: Places) -> list[Client]:
    """The clients that are installed here and do not have wfe-mcp in any scope."""
    return [
        client
        for client in installed_clients(places)
        if not any(entry.is_ours for entry in look.readable(client, places))
    ]
