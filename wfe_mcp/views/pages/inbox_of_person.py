"""The inbox of a person who is logged in at a server: what they can do first, and apart from it what others can, with who they are.

    decision, approval that is not asked for    who can decide: role, passkey, not twice, to whom it was handed (``Deciders``)
    task                                        who can decide: it is signed, too
    stopped run                                 the role author
    opinion                                     the person whose name the reviewer has; else who can decide
    trust                                       no one here: it is given at the terminal of the server

Where no one logs in, only an approval of several people that the person of the PIN has given is for others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from wfe_mcp.engine.access.people import Login, People
from wfe_mcp.engine.approvals.approvers import Signer, person_named
from wfe_mcp.engine.approvals.passkeys import Site
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.people.absence import Absence
from wfe_mcp.engine.people.deciders import NO_ONE, Deciders, deciders, lacks_role
from wfe_mcp.engine.people.presence import come
from wfe_mcp.views.approvals.approvers import APPROVED, signers
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.pages.decision import PeopleHere, PersonAble, people_here
from wfe_mcp.views.runs.requests import HandedOn, InboxView, UnaskedDecision, WaitingDecision, handed_on
from wfe_mcp.views.values.model import view_model, view_of

_NO_KEY = "You have no passkey that counts in this project: make one and have it pinned, at the foot of /access."
_WAITS = "Your passkey waits until an approver pins it, at the foot of /access."


@view_model
class AbsenceView:
    """A person who is away until a day, and their deputy."""

    name: str
    until: str
    to: str = ""


@view_model
class AbsenceList:
    """Who is away now."""

    away: tuple[AbsenceView, ...]


def absence_list(absences: Iterable[Absence]) -> AbsenceList:
    """``absences`` as JSON."""
    return AbsenceList(
        away=tuple(view_of(AbsenceView, absence, until=absence.until.isoformat()) for absence in absences)
    )


def inbox_of(view: InboxView, me: str, of: Mapping[str, Deciders]) -> InboxView:
    """``view`` for the person ``me``. ``of``: the people of each project, by its folder."""

    def sorted_out(rows: tuple[Any, ...], why: Callable[[Any], str]) -> tuple[Any, ...]:
        changed = [replace(inbox_row, for_others=why(inbox_row)) for inbox_row in rows]
        return tuple(sorted(changed, key=lambda each: (bool(each.for_others), getattr(each, "handed", None) is None)))

    def people(row: Any) -> Deciders:
        return of.get(row.project, NO_ONE)

    def of_authors(row: Any) -> str:
        able = people(row).having("author")
        return "" if me in able else f"{people(row).subject_of(able)} can continue it, by the role author."

    return replace(
        view,
        decisions=sorted_out(view.decisions, lambda each: _decision(each, me, people(each))),
        unasked=sorted_out(view.unasked, lambda each: _decision(each, me, people(each))),
        tasks=sorted_out(view.tasks, lambda each: _why_not_signed(me, people(each).able(), people(each), "fill it in")),
        stopped=sorted_out(view.stopped, of_authors),
        opinions=sorted_out(
            view.opinions,
            lambda each: _why_not_signed(me, _who_can_answer(each.reviewer, people(each)), people(each), "answer it"),
        ),
        trust=sorted_out(view.trust, lambda _: "It is given at the terminal of the server."),
    )


def yours(view: InboxView) -> InboxView:
    """What of ``view`` is for who asks."""
    rows = {field.name: getattr(view, field.name) for field in fields(view) if not field.name.startswith("stuck")}
    return replace(view, **{name: tuple(row for row in those if not row.for_others) for name, those in rows.items()})


def as_seen_by(engine: Engine, people: People, login: Login, view: DecisionView) -> DecisionView:
    """``view`` with what ``login`` can do: the keys that they sign with; without the role or a key why not, and who can."""
    if view.shown is None:
        return view
    if others := lacks_role(engine, people, login, view.approvals):
        return replace(view, passkeys=(), buttons=(), others=others)
    with engine.store.read() as tx:
        loaded = tx.runs.load(view.request.run_id)
    assert loaded is not None, "its request is shown"
    names, why = signers(engine, Path(loaded.record.worktree), Signer(Site(people.origin), login.person.name))
    others, view = deciders(engine, people).who_can(view.approvals), replace(view, approved="")
    if person_named(login.person.name) in view.approvals:
        left = tuple(button for button in view.buttons if button != "Approve")
        view = replace(view, approved=f"{APPROVED} {others}", buttons=left)
    if names:
        return replace(view, passkeys=names, no_passkey="")
    others = f"{others} {why}"  # which may end with a command
    return replace(view, passkeys=(), no_passkey=why, others=others, key_page=f"/approvers/{engine.project_id}")


def people_at(engine: Engine, people: People, login: Login, view: DecisionView) -> PeopleHere:
    """What ``login``, who has the page of ``view`` open, sees of others there; it records that they have it open."""
    here, people_able = people_here(come(people.engine, login, view.request.id)), deciders(engine, people)
    if view.state != "open":
        return here
    me, away = login.person.name, people_able.away
    have_it = {me, view.handed.to if view.handed else me}
    able = (
        [name for name in people_able.able(view.approvals) if name not in have_it]
        if login.is_("approver", engine.project_id)
        else []
    )
    return replace(
        here,
        handed=_handed_sentence(handed_on(view.handed), people_able),
        able=tuple(PersonAble(name=name, away=away[name].text if name in away else "") for name in able),
    )


def _decision(row: WaitingDecision | UnaskedDecision, me: str, people: Deciders) -> str:
    """Why it is not for ``me``; empty where it is."""
    handed = row.handed if isinstance(row, WaitingDecision) else None
    approvals = row.approved_by if isinstance(row, WaitingDecision) else ()
    whose = people.whose(approvals, handed.to if handed else "", present=me)
    if me in whose:
        return ""
    if handed is not None and handed.to in people.able(approvals):
        return _handed_sentence(handed, people)
    others = f"{people.subject_of(whose)} can decide it." if whose else people.who_can(approvals)
    if person_named(me) in approvals:
        return f"{APPROVED} {others}"
    return f"{_no_key(me, people)} {others}" if _lacks_key(me, people) else others


def _who_can_answer(reviewer: str, people: Deciders) -> tuple[str, ...]:
    """Who can answer for ``reviewer``: the person of that name, else everyone who signs."""
    able = people.able()
    return tuple(name for name in able if person_named(name) == person_named(reviewer)) or able


def _why_not_signed(me: str, able: tuple[str, ...], people: Deciders, does: str) -> str:
    """Why what a passkey signs is not for ``me``; empty where it is."""
    if me in able:
        return ""
    others = f"{people.subject_of(able)} can {does}."
    return f"{_no_key(me, people)} {others}" if _lacks_key(me, people) else others


def _no_key(me: str, people: Deciders) -> str:
    return _WAITS if me in people.waiting else _NO_KEY


def _lacks_key(me: str, people: Deciders) -> bool:
    return me in people.having("approver") and me not in people.keys


def _handed_sentence(handed: HandedOn | None, people: Deciders) -> str:
    """That they are away, and to whom it was handed."""
    if handed is None:
        return ""
    away = people.away.get(handed.to)
    return (
        f"{handed.to} is {away.text}. {handed.text}" if away else handed.text
    )  # which ends with a note, as it was typed
