"""The page where a person who reviews in place of a model reads the question and answers it.

    GET  /opinion/<run>/<reviewer>?phase=<path>     the question, and a form
    POST /opinion/<run>/<reviewer>?phase=<path>     with the PIN: the opinion, signed; then the list again

It is ``wfe-mcp opinion answer``: the same validation and effect. What was typed survives a refusal.

At a server a passkey signs it in place of the PIN, and the role allows it:

    POST /opinion/<run>/<reviewer>/sign?phase=<path>    what it signs; nothing is stored

The forms with which a person overrules an opinion gate: its reviewers rejected, or have not answered.

POST /overrule/<run>     with phase, reason and PIN; then the list again
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.dashboard import fields
from wfe_mcp.dashboard.answers import Handlers, person_in, status_of
from wfe_mcp.dashboard.deciding import read_json
from wfe_mcp.dashboard.decision_page import SCRIPT
from wfe_mcp.dashboard.engines import Engines, OpenRun
from wfe_mcp.dashboard.guard import SCRIPTED
from wfe_mcp.dashboard.html import INBOX, Html, crumbs, document, headline, tag
from wfe_mcp.dashboard.pages import login_page
from wfe_mcp.dashboard.sessions import Sessions
from wfe_mcp.dashboard.signing import Signing
from wfe_mcp.engine.approvals.approvers import person_named, pinned_here
from wfe_mcp.engine.approvals.passkey_decisions import Unsigned
from wfe_mcp.engine.evaluation.opinion_by_hand import AskedQuestion, open_question, take_opinion
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs import control
from wfe_mcp.views.approvals.inbox import opinion_path

VERDICTS = ("pass", "concerns", "fail")


class Opinions(Handlers):
    """The handlers of the two routes."""

    def show(self, request: Request, session: str) -> Response:
        """The question and the form; first the PIN."""
        place = ReviewPlace.of(request)
        engine = self._engine(place)
        if not self.sessions.is_open(session):
            return HTMLResponse(login_page(self.sessions.token(session, "login"), to=place.path))
        return HTMLResponse(opinion_page(engine, place, self.sessions.token(session, place.path)))

    def take(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Store the opinion; a refusal shows the form again."""
        place = ReviewPlace.of(request)
        engine = self._engine(place)
        self.sessions.expect(session, place.path, form, "stored")
        try:
            answer_question(engine, place, form, lambda: person_in(engine, form))
        except Refused as refused:
            if refused.code in {"illegal_transition", "unknown_phase"} or not self.sessions.is_open(session):
                raise
            notice = fields.Notice("no", f"Nothing was stored. {refused.message}")
            token = self.sessions.token(session, place.path)
            return HTMLResponse(opinion_page(engine, place, token, notice, form), status_of(refused))
        return RedirectResponse(INBOX, 303)

    def _engine(self, place: ReviewPlace) -> Engine:
        fields.refuse_pin(asks_pin=self.asks_pin)
        return engine_of(self.engines, place)


@dataclass(frozen=True, slots=True)
class ReviewPlace:
    """A question to a person who reviews."""

    run: str
    phase: str
    reviewer: str

    @classmethod
    def of(cls, request: Request) -> ReviewPlace:
        """The one in the address."""
        return cls(request.path_params["run"], request.query_params.get("phase", ""), request.path_params["reviewer"])

    @property
    def path(self) -> str:
        """Where on the page it is answered."""
        return f"/{opinion_path(self.run, self.phase, self.reviewer)}"

    def path_to(self, step: str) -> str:
        """The path of a step of the answer."""
        path, _, query = self.path.partition("?")
        return f"{path}/{step}?{query}"


def engine_of(engines: Engines, place: ReviewPlace) -> Engine:
    """The engine of the run that asks. Refuses ``bad_argument``: there is no such run."""
    engine = engines.of_run(place.run)
    if engine is None:
        raise Refused("bad_argument", f"This database has no run {place.run!r}.", "Open it from the inbox.")
    return engine


def answer_question(engine: Engine, place: ReviewPlace, form: Mapping[str, str], person: Callable[[], Person]) -> None:
    """Store the opinion that the form gives of the question that it showed. ``person``: who answers, asked last."""
    question = open_question(engine, place.run, place.phase, place.reviewer)
    if form.get("shown") != question.sha256:
        raise Refused("stale_revision", "The question has changed since you opened this page.", "Read it again.")
    text = _answer(form)
    take_opinion(engine, person(), place.run, place.phase, text=text, reviewer=place.reviewer, shown=question.sha256)


def opinion_page(
    engine: Engine,
    place: ReviewPlace,
    token: str,
    notice: fields.Notice | None = None,
    typed: Mapping[str, str] | None = None,
    *,
    sign: str = "",
) -> Html:
    """The question and the form. ``typed``: what was typed before a refusal; else what the answer's file holds.

    ``sign``: the path that says what a passkey signs; empty where the PIN does.
    """
    question = open_question(engine, place.run, place.phase, place.reviewer)
    values = typed or {"whole": question.answer}
    reviewer = question.asked.reviewer
    where = crumbs(tag("span", f"run {place.run}"), tag("span", f"opinion of {reviewer}"))
    changed = fields.Notice("warn", f"{question.asked.question} has changed since it was written.")
    about = "You review in place of a model. Your opinion is signed, and the gate judges it like any other."
    body = [
        where,
        headline(f"Your opinion on {place.phase}, as {reviewer}", [about]),
        fields.note(notice),
        fields.note(changed) if question.is_changed else None,
        tag(
            "section",
            tag("header", tag("h2", "The question"), tag("span", question.asked.question, class_="small soft")),
            tag("pre", question.text, class_="block prompt"),
            class_="section",
        ),
        _form(question, place.path, token, values, sign),
    ]
    return document(f"Opinion on {place.phase}", *body, script=SCRIPT if sign else "", class_="")


def _form(question: AskedQuestion, path: str, token: str, given: Mapping[str, str], sign: str) -> Html:
    choices = [
        tag("option", name, value=value, selected=given.get("verdict", "") == value)
        for value, name in (("", "choose"), *((verdict, verdict) for verdict in VERDICTS))
    ]
    whole = "Or the whole opinion as JSON, with findings, or a model's answer that ends with it"
    return tag(
        "form",
        fields.hidden("token", token),
        fields.hidden("shown", question.sha256),
        tag("h2", "Your opinion"),
        fields.field("Verdict", "verdict", tag("select", *choices, id="verdict", name="verdict")),
        fields.text_area("Summary", "summary", given.get("summary", ""), 3),
        fields.text_area("What to change (optional)", "suggestion", given.get("suggestion", ""), 3),
        fields.text_area(whole, "whole", given.get("whole", ""), 8),
        None if sign else fields.pin_field("pin"),
        *(fields.passkey_button("Sign and give the opinion", "yes") if sign else ()),
        fields.buttons(
            None if sign else fields.submit("Sign and give the opinion"), tag("a", "Back", href=INBOX, class_="btn")
        ),
        method="post",
        action=path,
        data_sign=sign or None,
        autocomplete="off",
        class_="stack section",
    )


def _answer(form: Mapping[str, str]) -> str:
    """The answer as text: the whole one where it is given, else what the fields say. Refuses both, and neither."""
    whole, verdict = form.get("whole", "").strip(), form.get("verdict", "")
    if bool(whole) == bool(verdict):
        raise Refused("bad_argument", "Choose a verdict, or give the whole opinion as JSON, and not both.", "")
    if whole:
        return whole
    suggestion = form.get("suggestion", "").strip()
    value: dict[str, object] = {"verdict": verdict, "findings": [], "summary": form.get("summary", "").strip()}
    return json.dumps(value | ({"suggestion": suggestion} if suggestion else {}))


class SignedOpinions:
    """The handlers at a server, which has looked whether the role allows them. ``name_of``: who is logged in; ``signing``: of a
    session and a place.
    """

    def __init__(
        self,
        engines: Engines,
        sessions: Sessions,
        name_of: Callable[[str], str],
        signing: Callable[[str, str], Signing],
    ) -> None:
        self._engines, self._sessions, self._name, self._signing = engines, sessions, name_of, signing

    def show(self, request: Request, session: str) -> Response:
        """The question and the form."""
        place = ReviewPlace.of(request)
        return self._page(engine_of(self._engines, place), place, session)

    def sign(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """What the passkey has to sign."""
        place = ReviewPlace.of(request)
        engine, signing, name = self._signer(place, form, session)
        try:
            answer_question(engine, place, form, lambda: signing.require_signature(engine, place.run, name))
        except Unsigned as unsigned:
            return JSONResponse(signing.asking(unsigned))
        raise AssertionError("without a signature nothing changes")

    def take(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Store the opinion; a refusal shows the form again."""
        place = ReviewPlace.of(request)
        engine, signing, name = self._signer(place, form, session)
        try:
            credential = read_json(form.get("assertion", ""))
            answer_question(
                engine, place, form, lambda: signing.person(engine, name, form.get("ceremony", ""), credential)
            )
        except Refused as refused:
            if refused.code in {"illegal_transition", "unknown_phase"}:
                raise
            notice = fields.Notice("no", f"Nothing was stored. {refused.message}")
            return self._page(engine, place, session, notice, form, status_of(refused))
        return RedirectResponse(INBOX, 303)

    def _page(
        self,
        engine: Engine,
        place: ReviewPlace,
        session: str,
        notice: fields.Notice | None = None,
        typed: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        token = self._sessions.token(session, place.path)
        page = opinion_page(engine, place, token, notice, typed, sign=place.path_to("sign"))
        return HTMLResponse(page, status, headers=SCRIPTED)

    def _signer(self, place: ReviewPlace, form: Mapping[str, str], session: str) -> tuple[Engine, Signing, str]:
        """The engine of the run, the signing of its question, and who signs, for a form that they were shown.

        Refuses ``needs_human`` where another person with a key is asked by name.
        """
        engine, name, asked = engine_of(self._engines, place), self._name(session), person_named(place.reviewer)
        named = {person_named(key.name) for key in pinned_here(engine, engine.root).passkeys.values()}
        if asked in named and person_named(name) != asked:
            raise Refused("needs_human", f"{place.reviewer} is asked, by name.", "Leave it to that person.")
        self._sessions.expect(session, place.path, form, "stored")
        return engine, self._signing(session, place.path), name


_FORM = "overrule"


class Overruling(Handlers):
    """The handler of the route, and the forms that lead to it."""

    def forms(self, runs: Sequence[OpenRun], session: str) -> list[Html]:
        """One form per phase whose opinion gate a person may overrule; none without such a phase."""
        return list(_forms(runs, lambda run: self.sessions.token(session, f"{_FORM} {run}")))

    def take(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Overrule. Refuses what the engine refuses, and ``bad_argument`` for a run that is not shown."""
        fields.refuse_pin(asks_pin=self.asks_pin)
        run = request.path_params["run"]
        self.sessions.expect(session, f"{_FORM} {run}", form, "decided")
        engine = self.engines.of_run(run)
        if engine is None:
            raise Refused("bad_argument", f"This database has no run {run!r}.", "Reload the page.")
        by = person_in(engine, form)
        control.overrule(engine, by, run, form.get("phase", ""), form.get("reason", ""))
        return RedirectResponse("/", 303)


def _forms(runs: Sequence[OpenRun], token: Callable[[str], str]) -> Iterator[Html]:
    for run in runs:
        for phase, why in run.overrulable:
            where = f"{run.id}-{phase}"
            yield tag(
                "form",
                tag("h2", f"Overrule the opinion gate of {phase} in {run.title} ({run.id})"),
                tag("p", why) if why else None,
                tag("p", "The reason stays visible. The gates after this one judge as usual."),
                fields.hidden("token", token(run.id)),
                fields.hidden("phase", phase),
                fields.text_field("Reason", "reason", required=True),
                fields.pin_field(f"pin-{where}"),
                tag("button", "Overrule", type="submit", class_="btn"),
                method="post",
                action=f"/overrule/{run.id}",
            )
