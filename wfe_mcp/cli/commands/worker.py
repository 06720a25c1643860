"""``wfe-mcp worker``: run background jobs without a server."""

import threading
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.waiting import input_closed, stop_requested
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.tracing import start_tracing

Queues = Annotated[
    str, typer.Option("--queues", metavar="NAMES", help="Only these, separated by commas: llm,agent,command,step.")
]
Everywhere = Annotated[bool, typer.Option("--all", help="Jobs of all projects of the database, not only this one.")]

UntilClosed = Annotated[
    bool, typer.Option("--until-closed", hidden=True, help="Until standard input is closed; no phases.")
]


def worker(
    invocation: Invocation, queues: Queues = "", everywhere: Everywhere = False, until_closed: UntilClosed = False
) -> None:
    """Run background jobs until Ctrl-C: gates, steps, models, timers.

    Runs continue without a client's server then. Unfinished jobs return to the queue when it stops.
    """
    from wfe_mcp.engine.background.daemon import Workers
    from wfe_mcp.engine.background.queues import QUEUES, queue_names

    kinds = [kind for kind in queues.split(",") if kind] or ([queues] if queues else list(QUEUES))
    with invocation.serving_engine() as engine, stop_requested() as signals:
        queue_names(engine, kinds)
        whose = "all projects" if everywhere else str(engine.root)
        invocation.screen.talk(f"Working for {whose}: {', '.join(kinds)}. Ctrl-C stops it.")
        ended = input_closed() if until_closed else threading.Event()
        stop_tracing = start_tracing(engine.environment, "wfe-mcp-worker")
        workers = Workers(engine, kinds, everywhere=everywhere, phases=not until_closed)
        handed_back = workers.run_until(lambda: bool(signals) or ended.is_set())
        stop_tracing()
    summary = f"Worker stopped; {plural(handed_back, 'unfinished job')} returned to the queue."
    invocation.answer(summary, data={"handed_back": handed_back})
