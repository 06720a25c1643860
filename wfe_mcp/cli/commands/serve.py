"""``wfe-mcp serve``: the MCP server of one client.

``__main__`` starts the plain form before typer is loaded; this module has its help and its options.
"""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.errors import Refused

Hooks = Annotated[bool, typer.Option("--hooks", hidden=True, help="Of earlier plans; it is refused.")]

Server = Annotated[
    str, typer.Option("--server", metavar="URL", help="Pass its calls on to this wfe-mcp server, with your files.")
]


def serve(invocation: Invocation, server: Server = "", hooks: Hooks = False) -> None:
    """Serve one MCP client on standard input and output.

    Your client starts it. With --server the runs are those of a server: it gets your files with each call that is about them,
    and you get what it changes.
    """
    if hooks:
        raise Refused(
            "unavailable",
            "The server has no hooks: your client calls them itself.",
            "Start the server without --hooks. To add them to a client: wfe-mcp install --client NAME --hooks",
        )
    from wfe_mcp.server.entry import serve as speak

    invocation.exit_code = speak(invocation.world.project or "", server)
