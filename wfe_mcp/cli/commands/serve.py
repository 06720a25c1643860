"""``wfe-mcp serve``: the MCP server of one client.

``__main__`` starts the plain form before typer is loaded; this module has its help and its options.
"""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.errors import Refused

Hooks = Annotated[bool, typer.Option("--hooks", hidden=True, help="Of earlier plans; it is refused.")]


def serve(invocation: Invocation, hooks: Hooks = False) -> None:
    """Serve one MCP client on standard input and output.

    Your client starts it.
    """
    if hooks:
        raise Refused(
            "unavailable",
            "The server has no hooks: your client calls them itself.",
            "Start the server without --hooks. To add them to a client: wfe-mcp install --client NAME --hooks",
        )
    from wfe_mcp.server.entry import serve as speak

    invocation.exit_code = speak(invocation.world.project)
