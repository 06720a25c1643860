"""The handlers of decisions and of the passkeys that sign them, on the pages of this machine and of a server.

1. A decision needs, in this order: a form of this page (token), a request that takes an answer, the PIN or a passkey.
2. A decision is for the content that was shown: request and sha256 are sent, and any other is ``stale_revision``.
3. After a decision the browser is redirected (303): a reload sends nothing twice.
"""

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import clean
from wfe_mcp.dashboard import deciding
from wfe_mcp.dashboard.answers import NOT_OURS, json_no, page_no, person_in, status_of, unknown
from wfe_mcp.dashboard.comment_fields import ADD
from wfe_mcp.dashboard.decision_page import changes_shown, decision_page
from wfe_mcp.dashboard.diff_table import unified_text
from wfe_mcp.dashboard.edits import MOST_FORM_BYTES
from wfe_mcp.dashboard.engines import Engines, needs_trust
from wfe_mcp.dashboard.fields import NO_PIN, Notice, refuse_pin
from wfe_mcp.dashboard.guard import SCRIPTED
from wfe_mcp.dashboard.html import Html
from wfe_mcp.dashboard.sessions import Challenges, Sessions
from wfe_mcp.engine.approvals.passkeys import Site
from wfe_mcp.engine.evaluation.check_again import check_again, failed_again
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.answers import MOST_COMMENTS
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.approvals.words import end_sentence
from wfe_mcp.views.runs.requests import WaitingTrust

MAX_FORM_BYTES = 64_000
MAX_FIELDS = 20
COMMENTED_FIELDS = MAX_FIELDS + MOST_COMMENTS
"""Of a form with comments on lines."""
MOST_NAMES = 5
"""Changed files that a notice names."""
_STATIC = Path(__file__).parent / "static"
FILES = {
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


def page_routes(page: "DecisionPages") -> list[Route]:
    """The paths of decisions and of the passkeys that sign them, on this machine and at a server."""
    return [
        *(page.get(f"/{name}", _static) for name in FILES),
        page.get("/decide/{request}", page.decision),
        page.post(
            "/decide/{request}/{answer:str}", page.decide, most_bytes=MOST_FORM_BYTES, most_fields=COMMENTED_FIELDS
        ),
        page.post("/decide/{request}/{answer:str}/sign", page.sign, json_no, MOST_FORM_BYTES, COMMENTED_FIELDS),
        page.get("/whole/{request}", page.contents.whole),
        page.get("/diff/{request}", page.contents.diff),
        page.get("/attachment/{request}/{number:int}", page.contents.attachment),
    ]


def _static(request: Request, session: str) -> Response:
    del session
    name = request.url.path.removeprefix("/")
    file = "icon.svg" if name == "favicon.ico" else name
    return Response((_STATIC / file).read_text(encoding="utf-8"), media_type=f"{FILES[name]}; charset=utf-8")


class DecisionPages:
    """The handlers of decisions, for the pages of ``site``; who asks, and may, says a subclass (``_perform``)."""

    def __init__(
        self, engines: Engines, sessions: Sessions, challenges: Challenges, site: Site, *, asks_pin: bool
    ) -> None:
        self._desks, self._sessions, self._asks_pin = engines, sessions, asks_pin
        self.contents = Contents(engines)
        self._signing = deciding.Signing(challenges, site)

    # -- requests ----------------------------------------------------------------------------------------------------

    def _record_visit(self) -> None:
        """A request was accepted."""

    def get(self, path: str, make: Callable[[Request, str], Response]) -> Route:
        """The route of a page, built in a thread; an unknown browser gets a session."""

        async def answer(request: Request) -> Response:
            self._record_visit()
            return await self._perform(request, partial(make, request))

        return Route(path, answer, methods=["GET"])

    def post(
        self,
        path: str,
        make: Callable[[Request, Form, str], Response],
        no: Callable[[str, int], Response] = page_no,
        most_bytes: int = MAX_FORM_BYTES,
        most_fields: int = MAX_FIELDS,
    ) -> Route:
        """The route of a form: read with limits, then answered in a thread; ``no`` renders a refusal."""

        async def answer(request: Request) -> Response:
            self._record_visit()
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

        return Route(path, answer, methods=["POST"])

    async def _perform(
        self, request: Request, make: Callable[[str], Response], no: Callable[[str, int], Response] = page_no
    ) -> Response:
        raise NotImplementedError

    def _person(self, session: str) -> str:
        """Who is logged in with ``session``; empty: who sits at this machine."""
        del session
        return ""

    def _as_seen(self, view: DecisionView, session: str) -> DecisionView:
        """The request as this person sees it."""
        del session
        return view

    def _people_at(self, view: DecisionView, session: str) -> Html | None:
        """What a person sees of the others at this request; None where no one logs in."""
        del view, session
        return None

    @property
    def _no_pin(self) -> str:
        """Why this page takes no PIN."""
        return NO_PIN

    # -- answers -----------------------------------------------------------------------------------------------------

    def decision(self, request: Request, session: str) -> Response:
        """One request."""
        asked = request.path_params["request"]
        view = self._desks.view(asked)
        if view is None:
            return unknown()
        if deciding.ask_about_now(self._engine(view), view):
            view = self._desks.view(asked) or view
        if view.gating:
            self._desks.judge_again(asked)
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
            return json_no(f"{end_sentence(view)} Reload the page.", 409)
        deciding.refuse_unseen(view, form)
        comment = deciding.comment_in(view, answer, form)
        engine, person = self._engine(view), self._person(session)
        return JSONResponse(self._signing.ask(engine, view.request, answer, comment, form, session, person))

    def _engine(self, view: DecisionView) -> Engine:
        engine = self._desks.of_request(view.request.id)
        if engine is None:
            raise Refused("unavailable", "The project's folder does not exist any more.", "Nothing has changed.")
        return engine

    def _checked_again(self, view: DecisionView, session: str) -> Response:
        refuse_pin(asks_pin=self._asks_pin)
        request = view.request
        checks = check_again(self._engine(view), request.run_id, request.phase)
        bad = failed_again(checks)
        text = (
            bad.message
            if bad
            else f"Run again in the process of this page, and passed: {', '.join(checks) or 'no check'}."
        )
        now = self._desks.view(request.id) or view
        return self._request_page(now, session, Notice("no" if bad else "yes", text))

    def _give(self, view: DecisionView, answer: deciding.Answer, form: Form, session: str) -> None:
        stored, engine, phrase = view.request, self._engine(view), form.get("phrase", "")
        deciding.refuse_unseen(view, form)
        comment = deciding.comment_in(view, answer, form)
        if form.get("assertion"):
            by, statement = self._signing.verify_signed(engine, stored, answer, form, session, self._person(session))
            signed = statement.values  # what was signed counts, not the form
            deciding.record_answer(
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
        deciding.record_answer(engine, by, view, answer, comment, sha256=sha256, phrase=phrase, to=to)

    def _refusal_page(self, view: DecisionView, refused: Refused, session: str, form: Form) -> Response:
        """The current page, with the reason why nothing was decided. A stale request links to the open one."""
        text = f"Nothing was decided. {refused.message}"
        now = self._desks.view(view.request.id)
        if refused.code == "stale_revision":
            changed = deciding.changed_files(self._engine(view), view, refused)
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
        split, view = split or (form or {}).get("split") == "1", self._as_seen(view, session)
        tokens = {
            action: self._sessions.token(session, f"{action} {view.request.id}")
            for action in ("approve", "reject", "check")
        }
        people = self._people_at(view, session)
        return HTMLResponse(
            decision_page(
                view,
                tokens,
                notice,
                form,
                no_pin="" if self._asks_pin else self._no_pin,
                split=split,
                untrusted=self._trust_wanted(view),
                people=people,
            ),
            status,
            headers=SCRIPTED if view.passkeys or people else None,
        )

    def _trust_wanted(self, view: DecisionView) -> WaitingTrust | None:
        engine = self._desks.of_request(view.request.id) if self._asks_pin else None
        return None if engine is None else needs_trust(engine)


class Contents:
    """Answers that hold one content. Anyone with the link of a request may read them, as they may read its page."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def whole(self, request: Request, session: str) -> Response:
        """The whole prompt or artifact of a request, as text."""
        del session
        view = self._engines.view(request.path_params["request"])
        if view is None or view.shown is None:
            return unknown()
        prompt, artifact = view.shown.prompt, view.shown.artifact
        text = (
            (prompt.text or "") if prompt else json.dumps(artifact and artifact.content, indent=2, ensure_ascii=False)
        )
        return PlainTextResponse(clean(text))

    def diff(self, request: Request, session: str) -> Response:
        """The change of a request, as text."""
        del session
        view, params = self._engines.view(request.path_params["request"]), request.query_params
        numbers = [params.get("since", "0"), params.get("file", "0")]
        if view is None or view.shown is None or not all(number.isdecimal() and len(number) < 10 for number in numbers):
            return unknown()
        since, file = map(int, numbers)
        changes = changes_shown(view, view.shown)
        files = changes[since].files if since < len(changes) else ()
        return PlainTextResponse(clean(unified_text(files[file : file + 1] if "file" in params else files)))

    def attachment(self, request: Request, session: str) -> Response:
        """A file attached to what a request asks about. Pictures and text are shown; others are only saved."""
        del session
        view, number = self._engines.view(request.path_params["request"]), request.path_params["number"]
        shown = () if view is None or view.shown is None else view.shown.attachments
        if view is None or all(attachment_shown.number != number for attachment_shown in shown):
            return unknown()
        with self._engines.engine.store.read() as tx:
            record = tx.attachments.get(view.request.run_id, number)
        if record is None:
            return unknown()
        if record.media_type == "text/plain":
            return PlainTextResponse(clean(record.content.decode()))
        return saved_file(record.name, record.media_type, record.content)


def saved_file(name: str, media_type: str, content: bytes) -> Response:
    """An attached file, byte by byte. Pictures are shown; others are only saved."""
    how = "inline" if media_type.startswith("image/") else "attachment"
    named = {"content-disposition": f"{how}; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=media_type, headers=named)
