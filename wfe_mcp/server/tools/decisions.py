"""The tools that ask the user for approval, ask other models for an opinion, and withdraw a submission.

    a grant of the user approves: decided
    request stored ──► gate accepts an agent's approval: decided
                  ├──► client opens pages: the user decides on the page, with their PIN ──► status(wait_s) reports it
                  ├──► gate accepts a form, client shows forms: the user completes it ──► decided
                  └──► needs_human: the exact command for the user's own terminal, and the page's address

Rules:
1. The request is stored before the user is asked; an answer counts only for that stored request.
2. Decline, cancel, time-out, an empty accept and a client's error are no decision; nor is an opened page.
"""

from functools import partial
from typing import Annotated

from mcp_types import InputRequiredResult
from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.elicitation import ElicitedAnswer, answer_brought, ask_now, asked_in, later, report_decision
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.moves.envelope import Envelope

WATCH_S = 3600.0
"""How long a handshake client is notified of the decision on a page that it opened."""


async def approve(
    call: ToolRequest, run: str, phase: str, sha256: str = "", comment: str = ""
) -> Envelope | InputRequiredResult:
    """Ask the user to approve a submitted phase: you cannot. It uses their grant, opens a form, or returns needs_human with
    what they can do.
    """
    brought = None if call.place.is_remote else answer_brought(call.context)
    if brought is not None:
        return await _answer_settled(call, run, phase, brought)
    stored = await call.answer(
        views.approval_answers.ask_approval,
        run=run,
        phase=phase,
        sha256=sha256,
        comment=comment,
        starts_page=call.place.starts_page,
    )
    text = None if call.place.is_remote else asked_in(call.context, stored)
    if text is None:
        return stored
    if call.is_modern:
        return later(text)
    answered = await ask_now(call.context, text)
    if answered is not None and answered.on_page and answered.action == "accept":
        call.background(partial(_watch, call, answered.request))
    return stored if answered is None else await _answer_settled(call, run, phase, answered)


async def reject(call: ToolRequest, run: str, phase: str, feedback: str, to: str = "") -> Envelope:
    """Withdraw your own submission, with feedback; a new attempt opens."""
    return await call.answer(views.approval_answers.reject, run=run, phase=phase, feedback=feedback, to=to)


async def _answer_settled(call: ToolRequest, run: str, phase: str, answered: ElicitedAnswer) -> Envelope:
    if answered.on_page:
        return await call.answer(views.approval_answers.answer_page, run=run, phase=phase, request=answered.request)
    return await call.place.in_thread(
        partial(
            views.approval_answers.answer_form,
            call.engine,
            run,
            phase,
            answered.request,
            answered.action,
            answered.content,
        )
    )


async def _watch(call: ToolRequest, request: str) -> None:
    """Wait until the request is closed, then notify the client."""
    if await call.until(partial(views.approval_answers.is_closed, call.engine, request), WATCH_S):
        await report_decision(call.context, request)


async def second_opinion(
    call: ToolRequest,
    run: str = "",
    phase: str = "",
    question: str = "",
    reviewers: Annotated[
        list[str] | None, Field(description="configured roles; default: another vendor than you")
    ] = None,
    wait_s: Annotated[int, Field(ge=0, le=45)] = 20,
) -> Envelope:
    """Ask other models to review a phase's result, or any question. Advice: it never counts for a gate. The same call
    again waits for the answer.
    """
    envelope = await call.answer(
        views.opinions.ask_opinion, run=run, phase=phase, question=question, reviewers=reviewers
    )
    job = views.opinions.waited_for(envelope)
    if job is None or not wait_s:
        return envelope
    await call.until(
        partial(views.opinions.is_done, call.engine, job), wait_s, "The reviewers have been asked and are answering."
    )
    return await call.place.in_thread(partial(views.opinions.opinion_answer, call.engine, job, question))
