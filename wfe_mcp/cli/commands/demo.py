"""``wfe-mcp demo``: see it work, in half a minute."""

import contextlib
import sys
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Yes

__all__ = ["demo"]

Folder = Annotated[str, typer.Option("--folder", metavar="DIR", help="Where to play; else a new temporary folder.")]


def demo(door: Door, yes: Yes = False, folder: Folder = "") -> None:
    """See a bug fixed under the eyes of the referee, in a throw-away project."""
    from wfe_mcp.testing.demo import main as play
    from wfe_mcp.views.envelope import Envelope

    words = [*(["--yes"] if yes else []), *(["--folder", folder] if folder else [])]
    if not door.screen.as_json:
        door.exit_code = play(words)
        return
    with contextlib.redirect_stdout(sys.stderr):  # the play is talk; the document is the answer
        code = play(words)
    door.tell(Envelope(code == 0, summary="The demo played to its end." if code == 0 else "The demo stopped."))
