"""``wfe-mcp approve``: you have looked at it, and it is good."""

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Phase, PinFd, Run
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.views.approval import Open

__all__ = ["approve"]

Sha256 = Annotated[str, typer.Option("--sha256", metavar="PREFIX", help="Approve only this revision.")]
Phrase = Annotated[str, typer.Option("--phrase", metavar="TEXT", help="The phrase the template asks for.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Kept with the decision.")]
_SHOWN_CHARS = 4000


def approve(
    door: Door, run: Run, phase: Phase, sha256: Sha256 = "", phrase: Phrase = "", comment: Comment = "",
    pin_fd: PinFd = None,
) -> None:  # fmt: skip
    """Show what PHASE asks you to approve, and approve exactly that. Asks for your PIN.

    Where the template wants a passkey it leads to the page where you sign instead.
    """
    from wfe_mcp.cli.terminal.outcome import run_outcome
    from wfe_mcp.cli.terminal.waiting import wait_for_gates
    from wfe_mcp.engine.approvals import decide as approvals
    from wfe_mcp.views import envelopes as answering
    from wfe_mcp.views.approval import open_approval

    engine, run = door.engine, door.at(run, phase)
    with _gates_again(door, run, phase):
        # The request is stored first: only an answer to it counts, and the log shows what was asked (design §7).
        asked = approvals.ask(engine, door.by, run, phase, sha256=sha256 or None, comment=comment)
    if asked.decided:
        door.tell(run_outcome(engine, run, phase, f"{phase} approved: its template takes anybody's word"))
        return
    shown = open_approval(engine, answering.standing_of(engine, run), phase)
    assert shown is not None, "a request has just been stored for it"
    if not door.screen.as_json:
        _show(door, phase, shown)
    if shown.assurance == "passkey":
        raise _at_page(door, phase, asked.request.id, shown)
    try:
        by = door.person(pin_fd, f"approve {phase}")
    except Refused as refused:
        refused.data |= {"request": asked.request.id, "asked": shown.data}
        raise
    with _gates_again(door, run, phase):
        approvals.decide(
            engine, by, run, phase, sha256=asked.request.sha256, comment=comment, phrase=phrase, request=asked.request.id
        )  # fmt: skip
    wait_for_gates(door, run, phase, asked.request.attempt)
    data: dict[str, Any] = {
        "approved": {key: shown.data[key] for key in shown.data if key != "content"} | {"by": by.actor}
    }
    what = f"You approved {shown.data['artifact']} of {phase}, sha256 {shown.sha256}"
    door.tell(run_outcome(engine, run, phase, what, data))


def _at_page(door: Door, phase: str, request: str, shown: "Open") -> Refused:
    """Nothing that is typed here signs anything: where a person does."""
    from wfe_mcp.engine.approvals.decision_page import page_at

    url = page_at(door.engine, f"decide/{request}")
    at = f"Open {url}" if url else f"Run wfe-mcp ui in another terminal and open /decide/{request} of its address"
    data: dict[str, object] = {"request": request, "asked": shown.data}
    if url:
        data["url"] = url
    return Refused(
        "needs_human", f"Phase {phase!r} takes the signature of a passkey; a PIN is not enough.", f"{at}, and sign there.",
        data=data,
    )  # fmt: skip


@contextlib.contextmanager
def _gates_again(door: Door, run: str, phase: str) -> Generator[None]:
    """What is stale has its gates run again at once: without a server nobody else would, and the refusal says how they ended."""
    from wfe_mcp.cli.terminal.waiting import wait_for_gates
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.views.envelopes import standing_of

    try:
        yield
    except Refused as refused:
        if refused.code == "stale_revision":
            number = standing_of(door.engine, run).loaded.state.current(PhasePath(phase)).number
            wait_for_gates(door, run, phase, number)
        raise


def _show(door: Door, phase: str, shown: "Open") -> None:
    """What exactly a yes would be about."""
    import json

    from wfe_mcp.cli.terminal.render import verdict_line

    screen, data = door.screen, shown.data
    screen.line(f"{data['artifact']} of {phase}, attempt {data['attempt']}, revision {data['revision']}", "bold")
    screen.line(f"sha256 {shown.sha256}")
    screen.line(f"template {data['template']}")
    if "content" in data:
        text = json.dumps(data["content"], indent=2, ensure_ascii=False)
        screen.line(
            text[:_SHOWN_CHARS] + ("\n… wfe-mcp artifact show tells the rest" if len(text) > _SHOWN_CHARS else "")
        )
    for verdict in data["verdicts"]:
        screen.line(f"  {verdict_line(verdict)}")
    if data.get("checks_changed"):
        screen.line(
            f"! Changed since the run began, and they define the checks: {', '.join(data['checks_changed'])}", "yellow"
        )
    if data.get("cancelled_before"):
        screen.line(f"! Cancelled before this run: {', '.join(data['cancelled_before'])}", "yellow")
    if data.get("own_configuration_changed"):
        screen.line(f"! Changed since you last ran wfe-mcp trust: {data['own_configuration_changed']}", "yellow")
    if data.get("templates_enabled"):
        again = ", ".join(data["templates_enabled"])
        screen.line(f"! Put in use again since you last ran wfe-mcp trust: {again}", "yellow")
    if shown.phrase:
        screen.line(f"The template asks for the phrase: {shown.phrase}")
    screen.flush()
