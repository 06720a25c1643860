"""``wfe-mcp archive`` and ``unarchive``: hide finished runs from ``list``, and show them again."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.units import plural

Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or the first characters of their ids.")]


def archive(invocation: Invocation, runs: Runs) -> None:
    """Hide finished runs from list.

    They stay readable.
    """
    from wfe_mcp.engine.runs import archive as stale
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.run_models import RunList
    from wfe_mcp.views.runs import run_row

    rows = tuple(run_row(stale.archive(invocation.engine, run)) for run in runs)
    invocation.render(Envelope(True, summary=f"Archived {plural(len(rows), 'run')}", view=RunList(runs=rows)))


def unarchive(invocation: Invocation, runs: Runs) -> None:
    """Show archived runs in list again."""
    from wfe_mcp.engine.runs import archive as stale
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.run_models import RunList
    from wfe_mcp.views.runs import run_row

    rows = tuple(run_row(stale.unarchive(invocation.engine, run)) for run in runs)
    invocation.render(Envelope(True, summary=f"Unarchived {plural(len(rows), 'run')}", view=RunList(runs=rows)))
