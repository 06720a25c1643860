"""The passkeys of a project at a server: a person makes one and asks for it, and a pinned approver accepts it.

    GET  /approvers/<project>                    the pinned keys, and those that wait
    POST /approvers/<project>/request/key        options for the browser to create a key
                             /request/sign       nothing to sign          /request    ask to have it pinned
                             /accept/sign        the statement that a pinned key of this person must sign
                             /accept             pin the key that waits

The first key is pinned at the terminal of the server: ``wfe-mcp approvers accept NAME``.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import json_no, not_ours, unknown
from wfe_mcp.dashboard.approvers import ChangeToSign, Making, in_force, now_of
from wfe_mcp.dashboard.deciding import read_json
from wfe_mcp.dashboard.decision_page import SCRIPT
from wfe_mcp.dashboard.fields import hidden, passkey_button
from wfe_mcp.dashboard.guard import SCRIPTED
from wfe_mcp.dashboard.html import Html, document, tag
from wfe_mcp.engine.approvals import approvers, passkeys
from wfe_mcp.views.approvals.approvers import pinned_view

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.dashboard.sessions import Challenges, Sessions
    from wfe_mcp.engine.access.people import Login
    from wfe_mcp.engine.kernel.engine import Engine


class KeyPages:
    """The handlers, at ``site``. ``login_of``: the session that a handler was called with, which is one."""

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
        rows = [tag("li", f"{key['name']}, since {key['added_at']}, pinned by {key['let_in_by']}") for key in view.keys]
        asked = [tag("li", key.name, self._accept(engine, key, session) if may and mine else None) for key in waits]
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
        key, before = approvers.requested_keys(engine).get(form.get("id", "")), in_force(engine)
        own = before.passkeys_of(self._signer(login))
        if key is None or not own:
            raise Refused(
                "conflict", "This key does not wait any more, or none of yours is pinned.", "Reload the page."
            )
        sign = ChangeToSign(before, "add", key, now_of(engine))
        options = passkeys.asking_for_signature(self._site, sign.statement, own)
        return JSONResponse({"ceremony": self._challenges.begin(session, name, sign), "options": options})

    def change(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Ask for a key, or pin one that waits."""
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
            assertion = passkeys.Assertion.of_browser(read_json(form.get("assertion", "")))
            signer = sign.before.passkeys_of(self._signer(login)).get(assertion.id)
            if signer is None:
                raise Refused("needs_human", "This passkey is not pinned here as yours.", "Sign with one that is.")
            passkeys.verify_assertion(assertion, sign.statement, signer.public_key, self._site)
            change = approvers.ApproverChange(
                do="add", key=sign.key, at=sign.at, signed_by=signer.id, assertion=assertion
            )
            approvers.pin_change(engine, approvers.by_passkey(signer), sign.before, change)
            approvers.drop_request(engine, login.person.by, sign.key)
        return RedirectResponse(f"/approvers/{engine.project_id}", 303)

    def _project_of_form(self, request: Request, form: Mapping[str, str], session: str) -> Engine | None:
        """The project of a form that this browser was shown."""
        do, project = request.path_params["do"], request.path_params["project"]
        is_shown = do in {"request", "accept"} and self._sessions.accepts(session, f"{do} {project}", form)
        return self._engines.by_id(project) if is_shown else None

    def _signer(self, login: Login) -> approvers.Signer:
        return approvers.Signer(self._site, login.person.name)

    def _accept(self, engine: Engine, key: approvers.ApproverKey, session: str) -> Html:
        return self._form(engine, "accept", session, hidden("id", key.id), *passkey_button(f"Pin {key.name}", "yes"))

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
