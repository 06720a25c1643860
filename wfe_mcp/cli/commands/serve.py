"""``wfe-mcp serve``: the MCP server of one client.

``__main__`` starts the plain form before typer is loaded; this module has its help and its options.
"""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.errors import Refused

Hooks = Annotated[bool, typer.Option("--hooks", help="List the tool hook_event too (not built yet).")]


def serve(invocation: Invocation, hooks: Hooks = False) -> None:
    """Serve one MCP client on standard input and output.

    Your client starts it.
    """
    if hooks:
        raise Refused("unavailable", "The hook_event tool is not built yet.", "Start the server without --hooks.")
    from wfe_mcp.server.entry import serve as speak

    invocation.exit_code = speak(invocation.world.project)
