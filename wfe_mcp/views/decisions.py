"""The models of a request for a decision, of the decision, and of its comments on lines."""

from __future__ import annotations

from wfe_mcp.core.line_comments import split_comments
from wfe_mcp.views.model import view_model, view_of


@view_model
class LineNote:
    """A comment on a line of the change. ``side``: ``old`` or ``new``, before the change or after it."""

    file: str
    line: int
    side: str
    text: str


@view_model
class RequestView:
    """A request to a person to approve."""

    request: str
    phase: str
    attempt: int
    stage: str
    sha256: str
    assurance: str
    state: str
    asked_at: str
    closed_at: str = ""


@view_model
class DecisionLine:
    """What a person decided. ``run``: in a run that this one was forked from; ``void``: why it no longer counts.

    ``comments``: those on lines, which the text has too.
    """

    run: str = ""
    decision: str
    at: str
    actor: str
    channel: str
    assurance: str
    attempt: int = 0
    comment: str = ""
    phase: str = ""
    reason: str = ""
    sha256: str = ""
    void: str = ""
    comments: tuple[LineNote, ...] = ()


def line_notes(text: str) -> tuple[LineNote, ...]:
    """The comments on lines in the text of a rejection."""
    return tuple(view_of(LineNote, each) for each in split_comments(text)[1])
