"""The answers to approve and reject, with comments on lines of what was shown."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from wfe_mcp.core.approval_guards import several_people
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.prompts import LineComment, Side, with_comments
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.texts import refuse_unkept
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.decision_page import page_for
from wfe_mcp.engine.approvals.pin import pin_is_set
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.grants import approve_by_grant
from wfe_mcp.views.approvals.model import ApprovalView
from wfe_mcp.views.moves.envelope import Envelope, Next
from wfe_mcp.views.reports.envelopes import after_move, envelope_of, overview_of
from wfe_mcp.workspace.git.file_diffs import FileDiff

_TYPED_CHARS = 4
_NOT_FILLED_IN = "the form was not filled in as it asks, so it decided nothing; approve shows it again"


def ask_approval(
    engine: Engine, by: By, run: str, phase: str, sha256: str = "", comment: str = "", *, starts_page: bool = False
) -> Envelope:
    """Store the request. Ok only where the gate accepts an agent's approval, or a standing grant of the user gives it; else
    ``needs_human`` with the exact command.

    With a page that runs, or ``starts_page``, the address of the decision is there too; without a PIN no decision is possible.
    """
    granted, reasons = approve_by_grant(engine, run, phase, sha256)
    if granted is not None:
        answer = after_move(engine, run, phase, f"approved by {granted.actor}, which the user signed beforehand")
        return replace(answer, data={**answer.data, "decided_by": granted.actor})
    request = approvals.ask(engine, by, run, phase, sha256=sha256 or None, comment=comment)
    overview = overview_of(engine, request.loaded.record.id)
    if request.decided:
        return envelope_of(overview, f"{phase}: approved", {"decided_by": by.actor}, phase=phase)
    command = f"wfe-mcp approve {overview.loaded.record.id} {shell_path(phase)}"
    data = {
        "request": request.request.id,
        "question": request.message,
        "sha256": request.request.sha256,
        "assurance": request.assurance,
        "command": command,
    }
    url, how = _where_to_decide(engine, request, command, starts_page=starts_page)
    data |= {"url": url} if url else {}
    data |= {"phrase": request.phrase} if request.phrase else {}
    data |= {"grants": reasons} if reasons else {}
    people = several_people(overview.loaded.state, overview.loaded.state.current(PhasePath(phase)))
    people = f"{people}. " if people else ""
    refused = Refused(
        "needs_human",
        f"{phase!r} awaits the user's approval. {people}This is expected, not an error.",
        f"Never ask for a PIN. {how}",
    )
    envelope = envelope_of(overview, f"{phase}: awaits the user's approval", data, phase=phase, error=refused)
    wait = Next("status", {"run": overview.loaded.record.id, "wait_s": 45}, why="waits for a change")
    return replace(envelope, next=(wait, *(move for move in envelope.next if move.tool != "status"))[:3])


def _where_to_decide(
    engine: Engine, asked: approvals.ApprovalRequest, command: str, *, starts_page: bool
) -> tuple[str, str]:
    """The address of the decision, where there is one, and how the user decides."""
    request, signs = asked.request.id, asked.assurance == "passkey"
    if engine.people_at:
        url = f"{engine.people_at}/decide/{request}"
        return url, f"Ask the user to open {url} and decide there: they log in and sign with their passkey."
    page = None
    if signs or pin_is_set(engine):
        page = page_for(engine, request, may_start=starts_page, signs=signs)
    run_it = f"run this in a terminal of their own: {command}{' (sign with a passkey)' if signs else ''}"
    if page is None:
        return "", f"Ask the user to {run_it}"
    again = "If the address does not open, call approve again. Ask the user to"
    if page.takes_pin or signs:
        return page.url, f"{again} open {page.url} or to {run_it}"
    return page.url, f"{again} look at {page.url} (it takes a passkey but no PIN) and to {run_it}"


def answer_form(
    engine: Engine, run: str, phase: str, request: str, action: str, content: dict[str, Any] | None
) -> Envelope:
    """The result of a form in the client. Only a full answer to the stored request counts as a decision.

    ``content``: ``decision`` (approve or reject), ``sha256`` (the first characters shown, typed), ``phrase`` where the gate
    asks for one, ``comment``. Refuses a comment that cannot be kept, and another phrase.
    """
    fields = content or {}
    typed, decision = (
        str(fields.get("sha256", "")).strip().lower(),
        str(fields.get("decision")),
    )  # a client may send lists
    overview = overview_of(engine, run)
    attempt = overview.loaded.state.attempts.get(PhasePath(phase), (None,))[-1]
    if attempt is None or attempt.asked != request:
        raise Refused(
            "stale_revision",
            "The form was about a revision that is no longer open.",
            "Call status.",
            run=run,
            phase=phase,
        )
    typed_well = len(typed) >= _TYPED_CHARS and str(attempt.sha256).startswith(typed)
    comment = str(fields.get("comment") or "")
    refuse_unkept({"comment": comment})
    if action != "accept" or decision not in {"approve", "reject"} or not typed_well:
        again = ask_approval(engine, By(), run, phase, comment=comment)
        wrong = f"; {_NOT_FILLED_IN}" if action == "accept" and fields else ""
        return replace(again, summary=f"{again.summary}{wrong}")
    if decision == "approve":
        approvals.decide(
            engine,
            approvals.FORM,
            run,
            phase,
            sha256=attempt.sha256,
            comment=comment,
            phrase=str(fields.get("phrase") or ""),
            request=request,
        )
        return after_move(engine, run, phase, "approved in a form of the client (assurance client)")
    feedback = comment or "rejected in a form, without a comment"
    approvals.reject(engine, approvals.FORM, run, phase, feedback, sha256=attempt.sha256, request=request)
    return after_move(engine, run, phase, "rejected in a form of the client")


def answer_page(engine: Engine, by: By, run: str, phase: str, request: str) -> Envelope:
    """The result of opening the page from the client. That is no decision; one may have been made on the page."""
    with engine.store.read() as tx:
        stored, decided = tx.approvals.get(request), tx.approvals.decision(request)
        is_this = stored is not None and (stored.run_id, stored.phase) == (engine.load(tx, run).record.id, phase)
    if decided is None or not is_this:
        return ask_approval(engine, by, run, phase)
    return after_move(engine, run, phase, f"{'approved' if decided.approved else 'rejected'} by the user")


def is_closed(engine: Engine, request: str) -> bool:
    """True once ``request`` is closed."""
    with engine.store.read() as tx:
        record = tx.approvals.get(request)
    return record is None or record.status != "open"


def reject(engine: Engine, by: By, run: str, phase: str, feedback: str, to: str = "") -> Envelope:
    """An agent withdraws its own submission; the user rejects by a human channel."""
    if by.is_human:
        loaded = approvals.reject(engine, by, run, phase, feedback, to=to or None)
        return after_move(engine, loaded.record.id, phase, "rejected")
    if to:
        state, path = overview_of(engine, run).loaded.state, PhasePath(phase)
        if path in state.attempts and (target := meant_by(state.spec, path, to)) not in state.attempts:
            raise unknown_phase(state, target)  # else the user would be asked to run what is refused then
        raise Refused(
            "needs_human",
            "Only the user can send the run back to an earlier phase.",
            f"Ask the user to run: wfe-mcp reject {run} {shell_path(phase)} --to {shell_path(to)} --feedback TEXT",
            run=run,
            phase=phase,
        )
    loaded = approvals.withdraw(engine, by, run, phase, feedback)
    return after_move(engine, loaded.record.id, phase, "withdrawn; a new attempt is open")


_TYPED = re.compile(r"(?P<file>[^=]+?):(?P<old>-?)(?P<line>\d{1,9})=(?P<text>.+)", re.DOTALL)
MOST_COMMENTS = 200
"""Comments on lines in one rejection."""


def typed_comments(given: Iterable[str]) -> list[LineComment]:
    """``FILE:LINE=TEXT`` for a line after the change, ``FILE:-LINE=TEXT`` for one before it. Refuses ``bad_argument``."""
    comments: list[LineComment] = []
    for text in given:
        read = _TYPED.fullmatch(text)
        if read is None:
            raise Refused(
                "bad_argument",
                f"{text[:80]!r} is no comment on a line.",
                "Write FILE:LINE=TEXT: --comment 'src/app.py:12=Name the unit'. For a removed line: FILE:-LINE=TEXT.",
            )
        side: Side = "old" if read["old"] else "new"
        comments.append(LineComment(read["file"], int(read["line"]), read["text"], side))
    return comments


def rejection(view: ApprovalView | None, feedback: str, comments: Sequence[LineComment]) -> str:
    """The text of a rejection. Refuses ``bad_argument``: there is no text, or a comment is on no shown line."""
    if not comments:
        if not feedback.strip():
            raise Refused("bad_argument", "Say what should change.", "Nothing changed.")
        return feedback
    if len(comments) > MOST_COMMENTS:
        raise Refused("bad_argument", f"{len(comments)} comments are too many.", f"Give at most {MOST_COMMENTS}.")
    files: dict[str, list[FileDiff]] = {}
    for file in (file for change in (() if view is None else view.changes) for file in change.files):
        files.setdefault(file.path, []).append(file)
    for comment in comments:
        _refuse_elsewhere(comment, files)
    return with_comments(feedback, comments)


def _refuse_elsewhere(comment: LineComment, files: dict[str, list[FileDiff]]) -> None:
    """``files``: the diffs that are shown of each file: since the run began, and since the last approval."""
    diffs = files.get(comment.file)
    if diffs is None:
        hint = nearest_hint(comment.file, files, "Only files that the change shows take comments.")
        raise Refused("bad_argument", f"The change has no file {comment.file!r}.", hint)
    if not comment.text.strip():
        raise Refused(
            "bad_argument", f"The comment on {comment.file}:{comment.line} is empty.", "Say what should change."
        )
    lines = {line for diff in diffs for line in _shown_lines(diff, comment.side)}
    if comment.line not in lines:
        near_line = min(lines, key=lambda line: (abs(line - comment.line), line), default=None)
        hint = f"The nearest shown line is {near_line}." if near_line else "It shows no lines on that side."
        raise Refused(
            "bad_argument", f"The change does not show line {comment.line} ({comment.side}) of {comment.file}.", hint
        )


def _shown_lines(file: FileDiff, side: Side) -> set[int]:
    lines: set[int] = set()
    for hunk in file.hunks:
        number = hunk.old_start if side == "old" else hunk.new_start
        for line in hunk.lines:
            if line[0] != ("+" if side == "old" else "-"):
                lines.add(number)
                number += 1
    return lines
