"""A project's passkeys in the browser: their page, its routes, pinning and removal.

    GET  /approvers/<project>                  the pinned keys, and a form to add one
    POST /approvers/<project>/add/key          options for the browser to create a key
                             /add/sign         the statement that a pinned key must sign; none for the first key
                             /add              pin the key
                             /remove/sign      the statement to sign for a removal                  /remove    remove it

Rules:
1. The PIN, entered in this form, pins the first key: trust on first use. Every other change needs the signature of a
   pinned key; the PIN does not replace it. Where no passkey is pinned, that is the person's own key, which the PIN opens.
2. The requested change is kept here between the steps; of the browser's answer only key and signature are used.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.dashboard.answers import Handlers, json_no, not_ours, person_in, status_of, unknown
from wfe_mcp.dashboard.deciding import read_json
from wfe_mcp.dashboard.decision_page import SCRIPT
from wfe_mcp.dashboard.fields import Notice, hidden, note, passkey_button, pin_field, refuse_pin
from wfe_mcp.dashboard.guard import SCRIPTED
from wfe_mcp.dashboard.html import Html, document, tag
from wfe_mcp.dashboard.sessions import Challenges
from wfe_mcp.engine.approvals import approvers, passkeys
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.approvers import PinnedView, key_words, pinned_view


@dataclass(frozen=True, slots=True)
class Making:
    """A key that a browser was asked to create."""

    name: str
    once: str


@dataclass(frozen=True, slots=True)
class ChangeToSign:
    """A change that needs a signature, or, for the first key, the PIN."""

    before: approvers.PinnedChain
    do: Literal["add", "remove"]
    key: approvers.ApproverKey
    at: str

    @property
    def statement(self) -> dict[str, Any]:
        """What is to be signed."""
        return approvers.change_statement(self.before, self.do, self.key, self.at)


class Approvers:
    """The pinned keys of projects, for the pages of ``site``."""

    def __init__(self, ceremonies: Challenges, site: passkeys.Site) -> None:
        self._ceremonies, self._site = ceremonies, site

    def make(self, engine: Engine, form: Mapping[str, str], session: str) -> dict[str, Any]:
        """The options with which the browser creates a key."""
        pinned = in_force(engine)
        making = Making(form.get("name", "").strip(), secrets.token_hex(32))
        _key(self._site, "x", making.name, "x")
        options = passkeys.asking_for_key(
            self._site, making.name, secrets.token_bytes(16), bytes.fromhex(making.once), pinned.passkeys
        )
        return {"ceremony": self._ceremonies.begin(session, f"make {engine.project_id}", making), "options": options}

    def ask(self, engine: Engine, do: str, form: Mapping[str, str], session: str) -> dict[str, Any]:
        """What a pinned key must sign; ``options`` None for the first key, which the PIN pins."""
        before = in_force(engine)
        if do == "add":
            name = form.get("ceremony", "")
            making = self._ceremonies.take(session, f"make {engine.project_id}", name, Making)
            passkey = passkeys.created_key(form.get("key", ""), bytes.fromhex(making.once), self._site)
            sign = ChangeToSign(
                before, "add", _key(self._site, passkey.id, making.name, passkey.public_key), now_of(engine)
            )
        else:
            key = before.keys.get(form.get("id", ""))
            if key is None or len(before.keys) == 1:
                raise Refused(
                    "conflict",
                    "This key is not pinned, or it is the last one.",
                    "Pin another key first: at least one must remain.",
                )
            sign = ChangeToSign(before, "remove", key, now_of(engine))
        ceremony = self._ceremonies.begin(session, f"{do} {engine.project_id}", sign)
        options = (
            passkeys.asking_for_signature(self._site, sign.statement, before.passkeys) if before.passkeys else None
        )
        return {"ceremony": ceremony, "options": options}

    def change(self, engine: Engine, do: str, form: Mapping[str, str], session: str) -> approvers.PinnedChain:
        """Make the change. Refuses ``wrong_pin``, ``needs_human``, ``stale_revision``."""
        sign = self._ceremonies.take(session, f"{do} {engine.project_id}", form.get("ceremony", ""), ChangeToSign)
        if not sign.before.passkeys:
            by = person_in(engine, form)
            return approvers.pin_person(engine, by, sign.key, sign.do)
        return pin_signed(engine, sign, sign.before.passkeys, form, self._site)


def pin_signed(
    engine: Engine,
    sign: ChangeToSign,
    keys: Mapping[str, approvers.ApproverKey],
    form: Mapping[str, str],
    site: passkeys.Site,
    whose: str = "",
) -> approvers.PinnedChain:
    """Make the change that one of ``keys`` has signed in ``form``. Refuses ``needs_human`` for another key; ``whose``: of its message."""
    assertion = passkeys.Assertion.of_browser(read_json(form.get("assertion", "")))
    signer = keys.get(assertion.id)
    if signer is None:
        raise Refused("needs_human", f"This passkey is not pinned here{whose}.", "Sign with one that is.")
    passkeys.verify_assertion(assertion, sign.statement, signer.public_key, site)
    change = approvers.ApproverChange(do=sign.do, key=sign.key, at=sign.at, signed_by=signer.id, assertion=assertion)
    return approvers.pin_change(engine, approvers.by_passkey(signer), sign.before, change)


def in_force(engine: Engine) -> approvers.PinnedChain:
    """The valid pinned keys; none before the first. Refuses untrusted or broken ones."""
    return (
        approvers.pinned_here(engine, engine.root, needs_passkey=False)
        if approvers.approvers_here(engine.root).changes
        else approvers.PinnedChain()
    )


def _key(site: passkeys.Site, id_: str, name: str, public_key: str) -> approvers.ApproverKey:
    try:
        return approvers.ApproverKey(id=id_, name=name, public_key=public_key, origin=site.of_key)
    except ValidationError as error:
        raise Refused(
            "bad_argument", f"{name!r:.80} is not a valid name for a key.", "Use 1 to 64 characters in one line."
        ) from error


def now_of(engine: Engine) -> str:
    """The time of a change."""
    return engine.clock().isoformat(timespec="seconds")


def approvers_page(view: PinnedView, tokens: Mapping[str, str], name: str, notice: Notice | None = None) -> Html:
    """The pinned keys, with forms to add and remove one. ``tokens``: of the forms ``add`` and ``remove``."""
    body = [tag("h1", "Passkeys of this project"), _place(view), note(notice)]
    body += (
        [note(Notice("no", view.fault))]
        if view.fault
        else [*_lost(view), *_keys(view, tokens), *_add(view, tokens, name)]
    )
    return document("Passkeys", *body, script=SCRIPT)


def _place(view: PinnedView) -> Html:
    rows = [("Project", view.folder), ("Pinned in", view.file)]
    lines = (tag("tr", tag("th", what), tag("td", tag("code", where))) for what, where in rows)
    return tag("table", tag("tbody", *lines))


def _lost(view: PinnedView) -> list[Html]:
    text = "Keys were pinned here before, and their file is missing. If you did not remove it, restore it from git instead."
    return [tag("p", text, class_="note warn")] if view.lost else []


def _keys(view: PinnedView, tokens: Mapping[str, str]) -> list[Html]:
    if not view.keys:
        return [tag("p", "No key is pinned yet.", class_="quiet")]
    parts, by_pin = [tag("h2", "Pinned keys")], not _has_passkey(view)
    for number, key in enumerate(view.keys):
        remove = tag(
            "form",
            hidden("token", tokens["remove"]),
            hidden("id", key["id"]),
            *([pin_field(f"pin-remove-{number}")] if by_pin else []),
            *passkey_button(f"Remove {key['name']}", "no"),
            method="post",
            action=_path(view, "remove"),
            data_sign=_path(view, "remove/sign"),
            data_pin=by_pin,
        )
        parts += [
            tag("p", tag("strong", key_words(key))),
            tag("p", tag("code", key["id"])),
            *([remove] if len(view.keys) > 1 else []),
        ]
    return parts


def _add(view: PinnedView, tokens: Mapping[str, str], name: str) -> list[Html]:
    first = not _has_passkey(view)
    how = (
        "This is the first passkey: your PIN pins it. After that, only a pinned key can pin another."
        if first
        else "Your browser creates the new key; then a pinned key signs for it."
    )
    form = tag(
        "form",
        hidden("token", tokens["add"]),
        hidden("key", ""),
        tag("label", "Name", for_="name"),
        tag("input", type="text", id="name", name="name", value=name, required=True, maxlength=64, autocomplete="off"),
        *([pin_field("pin-add")] if first else []),
        *passkey_button("Pin a passkey", "yes"),
        method="post",
        action=_path(view, "add"),
        autocomplete="off",
        data_key=_path(view, "add/key"),
        data_sign=_path(view, "add/sign"),
        data_pin=first,
    )
    after = tag("p", f"Then commit {view.file}: the keys in it verify approvals.", class_="quiet")
    return [tag("h2", "Pin a passkey"), tag("p", how), form, after]


def _has_passkey(view: PinnedView) -> bool:
    return any(key["kind"] == "passkey" for key in view.keys)


def _path(view: PinnedView, step: str) -> str:
    return f"/approvers/{view.project}/{step}?in={quote(view.folder, safe='')}"


@dataclass(frozen=True, slots=True)
class ApproverPages(Handlers):
    """The handlers of the three routes."""

    approvers: Approvers

    def show(self, request: Request, session: str) -> Response:
        """The pinned keys, and forms to change them."""
        engine = self._project(request)
        return unknown() if engine is None else self._render_page(engine, request, session)

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
            notice = Notice("no", f"Nothing has changed. {refused.message} {for_person(refused.hint)}")
            return self._render_page(engine, request, session, notice, status_of(refused), form.get("name", ""))
        return RedirectResponse(f"{request.url.path.rpartition('/')[0]}?{request.url.query}", 303)

    def _project(self, request: Request) -> Engine | None:
        refuse_pin(asks_pin=self.asks_pin)
        return self.engines.of_project(request.path_params["project"], request.query_params.get("in", ""))

    def _render_page(
        self,
        engine: Engine,
        request: Request,
        session: str,
        notice: Notice | None = None,
        status: int = 200,
        typed: str = "",
    ) -> Response:
        name = typed or request.query_params.get("name", "")
        tokens = {do: self.sessions.token(session, f"{do} {engine.project_id}") for do in ("add", "remove")}
        page = approvers_page(pinned_view(engine), tokens, name, notice)
        return HTMLResponse(page, status, headers=SCRIPTED)
