"""``wfe-mcp approve``: review what a phase asks you to approve, then approve exactly that."""

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
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
    invocation: Invocation, run: Run, phase: Phase, sha256: Sha256 = "", phrase: Phrase = "", comment: Comment = "",
    pin_fd: PinFd = None,
) -> None:  # fmt: skip
    """Review a phase, then approve it.

    It shows what PHASE asks you to approve, asks for your PIN, and approves exactly that. Where the template requires a
    passkey, it names the page where you sign.
    """
    from wfe_mcp.cli.terminal.outcome import run_outcome
    from wfe_mcp.cli.terminal.waiting import wait_for_gates
    from wfe_mcp.engine.approvals import decide as approvals
    from wfe_mcp.views import envelopes as answering
    from wfe_mcp.views.approval import open_approval

    engine, run = invocation.engine, invocation.at(run, phase)
    with _gates_again(invocation, run, phase):
        # The request is stored first: only an answer to it counts, and the log shows what was asked (design §7).
        asked = approvals.ask(engine, invocation.by, run, phase, sha256=sha256 or None, comment=comment)
    if asked.decided:
        invocation.render(run_outcome(engine, run, phase, f"Approved {phase}: this gate accepts any caller"))
        return
    shown = open_approval(engine, answering.standing_of(engine, run), phase)
    assert shown is not None, "a request has just been stored for it"
    if not invocation.screen.as_json:
        _show(invocation, phase, shown)
    if shown.assurance == "passkey":
        raise _at_page(invocation, phase, asked.request.id, shown)
    try:
        by = invocation.person(pin_fd, f"approve {phase}")
    except Refused as refused:
        refused.data |= {"request": asked.request.id, "asked": shown.data}
        raise
    with _gates_again(invocation, run, phase):
        approvals.decide(
            engine, by, run, phase, sha256=asked.request.sha256, comment=comment, phrase=phrase, request=asked.request.id
        )  # fmt: skip
    wait_for_gates(invocation, run, phase, asked.request.attempt)
    data: dict[str, Any] = {
        "approved": {key: shown.data[key] for key in shown.data if key != "content"} | {"by": by.actor}
    }
    what = f"Approved {phase}, {shown.data['artifact']} {shown.sha256[:12]}"
    invocation.render(run_outcome(engine, run, phase, what, data))


def _at_page(invocation: Invocation, phase: str, request: str, shown: "Open") -> Refused:
    """The refusal that names the page where a passkey signs."""
    from wfe_mcp.engine.approvals.decision_page import page_at

    url = page_at(invocation.engine, f"decide/{request}")
    at = f"Open {url}" if url else f"Run wfe-mcp ui in another terminal and open /decide/{request} of its address"
    data: dict[str, object] = {"request": request, "asked": shown.data}
    if url:
        data["url"] = url
    return Refused(
        "needs_human", f"Phase {phase!r} requires a passkey; a PIN is not enough.", f"{at}, and sign there.",
        data=data,
    )  # fmt: skip


@contextlib.contextmanager
def _gates_again(invocation: Invocation, run: str, phase: str) -> Generator[None]:
    """Run the gates of a stale revision again at once, so that the refusal says how they ended."""
    from wfe_mcp.cli.terminal.waiting import wait_for_gates
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.views.envelopes import standing_of

    try:
        yield
    except Refused as refused:
        if refused.code == "stale_revision":
            number = standing_of(invocation.engine, run).loaded.state.current(PhasePath(phase)).number
            wait_for_gates(invocation, run, phase, number)
        raise


def _show(invocation: Invocation, phase: str, shown: "Open") -> None:
    """Show exactly what the approval would cover."""
    import json

    from wfe_mcp.cli.terminal.render import verdict_row

    screen, data, record = invocation.screen, shown.data, invocation.record(invocation.run)
    assert record is not None, "its request is open"
    screen.line(f'Approve {phase} of "{record.title}" ({record.id}, attempt {data["attempt"]})?', "bold")
    unusual = [
        f"{gate} gate skipped: {why}" for gate, state, why in map(verdict_row, data["verdicts"]) if state == "skipped"
    ]
    if data.get("checks_changed"):
        unusual.append(f"changed since the start, and defines the checks: {', '.join(data['checks_changed'])}")
    if data.get("cancelled_before"):
        unusual.append(f"cancelled before this run: {', '.join(data['cancelled_before'])}")
    if data.get("own_configuration_changed"):
        unusual.append(f"changed since your last wfe-mcp trust: {data['own_configuration_changed']}")
    if data.get("templates_enabled"):
        unusual.append(f"re-enabled since your last wfe-mcp trust: {', '.join(data['templates_enabled'])}")
    if unusual:
        screen.line("UNUSUAL", "bold")
        for text in unusual:
            screen.line(f"  ! {text}", "yellow")
    screen.line(f"ARTIFACT {data['artifact']}, revision {data['revision']}, sha256 {shown.sha256}", "bold")
    if "content" in data:
        text = json.dumps(data["content"], indent=2, ensure_ascii=False)
        screen.line(
            text[:_SHOWN_CHARS]
            + (f"\n… the rest: wfe-mcp artifact show {record.id} {phase}" if len(text) > _SHOWN_CHARS else "")
        )
    screen.line(f"EVIDENCE of template {data['template']}", "bold")
    screen.table((), [verdict_row(verdict) for verdict in data["verdicts"]], "  ")
    if shown.phrase:
        screen.line(f"This gate asks for the phrase: {shown.phrase}")
    screen.flush()
