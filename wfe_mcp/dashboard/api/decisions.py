"""Operations on what waits for a person's decision: look at it, approve, reject with comments on lines, edit.
The inbox lists all of it; at a server a person can be away.

Rules:
1. Any token may look. A decision needs the PIN, typed at the page; a program is ``forbidden``.
2. A decision is for the content that was shown: ``sha256`` and ``shown`` are sent, and any other is ``stale_revision``
   (409) with the view of now, and the request that is open in its place.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.core.prompts import LineComment, Side
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Caller, Reads
from wfe_mcp.dashboard.api.bodies import Body
from wfe_mcp.dashboard.api.replies import answer_of, reply, view_reply
from wfe_mcp.dashboard.comment_fields import Fields
from wfe_mcp.dashboard.deciding import ask_about_now, changed_files, record_answer, refuse_unseen
from wfe_mcp.dashboard.decision_page import decision_body
from wfe_mcp.dashboard.edits import nothing_to_edit, open_text, store_edit, what_is_editable
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.access.people import Login, People
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.people import absence
from wfe_mcp.engine.people.deciders import MOST_NOTE, Deciders, deciders, deputy_fault, hand_over
from wfe_mcp.engine.people.presence import present
from wfe_mcp.views.approvals import words
from wfe_mcp.views.approvals.answers import MOST_COMMENTS, rejection
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.pages.decision import DecisionData, DecisionPage, PeopleHere, decision_data, people_here
from wfe_mcp.views.pages.inbox_of_person import AbsenceList, absence_list, as_seen_by, inbox_of, people_at, yours
from wfe_mcp.views.reports.envelopes import refusal
from wfe_mcp.views.runs.requests import InboxView, inbox_lines
from wfe_mcp.views.values.model import plain, second, view_model

router = APIRouter(prefix="/decisions/{request}", tags=["decisions"])


class _Decision(Body):
    pin: str = Field("", max_length=200, description="the user's PIN, typed at the page")
    sha256: str = Field(description="of the request that was shown")
    shown: str = Field(description="shown_sha256 of what was shown")


class Comment(Body):
    """A comment on one line of the change. ``side``: of the file before the change, or after it."""

    file: str = Field(max_length=1000)
    line: int = Field(ge=1)
    text: str = Field(max_length=4000)
    side: Side = "new"


class Approval(_Decision):
    """An approval of exactly what was shown, with comments on lines kept below its own. ``phrase``: where the gate asks for one."""

    comment: str = ""
    phrase: str = ""
    comments: list[Comment] = Field([], max_length=MOST_COMMENTS)


class Sending(_Decision):
    """A rejection with feedback, comments on lines, or both. ``to``: an earlier phase to go back to."""

    feedback: str = ""
    to: str = ""
    comments: list[Comment] = Field([], max_length=MOST_COMMENTS)


class HandOver(Body):
    """A person who can decide, by name, and a note to them."""

    to: str = Field(max_length=100)
    note: str = Field("", max_length=MOST_NOTE)


class Edit(_Decision):
    """The prompt or the artifact, as a person edited it. ``note``: stored with the new revision."""

    text: str
    note: str = ""


@view_model
class TextToEdit:
    """What can be edited (``prompt`` or ``artifact``), as text; ``sha256``: of the request it belongs to."""

    what: str
    text: str
    sha256: str


@router.get("", response_model=answer_of(DecisionData))
def show_decision(caller: Reads, request: str) -> JSONResponse:
    """What a request asks: everything that `show --decision --json` shows, with the change line by line."""
    view = _looked_at(caller, request)
    return view_reply(f"{view.request.phase}: {view.state}", _data(view, caller))


@router.get("/page", response_model=answer_of(DecisionPage))
def decision_as_page(caller: Reads, request: str, *, split: bool = False) -> JSONResponse:
    """What a request asks, as HTML to be shown: with `split` the old lines of the change beside the new ones."""
    view = _looked_at(caller, request, opens=True)
    talk = Fields() if "Reject" in view.buttons else None
    html = decision_body(view, talk=talk, may_edit=caller.login is None, split=split)
    return view_reply(f"{view.request.phase}: {view.state}", DecisionPage(decision=_data(view, caller), html=html))


@router.post("/present", response_model=answer_of(PeopleHere))
def be_present(caller: Reads, request: str) -> JSONResponse:
    """Say that a person has the page of this request open, for a bit over a minute; the others there. It hinders no decision."""
    caller.refuse_program()
    view, engine = _find_decision(caller, request)
    people, login = caller.access.people, caller.login
    here = people_here([]) if people is None or login is None else people_at(engine, people, login, view)
    return view_reply(here.text or "No one else has it open.", here)


@router.post("/hand-over", response_model=answer_of(DecisionData))
def hand_request_over(caller: Reads, request: str, body: HandOver) -> JSONResponse:
    """Hand a request to another person who can decide it; they see it first. It stays open to everyone who may decide."""
    caller.refuse_program()
    view, engine = _find_decision(caller, request)
    people, login = caller.access.people, caller.login
    if people is None or login is None:
        raise Refused("unavailable", "No one logs in here, so there is no one to hand it to.", "See: wfe-mcp server")
    hand_over(engine, people, login, request, body.to, body.note)
    return view_reply(f"{view.request.phase}: handed to {body.to}", _data(_find_decision(caller, request)[0], caller))


def _line_comments(comments: list[Comment]) -> list[LineComment]:
    return [LineComment(comment.file, comment.line, comment.text, comment.side) for comment in comments]


@router.post("/approve", response_model=answer_of(DecisionData))
def approve_request(caller: Reads, request: str, body: Approval) -> JSONResponse:
    """Approve what was shown, with the PIN."""

    def give(view: DecisionView, engine: Engine, by: Person) -> None:
        if view.shown is not None and view.shown.assurance == "passkey":
            raise Refused(
                "needs_human",
                "This gate needs a passkey signature; a PIN alone is not enough.",
                f"Sign on the page /decide/{view.request.id}.",
            )
        lines = _line_comments(body.comments)
        comment = rejection(view.shown, body.comment, lines) if lines else body.comment
        record_answer(engine, by, view, "approve", comment, sha256=body.sha256, phrase=body.phrase)

    return _decide(caller, request, body, "Approve", give)


@router.post("/reject", response_model=answer_of(DecisionData))
def reject_request(caller: Reads, request: str, body: Sending) -> JSONResponse:
    """Send the phase back, with the PIN. Comments on lines become part of the feedback that the next attempt gets."""

    def give(view: DecisionView, engine: Engine, by: Person) -> None:
        feedback = rejection(view.shown, body.feedback, _line_comments(body.comments))
        record_answer(engine, by, view, "reject", feedback, sha256=body.sha256, to=body.to)

    return _decide(caller, request, body, "Reject", give)


@router.get("/edit", response_model=answer_of(TextToEdit))
def text_to_edit(caller: Reads, request: str) -> JSONResponse:
    """What of an open request a person can edit: the prompt before work, or an artifact declared editable."""
    view, engine = _find_decision(caller, request)
    what = what_is_editable(view)
    if not what:
        raise nothing_to_edit(view)
    return view_reply(what, TextToEdit(what=what, text=open_text(engine, view), sha256=view.request.sha256))


@router.post("/edit", response_model=answer_of(DecisionData))
def edit_request(caller: Reads, request: str, body: Edit) -> JSONResponse:
    """Store an edited prompt or artifact, with the PIN; its gates run again, and a new request follows."""

    def give(view: DecisionView, engine: Engine, by: Person) -> None:
        store_edit(engine, view, by, body.text, body.note)

    return _decide(caller, request, body, "", give)


def _decide(
    caller: Caller, request: str, body: _Decision, button: str, give: Callable[[DecisionView, Engine, Person], None]
) -> JSONResponse:
    caller.refuse_program()
    view, engine = _find_decision(caller, request)
    try:
        _refuse_unfit(view, body, button)
        give(view, engine, caller.person(engine, body.pin))
    except Refused as refused:
        return _refusal(caller, engine, view, refused)
    now = _judged_again(caller, request)
    return view_reply(f"{view.request.phase}: {'edited' if not button else button.lower()}", _data(now, caller))


def _refuse_unfit(view: DecisionView, body: _Decision, button: str) -> None:
    """Refuse what takes no answer, what was not shown, and what has no PIN."""
    if view.state != "open":
        decision = view.answer
        by = (
            f" {decision.actor} {'approved' if decision.approved else 'rejected'} it at {second(decision.at)}."
            if decision
            else ""
        )
        raise Refused(
            "stale_revision",
            f"The request {view.request.id} is {view.state}: it takes no answer.{by or f' {words.end_sentence(view)}'}",
            "Look at it again.",
        )
    if button and button not in view.buttons and view.approved:
        raise Refused("needs_human", view.approved, "Until then you can take yours back: send it back.")
    if button and button not in view.buttons:
        raise Refused("illegal_transition", "The run is stopped, so no decision is possible now.", "Resume it first.")
    if body.sha256 != view.request.sha256:
        raise Refused("stale_revision", "What you looked at is not what is open now.", "Review it again.")
    refuse_unseen(view, {"shown": body.shown})
    if not body.pin:
        raise Refused(
            "needs_human", "A decision needs your PIN.", f"Type it at the page, or run: {view.commands.approve}"
        )


def _refusal(caller: Caller, engine: Engine, view: DecisionView, refused: Refused) -> JSONResponse:
    """The refusal; a stale one with the view of now, and what differs from what was looked at."""
    answer = refusal(engine, refused, view.request.run_id, view.request.phase)
    if refused.code == "stale_revision":
        changed = changed_files(engine, view, refused)
        now = _judged_again(caller, view.request.id)
        data: dict[str, Any] = plain(_data(now, caller))
        answer.data.update({"decision": data, "newer": now.newer or "", "changed": list(changed)})
    return reply(answer)


def _looked_at(caller: Caller, request: str, *, opens: bool = False) -> DecisionView:
    """The request, whose gates run again where they have to. ``opens``: to decide on it, so its files are looked at again."""
    view, engine = _find_decision(caller, request)
    is_stale = opens and ask_about_now(engine, view)
    return _judged_again(caller, request) if view.gating or is_stale else view


def _judged_again(caller: Caller, request: str) -> DecisionView:
    """The request as it is now; its gates run in the background when no server runs them."""
    caller.access.engines_of(caller.token).judge_again(request)
    return _find_decision(caller, request)[0]


def _find_decision(caller: Caller, request: str) -> tuple[DecisionView, Engine]:
    engines = caller.access.engines_of(caller.token)
    engine = engines.of_request(request)
    if engine is None or not caller.sees(engine.project_id):
        raise Refused(
            "bad_argument", f"There is no request {request[:80]!r}, or its folder is gone.", "List them: GET /inbox"
        )
    engine = caller.engine(engine.project_id)  # a token of one project opens no other
    view = engines.view(request)
    assert view is not None, "its engine was found"
    people, login = caller.access.people, caller.login
    return view if people is None or login is None else as_seen_by(engine, people, login, view), engine


def _data(view: DecisionView, caller: Caller) -> DecisionData:
    here = present(caller.access.own_engine, view.request.id, caller.login) if caller.access.people else ()
    return decision_data(view, what_is_editable(view), here)


inbox = APIRouter(tags=["inbox"])


class Away(Body):
    """``until``: the day of the return, 2026-12-01. ``to``: the deputy. ``name``: another person, for an admin."""

    until: str = Field(max_length=10)
    to: str = Field("", max_length=100)
    name: str = Field("", max_length=100)


class Back(Body):
    """``name``: another person, for an admin."""

    name: str = Field("", max_length=100)


@inbox.get("/inbox", response_model=answer_of(InboxView))
def show_inbox(caller: Reads) -> JSONResponse:
    """What waits for a person in the projects that the token opens, each kind oldest first.

    A person who is logged in at a server gets what they can do first; `for_others` says of the rest who can.
    """
    only = caller.engine() if caller.token.project else None
    view = everything_waiting(caller.access.engines_of(caller.token), only, caller.sees)
    if caller.login is not None:
        view = inbox_of(view, caller.login.person.name, _people(caller, view))
    return view_reply(f"{plural(len(inbox_lines(yours(view))), 'thing')} for a person", view)


def _people(caller: Caller, view: InboxView) -> dict[str, Deciders]:
    """The people of the projects in ``view``, by folder."""
    people, engines = caller.access.people, caller.access.engines_of(caller.token)
    rows = (*view.decisions, *view.unasked, *view.tasks, *view.opinions, *view.stopped)
    engines_there = filter(None, map(engines.by_root, {row.project for row in rows}))
    return {} if people is None else {str(engine.root): deciders(engine, people) for engine in engines_there}


@inbox.get("/absences", response_model=answer_of(AbsenceList))
def list_absences(caller: Reads) -> JSONResponse:
    """Who of the projects of this person is away now."""
    return _answer(*_login(caller))


@inbox.post("/absences", response_model=answer_of(AbsenceList))
def be_away(caller: Reads, body: Away) -> JSONResponse:
    """Be away until a day: no messages meanwhile, and what was handed to this person is for the deputy."""
    people, login = _login(caller)
    name = body.name or login.person.name
    absence.refuse_strangers(people, login, name, body.to)
    absence.go_away(people.engine, caller.by, name, body.until, body.to)
    engines = filter(None, map(caller.access.engines_of(caller.token).by_id, login.roles))
    fault = deputy_fault((deciders(engine, people) for engine in engines), name, body.to)
    return _answer(people, login, fault)


@inbox.post("/absences/end", response_model=answer_of(AbsenceList))
def be_back(caller: Reads, body: Back) -> JSONResponse:
    """Be there again."""
    people, login = _login(caller)
    name = body.name or login.person.name
    absence.refuse_strangers(people, login, name)
    absence.come_back(people.engine, caller.by, name)
    return _answer(people, login)


def _login(caller: Caller) -> tuple[People, Login]:
    if caller.login is None or caller.access.people is None:
        raise Refused("forbidden", "Only a person who is logged in at a server is away or not.", "See: wfe-mcp server")
    return caller.access.people, caller.login


def _answer(people: People, login: Login, fault: str = "") -> JSONResponse:
    with people.engine.store.read() as tx:
        seen = {name for name, role in people.roles(tx).items() if {*role} & {*login.roles}}
        away = absence.absences(tx, people.engine.clock())
    view = absence_list([person_away for name, person_away in sorted(away.items()) if name in seen])
    return view_reply(f"{len(view.away)} away. {fault}" if fault else f"{len(view.away)} away", view)
