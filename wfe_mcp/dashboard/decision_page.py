"""The page of one decision: what is asked, what is unusual, the change, the artifact, the evidence; below it the forms.

Everything works without a script. What is folded is on the page; what is cut has a link to the whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wfe_mcp.core.model import Stage
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.comment_fields import FORM, Fields
from wfe_mcp.dashboard.decision_forms import decision_bar
from wfe_mcp.dashboard.diff_table import anchor, change_html, stat_html
from wfe_mcp.dashboard.document import document
from wfe_mcp.dashboard.edits import what_is_editable
from wfe_mcp.dashboard.fields import Told, note, second
from wfe_mcp.dashboard.html import Html, tag
from wfe_mcp.dashboard.icons import icon
from wfe_mcp.dashboard.prose import CUT, SHOWN_CHARS, parts_html, shortened
from wfe_mcp.dashboard.result_sections import (
    STATES,
    attachments_section,
    attempts_section,
    evidence_section,
    opinions_section,
    section,
)
from wfe_mcp.views.approvals.content import parts_of
from wfe_mcp.views.plain import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from wfe_mcp.dashboard.engines import NeedsTrust
    from wfe_mcp.store.records.approvals import DecisionRecord
    from wfe_mcp.views.approvals.model import (
        ApprovalView,
        ArtifactShown,
        Prompt,
        Unusual,
    )
    from wfe_mcp.views.approvals.request import DecisionView

SCRIPT = "/passkey.js"
SHOWN_CHANGES = 60
_LOOK_AGAIN_S = 3
_VALUE_CHARS, _DIFF_CHARS = 600, 4_000
_WEIGHTS = {"weakened": "weak", "failed": "failed", "warning": "warning", "skipped": "skipped"}


def decision_page(
    view: DecisionView, tokens: Mapping[str, str], told: Told | None = None, typed: Mapping[str, str] | None = None, *,
    asks_pin: bool = True, split: bool = False, untrusted: NeedsTrust | None = None,
) -> Html:  # fmt: skip
    """Everything about one request. ``tokens``: those of the forms ``approve`` and ``reject``; ``typed``: what was typed in.

    ``asks_pin``: the user opened this page. ``split``: old lines of the change beside the new ones. ``untrusted``: what
    needs trust in the project.
    """
    request, shown = view.request, view.shown
    title = f"{request.phase}: {view.title}"
    if shown is None:
        refresh_s = _LOOK_AGAIN_S if view.gating else 0
        return document(
            title, *_head(view), note(told), *_ended(view), _trust(untrusted), refresh_s=refresh_s, class_=""
        )
    fields = Fields.of(typed or {})
    may_talk = "Reject" in view.buttons and (asks_pin or bool(view.passkeys))
    body = tag("div", *_sections(view, shown, fields if may_talk else None, may_edit=asks_pin, split=split))
    columns = tag("div", _outline(shown), body, class_="split")
    return document(
        title, *_head(view), note(told), _unusual(shown.unusual), _trust(untrusted), columns, script=SCRIPT if view.passkeys else "", class_="",
        bar=decision_bar(view, shown, tokens, typed or {}, fields.elsewhere(body), asks_pin=asks_pin, split=split),
    )  # fmt: skip


def _head(view: DecisionView) -> list[Html]:
    request, shown = view.request, view.shown
    crumbs = tag(
        "nav", tag("a", "Inbox", href="/"), icon("right"), tag("span", view.project, class_="only-wide clip"),
        tag("span", icon("right"), class_="only-wide"), tag("span", f"run {request.run_id}"), class_="crumbs", aria_label="Breadcrumb",
    )  # fmt: skip
    what = "Let work start on" if request.stage is Stage.BEFORE else "Approve"
    who = [
        tag("span", icon("waiting"), "Waiting for you", class_="state s-waiting pill")
        if view.state == "open"
        else None,
        tag("span", f"asked at {second(request.created_at)}"),
        tag("span", f"{view.template}, phase {request.phase}, attempt {request.attempt}"),
        tag("span", f"Valid until {second(request.expires_at)}") if request.expires_at else None,
    ]
    ask = [] if shown is None else [tag("dl", *_asked(shown), class_="ask")]
    head = tag(
        "header",
        tag("h1", f"{what} {request.phase}: {view.title}"),
        tag("p", *who, class_="who"),
        *ask,
        class_="headline",
    )
    return [crumbs, head]


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
        *rows, tag("dt", "Question"), tag("dd", f"{shown.question} {shown.effect}"),
        tag("dt", "Evidence"), tag("dd", *glance, tag("a", "Details", href="#evidence"), class_="glance"),
    ]  # fmt: skip


def _ended(view: DecisionView) -> list[Html]:
    match view.state:
        case "answered":
            found = [note(Told("yes", _answer(view.answer)))]
        case "expired":
            found = [note(Told("warn", f"This request has expired. Ask again: {view.command}"))]
        case _ if view.gating:
            found = [note(Told("warn", "The files have changed, and the gates run again. Wait for them here."))]
        case _:
            found = [note(Told("warn", "This request is closed: its revision is not open any more."))]
    newer = tag("p", tag("a", "Show the open request", href=f"/decide/{view.newer}")) if view.newer else None
    return [each for each in (*found, newer) if each is not None]


def _answer(answer: DecisionRecord | None) -> str:
    if answer is None:
        return "It was answered."
    said = "Approved" if answer.approved else "Rejected" + (f", back to {answer.to}" if answer.to else "")
    told = f"{said} by {answer.actor} ({answer.channel}, {answer.assurance.name.lower()}), {second(answer.at)}."
    return f"{told} {answer.comment}".strip()


def _unusual(found: Sequence[Unusual]) -> Html:
    if not found:
        return tag("section", "Nothing unusual.", class_="unusual none")
    rows = [
        tag(
            "li", tag("span", icon(_WEIGHTS[each.weight]), each.weight, class_=f"state s-{_WEIGHTS[each.weight]}"),
            tag("span", each.text, class_="sentence"), tag("span", each.why, class_="why"), class_=f"s-{_WEIGHTS[each.weight]}",
        )
        for each in found
    ]  # fmt: skip
    title = "1 thing is unusual here" if len(found) == 1 else f"{len(found)} things are unusual here"
    return tag("section", tag("h2", title), tag("ul", *rows), class_="unusual", id="unusual")


def _trust(untrusted: NeedsTrust | None) -> Html | None:
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
        "span", *(tag("i", class_=f"mark {STATES[each.state][1]}", title=f"{each.gate}: {each.state}") for each in shown.evidence),
        class_="gates", role="img", aria_label="Gates: " + ", ".join(f"{each.gate} {each.state}" for each in shown.evidence),
    )  # fmt: skip
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
    both = [_change_section(view, shown, talk, split=split), _artifact(shown.artifact, whole, edit)]
    parts = [
        _prompt(shown.prompt, whole, edit) if shown.prompt is not None else None,
        *(reversed(both) if _is_document(shown.artifact) else both),
        _earlier(shown.earlier),
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
    about = [tag("span", "unknown", class_="soft")] if first.note else [
        tag("span", f"{plural(len(first.files), 'file')} since {first.since}", class_="soft"),
        stat_html(first.added, first.removed) if first.files else None,
        *([tag("a", "As text", href=f"{whole}?since=0", class_="small")] if first.files else []),
    ]  # fmt: skip
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
        files = tag(
            "div", *change_html(change, f"{whole}?since={number}", holders, is_open=False, split=split), class_="body"
        )
        body.append(tag("details", summary, files, class_="panel later"))
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
    return tag("details", summary, tag("div", shown, class_="body"), class_="panel", open=True)


def _artifact(artifact: ArtifactShown | None, whole: str, edit_at: str) -> Html | None:
    if artifact is None:
        return None
    about = tag(
        "span",
        f"{artifact.name} ({artifact.schema}), revision {artifact.revision}, sha256 ",
        tag("code", artifact.sha256),
        class_="muted small",
    )
    parts = parts_html(parts_of(artifact.schema, artifact.content))
    size = sum(len(each) for each in parts)
    is_cut = any(CUT in each for each in parts)
    all_of_it = tag("a", "The whole, as JSON" if is_cut else "JSON", href=whole, class_="small")
    file = tag("p", f"To change it, edit it here, or edit {artifact.file} and reload.", class_="muted small")
    change = [tag("a", "Edit", href=edit_at, class_="small")] if edit_at else []
    panel = tag("div", tag("div", *parts, class_="body stack"), class_="panel doc" if size > SHOWN_CHARS else "panel")
    asked = tag("ul", *(tag("li", each) for each in artifact.questions), class_="stack body")
    left_open = (
        tag("div", tag("p", tag("b", "It leaves open"), class_="body"), asked, class_="panel")
        if artifact.questions
        else None
    )
    return section(
        "artifact", "Artifact", (about, all_of_it, *change), left_open, panel, file if change else None,
        *_differences(artifact),
    )  # fmt: skip


def _differences(artifact: ArtifactShown) -> list[Html]:
    if not artifact.against:
        return []
    if not artifact.changes:
        return [tag("p", f"Unchanged since revision {artifact.against}.", class_="quiet")]
    title = f"Changed since revision {artifact.against}"
    rows = [
        tag("tr", tag("th", tag("code", each["path"] or "(whole)")), *_sides(each))
        for each in artifact.changes[:SHOWN_CHANGES]
    ]
    head = tag("tr", *(tag("th", name) for name in ("Where", "Before", "Now")))
    left = len(artifact.changes) - SHOWN_CHANGES
    more = tag("p", f"{left} more", class_="quiet") if left > 0 else None
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="records")
    return [
        tag(
            "details",
            tag("summary", title, class_="fold row"),
            tag("div", table, more, class_="body"),
            class_="panel",
            open=True,
        )
    ]


def _sides(change: Mapping[str, Any]) -> list[Html]:
    """The old and the new value; of a text of several lines, its diff."""
    if "diff" in change:
        text: str = change["diff"]
        cut = text if len(text) <= _DIFF_CHARS else f"{text[:_DIFF_CHARS]}\n{CUT}"
        return [tag("td", tag("pre", cut, class_="diff-text"), colspan="2")]
    if "moved" in change:
        return [tag("td", tag("code", change["moved"])), tag("td", "moved here")]
    return [tag("td", _value(change, key), data_label=name) for key, name in (("old", "Before"), ("new", "Now"))]


def _value(change: Mapping[str, Any], key: str) -> Html:
    if key not in change:
        return tag("span", "(nothing)", class_="quiet")
    value = change[key]
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return tag("code", text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…")


def _earlier(artifacts: Sequence[ArtifactShown]) -> Html | None:
    if not artifacts:
        return None
    folded = [
        tag(
            "details",
            tag("summary", tag("b", each.name), tag("span", f"phase {each.phase}, revision {each.revision}" + (f", {each.approved}" if each.approved else ""), class_="muted small"), class_="fold row wrap"),
            tag("div", *parts_html(parts_of(each.schema, each.content)), class_="body stack"),
            class_="panel",
        )
        for each in artifacts
    ]  # fmt: skip
    return section("earlier", "Earlier artifacts of this run", (), *folded)
