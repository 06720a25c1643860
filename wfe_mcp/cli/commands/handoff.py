"""``wfe-mcp handoff`` and ``context``: what the next worker of a run or phase must know."""

import json
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Force
from wfe_mcp.cli.terminal.pages import write_pages
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.views.values.model import plain

SomeRun = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the newest open one.")]
Write = Annotated[
    str,
    typer.Option(
        "--write", metavar="DIR", help="Write START_HERE.md, current-status.md and next-handoff.md there too."
    ),
]


def handoff(invocation: Invocation, run: SomeRun = "", write: Write = "", force: Force = False) -> None:
    """Summarize what is done, decided and open in a run."""
    from wfe_mcp.views.reports.handoff import files, handoff as page_of, run_of

    run = run_of(invocation.engine, run)
    page = page_of(invocation.engine, run)
    written = write_pages(invocation, write, files(invocation.engine, run), force=force)[0] if write else []
    data = {"markdown": page} | ({"written": written} if written else {})

    def render(screen: Screen) -> None:
        screen.print_quoted(page.rstrip())
        for path in written:
            screen.line(f"Written: {path}")

    invocation.answer(f"Hand-off of run {run}", render, run=run, data=data)


OfPhase = Annotated[str, typer.Argument(metavar="[PHASE]", help="The phase; without it the one that is next.")]

AnyRun = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the project itself.")]
Tokens = Annotated[
    int, typer.Option("--tokens", metavar="N", min=200, max=2500, help="Without a run: the most tokens of the JSON.")
]


def context(invocation: Invocation, run: AnyRun = "", phase: OfPhase = "", tokens: Tokens = 2500) -> None:
    """Print what the next worker of a phase, or an orchestrator, must know.

    Of a phase: its task and role, the goal, the reports of earlier phases, why the run came back, commits and changed files since the
    run began, open blockers and attached files. Agents read the same with read_artifact, artifact context:pack.

    Of the project, as JSON: what it is, each finding with file and line, its checks, templates, roles and open runs. Agents
    read the same with status, detail project.
    """
    if not run:
        _project(invocation, tokens)
        return
    from wfe_mcp.views.artifacts.context_pack import context_pack
    from wfe_mcp.views.artifacts.context_text import context_text
    from wfe_mcp.views.reports.envelopes import envelope_of

    run = invocation.resolve_run(run, phase or None)
    overview = invocation.overview(run)
    pack = context_pack(invocation.engine, overview, phase, whole=True)
    answer = envelope_of(overview, f"Context of {pack.duty.phase}", pack)

    def render(screen: Screen) -> None:
        screen.print_quoted(context_text(pack).rstrip())

    invocation.render(answer, render)


def _project(invocation: Invocation, tokens: int) -> None:
    """The context of the project within ``tokens``."""
    from wfe_mcp.views.project.context import project_context

    view = project_context(invocation.engine, tokens)
    text = json.dumps(plain(view), indent=1, ensure_ascii=False)
    invocation.answer(f"Context of {view.name}", lambda screen: screen.print_quoted(text), view=view)
