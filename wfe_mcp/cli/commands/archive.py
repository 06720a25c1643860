"""``wfe-mcp archive`` and ``unarchive``: hide finished runs from ``list``, and show them again."""

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Runs
from wfe_mcp.core.units import plural


def archive(invocation: Invocation, runs: Runs) -> None:
    """Hide finished runs from list.

    They stay readable.
    """
    from wfe_mcp.engine.runs import archive as stale
    from wfe_mcp.views.run_models import RunList
    from wfe_mcp.views.runs import run_row

    rows = tuple(run_row(stale.archive(invocation.engine, run)) for run in runs)
    invocation.answer(f"Archived {plural(len(rows), 'run')}", view=RunList(runs=rows))


def unarchive(invocation: Invocation, runs: Runs) -> None:
    """Show archived runs in list again."""
    from wfe_mcp.engine.runs import archive as stale
    from wfe_mcp.views.run_models import RunList
    from wfe_mcp.views.runs import run_row

    rows = tuple(run_row(stale.unarchive(invocation.engine, run)) for run in runs)
    invocation.answer(f"Unarchived {plural(len(rows), 'run')}", view=RunList(runs=rows))
