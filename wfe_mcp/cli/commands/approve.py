"""``wfe-mcp approve``: review what a phase asks you to approve, then approve exactly that."""

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Full, Phase, PinFd, Raw, Run, Stat
from wfe_mcp.cli.terminal.waiting import wait_for_gates
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath

if TYPE_CHECKING:
    from wfe_mcp.views.approvals import ApprovalView

Sha256 = Annotated[str, typer.Option("--sha256", metavar="PREFIX", help="Approve only this revision.")]
Phrase = Annotated[str, typer.Option("--phrase", metavar="TEXT", help="The phrase the template asks for.")]
CheckAgain = Annotated[
    bool, typer.Option("--check-again", help="First run the checks again, in this process; one that fails ends it.")
]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Kept with the decision.")]


def approve(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    sha256: Sha256 = "",
    phrase: Phrase = "",
    comment: Comment = "",
    stat: Stat = False,
    full: Full = False,
    raw: Raw = False,
    check_again: CheckAgain = False,
    pin_fd: PinFd = None,
) -> None:
    """Review a phase, then approve it.

    It shows what PHASE asks you to approve: what is unusual, the change, the artifact and the evidence. Then it asks for
    your PIN, and approves exactly that. Where the template requires a passkey, it names the page where you sign. What a
    PIN does not protect, and --check-again does: /security on the page of wfe-mcp ui.
    """
    from wfe_mcp.cli.terminal.decision import Detail, show_first
    from wfe_mcp.engine.approvals import decide as approvals
    from wfe_mcp.views.approvals import open_approval
    from wfe_mcp.views.approvals.shown import SeenDecision
    from wfe_mcp.views.values.model import plain

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    if check_again:
        _check_again(invocation, run, phase)
    while True:
        with _gates_again(invocation, run, phase):
            # The request is stored first: only an answer to it counts, and the log shows what was asked (design §7).
            request = approvals.ask(engine, invocation.by, run, phase, sha256=sha256 or None, comment=comment)
        if request.decided:
            invocation.outcome(phase, f"Approved {phase}: this gate accepts any caller")
            return
        view = open_approval(engine, invocation.overview(run), phase)
        if view is not None:
            break  # else it was decided elsewhere meanwhile: asked once more, that is refused with who did it
    decision = SeenDecision(engine, view)
    show_first(invocation, view, Detail(stat, full, raw), asks=pin_fd is None)
    if view.assurance == "passkey":
        raise _at_page(invocation, phase, request.request.id, view)
    try:
        by = invocation.person(pin_fd, f"sign {view.sha256[:12]}")
    except Refused as refused:
        refused.data |= {"request": request.request.id, "asked": plain(view)}
        raise
    with _gates_again(invocation, run, phase):
        approvals.decide(
            engine,
            by,
            run,
            phase,
            sha256=request.request.sha256,
            comment=comment,
            phrase=phrase,
            request=request.request.id,
            approval=decision,
        )
    wait_for_gates(invocation, run, phase, request.request.attempt)
    name = "prompt" if view.artifact is None else view.artifact.name
    data: dict[str, Any] = {
        "approved": {
            "artifact": name,
            "revision": 0 if view.artifact is None else view.artifact.revision,
            "sha256": view.sha256,
            "attempt": view.attempt,
            "assurance": view.assurance,
            "shown_sha256": decision.sha256,
            "by": by.actor,
        }
    }
    what = f"Approved {phase}, {name} {view.sha256[:12]}"
    invocation.outcome(phase, what, data)


def _check_again(invocation: Invocation, run: str, phase: str) -> None:
    """Run the checks in this process. Refuses when one does not pass."""
    from wfe_mcp.engine.evaluation.check_again import check_again, failed_again

    with invocation.screen.busy(f"The checks of {phase} run again, in this process"):
        checks = check_again(invocation.engine, run, phase)
    refused = failed_again(checks)
    if refused is not None:
        raise refused
    named = ", ".join(checks) if checks else "none: no gate before this approval runs a check"
    invocation.screen.talk(f"Checks that this process ran again and that passed: {named}.")


def _at_page(invocation: Invocation, phase: str, request: str, view: "ApprovalView") -> Refused:
    """The refusal that names the page where a passkey signs."""
    from wfe_mcp.engine.approvals.decision_page import page_at
    from wfe_mcp.views.values.model import plain

    url = _at_server(invocation, request) or page_at(invocation.engine, f"decide/{request}", opened=True)
    at = f"Open {url}" if url else f"Run wfe-mcp ui in another terminal and open /decide/{request} of its address"
    data: dict[str, object] = {"request": request, "asked": plain(view)}
    if url:
        data["url"] = url
    return Refused(
        "needs_human", f"Phase {phase!r} requires a passkey; a PIN is not enough.", f"{at}, and sign there.", data=data
    )


def _at_server(invocation: Invocation, request: str) -> str:
    """The page of the server, where each pinned passkey is one of its address; else empty."""
    from wfe_mcp.engine.approvals.approvers import approvers_here

    with contextlib.suppress(Refused):
        origin = invocation.engine.settings().settings.server.origin
        keys = approvers_here(invocation.engine.root).passkeys.values()
        return f"{origin}/decide/{request}" if origin and all(key.origin == origin for key in keys) else ""
    return ""


@contextlib.contextmanager
def _gates_again(invocation: Invocation, run: str, phase: str) -> Generator[None]:
    """Run the gates of a stale revision again at once, so that the refusal says how they ended."""
    try:
        yield
    except Refused as refused:
        if refused.code == "stale_revision":
            number = invocation.overview(run).loaded.state.current(PhasePath(phase)).number
            wait_for_gates(invocation, run, phase, number)
        raise
