"""A decision as the API answers it, and artifacts in parts as JSON."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts import content
from wfe_mcp.core.units import join_names
from wfe_mcp.views.approvals.request import DecisionCommands, DecisionFacts, DecisionView
from wfe_mcp.views.runs.requests import HandedOn, handed_on
from wfe_mcp.views.values import markdown
from wfe_mcp.views.values.model import view_model, view_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.engine.people.presence import Present


@view_model
class AskedView:
    """A stored request."""

    id: str
    run_id: str
    phase: str
    attempt: int
    stage: str
    sha256: str
    created_at: str
    expires_at: str = ""


@view_model
class AnswerGiven:
    """What was decided, by whom."""

    approved: bool
    actor: str
    channel: str
    assurance: str
    at: str
    comment: str = ""
    to: str = ""


@view_model
class PersonHere:
    """A person who has the page of a decision open. ``since``: a time."""

    name: str
    since: str


@view_model
class PersonAble:
    """A person who can decide, by name. ``away``: ``away until 2026-12-01``, where they are."""

    name: str
    away: str = ""


@view_model
class PeopleHere:
    """The others who have the page of a decision open. ``text``: the same as a sentence; empty without one.

    ``handed``: to whom it was handed on, as a sentence. ``able``: to whom who asks can hand it on.
    """

    present: tuple[PersonHere, ...]
    text: str = ""
    handed: str = ""
    able: tuple[PersonAble, ...] = ()


@view_model
class DecisionData(DecisionFacts):
    """A request as shown to the user; ``shown`` is what ``show --decision --json`` shows, and ``shown_sha256`` names it.

    ``editable``: ``prompt`` or ``artifact``, what of it a person can edit. ``present``: people of a server who have its page open now.
    """

    request: AskedView
    commands: DecisionCommands
    newer: str = ""
    answer: AnswerGiven | None = None
    editable: str = ""
    shown_sha256: str = ""
    present: tuple[PersonHere, ...] = ()
    handed: HandedOn | None = None


@view_model
class DecisionPage:
    """A request, and what is shown of it as HTML: the sections of its plain page, which name the same ``shown_sha256``.

    Text of agents and files is escaped in it; it has no script, no style and no form.
    """

    decision: DecisionData
    html: str


def people_here(presents: Sequence[Present]) -> PeopleHere:
    """``presents`` as JSON, and as a sentence."""
    if not presents:
        return PeopleHere(present=())
    names = join_names([f"{present.name} (since {present.since:%H:%M} UTC)" for present in presents])
    text = f"{names} {'has' if len(presents) == 1 else 'have'} this decision open, too."
    return PeopleHere(present=tuple(view_of(PersonHere, present) for present in presents), text=text)


def decision_data(view: DecisionView, editable: str = "", present: Sequence[Present] = ()) -> DecisionData:
    """``view`` as JSON."""
    return view_of(
        DecisionData,
        view,
        request=view_of(AskedView, view.request),
        answer=view.answer and view_of(AnswerGiven, view.answer, assurance=view.answer.assurance.name.lower()),
        editable=editable,
        present=people_here(present).present,
        handed=handed_on(view.handed),
    )


def parts_json(schema: str, value: object) -> tuple[Any, ...]:
    """The parts of an artifact as JSON, each with its ``kind``; Markdown as blocks."""
    return tuple(_kind(part) for part in content.parts_of(schema, value))


def blocks_json(text: str) -> tuple[Any, ...]:
    """Markdown as blocks in JSON, each with its ``kind``."""
    return tuple(_kind(block) for block in markdown.parse_blocks(text))


def _kind(value: object) -> Any:
    """A part or a block as JSON, with its ``kind``; Markdown as blocks."""
    if isinstance(value, tuple):
        return [_kind(item) for item in cast("tuple[object, ...]", value)]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    named: Mapping[str, Any] = {field.name: _kind(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, content.Document):
        named = {"blocks": list(blocks_json(value.text))}
    return {"kind": type(value).__name__.lower(), **named}
