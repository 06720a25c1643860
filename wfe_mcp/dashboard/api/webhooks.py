"""Operations on webhooks: the receivers of a project, what was sent to them, and sending it again; what starts runs here; notifications."""

import time

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.requests import Request

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Access, Reads, Works
from wfe_mcp.dashboard.api.bodies import OfProject
from wfe_mcp.dashboard.api.replies import answer_of, reader_is_person, reply, view_reply
from wfe_mcp.engine.triggers.incoming import MOST_BYTES, receive, refuse
from wfe_mcp.engine.webhooks.deliveries import WebhookDelivery, redeliver
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.project.notifications import (
    NotificationsView,
    NotificationTest,
    notification_test,
    notifications_view,
)
from wfe_mcp.views.project.webhooks import (
    StartedView,
    TriggersView,
    WebhooksView,
    triggers_view,
    webhook_test,
    webhooks_view,
)

router = APIRouter(tags=["webhooks"])

_LOOK_S = 0.1
"""Between two looks at whether a test was sent."""

_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_HEADERS = [
    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
]


class Redelivery(OfProject):
    """What to send again: deliveries by their ids; ``failed``: all that were given up."""

    deliveries: list[str] = Field(default_factory=list[str], max_length=1000)
    failed: bool = False


@router.get("/webhooks", response_model=answer_of(WebhooksView))
def show_webhooks(caller: Reads, project: str = "") -> JSONResponse:
    """The webhooks of a project, and their newest deliveries; never a secret."""
    view = webhooks_view(caller.engine(project))
    return view_reply(plural(len(view.webhooks), "webhook"), view)


@router.post("/webhooks/redeliver", response_model=answer_of(WebhooksView))
def redeliver_webhooks(caller: Works, body: Redelivery) -> JSONResponse:
    """Send events once more, under their first ids: deliveries by name, or all that were given up."""
    engine = caller.works(body.project)
    again = redeliver(engine, body.deliveries, failed=body.failed)
    return view_reply(f"Enqueued {plural(len(again), 'delivery', 'deliveries')} again", webhooks_view(engine))


@router.post("/webhooks/{name}/test", response_model=answer_of(WebhookDelivery))
def test_webhook(caller: Works, name: str, body: OfProject) -> JSONResponse:
    """Send a test event to a webhook, once, and wait for its answer."""
    return reply(webhook_test(caller.works(body.project), name, lambda: time.sleep(_LOOK_S)))


@router.get("/notifications", response_model=answer_of(NotificationsView))
def show_notifications(caller: Reads, project: str = "") -> JSONResponse:
    """How the user is notified that they are needed, and why the last notification was not shown."""
    view = notifications_view(caller.engine(project))
    return view_reply(f"By {view.ways}" if view.ways else "No way is configured", view)


@router.post("/notifications/test", response_model=answer_of(NotificationTest))
def test_notifications(caller: Works, body: OfProject) -> JSONResponse:
    """Notify the user in each configured way, now; a terminal is not rung."""
    return reply(notification_test(caller.engine(body.project)))


@router.get("/triggers", response_model=answer_of(TriggersView))
def show_triggers(caller: Reads, project: str = "") -> JSONResponse:
    """What starts templates in a project: signed messages of other systems, and times; never a secret."""
    view = triggers_view(caller.engine(project))
    return view_reply(f"{len(view.incoming)} incoming, {plural(len(view.schedules), 'schedule')}", view)


@router.post(
    "/incoming/{name}",
    response_model=answer_of(StartedView),
    openapi_extra={**_BODY, "parameters": _HEADERS, "security": []},
)
async def receive_message(request: Request, name: str, project: str = "") -> JSONResponse:
    """Start the template that trusted configuration names for this system. The signature (Standard Webhooks) is the only access.

    The same `webhook-id` again starts nothing and is answered with the same run.
    """
    reader_is_person.set(True)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            why = f"A message is at most {MOST_BYTES:,} bytes."
            raise Refused("too_large", why, "Send what names the change, and let the run read the rest.")
    return await run_in_threadpool(_start_run, request.state.access, name, project, dict(request.headers), body)


def _start_run(access: Access, name: str, project: str, headers: dict[str, str], body: bytes) -> JSONResponse:
    engine = access.engine_of_senders(project)
    if engine is None:
        refuse()
    run = receive(engine, name, headers, body)
    access.workers.work(engine)
    return reply(Envelope(True, run=run, summary=f"Run {run} is started.", view=StartedView(started=run)))
