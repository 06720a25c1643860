"""The tool for second opinions of other models."""

from functools import partial
from typing import Annotated

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.envelope import Envelope


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
    found = await call.answer(views.opinions.asked, run=run, phase=phase, question=question, reviewers=reviewers)
    job = views.opinions.waited_for(found)
    if job is None or not wait_s:
        return found
    await call.until(
        partial(views.opinions.is_done, call.engine, job), wait_s, "The reviewers have been asked and are answering."
    )
    return await call.place.in_thread(partial(views.opinions.answered, call.engine, job, question))
