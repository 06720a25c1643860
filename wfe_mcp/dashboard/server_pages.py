"""The pages of a server for people who are logged in: the application, decisions, their access, and the passkeys of a project.

    who has no session            ──► /login, and back
    a project without a role      ──► the same answer as a wrong address
    /approvers/<project>          ──► the pinned passkeys and those that wait: a person makes one and asks for it, an approver accepts it
    a decision                    ──► the role ``approver``, and a passkey of this person, pinned in the project, made at this address

Rules:
1. Nothing is kept in this process between two requests: N processes answer at one address. A form's token is made of the
   session's secret, which no other page knows; a challenge is a row that is taken once.
2. There is no PIN here. What needs one is done at the terminal of the server.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.dashboard.access_page import AccessPage
from wfe_mcp.dashboard.answers import json_no, not_ours, page_no, refusal_of_crash, status_of, unknown
from wfe_mcp.dashboard.application import application
from wfe_mcp.dashboard.approvers import ChangeToSign, Making, in_force, now_of, pin_signed
from wfe_mcp.dashboard.decision_page import SCRIPT
from wfe_mcp.dashboard.decision_routes import FILES, DecisionPages, Form, log, page_routes
from wfe_mcp.dashboard.edits import MOST_FORM_BYTES
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.fields import hidden, passkey_button, select_field, submit, text_field
from wfe_mcp.dashboard.guard import COOKIE, SAFE, SCRIPTED
from wfe_mcp.dashboard.html import Html, document, panel, tag
from wfe_mcp.dashboard.login import HOME, login_path
from wfe_mcp.dashboard.opinions import SignedOpinions
from wfe_mcp.dashboard.sessions import Challenges, Sessions
from wfe_mcp.dashboard.signing import Signing, StoredChallenges
from wfe_mcp.engine.access.people import Login, People, Waiting
from wfe_mcp.engine.approvals import approvers, passkeys
from wfe_mcp.engine.approvals.passkeys import Site
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.people.deciders import hand_over, lacks_role
from wfe_mcp.views.approvals.approvers import key_words, pinned_view
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.pages.decision import PeopleHere
from wfe_mcp.views.pages.inbox_of_person import as_seen_by, people_at

NO_PIN_HERE = "That command is for the terminal of the server. This page takes no PIN: decisions are signed with a passkey of yours that was made at this address and is pinned in the project."

_APPLICATION = ("/app", "/app/")
_OPEN = frozenset((*_APPLICATION, *(f"/{name}" for name in FILES)))
"""Files of pages, which are the same for everyone. A browser asks for some beside a login, which another one would end."""


class LoginSessions(Sessions):
    """Form tokens of logins. Each is made of the secret in the session's cookie, so every process makes the same."""

    def token(self, session: str, form: str) -> str:
        """The token of ``form``."""
        return hmac.new(session.encode(), form.encode(), hashlib.sha256).hexdigest()


class ServerPages(DecisionPages):
    """The handlers, for the ``people`` of a server. A session is the text of its cookie."""

    def __init__(self, engines: Engines, people: People) -> None:
        self._people = people
        sessions, challenges, site = LoginSessions(), StoredChallenges(Waiting(people.engine)), Site(people.origin)
        super().__init__(engines, sessions, challenges, site, asks_pin=False)
        self._keys = KeyPages(engines, sessions, challenges, site, self._login)
        self._opinions = SignedOpinions(engines, sessions, self._person, partial(Signing, people))
        self._access = AccessPage(people, sessions, self._login)

    def routes(self) -> list[Route]:
        """The paths."""
        app = [self.get(path, application) for path in _APPLICATION]
        return [
            self.get("/", _home),
            *app,
            self.get("/open/{page:path}", _open_link),
            self.get("/access", self._access.show),
            self.post("/access/{do:str}", self._access.change),
            self.get("/approvers/{project}", self._keys.show),
            self.post("/approvers/{project}/{do:str}", self._keys.change),
            self.post("/approvers/{project}/{do:str}/{step:str}", self._keys.ask, json_no),
            self.get("/opinion/{run}/{reviewer}", self._opinions.show),
            self.post("/opinion/{run}/{reviewer}", self._opinions.take, most_bytes=MOST_FORM_BYTES),
            self.post("/opinion/{run}/{reviewer}/sign", self._opinions.sign, json_no, MOST_FORM_BYTES),
            self.post("/decide/{request}/hand-over", self._hand_over),
            *page_routes(self),
        ]

    async def _perform(
        self, request: Request, make: Callable[[str], Response], no: Callable[[str, int], Response] = page_no
    ) -> Response:
        session = request.cookies.get(COOKIE, "")
        try:
            if request.url.path in _OPEN:  # the application asks for what it shows, and logs in with its whole address
                return make("")
            login = await run_in_threadpool(self._people.login_of, session)
            if login is None and request.method in SAFE:
                query = f"?{request.url.query}" if request.url.query else ""
                return RedirectResponse(login_path(request.url.path + query), 303)
            if login is None:
                return no("You are not logged in any more. Nothing was done.", 401)
            if request.method not in SAFE and request.headers.get("origin") != self._people.origin:
                return no("Another page sent this request. Nothing was done.", 403)
            refusal = await run_in_threadpool(self._refusal, login, request, no)
            return refusal or await run_in_threadpool(make, session)
        except Refused as refused:
            return no(f"{refused.message} {for_person(refused.hint)}", status_of(refused))
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            refused = refusal_of_crash()
            return no(f"{refused.message} {for_person(refused.hint)}", status_of(refused))

    def _refusal(self, login: Login, request: Request, no: Callable[[str, int], Response]) -> Response | None:
        """The answer to who may not; None where they may."""
        path = request.path_params
        project = path.get("project", "")
        if "request" in path:
            engine = self._desks.of_request(path["request"])
        elif "run" in path:
            engine = self._desks.of_run(path["run"])
        elif project:
            engine = self._desks.by_id(project)
        else:
            return None
        if engine is None or not login.is_("reader", engine.project_id):
            return unknown() if no is page_no else json_no("There is no such page.", 404)
        lacks = "" if request.method in SAFE else lacks_role(engine, self._people, login)
        return no(lacks, 403) if lacks else None

    def _login(self, session: str) -> Login:
        login = self._people.login_of(session)
        if login is None:
            raise Refused("needs_human", "You were logged out meanwhile.", "Log in again.")
        return login

    def _person(self, session: str) -> str:
        return self._login(session).person.name

    def _as_seen(self, view: DecisionView, session: str) -> DecisionView:
        """The request with the keys that this person signs with."""
        if view.shown is None:
            return view
        return as_seen_by(self._engine(view), self._people, self._login(session), view)

    def _people_at(self, view: DecisionView, session: str) -> Html | None:
        if view.state != "open":
            return None
        request = view.request.id
        here = people_at(self._engine(view), self._people, self._login(session), view)
        says = tag("p", here.text, class_="note", role="status", data_present=request, hidden=not here.text)
        return tag(
            "div",
            tag("p", here.handed, class_="note") if here.handed else None,
            says,
            self._handing(here, request, session),
        )

    def _handing(self, here: PeopleHere, request: str, session: str) -> Html | None:
        """The form that hands a request on; None where there is no one to hand it to."""
        if not here.able:
            return None
        form = tag(
            "form",
            hidden("token", self._sessions.token(session, f"hand-over {request}")),
            select_field("To", "person", ((able.name, f"{able.name} {able.away}".strip()) for able in here.able)),
            text_field("Note", "note"),
            submit("Hand over", "btn"),
            method="post",
            action=f"/decide/{request}/hand-over",
            class_="stack",
        )
        return panel(tag("summary", "Hand over", class_="fold row"), form)

    def _hand_over(self, request: Request, form: Form, session: str) -> Response:
        asked = str(request.path_params["request"])
        view = self._desks.view(asked)
        if view is None or not self._sessions.accepts(session, f"hand-over {asked}", form):
            return not_ours()
        hand_over(
            self._engine(view), self._people, self._login(session), asked, form.get("person", ""), form.get("note", "")
        )
        return RedirectResponse(f"/decide/{asked}", 303)

    @property
    def _no_pin(self) -> str:
        return NO_PIN_HERE


def _home(request: Request, session: str) -> Response:
    del request, session
    return RedirectResponse(HOME, 303)


def _open_link(request: Request, session: str) -> Response:
    """A link from a message: a decision in the application, any other plain page by itself."""
    del session
    page = str(request.path_params["page"])
    if page.startswith("decide/"):
        return RedirectResponse(f"/app/#/inbox/{page.removeprefix('decide/').split('/')[0]}", 303)
    return RedirectResponse(HOME, 303)


class KeyPages:
    """The passkeys of a project, at ``site``. ``login_of``: the session that a handler was called with, which is one.

        GET  /approvers/<project>                    the pinned keys, and those that wait
        POST /approvers/<project>/request/key        options for the browser to create a key
                                 /request/sign       nothing to sign          /request    ask to have it pinned
                                 /accept/sign        the statement that a pinned key of this person must sign
                                 /accept             pin the key that waits
                                 /remove/sign        the same, where it is to be pinned no more          /remove

    The first key is pinned at the terminal of the server: ``wfe-mcp approvers accept NAME``.
    """

    def __init__(
        self,
        engines: Engines,
        sessions: Sessions,
        challenges: Challenges,
        site: passkeys.Site,
        login_of: Callable[[str], Login],
    ) -> None:
        self._engines, self._sessions, self._challenges = engines, sessions, challenges
        self._site, self._login_of = site, login_of

    def show(self, request: Request, session: str) -> Response:
        """The keys."""
        engine = self._engines.by_id(request.path_params["project"])
        if engine is None:
            return unknown()
        login, view = self._login_of(session), pinned_view(engine, at_server=True)
        waits = approvers.requested_keys(engine).values()
        may = view.installed and login.is_("approver", engine.project_id)
        mine = not view.fault and in_force(engine).passkeys_of(self._signer(login))
        signs, removes = may and mine, may and mine and len(view.keys) > 1
        rows = [
            tag(
                "li",
                key_words(key),
                self._sign(engine, "remove", key["id"], f"Remove {key['name']}", session) if removes else None,
            )
            for key in view.keys
        ]
        asked = [
            tag("li", key.name, self._sign(engine, "accept", key.id, f"Pin {key.name}", session) if signs else None)
            for key in waits
        ]
        first = ["At the terminal of the server: ", tag("code", "wfe-mcp approvers accept NAME")]
        who = ["An approver with a pinned passkey pins it on this page."] if rows else first
        body = [
            tag("h1", "Passkeys of this project"),
            tag("p", view.fault, class_="note no") if view.fault else None,
            tag("ul", *rows, class_="listing") if rows else tag("p", "No key is pinned yet.", class_="quiet"),
            tag("h2", "Waiting to be pinned") if asked else None,
            tag("ul", *asked, class_="listing") if asked else None,
            tag("p", *who, class_="quiet") if asked and not mine else None,
            self._make(engine, login.person.name, session) if may else None,
            tag("p", tag("a", "Inbox", href="/")),
        ]
        return HTMLResponse(document("Passkeys", *body, script=SCRIPT), headers=SCRIPTED)

    def ask(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """What the browser does next."""
        engine, do, step = (
            self._project_of_form(request, form, session),
            request.path_params["do"],
            request.path_params["step"],
        )
        if engine is None:
            return json_no("This browser was not shown this form. Reload the page.", 403)
        login = self._login_of(session)
        name = f"{do} {engine.project_id}"
        if (do, step) == ("request", "key"):
            making = Making(login.person.name, secrets.token_hex(32))
            known = in_force(engine).passkeys
            options = passkeys.asking_for_key(
                self._site, making.name, secrets.token_bytes(16), bytes.fromhex(making.once), known
            )
            return JSONResponse({"ceremony": self._challenges.begin(session, name, making), "options": options})
        if (do, step) == ("request", "sign"):
            return JSONResponse({"ceremony": form.get("ceremony", ""), "options": None})
        before = in_force(engine)
        own = before.passkeys_of(self._signer(login))
        keys = approvers.requested_keys(engine) if do == "accept" else before.keys
        key = keys.get(form.get("id", ""))
        if key is None or not own or (do == "remove" and len(keys) == 1):
            raise Refused(
                "conflict",
                "This key is no longer there, or the last one, or none of yours is pinned.",
                "Reload the page.",
            )
        sign = ChangeToSign(before, "add" if do == "accept" else "remove", key, now_of(engine))
        options = passkeys.asking_for_signature(self._site, sign.statement, own)
        return JSONResponse({"ceremony": self._challenges.begin(session, name, sign), "options": options})

    def change(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Ask for a key, pin one that waits, or remove one."""
        engine, do = self._project_of_form(request, form, session), request.path_params["do"]
        if engine is None:
            return not_ours()
        login, name = self._login_of(session), f"{do} {engine.project_id}"
        if do == "request":
            making = self._challenges.take(session, name, form.get("ceremony", ""), Making)
            passkey = passkeys.created_key(form.get("key", ""), bytes.fromhex(making.once), self._site)
            key = approvers.ApproverKey(
                id=passkey.id, name=login.person.name, public_key=passkey.public_key, origin=self._site.of_key
            )
            approvers.request_key(engine, login.person.by, key)
        else:
            sign = self._challenges.take(session, name, form.get("ceremony", ""), ChangeToSign)
            pin_signed(engine, sign, sign.before.passkeys_of(self._signer(login)), form, self._site, " as yours")
            if do == "accept":
                approvers.drop_request(engine, login.person.by, sign.key)
        return RedirectResponse(f"/approvers/{engine.project_id}", 303)

    def _project_of_form(self, request: Request, form: Mapping[str, str], session: str) -> Engine | None:
        """The project of a form that this browser was shown."""
        do, project = request.path_params["do"], request.path_params["project"]
        is_shown = do in {"request", "accept", "remove"} and self._sessions.accepts(session, f"{do} {project}", form)
        return self._engines.by_id(project) if is_shown else None

    def _signer(self, login: Login) -> approvers.Signer:
        return approvers.Signer(self._site, login.person.name)

    def _sign(self, engine: Engine, do: str, key: str, label: str, session: str) -> Html:
        return self._form(
            engine, do, session, hidden("id", key), *passkey_button(label, "yes" if do == "accept" else "no")
        )

    def _make(self, engine: Engine, name: str, session: str) -> Html:
        how = f"Your browser or phone makes it for this address, with your name, {name}. An approver pins it."
        text = tag("p", how)
        return self._form(engine, "request", session, text, hidden("key", ""), *passkey_button("Make a passkey", "yes"))

    def _form(self, engine: Engine, do: str, session: str, *content: Html) -> Html:
        path, token = f"/approvers/{engine.project_id}/{do}", self._sessions.token(session, f"{do} {engine.project_id}")
        makes = f"{path}/key" if do == "request" else None
        return tag(
            "form",
            hidden("token", token),
            *content,
            method="post",
            action=path,
            data_key=makes,
            data_sign=f"{path}/sign",
        )
