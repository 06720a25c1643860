"""``wfe-mcp plugin``: write the plugin for Claude Code."""

from pathlib import Path
from typing import Annotated

import typer

from wfe_mcp.cli.commands.install import By, form_of
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen

Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="The folder to write; it is a marketplace with one plugin.")
]


def plugin(invocation: Invocation, folder: Folder, by: By = "auto") -> None:
    """Write the plugin for Claude Code into a folder.

    It has the server, four commands, a skill and hooks. The commands that it prints add the folder to Claude Code as a marketplace and install the plugin from it. With
    --command name or uvx it holds no path of this machine and can be shared. Run it again after an upgrade.
    """
    import os
    import sys

    from wfe_mcp.clients import launch
    from wfe_mcp.clients.plugin import MARKETPLACE, write_plugin
    from wfe_mcp.clients.table import SERVER

    place = Path(folder).expanduser().absolute()
    here = launch.this_installation()
    argv = launch.command(here, os.environ, "user", form_of(by))
    is_shared = argv[0] in (launch.PROGRAM, "uvx")
    written = write_plugin(place, argv, "python3" if is_shared else sys.executable)
    steps = (f"claude plugin marketplace add {place}", f"claude plugin install {SERVER}@{MARKETPLACE}")
    summary = f"Wrote the plugin to {place}"
    data = {"folder": str(place), "files": written, "command": [*argv], "is_shared": is_shared, "then": [*steps]}

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        if not is_shared:
            screen.line("It holds paths of this machine. To share it, write it with --command uvx.")
        screen.next(*steps)

    invocation.answer(summary, render, data=data)
