"""``wfe-mcp attach``: add files to an attempt, for who decides about it."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, Run
from wfe_mcp.core.paths import typed
from wfe_mcp.core.units import plural

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, reports, logs; at most 5 MB each.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What the files show.")]


def attach(invocation: Invocation, run: Run, phase: Phase, files: Files, note: Note = "") -> None:
    """Attach files to the open attempt of a phase.

    They are stored with the run and shown where the phase is decided; no gate reads them.
    """
    from wfe_mcp.engine.phases.attach import attach as keep
    from wfe_mcp.engine.phases.attach import from_anywhere
    from wfe_mcp.views.runs.attachments import attachment_line
    from wfe_mcp.views.values.model import plain

    engine, run = invocation.engine, invocation.at(run, phase)
    kept = keep(engine, invocation.by, run, phase, from_anywhere(files), note)
    lines = [plain(attachment_line(each)) for each in kept]
    what = f"Attached {plural(len(kept), 'file')} to {typed(phase)}, attempt {kept[0].attempt}"
    invocation.outcome(phase, what, {"attachments": lines})
