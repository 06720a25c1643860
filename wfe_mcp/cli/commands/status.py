"""``wfe-mcp status``: the open runs of a project, or one run: who acts next, its phases, what to do."""

from dataclasses import replace
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen

Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the open runs of this project.")]
Full = Annotated[bool, typer.Option("--full", help="With --json: every phase, not only the open ones.")]


def status(invocation: Invocation, run: Run = "", full: Full = False) -> None:
    """Show open runs and who acts next."""
    from wfe_mcp.views.moves.envelope import idle_status

    idle = None if run else idle_status(invocation.engine)
    if idle is not None:
        invocation.render(idle, lambda screen: _nothing_open(invocation, screen))
        return
    from wfe_mcp.engine.approvals.decision_page import page_at
    from wfe_mcp.views.answers import run_status
    from wfe_mcp.views.runs.models import RunList, RunView

    wanted = invocation.at(run) if run else ""
    # A person sees every phase, an agent pays by the token.
    detail = "brief" if invocation.screen.as_json and not full else "full"
    answer = run_status.status(invocation.engine, invocation.by, wanted, detail)
    page = page_at(invocation.engine, may_start=False)
    if page:
        shown = answer.view if isinstance(answer.view, RunView | RunList) else RunList(runs=())
        answer = answer.showing(replace(shown, page=page))

    def render(screen: Screen) -> None:
        from wfe_mcp.cli.terminal.render import decisions_table, render_status, runs_table

        record = invocation.record(answer.run)
        if record is not None:
            render_status(screen, answer, record, invocation.engine.clock())
        elif isinstance(answer.view, RunList) and answer.view.runs:
            runs_table(screen, answer.view.runs, invocation.engine.clock())
            decisions_table(screen, answer.view, invocation.engine.clock())
            asked = {each.run for each in answer.view.decisions}
            others = (run.run for run in answer.view.runs if run.waiting_on == "human" and run.run not in asked)
            for warning in answer.view.warnings:
                screen.line(warning, "yellow")
            commands = (each.command for each in answer.view.decisions)
            screen.next(*commands, *(f"wfe-mcp status {run}" for run in others))
        else:
            _nothing_open(invocation, screen, answer.view.warnings if isinstance(answer.view, RunList) else ())
        if page:
            screen.line(f"Decision page: {page_at(invocation.engine, may_start=False, plain=False) or page}")

    invocation.render(answer, render)


def _nothing_open(invocation: Invocation, screen: Screen, warnings: tuple[str, ...] = ()) -> None:
    if invocation.project.is_git or (invocation.project.root / ".wfe").is_dir():
        screen.line("No open runs.")
        if invocation.engine.perhaps:
            screen.line(invocation.engine.perhaps, "yellow")
        for warning in warnings:
            screen.line(warning, "yellow")
        screen.next("wfe-mcp templates list")
    else:
        screen.line("No project here: no git repository, no .wfe folder.")
        screen.next("change to your project, or start one here: wfe-mcp init")
