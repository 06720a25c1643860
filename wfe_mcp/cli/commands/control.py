"""The commands that steer a run: retry, skip, proceed, auto, force-accept, pause, resume and cancel."""

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.authorize import authorize, refuse_early
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Feedback, Phase, PinFd, Reason, Run, Yes, seconds_of
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.runs.control import Action
    from wfe_mcp.views.moves.outlook import Way

Role = Annotated[
    str, typer.Option("--role", metavar="NAME", help="Who works it now: a configured role, or client (the agent).")
]

From = Annotated[
    str,
    typer.Option("--from", metavar="STEP", help="Of a phase of steps: run again from this step on, keep the others."),
]


def retry(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    feedback: Feedback = "",
    role: Role = "",
    from_step: From = "",
    pin_fd: PinFd = None,
) -> None:
    """Open a new attempt at a phase.

    Of a phase of steps it first says which answers are kept and what is called again. It asks for your PIN after a stop,
    and to repeat calls to the outside.
    """
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.core.commands import Retry
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    steps = control.retry_plan(engine, run, phase, from_step)
    if steps is not None:
        invocation.screen.aside(steps.sentence)
    what = f"retry {phase}" + (f" from {from_step}" if from_step else "")
    probe = Retry(phase=PhasePath(phase), feedback=feedback, role=role or None, by=invocation.by, at=engine.clock())
    say_what_follows(invocation, run, "retry", phase)

    def go(by: "By") -> None:
        control.retry(engine, by, run, phase, feedback, role or None, from_step=from_step)

    if from_step and steps is not None and steps.repeats and (pin_fd is not None or at_terminal()):
        go(invocation.person(pin_fd, what))
    elif (by := authorize(invocation, run, probe, pin_fd, what)).is_human:
        go(by)
    else:  # a phase that another process holds needs the PIN, too
        invocation.as_needed(go, None, what)
    kept = () if steps is None or from_step else steps.kept
    more = f", which keeps the answers of {', '.join(kept)}; --from STEP calls them again" if kept else ""
    data = {} if steps is None else {"kept": list(steps.kept), "called_again": list(steps.again)}
    invocation.outcome(phase, f"Opened a new attempt at {phase}{more}", data)


def skip(invocation: Invocation, run: Run, phase: Phase, reason: Reason, pin_fd: PinFd = None) -> None:
    """Leave out a phase.

    It asks for your PIN unless the template lets agents skip it.
    """
    from wfe_mcp.core.commands import Skip
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    probe = Skip(phase=PhasePath(phase), reason=reason, by=invocation.by, at=engine.clock())
    say_what_follows(invocation, run, "skip", phase)
    by = authorize(invocation, run, probe, pin_fd, f"skip {phase}")
    control.skip(engine, by, run, phase, reason)
    invocation.outcome(phase, f"Skipped {phase}")


First = Annotated[str, typer.Argument(metavar="on|off", help="on: continue after each phase; off: wait for proceed.")]


def auto(invocation: Invocation, first: First, second: Run, pin_fd: PinFd = None) -> None:
    """Continue after each phase, or wait for you.

    'on' asks for your PIN.
    """
    from wfe_mcp.core.commands import SetAuto

    switch, run = (first, second) if first in {"on", "off"} else (second, first)  # both orders are clear
    if switch not in {"on", "off"}:
        raise typer.BadParameter(f"on or off is expected, not {first!r}", param_hint="on|off")
    run = invocation.resolve_run(run)
    if switch == "on":
        refuse_early(invocation, run, partial(SetAuto, auto=True))
    by = invocation.by if switch == "off" else invocation.person(pin_fd, "switch automatic mode on")
    _control(invocation, by, run, "auto_on" if switch == "on" else "auto_off", f"Turned {switch} automatic mode of")


def force_accept(invocation: Invocation, run: Run, phase: Phase, reason: Reason, pin_fd: PinFd = None) -> None:
    """Accept a phase although its gates fail.

    It asks for your PIN. It accepts the open revision, else the last refused draft. The run is tainted from then on, and every view shows it.
    """
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    say_what_follows(invocation, run, "force-accept", phase)
    by = invocation.person(pin_fd, f"overrule the gates of {phase}")
    control.force_accept(engine, by, run, phase, reason)
    invocation.outcome(phase, f"Force-accepted {phase}; the run is tainted")


MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", metavar="USD", help="The most that model calls of this run may cost in all."),
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="The most tokens that this run may use in all.")
]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="How long the run may take from now on, such as 2h.")
]


def pause(invocation: Invocation, run: Run, reason: Reason = "", pin_fd: PinFd = None) -> None:
    """Start nothing new in a run; work under way is still recorded.

    With a PIN (--pin-fd) only a person can resume the run.
    """
    run = invocation.resolve_run(run)
    by = invocation.by if pin_fd is None else invocation.person(pin_fd, "pause the run")
    _control(invocation, by, run, "pause", "Paused", reason=reason)


def resume(
    invocation: Invocation,
    run: Run,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = "",
    pin_fd: PinFd = None,
) -> None:
    """Continue a paused run, or one whose time limit is over.

    It asks for your PIN. --max-cost, --max-tokens and --timeout replace the limits of the template and the
    configuration for this run.
    """
    run = invocation.resolve_run(run)
    timeout_s = seconds_of(timeout)
    if timeout_s is None:  # a run whose time is over continues with more time only
        say_what_follows(invocation, run, "resume", "")
    by = invocation.person(pin_fd, "resume the run")
    limits = {"max_cost_usd": max_cost, "max_tokens": max_tokens, "timeout_s": timeout_s}
    _control(invocation, by, run, "resume", "Resumed", **limits)


SomeRun = Annotated[str, typer.Argument(metavar="[RUN]", help="The run, or the first characters of its id.")]
Stale = Annotated[
    bool, typer.Option("--stale", help="Cancel and archive every stale run of this project: see list --stale.")
]


def cancel(
    invocation: Invocation, run: SomeRun = "", stale: Stale = False, reason: Reason = "", yes: Yes = False
) -> None:
    """End a run permanently.

    Its log stays. At a terminal it asks first.
    """
    if bool(run) == stale:
        raise typer.BadParameter("name a run or give --stale, not both", param_hint="RUN")
    asks = not yes and not invocation.screen.as_json and sys.stdin.isatty() and sys.stdout.isatty()
    if stale:
        if asks:
            _confirm_stale(invocation)
        _archive_stale(invocation, reason)
        return
    from wfe_mcp.core.commands import Cancel

    run = invocation.resolve_run(run)
    refuse_early(invocation, run, Cancel)
    if asks:
        from wfe_mcp.cli.terminal.confirm import require_confirmation

        record = invocation.record(run)
        title = record.title if record is not None else ""
        require_confirmation(f'Cancel {run} "{title}"? It cannot be resumed.')
    _control(invocation, invocation.by, run, "cancel", "Cancelled", reason=reason)


def _confirm_stale(invocation: Invocation) -> None:
    """Show the stale runs, with who each waits for, and ask: some may wait for the one who was away."""
    from wfe_mcp.cli.terminal.confirm import require_confirmation
    from wfe_mcp.cli.terminal.render import runs_table
    from wfe_mcp.engine.runs.control import stale_runs
    from wfe_mcp.views.reports.run_rows import run_rows

    rows = run_rows(invocation.engine, stale_runs(invocation.engine))
    if rows:
        runs_table(invocation.screen, rows, invocation.clock())
        require_confirmation(f"Cancel {plural(len(rows), 'stale run')}? No cancelled run can be resumed.")


def _archive_stale(invocation: Invocation, reason: str) -> None:
    from wfe_mcp.cli.terminal.render import runs_table
    from wfe_mcp.engine.runs.control import archive_stale
    from wfe_mcp.views.runs.models import RunList
    from wfe_mcp.views.runs.run import run_row

    records, kept = archive_stale(invocation.engine, invocation.by, reason)
    gone = tuple(map(run_row, records))
    summary, error = f"Cancelled and archived {plural(len(gone), 'stale run')}", None
    if kept:
        details = tuple(Detail(run, why) for run, why in kept.items())
        error = Refused("conflict", f"{summary}; {plural(len(kept), 'other')} could not be changed.", "", details)

    def render(screen: "Screen") -> None:
        screen.line(summary, "bold")
        runs_table(screen, gone, invocation.clock())
        for run, why in kept.items():
            screen.line(f"  ! {run} could not be changed: {why}", "yellow")

    invocation.answer(summary, render, view=RunList(runs=gone), error=error)


HeldPhase = Annotated[str, typer.Argument(metavar="[PHASE]", help="Only this phase; without it all held phases.")]


def proceed(invocation: Invocation, run: Run, phase: HeldPhase = "", pin_fd: PinFd = None) -> None:
    """Continue a run after phases that were held for you.

    It asks for your PIN.
    """
    run = invocation.resolve_run(run)
    say_what_follows(invocation, run, "proceed", phase)
    by = invocation.person(pin_fd, "continue the run")
    _control(invocation, by, run, "proceed", "Continued", phase=phase)


def _control(invocation: Invocation, by: "By", run: str, action: "Action", what: str, **more: Any) -> None:
    """Control the run, and give the answer; its summary is ``what`` and the run."""
    from wfe_mcp.views.answers.tool_answers import control_run

    answer = control_run(invocation.engine, by, run, action, **more)
    record = invocation.record(answer.run)
    assert record is not None, "it was found"
    invocation.render(replace(answer, summary=f'{what} {record.id} "{record.title}".'))


def say_what_follows(invocation: Invocation, run: str, way: "Way", phase: str) -> None:
    """Say what the decision would lead to, before it is made."""
    invocation.promised = what_follows(invocation, run, way, phase)
    if invocation.promised:
        invocation.screen.aside(invocation.promised)


def what_follows(invocation: Invocation, run: str, way: "Way", phase: str, to: str = "") -> str:
    """What the decision would lead to; empty where it will be refused. At a terminal that is refused now: no PIN is typed for it."""
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.views.moves.outlook import promise

    try:
        return promise(invocation.engine, invocation.overview(run), way, phase, to)
    except Refused:
        if at_terminal():
            raise
        return ""
