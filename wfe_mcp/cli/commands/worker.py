"""``wfe-mcp worker``: run background jobs without a server."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.units import plural

Queues = Annotated[
    str, typer.Option("--queues", metavar="NAMES", help="Only these, separated by commas: llm,agent,command,step.")
]
Everywhere = Annotated[bool, typer.Option("--all", help="Jobs of all projects of the database, not only this one.")]


def worker(invocation: Invocation, queues: Queues = "", everywhere: Everywhere = False) -> None:
    """Run background jobs until Ctrl-C: gates, steps, models, timers.

    Runs continue without a client's server then. Unfinished jobs return to the queue when it stops.
    """
    import gc

    from wfe_mcp.cli.terminal.waiting import stop_requested
    from wfe_mcp.engine.background.daemon import Workers
    from wfe_mcp.engine.background.queues import QUEUES, queue_names

    kinds = [kind for kind in queues.split(",") if kind] or list(QUEUES)
    # Not the engine of the invocation: that one acts for a terminal, which holds phases after its process has ended.
    from wfe_mcp.engine.factory import create_engine

    engine = create_engine(invocation.engine.project, clock=invocation.engine.clock)
    try:
        queue_names(engine, kinds)
        gc.enable()  # main() turned it off; this process may now run for days
        whose = "all projects" if everywhere else str(engine.root)
        with stop_requested() as signals:
            invocation.screen.talk(f"Working for {whose}: {', '.join(kinds)}. Ctrl-C stops it.")
            handed_back = Workers(engine, kinds, everywhere=everywhere).run_until(lambda: bool(signals))
    finally:
        engine.close()
    summary = f"Worker stopped; {plural(handed_back, 'unfinished job')} returned to the queue."
    invocation.answer(summary, data={"handed_back": handed_back})
