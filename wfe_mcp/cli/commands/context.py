"""``wfe-mcp context``: what the next worker of a phase must know."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.screen import Screen

OfPhase = Annotated[str, typer.Argument(metavar="[PHASE]", help="The phase; without it the one that is next.")]


def context(invocation: Invocation, run: Run, phase: OfPhase = "") -> None:
    """Print what the next worker of a phase must know.

    Its task and role, the goal, the reports of earlier phases, why the run came back, commits and changed files since the
    run began, open blockers and attached files. Agents read the same with read_artifact, artifact context:pack.
    """
    from wfe_mcp.views.artifacts.context_pack import context_pack
    from wfe_mcp.views.artifacts.context_text import context_text
    from wfe_mcp.views.reports.envelopes import envelope_of, overview_of

    run = invocation.at(run, phase or None)
    found = overview_of(invocation.engine, run)
    pack = context_pack(invocation.engine, found, phase, whole=True)
    answer = envelope_of(found, f"Context of {pack.duty.phase}", pack)

    def render(screen: Screen) -> None:
        screen.lines(context_text(pack).rstrip())

    invocation.render(answer, render)
