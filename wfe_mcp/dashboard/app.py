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
    /app/, /open/<page>        the browser application, and the links that lead to it (``application.py``)
    /api/v1/…                  the HTTP API (``api/``), loaded with its first request

Rules:
1. A decision needs, in this order: a form of this page (token), a request that takes an answer, the PIN or a passkey.
2. A decision is for the content that was shown: request and sha256 are sent, and any other is ``stale_revision``.
3. After a decision the browser is redirected (303): a reload sends nothing twice.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.dashboard.answers import NOT_OURS, json_no, not_ours, page_no, person_in, status_of, unknown
from wfe_mcp.dashboard.application import application, opened
from wfe_mcp.dashboard.approvers import ApproverPages, Approvers
from wfe_mcp.dashboard.comment_fields import ADD
from wfe_mcp.dashboard.contents import Contents
from wfe_mcp.dashboard.deciding import Answer, Signing, changed_files, comment_in, record_answer, refuse_unseen
from wfe_mcp.dashboard.decision_page import decision_page
from wfe_mcp.dashboard.edits import MOST_FORM_BYTES, Edits
from wfe_mcp.dashboard.engines import Engines, needs_trust
from wfe_mcp.dashboard.fields import NO_PIN, Notice, refuse_pin
from wfe_mcp.dashboard.guard import SCRIPTED, App, Guard
from wfe_mcp.dashboard.opinions import Opinions, Overruling
from wfe_mcp.dashboard.pages import everything_waiting, login_page, plain_page, requests_page
from wfe_mcp.dashboard.security_page import security
from wfe_mcp.dashboard.sessions import Challenges, Sessions
from wfe_mcp.dashboard.trust_page import MOST_FIELDS, Trusting
from wfe_mcp.engine.approvals.decision_page import address, living_page
from wfe_mcp.engine.approvals.passkeys import Site
from wfe_mcp.engine.evaluation.check_again import check_again, failed_again
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.answers import MOST_COMMENTS
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.runs.requests import WaitingTrust

MAX_FORM_BYTES = 64_000
MAX_FIELDS = 20
COMMENTED_FIELDS = MAX_FIELDS + MOST_COMMENTS
"""Of a form with comments on lines."""
_AFTER_PIN = ("/trust/", "/opinion/")
"""Pages that ask for the PIN first, besides the list."""
MOST_NAMES = 5
"""Changed files that a notice names."""
_DECISION = re.compile(r"/((?:open/)?decide/[A-Za-z0-9_-]+)")
_STATIC = Path(__file__).parent / "static"
_FILES = {
    "tokens.css": "text/css",
    "common.css": "text/css",
    "style.css": "text/css",
    "passkey.js": "text/javascript",
    "open.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "favicon.ico": "image/svg+xml",
}
"""The static files and their media types. Chromium asks for the last now and then, whatever icon a page names."""

log = logging.getLogger("wfe_mcp.dashboard")

Form = dict[str, str]


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
        Route("/", page.answers(page.requests), methods=["GET"]),
        Route("/", page.takes(page.login), methods=["POST"]),
        *(Route(f"/{name}", page.answers(_static), methods=["GET"]) for name in _FILES),
        Route("/security", page.answers(security), methods=["GET"]),
        Route("/app", page.answers(application), methods=["GET"]),
        Route("/app/", page.answers(application), methods=["GET"]),
        Route("/open/{page:path}", page.answers(page.opened), methods=["GET"]),
        Route("/decide/{request}", page.answers(page.decision), methods=["GET"]),
        Route(
            "/decide/{request}/{answer:str}",
            page.takes(page.decide, most_bytes=MOST_FORM_BYTES, most_fields=COMMENTED_FIELDS),
            methods=["POST"],
        ),
        Route(
            "/decide/{request}/{answer:str}/sign",
            page.takes(page.sign, json_no, MOST_FORM_BYTES, COMMENTED_FIELDS),
            methods=["POST"],
        ),
        Route("/whole/{request}", page.answers(page.contents.whole), methods=["GET"]),
        Route("/diff/{request}", page.answers(page.contents.diff), methods=["GET"]),
        Route("/attachment/{request}/{number:int}", page.answers(page.contents.attachment), methods=["GET"]),
        Route("/edit/{request}", page.answers(page.edits.show), methods=["GET"]),
        Route("/edit/{request}", page.takes(page.edits.save, most_bytes=MOST_FORM_BYTES), methods=["POST"]),
        Route("/overrule/{run}", page.takes(page.overruling.take), methods=["POST"]),
        Route("/opinion/{run}/{reviewer}", page.answers(page.opinions.show), methods=["GET"]),
        Route(
            "/opinion/{run}/{reviewer}", page.takes(page.opinions.take, most_bytes=MOST_FORM_BYTES), methods=["POST"]
        ),
        Route("/trust/{project}", page.answers(page.trusting.show), methods=["GET"]),
        Route("/trust/{project}", page.takes(page.trusting.take, most_fields=MOST_FIELDS), methods=["POST"]),
        Route("/approvers/{project}", page.answers(page.approvers.show), methods=["GET"]),
        Route("/approvers/{project}/{do:str}", page.takes(page.approvers.change), methods=["POST"]),
        Route("/approvers/{project}/{do:str}/{step:str}", page.takes(page.approvers.ask, json_no), methods=["POST"]),
        Mount("/api/v1", api),
    ]
    return Guard(Starlette(routes=routes), port, *others)


def _static(request: Request, session: str) -> Response:
    del session
    name = request.url.path.removeprefix("/")
    file = "icon.svg" if name == "favicon.ico" else name
    return Response((_STATIC / file).read_text(encoding="utf-8"), media_type=f"{_FILES[name]}; charset=utf-8")


class _Page:
    def __init__(self, engines: Engines, port: int, visited: Callable[[], object], *, asks_pin: bool) -> None:
        ceremonies = Challenges()
        self._desks, self._sessions, self._cookie, self._visited = engines, Sessions(), f"wfe_ui_{port}", visited
        shared = (self._desks, self._sessions, asks_pin)
        self.edits, self.overruling = Edits(*shared), Overruling(*shared)
        self.trusting, self.opinions = Trusting(*shared), Opinions(*shared)
        self.contents = Contents(self._desks)
        self._asks_pin, self._port = asks_pin, port
        self._signing = Signing(ceremonies, site := Site.here(port))
        self.approvers = ApproverPages(*shared, Approvers(ceremonies, site))

    # -- requests ----------------------------------------------------------------------------------------------------

    def answers(self, make: Callable[[Request, str], Response]) -> Callable[[Request], Awaitable[Response]]:
        """The handler of a page, built in a thread; an unknown browser gets a session."""

        async def answer(request: Request) -> Response:
            self._visited()
            return await self._perform(request, partial(make, request))

        return answer

    def takes(
        self,
        make: Callable[[Request, Form, str], Response],
        no: Callable[[str, int], Response] = page_no,
        most_bytes: int = MAX_FORM_BYTES,
        most_fields: int = MAX_FIELDS,
    ) -> Callable[[Request], Awaitable[Response]]:
        """The handler of a form: read with limits, then answered in a thread; ``no`` renders a refusal."""

        async def answer(request: Request) -> Response:
            self._visited()
            raw = b""
            async for piece in request.stream():
                raw += piece
                if len(raw) > most_bytes:
                    return PlainTextResponse("The form is too large.", 413)
            try:
                form = dict(
                    parse_qsl(
                        raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=most_fields
                    )
                )
            except ValueError:
                return PlainTextResponse("This is not a form of this page.", 400)
            return await self._perform(request, partial(make, request, form), no)

        return answer

    async def _perform(
        self, request: Request, make: Callable[[str], Response], no: Callable[[str, int], Response] = page_no
    ) -> Response:
        session = request.cookies.get(self._cookie, "")
        known, session = bool(session), session or self._sessions.new()
        try:
            found = await run_in_threadpool(self._way, request) or await run_in_threadpool(make, session)
        except Refused as refused:
            found = no(f"{refused.message} {for_person(refused.hint)}", status_of(refused))
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            found = no("This is a bug in wfe-mcp; see its log.", 500)
        if not known and "set-cookie" not in found.headers:
            found.set_cookie(self._cookie, session, httponly=True, samesite="strict")
        return found

    def _way(self, request: Request) -> Response | None:
        """The way to the user's own page: from its other port, and from a page that a server started."""
        asked = _DECISION.match(request.url.path)
        if self._asks_pin:
            own = self._port if request.url.port != self._port else None
        else:
            is_asked = request.method == "GET" and (asked is not None or request.url.path == "/")
            own = living_page(self._desks.engine, opened=True) if is_asked else None
        return None if own is None else RedirectResponse(address(own, asked[1] if asked else ""), 303)

    # -- answers -----------------------------------------------------------------------------------------------------

    def opened(self, request: Request, session: str) -> Response:
        """A link. A page that takes no PIN shows a decision without a script."""
        asked = _DECISION.fullmatch(request.url.path)
        if asked and not self._asks_pin:
            return RedirectResponse(f"/{asked[1].removeprefix('open/')}", 303)
        return opened(request, session)

    def requests(self, request: Request, session: str) -> Response:
        """The open requests; first the PIN."""
        del request
        if not self._asks_pin:
            return HTMLResponse(plain_page("This page takes no PIN", NO_PIN))
        if not self._sessions.is_open(session):
            return HTMLResponse(login_page(self._sessions.token(session, "login")))
        runs = self._desks.open_runs()
        return HTMLResponse(requests_page(everything_waiting(self._desks), runs, self.overruling.forms(runs, session)))

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

    def decision(self, request: Request, session: str) -> Response:
        """One request."""
        view = self._desks.view(request.path_params["request"])
        if view is None:
            return unknown()
        if view.gating:
            self._desks.judge_again(view.request.id)
        return self._request_page(view, session, split=request.query_params.get("split") == "1")

    def decide(self, request: Request, form: Form, session: str) -> Response:
        """Approve or reject; or run the checks again, which decides nothing."""
        asked, answer = request.path_params["request"], request.path_params["answer"]
        if answer not in {"approve", "reject", "check"}:
            return unknown()
        view = self._desks.view(asked)
        if view is None:
            return unknown()
        if not self._sessions.accepts(session, f"{answer} {asked}", form):
            return self._request_page(view, session, Notice("no", NOT_OURS), 403, form | {"answer": answer})
        if view.state != "open":
            return self._request_page(view, session, Notice("no", "Nothing was decided."), 409)
        if answer == "reject" and form.get(ADD):
            return self._request_page(view, session, form=form)
        try:
            if answer == "check":
                return self._checked_again(view, session)
            self._give(view, answer, form, session)
        except Refused as refused:
            return self._refusal_page(view, refused, session, form | {"answer": answer})
        return RedirectResponse(f"/decide/{asked}", 303)

    def sign(self, request: Request, form: Form, session: str) -> Response:
        """What a passkey must sign for this answer."""
        asked, answer = request.path_params["request"], request.path_params["answer"]
        view = self._desks.view(asked)
        is_ours = answer in {"approve", "reject"} and self._sessions.accepts(session, f"{answer} {asked}", form)
        if view is None or not is_ours:
            return json_no("This browser was not shown this form. Reload the page.", 403)
        if view.state != "open":
            return json_no("This request is closed. Reload the page.", 409)
        refuse_unseen(view, form)
        comment = comment_in(view, answer, form)
        return JSONResponse(self._signing.ask(self._engine(view), view.request, answer, comment, form, session))

    def _engine(self, view: DecisionView) -> Engine:
        engine = self._desks.of_request(view.request.id)
        if engine is None:
            raise Refused("unavailable", "The project's folder does not exist any more.", "Nothing has changed.")
        return engine

    def _checked_again(self, view: DecisionView, session: str) -> Response:
        refuse_pin(asks_pin=self._asks_pin)
        request = view.request
        found = check_again(self._engine(view), request.run_id, request.phase)
        bad = failed_again(found)
        text = (
            bad.message
            if bad
            else f"Run again in the process of this page, and passed: {', '.join(found) or 'no check'}."
        )
        now = self._desks.view(request.id) or view
        return self._request_page(now, session, Notice("no" if bad else "yes", text))

    def _give(self, view: DecisionView, answer: Answer, form: Form, session: str) -> None:
        stored, engine, phrase = view.request, self._engine(view), form.get("phrase", "")
        refuse_unseen(view, form)
        comment = comment_in(view, answer, form)
        if form.get("assertion"):
            by, statement = self._signing.given(engine, stored, answer, form, session)
            signed = statement.values  # what was signed counts, not the form
            record_answer(
                engine,
                by,
                view,
                answer,
                str(signed["comment"]),
                sha256=str(signed["artifact"]),
                phrase=phrase,
                to=str(signed["decision"][0].get("to", "")),
            )
            return
        if answer == "approve" and view.shown is not None and view.shown.assurance == "passkey":
            raise Refused("needs_human", "This gate needs a passkey signature; a PIN alone is not enough.", "")
        refuse_pin(asks_pin=self._asks_pin)
        by = person_in(engine, form)
        sha256, to = form.get("sha256") or "?", form.get("to", "")
        record_answer(engine, by, view, answer, comment, sha256=sha256, phrase=phrase, to=to)

    def _refusal_page(self, view: DecisionView, refused: Refused, session: str, form: Form) -> Response:
        """The current page, with the reason why nothing was decided. A stale request links to the open one."""
        text = f"Nothing was decided. {refused.message}"
        now = self._desks.view(view.request.id)
        if refused.code == "stale_revision":
            changed = changed_files(self._engine(view), view.request, refused)
            text += f" Changed since then: {', '.join(changed[:MOST_NAMES])}." if changed else ""
            self._desks.judge_again(view.request.id)
            now = self._desks.view(now.newer) if now is not None and now.newer else now
        return self._request_page(now or view, session, Notice("no", text), status_of(refused), form)

    def _request_page(
        self,
        view: DecisionView,
        session: str,
        notice: Notice | None = None,
        status: int = 200,
        form: Form | None = None,
        *,
        split: bool = False,
    ) -> Response:
        split = split or (form or {}).get("split") == "1"
        tokens = {
            each: self._sessions.token(session, f"{each} {view.request.id}") for each in ("approve", "reject", "check")
        }
        return HTMLResponse(
            decision_page(
                view, tokens, notice, form, asks_pin=self._asks_pin, split=split, untrusted=self._trust_wanted(view)
            ),
            status,
            headers=SCRIPTED if view.passkeys else None,
        )

    def _trust_wanted(self, view: DecisionView) -> WaitingTrust | None:
        engine = self._desks.of_request(view.request.id) if self._asks_pin else None
        return None if engine is None else needs_trust(engine)
