"""The tool for full-text search."""

from functools import partial
from typing import Annotated, Literal

import anyio
from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.envelope import Envelope

STEP_S, PAUSE_S = 0.2, 0.1


async def find(
    call: ToolRequest,
    query: Annotated[str, Field(description='words, "a phrase", pre*; OR, NOT')],
    kind: Literal["run", "artifact", "event", "decision", "finding", "blocker", "attachment", "work_item"]
    | None = None,
    run: str = "",
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
    cursor: str = "",
) -> Envelope:
    """Full-text search of this project's history: runs, artifacts, events, decisions, findings."""
    answer = await call.answer(views.find.found, query=query, kind=kind or "", run=run, limit=limit, cursor=cursor)
    if isinstance(answer.view, views.find.FoundView) and answer.view.not_indexed:
        call.background(partial(_index_the_rest, call))
    return answer


async def _index_the_rest(call: ToolRequest) -> None:
    """Index runs that are older than the index, in the background, in small steps."""
    from wfe_mcp.engine.search.finding import catch_up  # it loads SQL

    while await call.place.in_thread(partial(catch_up, call.engine, within_s=STEP_S)) == "more":  # noqa: ASYNC110 - its own pace, no signal
        await anyio.sleep(PAUSE_S)
