"""The page where a person edits what a request asks about: the prompt before work, or an artifact declared editable.

    GET  /edit/<request>             the text in a form; ?take=REVIEWER: that reviewer's suggestion
    POST /edit/<request>             with the PIN: a new prompt or revision, whose gates run; then the request that follows

It needs no script. A fault is shown above the text as it was typed: nothing is lost.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import shell_path
from wfe_mcp.core.readers import for_person
from wfe_mcp.dashboard.answers import Handlers, person_in
from wfe_mcp.dashboard.fields import Notice, buttons, hidden, note, pin_field, refuse_pin, submit, text_area, text_field
from wfe_mcp.dashboard.html import Html, crumbs, document, headline, tag
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases import edit as edits
from wfe_mcp.views.approvals.request import DecisionView

MOST_FORM_BYTES = 4_000_000
"""A prompt or an artifact of the largest size, encoded as a form."""


def what_is_editable(view: DecisionView) -> str:
    """``prompt``, ``artifact``, or nothing: what of an open request a person can edit."""
    approval = view.shown
    if approval is None or not view.buttons:
        return ""
    if approval.prompt is not None:
        return "prompt" if approval.prompt.editable else ""
    return "artifact" if approval.artifact is not None and approval.artifact.file else ""


class Edits(Handlers):
    """The handlers of the two routes."""

    def show(self, request: Request, session: str) -> Response:
        """The form."""
        view, engine = self._find_decision(request)
        take = request.query_params.get("take", "")
        run, phase = view.request.run_id, view.request.phase
        text = edits.suggestion_of(engine, run, phase, take) if take else open_text(engine, view)
        token = self.sessions.token(session, f"edit {view.request.id}")
        return HTMLResponse(
            edit_page(view, token, text, Notice("warn", f"{take} suggests this text.") if take else None)
        )

    def save(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Store what was typed; a refusal shows it again."""
        view, engine = self._find_decision(request)
        token = self.sessions.token(session, f"edit {view.request.id}")
        self.sessions.expect(session, f"edit {view.request.id}", form, "stored")
        text = form.get("text", "").replace("\r\n", "\n")
        try:
            _store(engine, view, form, text)
        except Refused as refused:
            faults = [f"{detail.path or '/'}: {detail.message}" for detail in refused.details]
            notice = Notice(
                "no", "\n".join([f"Nothing was stored. {refused.message} {for_person(refused.hint)}", *faults])
            )
            return HTMLResponse(edit_page(view, token, text, notice, form.get("note", "")), 409)
        self.engines.judge_again(view.request.id)
        return RedirectResponse(f"/decide/{view.request.id}", 303)

    def _find_decision(self, request: Request) -> tuple[DecisionView, Engine]:
        refuse_pin(asks_pin=self.asks_pin)
        asked = request.path_params["request"]
        view, engine = self.engines.view(asked), self.engines.of_request(asked)
        if view is None or engine is None:
            raise Refused("stale_revision", "This database has no such request.", "")
        if not what_is_editable(view):
            raise nothing_to_edit(view)
        return view, engine


def _store(engine: Engine, view: DecisionView, form: Mapping[str, str], text: str) -> None:
    if form.get("sha256") != view.request.sha256:
        raise Refused("stale_revision", "What you edited has changed meanwhile.", "Open the request again.")
    by = person_in(engine, form)
    store_edit(engine, view, by, text, form.get("note", ""))


def nothing_to_edit(view: DecisionView) -> Refused:
    """The refusal of a phase whose prompt and artifact cannot be edited on a page."""
    phase = view.request.phase
    return Refused(
        "illegal_transition",
        f"Nothing of phase {phase!r} can be edited here now.",
        f"At a terminal: wfe-mcp edit {view.request.run_id} {shell_path(phase)}",
    )


def store_edit(engine: Engine, view: DecisionView, by: By, text: str, note: str = "") -> None:
    """Make ``text`` the prompt, or a new revision of the artifact. Refuses ``illegal_transition``: neither can be edited."""
    run, phase, what = view.request.run_id, view.request.phase, what_is_editable(view)
    if not what:
        raise nothing_to_edit(view)
    if what == "prompt":
        edits.edit_prompt(engine, by, run, phase, text)
    else:
        edits.edit(engine, by, run, phase, edits.typed_artifact(engine, run, phase, text), note)


def open_text(engine: Engine, view: DecisionView) -> str:
    """What can be edited, as text."""
    run, phase = view.request.run_id, view.request.phase
    if what_is_editable(view) == "prompt":
        return edits.prompt_to_edit(engine, run, phase)
    return edits.file_to_edit(engine, run, phase)


def edit_page(view: DecisionView, token: str, text: str, notice: Notice | None = None, noted: str = "") -> Html:
    """The form with ``text``. ``notice``: the fault of the last try."""
    what, request = what_is_editable(view), view.request
    back = f"/decide/{request.id}"
    about = {
        "prompt": "The gates run again, and the agent gets exactly this text. The placeholders are filled in already.",
        "artifact": "This becomes a new revision. It must be valid against its schema; the gates run again.",
    }[what]
    fields = [
        hidden("token", token),
        hidden("sha256", request.sha256),
        text_area(f"The {what}", "text", text, 28, required=True, class_="editor"),
        text_field("Note (stored with the revision)", "note", noted) if what == "artifact" else None,
        pin_field("pin"),
        buttons(submit("Sign and store"), tag("a", "Back", href=back, class_="btn")),
    ]
    return document(
        f"Edit {request.phase}: {view.title}",
        crumbs(tag("a", f"{request.phase}", href=back), tag("span", "edit")),
        headline(f"Edit the {what} of {request.phase}: {view.title}", [about]),
        note(notice),
        tag("form", *fields, method="post", action=f"/edit/{request.id}", autocomplete="off", class_="stack"),
        class_="",
    )
