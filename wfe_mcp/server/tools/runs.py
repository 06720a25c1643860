"""The tools that start, show, control and roll back runs, and start, retry and skip their phases."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.moves.envelope import Envelope


async def start_run(
    call: ToolRequest,
    template: Annotated[str, Field(description="default: the project's default template")] = "",
    inputs: dict[str, Any] | None = None,
    title: Annotated[str, Field(description="what it is about")] = "",
    driver: Annotated[str, Field(description="role that works the phases; default: you")] = "",
    auto: Annotated[bool | None, Field(description="false: stop after every phase")] = None,
    idempotency_key: str = "",
) -> Envelope:
    """Start a new workflow run from a template. Use when the user asks to start planned, reviewed or tested work. The
    same idempotency_key returns the same run.
    """
    return await call.answer(
        views.starting.start_run,
        template=template,
        inputs=inputs,
        title=title,
        driver=driver,
        auto=auto,
        idempotency_key=idempotency_key,
    )


async def status(
    call: ToolRequest,
    run: str = "",
    wait_s: Annotated[int, Field(ge=0, le=45)] = 0,
    detail: Literal["brief", "full", "project"] = "brief",
) -> Envelope:
    """The state of a run, what it waits for, what to call next. Use first in a session, when unsure, or to wait: wait_s
    long-polls. Without run: the open runs; project: what it is.
    """
    if wait_s and not run and detail != "project":  # the one run that is open is meant; of several none
        run = (await call.answer(views.reading.status)).run or ""
    before = await call.place.in_thread(partial(views.envelopes.moment, call.engine, run)) if wait_s and run else None
    envelope = await call.answer(views.reading.status, run=run, detail=detail)
    if before is None or envelope.run is None:
        return envelope

    def is_over() -> bool:
        return views.envelopes.has_moved(call.engine, before) or not views.envelopes.sleeps(call.engine, run)

    has_changed = await call.until(is_over, wait_s, f"Waiting for the {envelope.waiting_on}. {envelope.summary}")
    return await call.answer(views.reading.status, run=run, detail=detail) if has_changed else envelope


async def control_run(
    call: ToolRequest,
    run: str,
    action: Literal["pause", "resume", "cancel", "proceed", "auto_on", "auto_off", "checkpoint"],
    phase: str = "",
    reason: str = "",
) -> Envelope:
    """Pause, resume or cancel a run; proceed after a completed phase; switch automatic mode; take a
    checkpoint.
    """
    if action == "checkpoint":
        return await call.answer(views.rollback.checkpoint, run=run, note=reason)
    return await call.answer(views.tool_answers.control_run, run=run, action=action, phase=phase, reason=reason)


async def start_phase(call: ToolRequest, run: str, phase: str = "") -> Envelope:
    """Claim the next ready phase before working on it. Returns prompt, output schema, inputs, gates, feedback,
    deadline. Safe to repeat: returns the prompt again.
    """
    return await call.answer(views.tool_answers.start_phase, run=run, phase=phase)


async def retry_phase(
    call: ToolRequest,
    run: str,
    phase: str,
    role: Annotated[str, Field(description="another model: a configured role, or client (you)")] = "",
    feedback: str = "",
) -> Envelope:
    """Open a new attempt of a failed, running or completed phase, with feedback for it."""
    return await call.answer(views.tool_answers.retry_phase, run=run, phase=phase, role=role, feedback=feedback)


async def skip_phase(call: ToolRequest, run: str, phase: str, reason: str) -> Envelope:
    """Skip an optional phase, with a reason; where the template requires it, asks the user."""
    return await call.answer(views.tool_answers.skip_phase, run=run, phase=phase, reason=reason)


async def rollback(
    call: ToolRequest,
    run: str,
    to: Annotated[str, Field(description="cp-12, or a phase: its last start")],
    files: Annotated[bool, Field(description="false: state only")] = True,
) -> Envelope:
    """Roll back (restore, revert, undo) run and files to a checkpoint when work went wrong. Unrecorded changes are
    kept; reversing the user's decision needs the user.
    """
    return await call.answer(views.rollback.go_back, run=run, to=to, files=files)
