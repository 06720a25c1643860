"""The page of one decision: what is asked, what is unusual, the change, the artifact, the evidence; below it the forms.

Everything works without a script. What is folded is on the page; what is cut has a link to the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import Stage
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.comment_fields import FORM, Fields
from wfe_mcp.dashboard.decision_artifacts import artifact_section, earlier_section
from wfe_mcp.dashboard.decision_forms import decision_bar
from wfe_mcp.dashboard.diff_table import anchor, change_html, stat_html
from wfe_mcp.dashboard.document import document, headline
from wfe_mcp.dashboard.edits import what_is_editable
from wfe_mcp.dashboard.fields import Notice, note, second
from wfe_mcp.dashboard.html import Html, panel, tag
from wfe_mcp.dashboard.icons import icon
from wfe_mcp.dashboard.prose import shortened
from wfe_mcp.dashboard.result_sections import (
    STATES,
    attachments_section,
    attempts_section,
    evidence_section,
    opinions_section,
    section,
)
from wfe_mcp.views.plain import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.store.records.approvals import DecisionRecord
    from wfe_mcp.views.approvals.model import ApprovalView, ArtifactShown, Prompt, Unusual
    from wfe_mcp.views.approvals.request import DecisionView
    from wfe_mcp.views.inbox import WaitingTrust

SCRIPT = "/passkey.js"
_LOOK_AGAIN_S = 3
_WEIGHTS = {"weakened": "weak", "failed": "failed", "warning": "warning", "skipped": "skipped"}


def decision_page(
    view: DecisionView,
    tokens: Mapping[str, str],
    notice: Notice | None = None,
    typed: Mapping[str, str] | None = None,
    *,
    asks_pin: bool = True,
    split: bool = False,
    untrusted: WaitingTrust | None = None,
) -> Html:
    """Everything about one request. ``tokens``: those of the forms ``approve`` and ``reject``; ``typed``: what was typed in.

    ``asks_pin``: the user opened this page. ``split``: old lines of the change beside the new ones. ``untrusted``: what
    needs trust in the project.
    """
    request, shown = view.request, view.shown
    title = f"{request.phase}: {view.title}"
    if shown is None:
        refresh_s = _LOOK_AGAIN_S if view.gating else 0
        return document(
            title, *_head(view), note(notice), *_ended(view), _trust(untrusted), refresh_s=refresh_s, class_=""
        )
    fields = Fields.of(typed or {})
    may_talk = "Reject" in view.buttons and (asks_pin or bool(view.passkeys))
    body = tag("div", *_sections(view, shown, fields if may_talk else None, may_edit=asks_pin, split=split))
    columns = tag("div", _outline(shown), body, class_="split")
    return document(
        title,
        *_head(view),
        note(notice),
        _unusual(shown.unusual),
        _trust(untrusted),
        columns,
        script=SCRIPT if view.passkeys else "",
        class_="",
        bar=decision_bar(view, shown, tokens, typed or {}, fields.elsewhere(body), asks_pin=asks_pin, split=split),
    )


def _head(view: DecisionView) -> list[Html]:
    request, shown = view.request, view.shown
    crumbs = tag(
        "nav",
        tag("a", "Inbox", href="/"),
        icon("right"),
        tag("span", view.project, class_="only-wide clip"),
        tag("span", icon("right"), class_="only-wide"),
        tag("span", f"run {request.run_id}"),
        class_="crumbs",
        aria_label="Breadcrumb",
    )
    what = "Let work start on" if request.stage is Stage.BEFORE else "Approve"
    who = [
        tag("span", icon("waiting"), "Waiting for you", class_="state s-waiting pill")
        if view.state == "open"
        else None,
        tag("span", f"asked at {second(request.created_at)}"),
        tag("span", f"{view.template}, phase {request.phase}, attempt {request.attempt}"),
        tag("span", f"Valid until {second(request.expires_at)}") if request.expires_at else None,
    ]
    asked = None if shown is None else tag("dl", *_asked(shown), class_="ask")
    return [crumbs, headline(f"{what} {request.phase}: {view.title}", who, asked)]


def _asked(shown: ApprovalView) -> list[Html]:
    rows: list[Html] = []
    for each in shown.inputs:
        rows += [tag("dt", each.name), tag("dd", shortened(as_text(each.value)), class_="words")]
    glance = [
        tag(
            "span",
            tag("i", class_=f"mark {STATES[each.state][1]}"),
            f"{each.gate}: {each.state}",
            class_=f"s-{STATES[each.state][0]}",
        )
        for each in shown.evidence
    ]
    return [
        *rows,
        tag("dt", "Question"),
        tag("dd", f"{shown.question} {shown.effect}"),
        tag("dt", "Evidence"),
        tag("dd", *glance, tag("a", "Details", href="#evidence"), class_="glance"),
    ]


def _ended(view: DecisionView) -> list[Html]:
    match view.state:
        case "answered":
            found = [note(Notice("yes", _answer(view.answer)))]
        case "expired":
            found = [note(Notice("warn", f"This request has expired. Ask again: {view.command}"))]
        case _ if view.gating:
            found = [note(Notice("warn", "The files have changed, and the gates run again. Wait for them here."))]
        case _:
            found = [note(Notice("warn", "This request is closed: its revision is not open any more."))]
    newer = tag("p", tag("a", "Show the open request", href=f"/decide/{view.newer}")) if view.newer else None
    return [each for each in (*found, newer) if each is not None]


def _answer(answer: DecisionRecord | None) -> str:
    if answer is None:
        return "It was answered."
    outcome = "Approved" if answer.approved else "Rejected" + (f", back to {answer.to}" if answer.to else "")
    summary = f"{outcome} by {answer.actor} ({answer.channel}, {answer.assurance.name.lower()}), {second(answer.at)}."
    return f"{summary} {answer.comment}".strip()


def _unusual(found: Sequence[Unusual]) -> Html:
    if not found:
        return tag("section", "Nothing unusual.", class_="unusual none")
    rows = [
        tag(
            "li",
            tag("span", icon(_WEIGHTS[each.weight]), each.weight, class_=f"state s-{_WEIGHTS[each.weight]}"),
            tag("span", each.text, class_="sentence"),
            tag("span", each.why, class_="why"),
            class_=f"s-{_WEIGHTS[each.weight]}",
        )
        for each in found
    ]
    title = "1 thing is unusual here" if len(found) == 1 else f"{len(found)} things are unusual here"
    return tag("section", tag("h2", title), tag("ul", *rows), class_="unusual", id="unusual")


def _trust(untrusted: WaitingTrust | None) -> Html | None:
    """The way to what needs trust in this project."""
    if untrusted is None:
        return None
    what = f"This project has something that needs your trust: {', '.join(untrusted.names) or 'a change to review'}. "
    return tag("p", what, tag("a", "Review it", href=f"/{untrusted.path}"), class_="note warn")


def _outline(shown: ApprovalView) -> Html:
    """Links to the sections, with what is in each."""
    change = shown.changes[0]
    files = [
        tag("li", tag("a", tag("span", each.path, class_="clip"), href=f"#{anchor(each)}"))
        for each in change.files[:12]
    ]
    marks = tag(
        "span",
        *(
            tag("i", class_=f"mark {STATES[each.state][1]}", title=f"{each.gate}: {each.state}")
            for each in shown.evidence
        ),
        class_="gates",
        role="img",
        aria_label="Gates: " + ", ".join(f"{each.gate} {each.state}" for each in shown.evidence),
    )
    both = [
        _goto("change", "Change", stat_html(change.added, change.removed) if change.files else None, below=files),
        _goto("artifact", "Artifact", f"rev. {shown.artifact.revision}") if shown.artifact else None,
    ]
    items = [
        _goto("prompt", "Prompt") if shown.prompt else None,
        *(reversed(both) if _is_document(shown.artifact) else both),
        _goto("earlier", "Earlier artifacts", str(len(shown.earlier))) if shown.earlier else None,
        _goto("evidence", "Evidence", marks),
        _goto("opinions", "Opinions", str(len(shown.opinions))) if shown.opinions else None,
        _goto("attached", "Attached files", str(len(shown.attachments))) if shown.attachments else None,
        _goto("attempts", "Earlier attempts", str(len(shown.attempts))) if shown.attempts else None,
    ]
    return tag("nav", tag("ul", *items), class_="outline", aria_label="On this page")


def _goto(where: str, name: str, more: str | None = None, below: Sequence[Html] = ()) -> Html:
    end = tag("span", more, class_="end") if more else None
    return tag("li", tag("a", name, end, href=f"#{where}"), tag("ul", *below, class_="sub") if below else None)


def _sections(
    view: DecisionView, shown: ApprovalView, talk: Fields | None, *, may_edit: bool, split: bool
) -> list[Html]:
    whole = f"/whole/{view.request.id}"
    edit = f"/edit/{view.request.id}" if may_edit and what_is_editable(view) else ""
    both = [_change_section(view, shown, talk, split=split), artifact_section(shown.artifact, whole, edit)]
    parts = [
        _prompt(shown.prompt, whole, edit) if shown.prompt is not None else None,
        *(reversed(both) if _is_document(shown.artifact) else both),
        earlier_section(shown.earlier),
        evidence_section(shown),
        opinions_section(shown.opinions, edit),
        attachments_section(shown, view.request.id),
        attempts_section(shown),
    ]
    return [each for each in parts if each is not None]


def _is_document(artifact: ArtifactShown | None) -> bool:
    """Whether the artifact is read before the files that hold it."""
    return artifact is not None and artifact.schema not in {"change@1", "failing_test@1", "report"}


def _change_section(view: DecisionView, shown: ApprovalView, talk: Fields | None, *, split: bool) -> Html:
    """The change since the run began; the one since the last approval is folded below it."""
    whole = f"/diff/{view.request.id}"
    holders = {
        path: each.name for each in (shown.artifact, *shown.earlier) if each is not None for path in each.written
    }
    first, *later = shown.changes
    about = (
        [tag("span", "unknown", class_="soft")]
        if first.note
        else [
            tag("span", f"{plural(len(first.files), 'file')} since {first.since}", class_="soft"),
            stat_html(first.added, first.removed) if first.files else None,
            *([tag("a", "As text", href=f"{whole}?since=0", class_="small")] if first.files else []),
        ]
    )
    if any(file.hunks for each in shown.changes for file in each.files):
        other = ("One column", "") if split else ("Side by side", "?split=1")
        about.append(tag("a", other[0], href=f"/decide/{view.request.id}{other[1]}#change", class_="small"))
    body = change_html(first, f"{whole}?since=0", holders, split=split, talk=talk)
    if talk is not None and any(file.hunks for file in first.files):
        # Enter in a field presses the first button of its form: this one sends back, those below add a field.
        press = tag("button", "Send back", form=FORM, class_="hidden", tabindex="-1", aria_hidden="true")
        body = [
            press,
            tag("p", "To comment on a line, press + beside it; your comments go with Send back.", class_="quiet"),
            *body,
        ]
    for number, change in enumerate(later, 1):
        title = tag("span", f"{plural(len(change.files), 'file')} since {change.since}")
        summary = tag("summary", title, stat_html(change.added, change.removed), class_="fold row")
        files = change_html(change, f"{whole}?since={number}", holders, is_open=False, split=split)
        body.append(panel(summary, *files, class_="panel later"))
    return section("change", "Change", about, *body)


def _prompt(prompt: Prompt, whole: str, edit: str) -> Html:
    if prompt.text is None:
        missing = "The prompt file changed after its gates ran. Reject it."
        return section("prompt", "Prompt", (), tag("p", missing, class_="note warn"))
    lines = plural(prompt.text.count("\n") + 1, "line")
    about = tag("span", f"exactly as the agent gets it, {lines}, sha256 {prompt.sha256}", class_="muted small")
    links = [tag("a", "As text", href=whole, class_="small")]
    links += [tag("a", "Edit the prompt", href=edit, class_="small")] if edit else []
    text = tag("pre", shortened(prompt.text), class_="block prompt")
    return section("prompt", "Prompt", (about, *links), text, _edited(prompt))


def _edited(prompt: Prompt) -> Html | None:
    """How the prompt differs from what the template makes."""
    if not prompt.changes:
        return None
    diff = "\n".join(str(each.get("diff", each.get("new", ""))) for each in prompt.changes)
    summary = tag("summary", f"{prompt.origin}. Against the prompt that the template makes", class_="fold row")
    shown = tag("pre", shortened(diff), class_="block diff-text")
    return panel(summary, shown, is_open=True)
