"""``wfe-mcp demo``: a run of ``quick_fix`` in a throw-away project."""

import contextlib
import sys
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Yes

Folder = Annotated[str, typer.Option("--folder", metavar="DIR", help="The folder to use; else a new temporary one.")]


def demo(invocation: Invocation, yes: Yes = False, folder: Folder = "") -> None:
    """Watch a bug get fixed in a throw-away project, with every gate."""
    from wfe_mcp.testing.demo import main as play
    from wfe_mcp.views.moves.envelope import Envelope

    words = [*(["--yes"] if yes else []), *(["--folder", folder] if folder else [])]
    if not invocation.screen.as_json:
        invocation.exit_code = play(words)
        return
    with contextlib.redirect_stdout(sys.stderr):  # the output of the demo is progress; the document is the answer
        code = play(words)
    invocation.render(Envelope(code == 0, summary="The demo completed." if code == 0 else "The demo stopped."))
