"""The operation that shows what waits for a person."""

from dataclasses import replace

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import shown
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.views.runs.requests import InboxView, inbox_lines

router = APIRouter(tags=["inbox"])


@router.get("/inbox", response_model=answer_of(InboxView))
def show_inbox(caller: Reads) -> JSONResponse:
    """What waits for a person in the projects that the token opens, each kind oldest first."""
    only = caller.engine() if caller.token.project else None
    view = everything_waiting(caller.access.engines_of(caller.token), only, caller.sees)
    if caller.login is not None:
        mine = caller.decides_in()
        view = replace(view, decisions=tuple(sorted(view.decisions, key=lambda each: each.project not in mine)))
    return shown(f"{plural(len(inbox_lines(view)), 'thing')} for a person", view)
