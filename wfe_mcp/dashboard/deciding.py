"""A person's answer to a stored request: what it says, and its recording; for the page and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.comment_fields import comments_in
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.approvals.comments import rejection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.approvals import RequestRecord
    from wfe_mcp.views.approvals.request import DecisionView

Answer = Literal["approve", "reject"]


def comment_in(view: DecisionView, answer: Answer, form: Mapping[str, str]) -> str:
    """The comment of an approval, or the text of a rejection with its comments on lines.

    Refuses ``bad_argument``: a rejection that does not say why, or a comment on a line that is not shown.
    """
    if answer == "approve":
        return form.get("comment", "")
    return rejection(view.shown, form.get("feedback", "").strip(), comments_in(form))


def refuse_unseen(view: DecisionView, form: Mapping[str, str]) -> None:
    """Refuse a decision on anything but what is shown now."""
    if form.get("shown") != view.shown_sha256:
        raise Refused("stale_revision", "What this page shows has changed since you opened it.", "Review it again.")


def record_answer(
    engine: Engine,
    by: By,
    request: RequestRecord,
    answer: Answer,
    comment: str,
    *,
    sha256: str,
    shown: str = "",
    phrase: str = "",
    to: str = "",
) -> None:
    """Record the answer. ``comment``: what ``comment_in`` returns; ``shown``: the sha256 of what the person saw."""
    run, phase, id_ = request.run_id, request.phase, request.id
    if answer == "approve":
        approvals.decide(
            engine, by, run, phase, sha256=sha256, comment=comment, phrase=phrase, request=id_, shown=shown
        )
    else:
        approvals.reject(engine, by, run, phase, comment, to=to or None, sha256=sha256, request=id_, shown=shown)
