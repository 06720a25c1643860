"""The hooks of clients at the terminal: whether they are wanted, the command they start, and what is left to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.confirm import agreed
from wfe_mcp.clients import hooks, launch
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wfe_mcp.clients.connect import Plan
    from wfe_mcp.clients.table import Client


def hook_command(client: Client) -> str:
    """The command of the client's hooks. Refuses where this installation may be gone tomorrow."""
    if launch.this_installation().is_temporary:
        raise Refused(
            "unavailable",
            "Hooks need an installation that stays, and uvx keeps this one in its cache.",
            "Install it first (uv tool install), or use the plugin for Claude Code: wfe-mcp plugin FOLDER",
        )
    return hooks.command(client.name, sys.executable, str(hooks.script_folder()))


def wants_hooks(plans: Sequence[Plan]) -> bool:
    """The user's answer; no without a question where no client has hooks, and where they could not stay."""
    names = " and ".join(each.client.title for each in plans if hooks.hook_file(each.client.name) is not None)
    if not names or launch.this_installation().is_temporary:
        return False
    return agreed(f"Add hooks that hold {names} to the open phase of a run? They are silent without one.")


def hook_note(plan: Plan) -> str:
    """What the user still does before the client runs its hooks; empty: nothing, or the plan adds none."""
    row = hooks.hook_file(plan.client.name)
    return row.before if row is not None and hook_changes(plan) else ""


def hook_changes(plan: Plan) -> list[Path]:
    """The files that get hooks; their command is a path of this machine."""
    return [change.file for change in plan.changes if "hooks" in change.what]
