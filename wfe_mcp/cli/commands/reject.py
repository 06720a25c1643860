"""``wfe-mcp reject``: send a phase back with feedback."""

from dataclasses import replace
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Feedback, Phase, PinFd, Run
from wfe_mcp.core.paths import PhasePath

Comments = Annotated[
    list[str] | None,
    typer.Option(
        "--comment",
        metavar="FILE:LINE=TEXT",
        help="A comment on a line of the change; FILE:-LINE=TEXT on a removed one. Repeatable.",
    ),
]
To = Annotated[str, typer.Option("--to", metavar="PHASE", help="Go back to this earlier phase.")]
Sha256 = Annotated[str, typer.Option("--sha256", metavar="PREFIX", help="Reject only this revision.")]


def reject(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    feedback: Feedback = "",
    comment: Comments = None,
    to: To = "",
    sha256: Sha256 = "",
    pin_fd: PinFd = None,
) -> None:
    """Send a phase back with feedback.

    Where PHASE awaits your approval it shows what waits, and asks for your PIN; a submission whose gates still run is withdrawn without one.
    """
    from wfe_mcp.cli.commands.control import what_follows
    from wfe_mcp.cli.terminal.decision import Detail, show_first
    from wfe_mcp.core.model import AttemptStatus
    from wfe_mcp.engine.approvals import decide as approvals
    from wfe_mcp.views.approvals import open_approval
    from wfe_mcp.views.approvals.answers import rejection, typed_comments
    from wfe_mcp.views.approvals.shown import SeenDecision

    if not feedback and not comment:
        raise typer.BadParameter("say what should change: --feedback TEXT, or --comment FILE:LINE=TEXT")
    comments = typed_comments(comment or ())
    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    state = invocation.overview(run).loaded.state
    known = PhasePath(phase) in state.attempts
    under_gates = known and state.current(PhasePath(phase)).status is AttemptStatus.GATING
    if pin_fd is None and not to and not comments and under_gates:
        approvals.withdraw(engine, invocation.by, run, phase, feedback)
        invocation.outcome(phase, f"Withdrew {phase}; attempt {_open_attempt(invocation, run, phase)} is open")
        return
    view = open_approval(engine, invocation.overview(run), phase)
    text = rejection(view, feedback, comments)
    follows = what_follows(invocation, run, "reject", phase, to)
    if view is not None:
        where = f" to {to}" if to else ""
        shown_as = replace(view, question=f'Send back {phase} of "{view.title}"{where}?', effect="", send_back="")
        show_first(invocation, shown_as, Detail(), asks=pin_fd is None)
        invocation.promised = follows
        if follows:
            invocation.screen.aside(follows)
    rejected = _open_attempt(invocation, run, phase) if known else 0
    by = invocation.person(pin_fd, f"reject {phase}") if known else invocation.by
    decision = None if view is None else SeenDecision(engine, view)
    approvals.reject(engine, by, run, phase, text, to=to or None, sha256=sha256 or None, approval=decision)
    invocation.outcome(
        phase, f"Rejected {phase}" + (f"; back to {to}" if to else _follows(invocation, run, phase, rejected))
    )


def _follows(invocation: Invocation, run: str, phase: str, rejected: int) -> str:
    """What became of the phase whose attempt ``rejected`` failed."""
    attempt = invocation.overview(run).loaded.state.current(PhasePath(phase))
    if attempt.number > rejected and attempt.feedback:
        return f"; attempt {attempt.number} has your feedback"
    if attempt.human_only:
        return f"; no automatic retry is left. Retry it, and attempt {rejected + 1} has your feedback"
    return ""


def _open_attempt(invocation: Invocation, run: str, phase: str) -> int:
    """The number of the phase's newest attempt."""
    return invocation.overview(run).loaded.state.current(PhasePath(phase)).number
