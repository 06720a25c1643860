"""The tool about work items."""

from typing import Annotated, Any, Literal

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.moves.envelope import Envelope


async def work(
    call: ToolRequest,
    action: Literal["list", "show", "add", "change", "next"],
    kind: Annotated[str, Field(description="milestone task bug finding requirement idea threat decision claim")] = "",
    status: Annotated[
        str, Field(description="idea planned ready active blocked done dropped; change to active starts a run for it")
    ] = "",
    id: str = "",
    item: Annotated[
        dict[str, Any] | None,
        Field(
            description="title body priority(1-10) parent needs scopes criteria tags tests attach(paths); blocked: reason"
        ),
    ] = None,
    cursor: str = "",
) -> Envelope:
    """Work items of this project: backlog, tasks, bugs, requirements, architecture decisions. Use to plan, or to find what
    to work on next. Done follows from a completed run.
    """
    return await call.answer(
        views.work_items.work, action=action, kind=kind, status=status, id=id, item=item, cursor=cursor
    )
