"""Operations on what waits for a person, and on their absence at a server that they log in to."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Caller, Reads
from wfe_mcp.dashboard.api.bodies import Body
from wfe_mcp.dashboard.api.replies import answer_of, view_reply
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.access.people import Login, People
from wfe_mcp.engine.people import absence
from wfe_mcp.engine.people.deciders import Deciders, deciders
from wfe_mcp.views.pages.inbox_of_person import AbsenceList, absence_list, inbox_of, yours
from wfe_mcp.views.runs.requests import InboxView, inbox_lines

router = APIRouter(tags=["inbox"])


class Away(Body):
    """``until``: the day of the return, 2026-12-01. ``to``: the deputy. ``name``: another person, for an admin."""

    until: str = Field(max_length=10)
    to: str = Field("", max_length=100)
    name: str = Field("", max_length=100)


class Back(Body):
    """``name``: another person, for an admin."""

    name: str = Field("", max_length=100)


@router.get("/inbox", response_model=answer_of(InboxView))
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
    rows = (*view.decisions, *view.unasked, *view.tasks, *view.stopped)
    engines_there = filter(None, map(engines.by_root, {row.project for row in rows}))
    return {} if people is None else {str(engine.root): deciders(engine, people) for engine in engines_there}


@router.get("/absences", response_model=answer_of(AbsenceList))
def list_absences(caller: Reads) -> JSONResponse:
    """Who of the projects of this person is away now."""
    return _answer(*_login(caller))


@router.post("/absences", response_model=answer_of(AbsenceList))
def be_away(caller: Reads, body: Away) -> JSONResponse:
    """Be away until a day: no messages meanwhile, and what was handed to this person is for the deputy."""
    people, login = _login(caller)
    name = body.name or login.person.name
    absence.refuse_strangers(people, login, name, body.to)
    absence.go_away(people.engine, caller.by, name, body.until, body.to)
    return _answer(people, login)


@router.post("/absences/end", response_model=answer_of(AbsenceList))
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


def _answer(people: People, login: Login) -> JSONResponse:
    with people.engine.store.read() as tx:
        seen = {name for name, role in people.roles(tx).items() if {*role} & {*login.roles}}
        away = absence.absences(tx, people.engine.clock())
    view = absence_list([person_away for name, person_away in sorted(away.items()) if name in seen])
    return view_reply(f"{len(view.away)} away", view)
