"""The tools that start, retry and skip phases."""

from typing import Annotated

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.envelope import Envelope


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
