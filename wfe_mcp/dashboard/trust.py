"""Trust on the page.

    GET  /trust/<project>?in=<folder>     every effect that needs trust there, as a difference to what was trusted last
    POST /trust/<project>?in=<folder>     with the PIN: trust what is ticked

Rules:
1. Only on a page that the user opened, and after the PIN: configuration names programs and addresses.
2. The signature covers what was shown, and is the one of ``wfe-mcp trust``. Other bytes are ``stale_revision``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse, Response

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import status_of
from wfe_mcp.dashboard.fields import Notice, refuse_pin
from wfe_mcp.dashboard.pages import login_page
from wfe_mcp.dashboard.trust_page import ITEM, trust_page
from wfe_mcp.engine.approvals import pin as pins
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.views.trust import trust_path, trust_view, trusted_listings
from wfe_mcp.workspace.system.user import user_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.requests import Request

    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.dashboard.sessions import Sessions
    from wfe_mcp.engine.kernel.engine import Engine

MOST_FIELDS = 2_000


@dataclass(frozen=True, slots=True)
class Trusting:
    """The handlers of the two routes."""

    engines: Engines
    sessions: Sessions
    asks_pin: bool = True

    def show(self, request: Request, session: str) -> Response:
        """The page; first the PIN."""
        engine = self._engine(request)
        if not self.sessions.is_open(session):
            return HTMLResponse(login_page(self.sessions.token(session, "login"), to=f"/{trust_path(engine)}"))
        return self._shown(engine, session)

    def take(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Trust what is ticked; a refusal shows the page again."""
        engine = self._engine(request)
        self.sessions.expect(session, _name(engine), form, "trusted")
        names = [field.removeprefix(ITEM) for field in form if field.startswith(ITEM)]
        try:
            _trust(engine, form, names)
        except Refused as refused:
            if not self.sessions.is_open(session):
                raise
            return self._shown(engine, session, refused, names)
        return RedirectResponse(f"/{trust_path(engine)}", 303)

    def _engine(self, request: Request) -> Engine:
        refuse_pin(asks_pin=self.asks_pin)
        engine = self.engines.of_project(request.path_params["project"], request.query_params.get("in", ""))
        if engine is None:
            raise Refused("bad_argument", "This database has no such project.", "Open it from the inbox.")
        return engine

    def _shown(
        self, engine: Engine, session: str, refused: Refused | None = None, chosen: Collection[str] | None = None
    ) -> Response:
        notice = None
        if refused is not None:
            notice = Notice("no", f"Nothing was trusted. {refused.message} {refused.hint}".strip())
            chosen = None if refused.code == "stale_revision" else chosen
        page = trust_page(
            trust_view(engine),
            trusted_listings(engine),
            self.sessions.token(session, _name(engine)),
            f"/{trust_path(engine)}",
            notice,
            chosen,
        )
        return HTMLResponse(page, status_of(refused) if refused is not None else 200)


def _trust(engine: Engine, form: Mapping[str, str], names: list[str]) -> None:
    view = trust_view(engine)
    if form.get("shown") != view.sha256:
        raise Refused("stale_revision", "What this page shows has changed since you opened it.", "Review it again.")
    if not names:
        raise Refused("bad_argument", "Nothing is ticked.", "Tick what you trust.")
    by = pins.person_at_page(engine, form.get("pin", ""), user_name())
    give_trust(engine, by, names, view.shown, seen=view.sha256)


def _name(engine: Engine) -> str:
    return f"trust {engine.project_id} {engine.root}"
