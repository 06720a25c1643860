"""How is a person asked, and what may an agent take back?

    request stored ──► gate takes an agent's word: decided
                  ├──► gate takes a form, client shows forms: the person fills it in ──► decided
                  └──► needs_human: the exact command for a terminal of the person's own

Rules:
1. The request is stored before anybody is asked; what the form brings counts only for that stored request.
2. Decline, cancel, time-out, an empty accept and a client's error are no decision.
"""

from functools import partial

from mcp_types import InputRequiredResult

from wfe_mcp.server.call import Call
from wfe_mcp.server.elicitation import Answered, answer_brought, ask_now, asked_in, later, shows_forms
from wfe_mcp.views import answers
from wfe_mcp.views.envelope import Envelope

__all__ = ["approve", "reject"]


async def approve(
    call: Call, run: str, phase: str, sha256: str = "", comment: str = ""
) -> Envelope | InputRequiredResult:
    """Ask the human to approve a submitted phase. You cannot approve for a human: it opens a form, or answers
    needs_human with what the user can do.
    """
    brought = answer_brought(call.context)
    if brought is not None:
        return await _settled(call, run, phase, brought)
    stored = await call.answer(answers.ask_approval, run=run, phase=phase, sha256=sha256, comment=comment)
    asked = asked_in(stored)
    if asked is None or not shows_forms(call.context):
        return stored
    if call.is_modern:
        return later(asked)
    answered = await ask_now(call.context, asked)
    return stored if answered is None else await _settled(call, run, phase, answered)


async def reject(call: Call, run: str, phase: str, feedback: str, to: str = "") -> Envelope:
    """Withdraw your own submission, with feedback; a new attempt opens."""
    return await call.answer(answers.reject, run=run, phase=phase, feedback=feedback, to=to)


async def _settled(call: Call, run: str, phase: str, answered: Answered) -> Envelope:
    return await call.place.in_thread(
        partial(answers.answer_form, call.engine, run, phase, answered.request, answered.action, answered.content)
    )
