"""``wfe-mcp cancel``: end a run permanently, or every stale run."""

import sys
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Reason, Yes
from wfe_mcp.core.units import plural

Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run, or the first characters of its id.")]
Stale = Annotated[
    bool, typer.Option("--stale", help="Cancel and archive every stale run of this project: see list --stale.")
]


def cancel(invocation: Invocation, run: Run = "", stale: Stale = False, reason: Reason = "", yes: Yes = False) -> None:
    """End a run permanently.

    Its log stays. At a terminal it asks first.
    """
    if bool(run) == stale:
        raise typer.BadParameter("name a run or give --stale, not both", param_hint="RUN")
    if stale:
        _archive_stale(invocation, reason)
        return
    from wfe_mcp.views.answers.tool_answers import control_run

    run = invocation.at(run)
    if not yes and not invocation.screen.as_json and sys.stdin.isatty() and sys.stdout.isatty():
        from wfe_mcp.cli.terminal.confirm import confirmed

        record = invocation.record(run)
        title = record.title if record is not None else ""
        confirmed(f'Cancel {run} "{title}"? It cannot be resumed.')
    invocation.controlled(control_run(invocation.engine, invocation.by, run, "cancel", reason=reason), "Cancelled")


def _archive_stale(invocation: Invocation, reason: str) -> None:
    from wfe_mcp.engine.runs.control import archive_stale
    from wfe_mcp.views.runs.models import RunList
    from wfe_mcp.views.runs.run import run_row

    gone = tuple(run_row(record) for record in archive_stale(invocation.engine, invocation.by, reason))
    invocation.answer(f"Cancelled and archived {plural(len(gone), 'stale run')}", view=RunList(runs=gone))
