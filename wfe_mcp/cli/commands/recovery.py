"""``wfe-mcp recovery``: the blockers that recoveries found; resolve or ignore one, or abort a recovery."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.authorize import authorize
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.blockers import Settled
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.units import plural

OfRun = Annotated[str, typer.Argument(metavar="[RUN]", help="A run; without it every open run of the project.")]
Everything = Annotated[bool, typer.Option("--all", help="Also blockers that are resolved or ignored.")]
How = Annotated[str, typer.Option("--reason", metavar="TEXT", help="What you did, for the next attempt.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it does not matter, for the next attempt.")]


def list_all(invocation: Invocation, run: OfRun = "", everything: Everything = False) -> None:
    """List the blockers that recoveries reported, with fingerprint."""
    from wfe_mcp.views.runs.recoveries import open_blockers

    if run:
        run = invocation.resolve_run(run, None)
    blocker_list = open_blockers(invocation.engine, run, everything=everything)
    rows = [(blockers.run, blocker) for blockers in blocker_list.runs for blocker in blockers.blockers]
    summary = plural(len(rows), "blocker")

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        screen.table(
            ("run", "phase", "fingerprint", "state", "met", "cause"),
            [
                (of, blocker.phase, blocker.fingerprint, blocker.state, str(blocker.times), blocker.cause)
                for of, blocker in rows
            ],
        )
        for warning in blocker_list.warnings:
            screen.aside(f"! {warning}", "yellow")

    invocation.answer(summary, render, view=blocker_list)


def show(invocation: Invocation, run: Run, phase: Phase) -> None:
    """Show every blocker that the recoveries of a phase reported."""
    from wfe_mcp.views.reports.envelopes import envelope_of
    from wfe_mcp.views.runs.recoveries import RunBlockers, blocker_line, blocker_views, recovered_phase

    run = invocation.resolve_run(run, phase)
    overview = invocation.overview(run)
    path = recovered_phase(overview.loaded.state, PhasePath(phase))
    blockers = tuple(blocker for blocker in blocker_views(overview.loaded.state, chars=2_000) if blocker.phase == path)
    view = RunBlockers(run=run, title=overview.loaded.record.title, blockers=blockers)
    answer = envelope_of(overview, f"{path}: {plural(len(blockers), 'blocker')} reported", view)

    def render(screen: Screen) -> None:
        for blocker in blockers:
            screen.line(blocker_line(blocker))
            screen.line(f"  wfe-mcp artifact show {run} {shell_path(PhasePath(blocker.reported_by))}", is_pasted=True)
        if not blockers:
            screen.line(f"The recoveries of {path} have reported no blocker.")

    invocation.render(answer, render)


def resolve(invocation: Invocation, run: Run, phase: Phase, reason: How, pin_fd: PinFd = None) -> None:
    """Say that a blocker is removed: the phase gets a new attempt.

    It asks for your PIN.
    """
    _open_again(invocation, run, phase, reason, pin_fd, "resolved")


def ignore(invocation: Invocation, run: Run, phase: Phase, reason: Why, pin_fd: PinFd = None) -> None:
    """Say that a blocker does not matter, with a new attempt.

    The attempt has that note. It asks for your PIN. The checks of the phase stay: what they refuse fails again.
    """
    _open_again(invocation, run, phase, reason, pin_fd, "ignored")


def abort(invocation: Invocation, run: Run, phase: Phase, reason: How = "", pin_fd: PinFd = None) -> None:
    """End a recovery that is running: the phase gets a new attempt.

    It asks for your PIN.
    """
    explanation = f"A person ended the recovery{': ' + reason if reason else '.'}"
    _open_again(invocation, run, phase, explanation, pin_fd, None)


def _open_again(
    invocation: Invocation, run: str, phase: str, feedback: str, pin_fd: int | None, blockers: Settled | None
) -> None:
    """Open a new attempt. ``blockers``: what becomes of the open ones; None ends a recovery that is running."""
    from wfe_mcp.core.commands import Retry
    from wfe_mcp.engine.runs import control
    from wfe_mcp.views.runs.recoveries import recovered_phase

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    state = invocation.overview(run).loaded.state
    path = recovered_phase(state, PhasePath(phase))
    if blockers is None and state.current(path).repair != "recover":
        raise Refused(
            "illegal_transition",
            f"No recovery of {path} is running.",
            f"wfe-mcp recovery show {run} {shell_path(path)}",
        )
    probe = Retry(phase=path, feedback=feedback, blockers=blockers, by=invocation.by, at=engine.clock())
    by = authorize(invocation, run, probe, pin_fd, f"retry {path}")
    control.retry(engine, by, run, path, feedback, blockers=blockers)
    invocation.outcome(path, f"Opened a new attempt at {path}{f'; its blocker is {blockers}' if blockers else ''}")
