"""What a bridge asks besides calls of tools: who it is, that it has what was given back, and the refs of its files.

GET  /bridge     the token's name, its project, the version of the bridge
POST /bridge     {"seen": COMMIT}: the developer has this snapshot of the work folder

Git, for the tokens of agents (``agents_grant``): push below ``refs/wfe/bridge/NAME/in``, fetch all below ``refs/wfe/bridge/NAME``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wfe_mcp.core.bridge import PROTOCOL
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.service import GitGrant

if TYPE_CHECKING:
    from starlette.requests import Request

    from wfe_mcp.dashboard.api.access import Access

_STATUS = {"unauthorized": 401, "forbidden": 403, "unavailable": 503}


def bridge_routes(access: Access) -> list[Route]:
    """The paths of the bridge, for the tokens of ``access``."""

    async def bridge(request: Request) -> Response:
        header, seen = request.headers.get("authorization", ""), ""
        if request.method == "POST":
            with suppress(ValueError, TypeError, KeyError):
                seen = str((await request.json())["seen"])
        try:
            answer = await run_in_threadpool(_answer, access, header, seen)
        except Refused as refused:
            error = {"code": refused.code, "message": refused.message, "hint": refused.hint}
            return JSONResponse({"error": error}, _STATUS.get(refused.code, 400), {"wfe-bridge": PROTOCOL})
        return JSONResponse(answer, headers={"wfe-bridge": PROTOCOL})

    return [Route("/bridge", bridge, methods=["GET", "POST"])]


def agents_grant(access: Access, header: str, project: str) -> GitGrant:
    """What an agent's token opens of the repository of ``project``. Refuses ``unauthorized`` and ``forbidden``."""
    from wfe_mcp.engine.bridge.folders import refs_of

    token = access.sender(header).token
    if token.project != project:
        raise Refused("forbidden", f"The token {token.name!r} is for another project.", "Use its own.")
    folder = access.folder_of(token)
    own = refs_of(token.name)
    return GitGrant(folder.engine.root, (own,), f"{own}/in")


def _answer(access: Access, header: str, seen: str) -> dict[str, str]:
    token = access.sender(header).token
    folder = access.folder_of(token)
    if seen:
        folder.acknowledge(seen)
    return {"bridge": PROTOCOL, "token": token.name, "project": token.project}
