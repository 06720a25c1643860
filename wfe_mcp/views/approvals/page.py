"""A decision as the browser application shows it: the decision view, its code in colours, its artifact in parts."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from wfe_mcp.views import markdown
from wfe_mcp.views.approvals import content
from wfe_mcp.views.model import JsonObject, plain, view_model, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wfe_mcp.store.records.approvals import DecisionRecord
    from wfe_mcp.views.approvals.model import ApprovalView
    from wfe_mcp.views.approvals.request import DecisionView

    Colours = Callable[[str, Sequence[str]], list[list[tuple[str, str]]]]

T = TypeVar("T")


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
class DecisionData:
    """A request as shown to the user; ``shown`` is what ``show --decision --json`` shows, only while it is open.

    In it, each hunk has ``pieces`` beside its ``lines``: of each line, classes (``c`` comment, ``k`` keyword, ``s`` text,
    ``m`` number, ``f`` name) and texts. The artifact has ``parts``, as its type wants to be read. ``shown_sha256`` names
    what is shown, without these two. ``editable``: ``prompt`` or ``artifact``, what of it a person can edit.
    """

    request: AskedView
    state: str
    project: str
    title: str
    template: str
    tainted: bool
    gating: bool
    command: str
    newer: str = ""
    answer: AnswerGiven | None = None
    back_to: tuple[str, ...] = ()
    passkeys: tuple[str, ...] = ()
    no_passkey: str = ""
    buttons: tuple[str, ...] = ()
    editable: str = ""
    shown_sha256: str = ""
    shown: JsonObject | None = None


def decision_data(view: DecisionView, colours: Colours, editable: str = "") -> DecisionData:
    """``view`` as JSON. ``colours``: how a language's lines are split into pieces."""
    return view_of(
        DecisionData,
        view,
        request=view_of(AskedView, view.request),
        answer=None if view.answer is None else _answer(view.answer),
        editable=editable,
        shown=None if view.shown is None else _shown(view.shown, colours),
    )


def _answer(given: DecisionRecord) -> AnswerGiven:
    return view_of(AnswerGiven, given, assurance=given.assurance.name.lower())


def _shown(view: ApprovalView, colours: Colours) -> dict[str, Any]:
    found: dict[str, Any] = plain(view)
    for change in found.get("changes", ()):
        for file in change.get("files", ()):
            for hunk in file.get("hunks", ()):
                hunk["pieces"] = plain(list(by_line(hunk["lines"], partial(colours, file["path"]))))
    for place in (found.get("artifact"), *found.get("earlier", ())):
        if place is not None:
            place["parts"] = parts_json(place["schema"], place.get("content"))
    return found


def parts_json(schema: str, value: object) -> tuple[Any, ...]:
    """The parts of an artifact as JSON, each with its ``kind``; Markdown as blocks."""
    return tuple(_kind(part) for part in content.parts_of(schema, value))


def by_line(lines: Sequence[str], coloured: Callable[[list[str]], list[T]]) -> Iterator[T]:
    """Each line of a hunk ``coloured``; its lines before and after the change are each read as one text."""
    olds, news = (iter(coloured([line[1:] for line in lines if line[0] in signs])) for signs in (" -", " +"))
    for line in lines:
        was = next(olds) if line[0] != "+" else None
        now = next(news) if line[0] != "-" else was
        assert now is not None, "a line is on one of the sides"
        yield now


def _kind(value: object) -> Any:
    """A part or a block as JSON, with its ``kind``; Markdown as blocks."""
    if isinstance(value, tuple):
        return [_kind(each) for each in cast("tuple[object, ...]", value)]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    named: Mapping[str, Any] = {each.name: _kind(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, content.Document):
        named = {"blocks": [_kind(block) for block in markdown.parsed(value.text)]}
    return {"kind": type(value).__name__.lower(), **named}
