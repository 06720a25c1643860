"""The routes of a project's passkeys; what they do is in ``approvers.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import json_no, not_ours, status_of, unknown
from wfe_mcp.dashboard.approvers_page import approvers_page
from wfe_mcp.dashboard.fields import Notice, refuse_pin
from wfe_mcp.dashboard.guard import SCRIPTED
from wfe_mcp.views.approvers import pinned_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from wfe_mcp.dashboard.approvers import Approvers
    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.dashboard.sessions import Sessions
    from wfe_mcp.engine.kernel.engine import Engine


@dataclass(frozen=True, slots=True)
class ApproverPages:
    """The handlers of the three routes."""

    engines: Engines
    sessions: Sessions
    approvers: Approvers
    asks_pin: bool = True

    def show(self, request: Request, session: str) -> Response:
        """The pinned keys, and forms to change them."""
        engine = self._project(request)
        return unknown() if engine is None else self._shown(engine, request, session)

    def ask(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """What the browser does next to add or remove a key."""
        engine, do, step = self._project(request), request.path_params["do"], request.path_params["step"]
        if (
            engine is None
            or do not in {"add", "remove"}
            or not self.sessions.accepts(session, f"{do} {engine.project_id}", form)
        ):
            return json_no("This browser was not shown this form. Reload the page.", 403)
        if step == "key":
            return JSONResponse(self.approvers.make(engine, form, session))
        return JSONResponse(self.approvers.ask(engine, do, form, session))

    def change(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Add or remove a key."""
        engine, do = self._project(request), request.path_params["do"]
        if engine is None or do not in {"add", "remove"}:
            return unknown()
        if not self.sessions.accepts(session, f"{do} {engine.project_id}", form):
            return not_ours()
        try:
            self.approvers.change(engine, do, form, session)
        except Refused as refused:
            notice = Notice("no", f"Nothing has changed. {refused.message} {refused.hint}")
            return self._shown(engine, request, session, notice, status_of(refused))
        return RedirectResponse(f"{request.url.path.rpartition('/')[0]}?{request.url.query}", 303)

    def _project(self, request: Request) -> Engine | None:
        refuse_pin(asks_pin=self.asks_pin)
        return self.engines.of_project(request.path_params["project"], request.query_params.get("in", ""))

    def _shown(
        self, engine: Engine, request: Request, session: str, notice: Notice | None = None, status: int = 200
    ) -> Response:
        tokens = {do: self.sessions.token(session, f"{do} {engine.project_id}") for do in ("add", "remove")}
        page = approvers_page(pinned_view(engine), tokens, request.query_params.get("name", ""), notice)
        return HTMLResponse(page, status, headers=SCRIPTED)
