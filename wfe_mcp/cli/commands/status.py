"""``wfe-mcp status``: the open runs of a project, or one run: who acts next, its phases, what to do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.news import news_of, render_news, show_news
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.runs.models import RunList

Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the open runs of this project.")]
Full = Annotated[bool, typer.Option("--full", help="With --json: every phase, not only the open ones.")]
New = Annotated[bool, typer.Option("--new", help="Only what happened since you last looked, in all runs here.")]


def status(invocation: Invocation, run: Run = "", full: Full = False, new: New = False) -> None:
    """Show open runs, who acts next, and what is new.

    New is what happened since your last visit, here, in wfe-mcp inbox or on the page; looks within half an hour are one
    visit. Only your own terminal counts, never an agent's.
    """
    from wfe_mcp.views.moves.envelope import idle_status
    from wfe_mcp.workspace.files.mirror import runs_with_files

    if new:
        _show_new(invocation, run)
        return
    files = [] if run else runs_with_files(invocation.project.root)
    idle = None if run else idle_status(invocation.engine, files)
    if idle is not None:
        invocation.render(idle, lambda screen: _nothing_open(invocation, screen, idle))
        show_news(invocation)
        return
    from wfe_mcp.engine.approvals.decision_page import page_at
    from wfe_mcp.views.answers import run_status
    from wfe_mcp.views.runs.models import RunList, RunView

    wanted = invocation.resolve_run(run) if run else ""
    # A person sees every phase, an agent pays by the token.
    detail = "brief" if invocation.screen.as_json and not full else "full"
    answer = run_status.status(invocation.engine, invocation.by, wanted, detail)
    page = page_at(invocation.engine, may_start=False)
    if page:
        shown = answer.view if isinstance(answer.view, RunView | RunList) else RunList(runs=())
        answer = answer.showing(replace(shown, page=page))

    def render(screen: Screen) -> None:
        from wfe_mcp.cli.terminal.render import render_status

        record = invocation.record(answer.run)
        if record is not None:
            render_status(screen, answer, record, invocation.engine.clock())
        elif isinstance(answer.view, RunList) and answer.view.runs:
            _show_open(screen, answer, answer.view, invocation.engine.clock())
        else:
            warnings = answer.view.warnings if isinstance(answer.view, RunList) else ()
            _nothing_open(invocation, screen, answer, _lost(invocation, files) + warnings)
        if page and (record is None or record.ended_at is None):
            screen.line("Decision page:")
            screen.line(page_at(invocation.engine, may_start=False, plain=False) or page, is_pasted=True)

    invocation.render(answer, render)
    if not run:
        show_news(invocation)


def _show_new(invocation: Invocation, run: str) -> None:
    if run:
        raise Refused("bad_argument", "--new is about all runs of the project.", "wfe-mcp status --new")
    view = news_of(invocation, [invocation.engine.project_id])
    nothing = "Nothing is new since your last visit." if view.since else "This is your first visit."
    summary = f"{plural(len(view.runs), 'run')} changed since your last visit." if view.runs else nothing

    def render(screen: Screen) -> None:
        if not view.runs:
            screen.line(nothing)
        render_news(screen, view, invocation.engine.clock())

    invocation.answer(summary, render, view=view)


def _lost(invocation: Invocation, files: list[str]) -> tuple[str, ...]:
    # What reads the anchors takes longer to load than all else here.
    from wfe_mcp.engine.integrity.verification import lost_runs, message_of_lost

    lost = lost_runs(invocation.engine, files) if files else []
    return (f"{message_of_lost(lost)}. See: wfe-mcp doctor",) if lost else ()


def _show_open(screen: Screen, answer: "Envelope", listed: "RunList", now: "datetime") -> None:
    from wfe_mcp.cli.terminal.render import decisions_table, runs_table
    from wfe_mcp.views.answers.run_status import SHOWN

    runs_table(screen, listed.runs, now)
    if len(listed.runs) >= SHOWN:
        screen.line(answer.summary, "dim")
    decisions_table(screen, listed, now)
    asked = {decision.run for decision in listed.decisions}
    others = (run.run for run in listed.runs if run.waiting_on == "human" and run.run not in asked)
    for warning in listed.warnings:
        screen.line(screen.complete(warning), "yellow")
    commands = (decision.command for decision in listed.decisions)
    screen.next(*commands, *(f"wfe-mcp status {run}" for run in others))


def _nothing_open(invocation: Invocation, screen: Screen, answer: "Envelope", warnings: Sequence[str] = ()) -> None:
    if invocation.project.is_git or (invocation.project.root / ".wfe").is_dir():
        from wfe_mcp.cli.terminal.run_names import runs_at_server

        at_server = runs_at_server(invocation.engine)
        screen.line(f"No open runs. {at_server}" if at_server else "No open runs.")
        if invocation.engine.perhaps:
            screen.line(invocation.engine.perhaps, "yellow")
        for warning in warnings:
            screen.line(screen.complete(warning), "yellow")
        ready = [f"{move.why}." for move in answer.next if move.tool == "work"]
        for line in ready:
            screen.line(line)
        if not at_server:
            screen.next("wfe-mcp work next" if ready else "wfe-mcp templates list")
    else:
        screen.line("No project here: no git repository, no .wfe folder.")
        screen.next("change to your project, or start one here: wfe-mcp init")
