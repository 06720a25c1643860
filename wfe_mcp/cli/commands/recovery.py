"""``wfe-mcp recovery``: the blockers that recoveries found; resolve or ignore one, or abort a recovery."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.authorize import authorize
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.blockers import Settled
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath, typed
from wfe_mcp.core.units import plural

OfRun = Annotated[str, typer.Argument(metavar="[RUN]", help="A run; without it every open run of the project.")]
Everything = Annotated[bool, typer.Option("--all", help="Also blockers that are resolved or ignored.")]
How = Annotated[str, typer.Option("--reason", metavar="TEXT", help="What you did, for the next attempt.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it does not matter, for the next attempt.")]


def list_all(invocation: Invocation, run: OfRun = "", everything: Everything = False) -> None:
    """List the blockers that recoveries reported, with fingerprint."""
    from wfe_mcp.views.runs.recoveries import open_blockers

    if run:
        run = invocation.at(run, None)
    found = open_blockers(invocation.engine, run, everything=everything)
    rows = [(each.run, one) for each in found.runs for one in each.blockers]
    summary = plural(len(rows), "blocker")

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        screen.table(
            ("run", "phase", "fingerprint", "state", "met", "cause"),
            [(of, one.phase, one.fingerprint, one.state, str(one.times), one.cause) for of, one in rows],
        )

    invocation.answer(summary, render, view=found)


def show(invocation: Invocation, run: Run, phase: Phase) -> None:
    """Show every blocker that the recoveries of a phase reported."""
    from wfe_mcp.views.reports.envelopes import envelope_of
    from wfe_mcp.views.runs.recoveries import RunBlockers, blocker_line, blocker_views, recovered_phase

    run = invocation.at(run, phase)
    found = invocation.overview(run)
    path = recovered_phase(found.loaded.state, PhasePath(phase))
    shown = tuple(one for one in blocker_views(found.loaded.state, chars=2_000) if one.phase == path)
    view = RunBlockers(run=run, title=found.loaded.record.title, blockers=shown)
    answer = envelope_of(found, f"{path}: {plural(len(shown), 'blocker')} reported", view)

    def render(screen: Screen) -> None:
        for one in shown:
            screen.line(blocker_line(one))
            screen.line(f"  wfe-mcp artifact show {run} {typed(PhasePath(one.reported_by))}", is_pasted=True)
        if not shown:
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

    engine, run = invocation.engine, invocation.at(run, phase)
    state = invocation.overview(run).loaded.state
    path = recovered_phase(state, PhasePath(phase))
    if blockers is None and state.current(path).repair != "recover":
        raise Refused(
            "illegal_transition", f"No recovery of {path} is running.", f"wfe-mcp recovery show {run} {typed(path)}"
        )
    probe = Retry(phase=path, feedback=feedback, blockers=blockers, by=invocation.by, at=engine.clock())
    by = authorize(invocation, run, probe, pin_fd, f"retry {path}")
    control.retry(engine, by, run, path, feedback, blockers=blockers)
    invocation.outcome(path, f"Opened a new attempt at {path}{f'; its blocker is {blockers}' if blockers else ''}")
