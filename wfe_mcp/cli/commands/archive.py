"""``wfe-mcp archive`` and ``unarchive``: which runs does ``list`` show?"""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door

__all__ = ["archive", "unarchive"]

Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or the first characters of their ids.")]


def archive(door: Door, runs: Runs) -> None:
    """Put runs away that are over: list shows them with --archived only. They stay readable."""
    from wfe_mcp.engine.runs import archive as stale
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.runs import run_row

    rows = [run_row(stale.archive(door.engine, run)) for run in runs]
    door.tell(Envelope(True, summary=f"{len(rows)} run(s) archived", data={"runs": rows}))


def unarchive(door: Door, runs: Runs) -> None:
    """Put archived runs back on the list."""
    from wfe_mcp.engine.runs import archive as stale
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.runs import run_row

    rows = [run_row(stale.unarchive(door.engine, run)) for run in runs]
    door.tell(Envelope(True, summary=f"{len(rows)} run(s) on the list again", data={"runs": rows}))
