"""``wfe-mcp ui``: the decision page in a browser."""

import sys
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import NoBrowser, seconds_of
from wfe_mcp.cli.terminal.waiting import stop_requested

Port = Annotated[int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="This port; else a free one.")]
Idle = Annotated[
    str,
    typer.Option("--idle", metavar="DURATION", help="Stop after this long without a visitor when nothing waits: 30m."),
]

OnDemand = Annotated[bool, typer.Option("--on-demand", hidden=True, help="End where a page runs already.")]


def ui(
    invocation: Invocation,
    port: Port = None,
    no_browser: NoBrowser = False,
    idle: Idle = "",
    on_demand: OnDemand = False,
) -> None:
    """Serve the decision page on this machine until Ctrl-C.

    You approve or reject there with your PIN. One page serves all projects of the database. It always serves itself, on
    a port of its own: enter your PIN only on a page that you opened by this command.
    """
    from wfe_mcp.dashboard.serving import serve_page
    from wfe_mcp.engine.approvals.decision_page import address, link

    idle_s = seconds_of(idle)
    with invocation.serving_engine() as engine, serve_page(engine, port, on_demand=on_demand) as page:
        if isinstance(page, int):
            _render(invocation, address(page), link(engine, page), "is already running")
            browse(invocation, link(engine, page), no_browser)
            return
        with stop_requested() as signals:
            # One link for each: a code counts once, and a person may open the printed one too.
            _render(invocation, page.url, link(engine, page.port), "is running; Ctrl-C stops it")
            browse(invocation, link(engine, page.port), no_browser)
            page.run_until(lambda: bool(signals), idle_s)


def _render(invocation: Invocation, url: str, link: str, what: str) -> None:
    """``url``: the address alone; ``link``: with the code that opens a session, once."""
    invocation.addresses(f"The decision page {what}. Open:", link, data={"url": url, "link": link})


def browse(invocation: Invocation, url: str, no_browser: bool) -> None:
    """Open a browser where this is a terminal."""
    if no_browser or invocation.screen.as_json or not sys.stdout.isatty():
        return
    import webbrowser

    webbrowser.open(url)
