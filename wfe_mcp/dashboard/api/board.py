"""The operation that shows the runs of a template by phase."""

from contextlib import suppress

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import shown
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.views.board import BoardView, board
from wfe_mcp.views.envelopes import overview_of

router = APIRouter(tags=["runs"])

_MOST = 100


@router.get("/board", response_model=answer_of(BoardView))
def show_board(caller: Reads, template: str, project: str = "") -> JSONResponse:
    """The newest runs of a template, by the phase that each is at; of a project, or of every one that the token opens."""
    wanted = project or caller.token.project
    engine = caller.engine(wanted)
    with engine.store.read() as tx:
        page = tx.runs.page(wanted or None, template, limit=_MOST, archived=False)
    found = list[Overview]()
    for run in page.runs:
        with suppress(Refused):  # it was removed meanwhile, or its folder is gone
            found.append(overview_of(caller.engine(run.project_id), run.id))
    return shown(f"{template}: {plural(len(found), 'run')}", board(template, found))
