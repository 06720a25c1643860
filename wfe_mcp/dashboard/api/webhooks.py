"""Operations on webhooks: the receivers of a project, what was sent to them, and sending it again."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads, Works
from wfe_mcp.dashboard.api.bodies import OfProject
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import shown
from wfe_mcp.engine.webhooks.deliveries import redeliver
from wfe_mcp.views.project.webhooks import WebhooksView, webhooks_view

router = APIRouter(tags=["webhooks"])


class Redelivery(OfProject):
    """What to send again: deliveries by their ids; ``failed``: all that were given up."""

    deliveries: list[str] = Field(default_factory=list[str], max_length=1000)
    failed: bool = False


@router.get("/webhooks", response_model=answer_of(WebhooksView))
def show_webhooks(caller: Reads, project: str = "") -> JSONResponse:
    """The webhooks of a project, and their newest deliveries; never a secret."""
    view = webhooks_view(caller.engine(project))
    return shown(plural(len(view.webhooks), "webhook"), view)


@router.post("/webhooks/redeliver", response_model=answer_of(WebhooksView))
def redeliver_webhooks(caller: Works, body: Redelivery) -> JSONResponse:
    """Send events once more, under their first ids: deliveries by name, or all that were given up."""
    engine = caller.works(caller.engine(body.project))
    made = redeliver(engine, body.deliveries, failed=body.failed)
    return shown(f"Enqueued {plural(len(made), 'delivery', 'deliveries')} again", webhooks_view(engine))
