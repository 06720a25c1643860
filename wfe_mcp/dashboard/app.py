"""The routes of the decision page.

    GET  /                     the open requests, after the PIN was entered      POST /    enter the PIN
    GET  /decide/<request>     one request: its link cannot be guessed, and decides nothing; to the user's own page while one runs
    POST /decide/<request>/approve | reject       with the PIN: a decision, once
    POST /decide/<request>/approve | reject /sign          what a passkey must sign, for a decision without a PIN
    GET  /whole/<request>      the whole prompt or artifact of a request, as plain text
    GET  /diff/<request>       its change as plain text; ?since=1: since the last approval, &file=2: of one file
    GET  /attachment/<request>/<number>           a file attached to the attempt
    /edit/<request>            a form that edits what a request asks about (``edits.py``)
    /opinion/<run>/<reviewer>  a question to a person who reviews, and a form that answers it (``opinions.py``)
    /trust/<project>           what needs trust, and a form that trusts it (``trust.py``)
    /approvers/<project>       the pinned passkeys of a project (``approvers_routes.py``)
    /security                  SECURITY.md as this installation brings it, each row of its table at an address of its own
    /app/, /open/<page>        the browser application, and the links that lead to it (``application.py``)
    /api/v1/…                  the HTTP API (``api/``), loaded with its first request

Rules:
1. A decision needs, in this order: a form of this page (token), a request that takes an answer, the PIN or a passkey.
2. A decision is for the content that was shown: request and sha256 are sent, and any other is ``stale_revision``.
3. After a decision the browser is redirected (303): a reload sends nothing twice.
"""

import re
from collections.abc import Callable, Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.texts import MARK
from wfe_mcp.dashboard.answers import json_no, not_ours, page_no, person_in, refusal_of_crash, status_of
from wfe_mcp.dashboard.application import application, open_link
from wfe_mcp.dashboard.approvers import ApproverPages, Approvers
from wfe_mcp.dashboard.decision_routes import DecisionPages, Form, log, page_routes
from wfe_mcp.dashboard.edits import MOST_FORM_BYTES, Edits
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.fields import NO_PIN, Notice, refuse_pin
from wfe_mcp.dashboard.guard import App, Guard
from wfe_mcp.dashboard.html import Html, document, tag
from wfe_mcp.dashboard.opinions import Opinions, Overruling
from wfe_mcp.dashboard.pages import everything_waiting, login_page, plain_page, requests_page
from wfe_mcp.dashboard.prose import article, spans
from wfe_mcp.dashboard.sessions import Challenges, Sessions
from wfe_mcp.dashboard.trust_page import MOST_FIELDS, Trusting
from wfe_mcp.engine.access.tokens import sender
from wfe_mcp.engine.approvals.decision_page import address, living_page
from wfe_mcp.engine.approvals.passkeys import Site
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.views.values import markdown as md
from wfe_mcp.workspace.system.process import user_name

_AFTER_PIN = ("/trust/", "/opinion/")
"""Pages that ask for the PIN first, besides the list."""
_DECISION = re.compile(r"/((?:open/)?decide/[A-Za-z0-9_-]+)")


def decision_app(
    engines: Engines,
    port: int,
    visited: Callable[[], object] = lambda: None,
    *,
    api: App,
    asks_pin: bool = True,
    others: Collection[int] = (),
) -> App:
    """The whole page behind its guard. ``visited`` is called for every request that the guard accepts; ``api``: the HTTP API.

    ``asks_pin``: the user opened this page by a command. Else it shows requests, takes passkeys and never takes a PIN.
    ``others``: ports at which it listens too, and that lead to ``port``.
    """
    page = _Page(engines, port, visited, asks_pin=asks_pin)
    routes = [
        page.get("/", page.requests),
        page.post("/", page.login),
        page.post("/ask", page.ask),
        page.get("/security", security),
        page.get("/app", application),
        page.get("/app/", application),
        page.get("/open/{page:path}", page.open_link),
        page.get("/edit/{request}", page.edits.show),
        page.post("/edit/{request}", page.edits.save, most_bytes=MOST_FORM_BYTES),
        page.post("/overrule/{run}", page.overruling.take),
        page.get("/opinion/{run}/{reviewer}", page.opinions.show),
        page.post("/opinion/{run}/{reviewer}", page.opinions.take, most_bytes=MOST_FORM_BYTES),
        page.get("/trust/{project}", page.trusting.show),
        page.post("/trust/{project}", page.trusting.take, most_fields=MOST_FIELDS),
        page.get("/approvers/{project}", page.approvers.show),
        page.post("/approvers/{project}/{do:str}", page.approvers.change),
        page.post("/approvers/{project}/{do:str}/{step:str}", page.approvers.ask, json_no),
        *page_routes(page),
        Mount("/api/v1", api),
    ]
    return Guard(Starlette(routes=routes), port, *others)


class _Page(DecisionPages):
    """The pages of this machine: a browser's cookie is no login, and the PIN or a passkey decides."""

    def __init__(self, engines: Engines, port: int, visited: Callable[[], object], *, asks_pin: bool) -> None:
        challenges, site = Challenges(), Site.here(port)
        super().__init__(engines, Sessions(), challenges, site, asks_pin=asks_pin)
        shared = (self._desks, self._sessions, asks_pin)
        self.edits, self.overruling = Edits(*shared), Overruling(*shared)
        self.trusting, self.opinions = Trusting(*shared), Opinions(*shared)
        self.approvers = ApproverPages(*shared, Approvers(challenges, site))
        self._cookie, self._note, self._port = f"wfe_ui_{port}", visited, port

    def _record_visit(self) -> None:
        self._note()

    async def _perform(
        self, request: Request, make: Callable[[str], Response], no: Callable[[str, int], Response] = page_no
    ) -> Response:
        session = request.cookies.get(self._cookie, "")
        known, session = bool(session), session or self._sessions.new()
        try:
            response = await run_in_threadpool(self._way, request) or await run_in_threadpool(make, session)
        except Refused as refused:
            response = no(f"{refused.message} {for_person(refused.hint)}", status_of(refused))
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            refused = refusal_of_crash()
            response = no(f"{refused.message} {for_person(refused.hint)}", status_of(refused))
        if not known and "set-cookie" not in response.headers:
            response.set_cookie(self._cookie, session, httponly=True, samesite="strict")
        return response

    def _way(self, request: Request) -> Response | None:
        """The way to the user's own page: from its other port, and from a page that a server started."""
        match = _DECISION.match(request.url.path)
        if self._asks_pin:
            own = self._port if request.url.port != self._port else None
        else:
            is_asked = request.method == "GET" and (match is not None or request.url.path == "/")
            own = living_page(self._desks.engine, opened=True) if is_asked else None
        return None if own is None else RedirectResponse(address(own, match[1] if match else ""), 303)

    def open_link(self, request: Request, session: str) -> Response:
        """A link. A page that takes no PIN shows a decision without a script."""
        match = _DECISION.fullmatch(request.url.path)
        if match and not self._asks_pin:
            return RedirectResponse(f"/{match[1].removeprefix('open/')}", 303)
        return open_link(request, session)

    def requests(self, request: Request, session: str) -> Response:
        """The open requests; first the PIN."""
        del request
        if not self._asks_pin:
            return HTMLResponse(plain_page("This page takes no PIN", NO_PIN))
        if not self._sessions.is_open(session):
            return HTMLResponse(login_page(self._sessions.token(session, "login")))
        runs = self._desks.open_runs()
        token, forms = self._sessions.token(session, "ask"), self.overruling.forms(runs, session)
        return HTMLResponse(requests_page(everything_waiting(self._desks), runs, token, forms))

    def ask(self, request: Request, form: Form, session: str) -> Response:
        """Ask for an approval that no agent has asked for, and go on to its decision."""
        del request
        engine = self._desks.of_run(form.get("run", ""))
        if engine is None or not (self._sessions.is_open(session) and self._sessions.accepts(session, "ask", form)):
            return not_ours()
        answer = ask_approval(engine, sender(user_name()), form["run"], form.get("phase", ""))
        return RedirectResponse(f"/decide/{answer.data['request']}" if answer.error else "/", 303)

    def login(self, request: Request, form: Form, session: str) -> Response:
        """Check the PIN; afterwards this browser sees the list."""
        if not self._sessions.accepts(session, "login", form):
            return not_ours()
        refuse_pin(asks_pin=self._asks_pin)
        to = form.get("to", "/")
        to = to if to.startswith(_AFTER_PIN) else "/"
        try:
            person_in(self._desks.engine, form)
        except Refused as refused:
            token = self._sessions.token(session, "login")
            return HTMLResponse(login_page(token, Notice("no", refused.message), to), status_of(refused))
        fresh = self._sessions.new()  # who knew the name of the session before the PIN knows nothing after it
        self._sessions.open(fresh)
        answer = RedirectResponse(to, 303)
        answer.set_cookie(self._cookie, fresh, httponly=True, samesite="strict")
        return answer


_PACKAGE = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\[([^]]*)]\([^)]*\)")


def security(request: Request, session: str) -> Response:
    """The page ``/security``, for every caller: it says nothing about a project.

    What its links lead to is in the repository, not in an installation, so they are text here.
    """
    del request, session
    file = next(path for path in (_PACKAGE / "SECURITY.md", _PACKAGE.parent / "SECURITY.md") if path.is_file())
    text = file.read_text(encoding="utf-8").partition("\n")[2].replace(MARK, "U+2756")
    blocks = md.parse_blocks(_LINK.sub(r"\1", text))
    shown = (_rows(block) if isinstance(block, md.Grid) else article([block]) for block in blocks)
    return HTMLResponse(document("Security", tag("h1", "Security"), *shown))


def _rows(grid: md.Grid) -> Html:
    head = tag("thead", tag("tr", *(tag("th", *spans(cell)) for cell in grid.header)))
    rows = [tag("tr", *(tag("td", *spans(cell)) for cell in row), id=_row_name(row[0])) for row in grid.rows]
    return tag("article", tag("table", head, tag("tbody", *rows)), class_="prose")


def _row_name(cell: tuple[md.Span, ...]) -> str:
    words = "".join(span.text for span in cell).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
