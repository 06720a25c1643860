"""``wfe-mcp worker``: work on while no server lives."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.engine.composition import create_engine

__all__ = ["worker"]

Queues = Annotated[
    str, typer.Option("--queues", metavar="NAMES", help="Only these, separated by commas: llm,agent,command,step.")
]
Everywhere = Annotated[bool, typer.Option("--all", help="Work for all projects of the database, not only this one.")]


def worker(door: Door, queues: Queues = "", everywhere: Everywhere = False) -> None:
    """Work off background jobs until Ctrl-C or SIGTERM: gates, steps, models, timers.

    Runs go on without a client's server then. What is unfinished at the end goes back to the queue at once.
    """
    import gc

    from wfe_mcp.cli.terminal.signals import stop_requested
    from wfe_mcp.engine.background.daemon import Workers
    from wfe_mcp.engine.background.queues import QUEUES, queue_names
    from wfe_mcp.views.envelope import Envelope

    kinds = [kind for kind in queues.split(",") if kind] or list(QUEUES)
    # Not the door's engine: that one speaks for a terminal, which holds phases after its process has ended.
    engine = create_engine(door.engine.project, clock=door.engine.clock)
    try:
        queue_names(engine, kinds)
        gc.enable()  # main() switched it off; from here on this process may live for days
        whose = "all projects" if everywhere else str(engine.root)
        with stop_requested() as told:
            door.screen.talk(f"Working for {whose}: {', '.join(kinds)}. Ctrl-C ends it.")
            handed_back = Workers(engine, kinds, everywhere=everywhere).run_until(lambda: bool(told))
    finally:
        engine.close()
    summary = f"The worker has stopped; {handed_back} unfinished job(s) went back to the queue."
    door.tell(Envelope(True, summary=summary, data={"handed_back": handed_back}))
