"""The tool for rollbacks."""

from typing import Annotated

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.envelope import Envelope


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
