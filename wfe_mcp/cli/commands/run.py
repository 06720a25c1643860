"""``wfe-mcp run``: work a whole run with models, until you are needed."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.commands.start import Auto, Driver, Inputs, Key, Roles, Title, begin
from wfe_mcp.cli.commands.watch import follow
from wfe_mcp.cli.terminal.invocation import INTERRUPTED, REFUSED, Invocation
from wfe_mcp.cli.terminal.options import Pairs, PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.waiting import stop_requested
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import shell_path

if TYPE_CHECKING:
    from wfe_mcp.engine.runs.overview import Overview


Template = Annotated[str, typer.Argument(metavar="[TEMPLATE]", help="Its name: wfe-mcp templates list.")]
Resume = Annotated[str, typer.Option("--resume", metavar="RUN", help="Continue this run instead of starting one.")]


def run(
    invocation: Invocation,
    template: Template = "",
    driver: Driver = "",
    resume: Resume = "",
    pairs: Pairs = None,
    inputs: Inputs = "",
    title: Title = "",
    auto: Auto = None,
    key: Key = "",
    roles: Roles = None,
    pin_fd: PinFd = None,
) -> None:
    """Start a run and work it with models until it needs you.

    Exit code 0: completed or waiting for you. 1: something failed. 130: Ctrl-C.
    """
    if bool(template) == bool(resume):
        raise typer.BadParameter("give a template, or --resume with a run", param_hint="TEMPLATE")
    if resume and (driver or roles or pairs or inputs or title or key):
        raise typer.BadParameter("a resumed run keeps its driver, roles, inputs and title", param_hint="--resume")
    if template:
        started = begin(
            invocation, template, pairs, inputs, title, auto=auto, key=key, driver=driver, roles=roles, pin_fd=pin_fd
        )
        run_id = invocation.resolve_run(started.run or "")
    else:
        run_id = invocation.resolve_run(resume)
        _go_on(invocation, run_id)
    invocation.screen.talk(
        f"Run {run_id}. Ctrl-C returns its work to the queue. Continue with: wfe-mcp run --resume {run_id}"
    )
    with stop_requested() as signals:
        overview = follow(invocation, run_id, shows_all=bool(template), should_stop=lambda: bool(signals))
    _render(invocation, run_id, overview, interrupted=bool(signals))


def _go_on(invocation: Invocation, run: str) -> None:
    """Resume a run that no person paused."""
    from wfe_mcp.engine.runs.control import control

    state = invocation.overview(run).loaded.state
    if state.status == "paused" and not state.paused_by_human:
        control(invocation.engine, invocation.by, run, "resume")


def _render(invocation: Invocation, run: str, overview: "Overview", *, interrupted: bool) -> None:
    """The answer: the state of the run, and who acts next."""
    from wfe_mcp.views.answers import tool_answers as answers

    answer = answers.status(invocation.engine, invocation.by, run)
    over = overview.loaded.state.is_over or not (overview.goes_on or overview.by_hand)
    no = _failure(run, overview) if over or not interrupted else None
    if no is not None:
        answer = replace(answer, ok=False, summary=no.message, error=no)

    def render(screen: Screen) -> None:
        from wfe_mcp.cli.terminal.render import refusal_lines, render_status

        record = invocation.record(run)
        assert record is not None, "it has just been worked"
        render_status(screen, answer, record, invocation.engine.clock())
        if answer.error is not None:
            lines, steps = refusal_lines(answer)
            screen.talk(*lines)
            screen.next(*steps)

    invocation.render(answer, render)
    if interrupted and not over:
        invocation.screen.flush()
        invocation.screen.talk("Stopped. Unfinished work went back to the queue.")
        invocation.screen.next(f"wfe-mcp run --resume {run}")
        invocation.exit_code = INTERRUPTED
    elif no is not None:
        invocation.exit_code = REFUSED


def _failure(run: str, overview: "Overview") -> Refused | None:
    """Why the run did not continue: a phase failed, or has no driver. None when it is completed or waits for the user."""
    from wfe_mcp.core.model import AttemptStatus, RunStatus

    state = overview.loaded.state
    if state.status in {RunStatus.FAILED, RunStatus.BLOCKED, RunStatus.CANCELLED}:
        return Refused(
            "needs_human", f"The run is {state.status}: {state.reason or 'stopped'}", f"See: wfe-mcp show {run}"
        )
    failed = [attempt for attempt in state.open_attempts if attempt.status is AttemptStatus.FAILED]
    if failed:
        phase = failed[0].phase
        return Refused(
            "needs_human",
            f"Phase {phase!r} failed; no automatic retry is left.",
            f"Look at it: wfe-mcp show {run} --phase {shell_path(phase)}",
        )
    if overview.waiting_on == "agent" and overview.startable:
        return Refused(
            "unavailable",
            f"Phase {overview.startable[0]!r} has no driver.",
            f"Connect a client, or use a model: wfe-mcp run {overview.loaded.record.template} --driver ROLE",
        )
    return None
