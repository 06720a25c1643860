"""The models of a request for a decision, and of the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.views.model import view_model

if TYPE_CHECKING:
    from wfe_mcp.views.line_notes import LineNote


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
