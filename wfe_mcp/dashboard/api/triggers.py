"""Operations on what starts templates besides people and clients; and where other systems send their messages."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import Request

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import reply, shown
from wfe_mcp.engine.triggers.incoming import MOST_BYTES, receive, refuse
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.project.triggers import StartedView, TriggersView, triggers_view

if TYPE_CHECKING:
    from wfe_mcp.dashboard.api.access import Access

router = APIRouter(tags=["triggers"])

_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
_HEADERS = [
    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
]


@router.get("/triggers", response_model=answer_of(TriggersView))
def show_triggers(caller: Reads, project: str = "") -> JSONResponse:
    """What starts templates in a project: signed messages of other systems, and times; never a secret."""
    view = triggers_view(caller.engine(project))
    return shown(f"{len(view.incoming)} incoming, {plural(len(view.schedules), 'schedule')}", view)


@router.post(
    "/incoming/{name}",
    response_model=answer_of(StartedView),
    openapi_extra={**_BODY, "parameters": _HEADERS, "security": []},
)
async def receive_message(request: Request, name: str, project: str = "") -> JSONResponse:
    """Start the template that trusted configuration names for this system. The signature (Standard Webhooks) is the only access.

    The same `webhook-id` again starts nothing and is answered with the same run.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            why = f"A message is at most {MOST_BYTES:,} bytes."
            raise Refused("too_large", why, "Send what names the change, and let the run read the rest.")
    return await run_in_threadpool(_started, request.state.access, name, project, dict(request.headers), body)


def _started(access: "Access", name: str, project: str, headers: dict[str, str], body: bytes) -> JSONResponse:
    engine = access.engine_of_senders(project)
    if engine is None:
        refuse()
    run = receive(engine, name, headers, body).record
    access.work(engine)
    return reply(
        Envelope(
            True, run=run.id, summary=f"Run {run.id} of {run.template} is started.", view=StartedView(started=run.id)
        )
    )
