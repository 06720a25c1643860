"""``wfe-mcp ui``: decide in a browser."""

import sys
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.signals import stop_requested
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.composition import create_engine

__all__ = ["browse", "ui"]

Port = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65535, help="Exactly this port; else 7333, or any that is free."),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
Idle = Annotated[
    str, typer.Option("--idle", metavar="DURATION", help="End after so long without a visitor when nothing waits: 30m.")
]


def ui(door: Door, port: Port = None, no_browser: NoBrowser = False, idle: Idle = "") -> None:
    """Show what waits for you in a browser, on this machine only, until Ctrl-C.

    You approve or reject there with your PIN. One page serves all projects of the database.
    """
    import gc

    from wfe_mcp.dashboard.serving import served
    from wfe_mcp.engine.approvals.decision_page import address

    idle_s = _seconds(idle) if idle else None
    # Not the door's engine: that one speaks for a terminal.
    engine = create_engine(door.engine.project, clock=door.engine.clock)
    try:
        gc.enable()  # main() switched it off; from here on this process may live for days
        with served(engine, port) as page:
            if isinstance(page, int):
                _tell(door, address(page), "lives already")
                browse(door, address(page), no_browser)
                return
            with stop_requested() as told:
                _tell(door, page.url, "is served; Ctrl-C ends it")
                browse(door, page.url, no_browser)
                page.run_until(lambda: bool(told), idle_s)
    finally:
        engine.close()


def _tell(door: Door, url: str, what: str) -> None:
    from wfe_mcp.views.envelope import Envelope

    door.tell(Envelope(True, summary=f"{url} {what}.", data={"url": url}))
    door.screen.flush()


def browse(door: Door, url: str, no_browser: bool) -> None:
    """A browser opens only where somebody looks at a terminal."""
    if no_browser or door.screen.as_json or not sys.stdout.isatty():
        return
    import webbrowser

    webbrowser.open(url)


def _seconds(duration: str) -> float:
    from wfe_mcp.workspace.config.settings import seconds

    try:
        return seconds(duration)
    except ValueError:
        raise Refused("bad_argument", f"{duration!r} is no duration.", 'Say it as "90s", "30m" or "2h".') from None
