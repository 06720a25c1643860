"""The page of trust: every effect as a difference to what was trusted last, and the user's answer.

It needs no script. The boxes that choose what to trust are beside it; what weakens a gate is not chosen by itself.

    GET  /trust/<project>?in=<folder>     every effect that needs trust there, as a difference to what was trusted last
    POST /trust/<project>?in=<folder>     with the PIN: trust what is ticked

Rules:
1. Only on a page that the user opened, and after the PIN: configuration names programs and addresses.
2. The signature covers what was shown, and is the one of ``wfe-mcp trust``. Other bytes are ``stale_revision``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wfe_mcp.core.effects import Kind
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.answers import Handlers, person_in, status_of
from wfe_mcp.dashboard.fields import Notice, buttons, hidden, note, pin_field, refuse_pin, submit
from wfe_mcp.dashboard.html import Html, crumbs, document, headline, icon, tag
from wfe_mcp.dashboard.pages import login_page
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.templates.effects import EffectChange
from wfe_mcp.engine.templates.pending import OWN
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.engine.templates.trust_listing import TrustListing
from wfe_mcp.views.approvals.approvers import key_words
from wfe_mcp.views.approvals.trust import NOT_CONTINUED, UNWEAKENED, TrustView, trust_path, trust_view, trusted_listings

ITEM = "trust:"
"""Followed by the name of something: the field of its box."""

_TITLES: dict[Kind, str] = {
    "gates": "Gates",
    "runs": "Programs",
    "starts": "MCP servers and other starts",
    "passes": "Values passed on",
    "writes": "Files written",
    "calls": "Addresses and calls",
    "sends": "Sent to models",
    "tools": "Tools of the agent",
    "roles": "Providers and roles",
    "policy": "Policy",
    "reads": "Files read",
    "skips": "Phases left out or repeated",
    "spends": "Budgets",
    "sets": "Settings",
    "asks": "Prompts",
}
_MARKS = {"new": ("add", "+"), "changed": ("chg", "~"), "gone": ("del", "−"), "same": ("same", "")}
_KINDS = {
    "configuration": "Configuration of the project",
    "own configuration": "Your own configuration",
    "approvers": "Keys that may sign",
    "template": "Template",
}


def trust_page(
    view: TrustView,
    trusted: Sequence[TrustListing],
    token: str,
    path: str,
    notice: Notice | None = None,
    chosen: Collection[str] | None = None,
) -> Html:
    """What needs trust in a project, and what is trusted. ``path``: where the form goes.

    ``chosen``: the names whose boxes were ticked before an error; None: those that weaken no gate.
    """
    weakening = [(listing, change) for listing in _all(view) for change in listing.weakening]
    body = [
        crumbs(tag("span", view.folder, class_="clip"), tag("span", "trust")),
        _head(view, len(weakening)),
        note(notice),
        _weakening(weakening),
        *(_item(view, listing, chosen) for listing in view.listings),
        *_review(view, chosen),
        _trusted_effects(trusted),
    ]
    bar = None if view.is_empty else _bar(view, weakening, token, path)
    return document(f"Trust: {view.folder}", *body, class_="trust", bar=bar)


def _all(view: TrustView) -> list[TrustListing]:
    return [*view.listings, *([view.review] if view.review is not None else [])]


def _head(view: TrustView, weakening: int) -> Html:
    if view.is_empty:
        return headline("Nothing needs your trust", [view.folder])
    changes = [change for listing in _all(view) for change in listing.changes]
    new = sum(change.mark != "same" for change in changes)
    effects = f"{plural(new, 'effect')} new, changed or gone; {len(changes) - new} as you trusted them."
    rows = [
        tag("dt", "Effect"),
        tag("dd", f"{effects} Until you trust them, gates that need them wait. No attempt is lost."),
        tag("dt", "Gates"),
        tag("dd", tag("span", icon("weak"), f"{plural(weakening, 'change')} weaken a gate", class_="state s-weak"))
        if weakening
        else tag("dd", UNWEAKENED),
    ]
    waiting = tag("span", icon("waiting"), "Waiting for you", class_="state s-waiting pill")
    title = f"Trust what {PurePath(view.folder).name} brings?"
    return headline(title, [waiting], tag("dl", *rows, class_="ask"))


def _weakening(found: Sequence[tuple[TrustListing, EffectChange]]) -> Html | None:
    """What removes or weakens a gate, of all listings, before everything else."""
    if not found:
        return None
    lines = [_line(change, f"{change.effect.kind}, {listing.pending.name}") for listing, change in found]
    summary = f"{plural(len(found), 'change')}. Their boxes below are not ticked."
    head = tag("header", icon("weak"), tag("h2", "Weakens a gate"), tag("span", summary, class_="small soft"))
    return tag("section", head, *lines, class_="panel trustlist danger", id="weakens")


def _item(view: TrustView, listing: TrustListing, chosen: Collection[str] | None) -> Html:
    trust = listing.pending
    compared = f"compared with {listing.compared}" if listing.compared else "new; nothing was trusted before"
    problems = map(_problem, listing.problems)
    title = f"{_KINDS[trust.kind]}: {trust.name} {listing.version}".strip(" :")
    head = _item_head(
        trust.name, title, f"{trust.where}, sha256 {trust.sha256[:12]}, {compared}", listing.weakening, chosen
    )
    keys = _keys(view) if trust.kind == "approvers" else []
    return tag("section", head, *problems, *keys, *_changes(listing), class_="panel trustlist", id=f"item-{trust.name}")


def _item_head(
    name: str, title: str, about: str, weakening: Collection[EffectChange], chosen: Collection[str] | None
) -> Html:
    field = f"{ITEM}{name}"
    is_chosen = name in chosen if chosen is not None else not weakening
    more = f", which weakens {plural(len(weakening), 'gate')}" if weakening else ""
    box = tag("input", type="checkbox", name=field, value="yes", form="trust", checked=is_chosen)
    label = tag("label", box, f"Trust {name}{more}", class_="choose s-weak" if weakening else "choose")
    return tag("header", tag("h2", title), label, tag("p", about, class_="small soft about"))


def _problem(text: str) -> Html:
    return tag("p", icon("warning"), text, class_="problem s-warning")


def _keys(view: TrustView) -> list[Html]:
    lines = [tag("p", f"{key['kind']} {key_words(key)}", class_="problem") for key in view.keys]
    return lines if view.continues else [*lines, _problem(NOT_CONTINUED)]


def _changes(listing: TrustListing) -> list[Html]:
    """The changes by kind; what weakens a gate is above, and what is the same is folded."""
    rest = [change for change in listing.changes if change.mark != "same" and change not in listing.weakening]
    same = [change for change in listing.changes if change.mark == "same"]
    parts = _by_kind(rest)
    if listing.weakening and not rest:
        parts = [tag("p", "All its changes weaken a gate: see above.", class_="problem soft")]
    title = tag("summary", f"Unchanged: {plural(len(same), 'effect')}", class_="row fold")
    return [*parts, tag("details", title, *_by_kind(same))] if same else parts


def _by_kind(changes: Iterable[EffectChange]) -> list[Html]:
    parts: list[Html] = []
    changes = list(changes)
    for kind, title in _TITLES.items():
        lines = [_line(change) for change in changes if change.effect.kind == kind]
        parts += [tag("h3", title), *lines] if lines else []
    return parts


def _line(change: EffectChange, kind: str = "") -> Html:
    effect, (class_, sign) = change.effect, _MARKS[change.mark]
    was = change.was if change.mark == "changed" else effect.detail
    values = {
        "new": [("now", "ins", effect.detail)],
        "same": [("now", "code", effect.detail)],
        "gone": [("was", "del", was)],
        "changed": [("was", "del", was), ("now", "ins", effect.detail)],
    }[change.mark]
    cells = [html for name, element, text in values for html in (tag("span", name), tag(element, text))]
    about = ", ".join(word for word in (kind, {"gone": "no longer there"}.get(change.mark, ""), effect.source) if word)
    weak = " weak" if effect.weakens and change.mark != "same" else ""
    return tag(
        "div",
        tag("b", sign, aria_label=change.mark),
        tag("span", tag("span", effect.subject, class_="what"), tag("span", about, class_="why")),
        tag("span", *cells, class_="was"),
        class_=f"tline {class_}{weak}",
    )


def _review(view: TrustView, chosen: Collection[str] | None) -> list[Html]:
    """The user's own configuration where it counts already and has changed, and templates that were re-enabled."""
    if view.review is None and not view.enabled_again:
        return []
    weakening = view.review.weakening if view.review is not None else ()
    about = "It counts without trust. Ticking it records your review."
    if view.review is not None:
        about = f"{view.review.pending.where}, sha256 {view.review.pending.sha256[:12]}. {about}"
    again = f"Templates re-enabled since your last review: {', '.join(view.enabled_again)}"
    lines = [_problem(again)] if view.enabled_again else []
    changes = _changes(view.review) if view.review is not None else []
    head = _item_head(OWN, "Changed since your last review", about, weakening, chosen)
    return [tag("section", head, *lines, *changes, class_="panel trustlist", id="item-own")]


def _trusted_effects(listings: Sequence[TrustListing]) -> Html | None:
    """Every effect of what counts already, folded."""
    if not listings:
        return None
    folded = [_in_force(listing) for listing in listings]
    return tag("section", tag("header", tag("h2", "In force")), *folded, class_="section trustlist", id="in-force")


def _in_force(listing: TrustListing) -> Html:
    trust, same = listing.pending, (replace(change, mark="same") for change in listing.changes if change.mark != "gone")
    about = f"{_KINDS[trust.kind].lower()}, {plural(len(listing.changes), 'effect')}"
    named = (tag("span", f"{trust.name} {listing.version}".strip()), tag("span", about, class_="small soft"))
    return tag("details", tag("summary", *named, class_="row fold wrap"), *_by_kind(same), class_="panel")


def _bar(view: TrustView, weakening: Sequence[tuple[TrustListing, EffectChange]], token: str, path: str) -> Html:
    names = ", ".join(dict.fromkeys(listing.pending.name for listing, _ in weakening))
    warn = tag("span", icon("weak"), f"Ticking {names} weakens gates.", class_="state s-weak") if weakening else None
    facts = tag(
        "span",
        "signs ",
        tag("code", view.sha256[:12]),
        title=f"sha256 of everything to trust here: {view.sha256}",
        class_="facts",
    )
    form = tag(
        "form",
        hidden("token", token),
        hidden("shown", view.sha256),
        tag(
            "div",
            tag("p", "You trust what is ticked, exactly as it is shown. The rest keeps waiting.", class_="then"),
            pin_field("pin"),
            buttons(submit("Sign trust")),
            class_="pane always",
        ),
        id="trust",
        method="post",
        action=path,
        autocomplete="off",
    )
    command = tag("span", tag("code", "wfe-mcp trust"), class_="cli yes")
    rest = tag("div", warn, facts, tag("span", command, class_="end"), class_="rest")
    return tag("div", form, rest, class_="decide", role="group", aria_label="Your trust")


MOST_FIELDS = 2_000


class Trusting(Handlers):
    """The handlers of the two routes."""

    def show(self, request: Request, session: str) -> Response:
        """The page; first the PIN."""
        engine = self._engine(request)
        if not self.sessions.is_open(session):
            return HTMLResponse(login_page(self.sessions.token(session, "login"), to=f"/{trust_path(engine)}"))
        return self._render_page(engine, session)

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
            return self._render_page(engine, session, refused, names)
        return RedirectResponse(f"/{trust_path(engine)}", 303)

    def _engine(self, request: Request) -> Engine:
        refuse_pin(asks_pin=self.asks_pin)
        engine = self.engines.of_project(request.path_params["project"], request.query_params.get("in", ""))
        if engine is None:
            raise Refused("bad_argument", "This database has no such project.", "Open it from the inbox.")
        return engine

    def _render_page(
        self, engine: Engine, session: str, refused: Refused | None = None, chosen: Collection[str] | None = None
    ) -> Response:
        notice = None
        if refused is not None:
            notice = Notice("no", f"Nothing was trusted. {refused.message} {for_person(refused.hint)}".strip())
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
    by = person_in(engine, form)
    give_trust(engine, by, names, view.shown, seen=view.sha256)


def _name(engine: Engine) -> str:
    return f"trust {engine.project_id} {engine.root}"
