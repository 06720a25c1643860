"""Operations on environments: what runs where, and the deployments."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import view_reply
from wfe_mcp.views.runs.deployments import Deployments, deployments_view

router = APIRouter()


@router.get("/environments", response_model=answer_of(Deployments), tags=["environments"])
def list_environments(caller: Reads, project: str = "", environment: str = "") -> JSONResponse:
    """What runs in each environment, its health, and the deployments, the newest first."""
    view = deployments_view(caller.engine(project), environment)
    return view_reply(f"{plural(len(view.environments), 'environment')}", view)
