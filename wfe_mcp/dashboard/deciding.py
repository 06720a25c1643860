"""A person's answer to a stored request, with the PIN or signed by a passkey, and its recording.

    the completed form ──► statement, to be signed ──► the form again, with the signature ──► a proven decision

Rules:
1. The statement is built here from the stored request; from the form it takes only what the user typed.
2. The signature must answer the open challenge of this browser and form, and counts once.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Person
from wfe_mcp.dashboard.comment_fields import comments_in
from wfe_mcp.dashboard.sessions import Challenges
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.approvers import Signer
from wfe_mcp.engine.approvals.passkey_decisions import person_by_passkey, statement_to_sign
from wfe_mcp.engine.approvals.passkeys import Assertion, Site, asking_for_signature
from wfe_mcp.engine.approvals.statements import Statement
from wfe_mcp.engine.files.tree_binding import files_now
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.runs import RequestRecord
from wfe_mcp.views.approvals.answers import rejection
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.approvals.shown import SeenDecision

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


def ask_about_now(engine: Engine, view: DecisionView) -> bool:
    """True where files have changed since ``view`` was asked: its gates run again by themselves, and it is asked again."""
    if view.state != "open":
        return False
    try:
        approvals.ask_about_now(engine, view.request.run_id, view.request.phase)
    except Refused as refused:
        # Any other refusal, such as that git fails, shows the record: an answer says why it does not count.
        return refused.code == "stale_revision"
    return False


def changed_files(engine: Engine, view: DecisionView, refused: Refused) -> tuple[str, ...]:
    """The files that have changed since ``view`` was asked, whose answer was refused as stale."""
    known = cast("Sequence[str]", refused.data.get("changed") or ()) or view.changed
    return tuple(known or files_now(engine, view.request.run_id, view.request.phase).changed or ())


def record_answer(
    engine: Engine,
    by: By,
    view: DecisionView,
    answer: Answer,
    comment: str,
    *,
    sha256: str,
    phrase: str = "",
    to: str = "",
) -> None:
    """Record the answer. ``view``: what the person saw (``refuse_unseen``); ``comment``: what ``comment_in`` returns."""
    run, phase, id_ = view.request.run_id, view.request.phase, view.request.id
    decision = None if view.shown is None else SeenDecision(engine, view.shown)
    if answer == "approve":
        approvals.decide(
            engine, by, run, phase, sha256=sha256, comment=comment, phrase=phrase, request=id_, approval=decision
        )
    else:
        approvals.reject(engine, by, run, phase, comment, to=to or None, sha256=sha256, request=id_, approval=decision)


class Signing:
    """Signatures for decisions, on the pages of ``site``."""

    def __init__(self, ceremonies: Challenges, site: Site) -> None:
        self._ceremonies, self._site = ceremonies, site

    def ask(
        self,
        engine: Engine,
        request: RequestRecord,
        answer: Answer,
        comment: str,
        form: Mapping[str, str],
        session: str,
        person: str = "",
    ) -> dict[str, Any]:
        """The options with which the browser signs the statement. ``comment``: the comment, or the text of the rejection.

        ``person``: who is logged in, and signs with a key of their own.
        """
        signer = Signer(self._site, person)
        statement, keys = statement_to_sign(
            engine, request, answer, signer, comment=comment, to=form.get("to", ""), shown=form.get("shown", "")
        )
        options = asking_for_signature(self._site, statement.values, [key.id for key in keys])
        return {"ceremony": self._ceremonies.begin(session, f"{answer} {request.id}", statement), "options": options}

    def verify_signed(
        self,
        engine: Engine,
        request: RequestRecord,
        answer: Answer,
        form: Mapping[str, str],
        session: str,
        person: str = "",
    ) -> tuple[Person, Statement]:
        """Who signed the decision in the form, verified, and what. Refuses ``stale_revision``, ``needs_human``, ``bad_argument``."""
        form_name = f"{answer} {request.id}"
        statement = self._ceremonies.take(session, form_name, form.get("ceremony", ""), Statement)
        assertion = Assertion.of_browser(read_json(form.get("assertion", "")))
        return person_by_passkey(engine, statement, assertion, Signer(self._site, person)), statement


def read_json(text: str) -> Any:
    """The JSON that the page's script put into a field. Refuses ``bad_argument``: not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("bad_argument", "The browser sent no passkey.", "Reload the page and try again.") from error
