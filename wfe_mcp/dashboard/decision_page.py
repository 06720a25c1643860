"""The page of one decision: what is asked, what is unusual, the change, the artifact, the evidence; below it the forms.

Everything works without a script. What is folded is on the page; what is cut has a link to the whole.
The application mounts the same HTML without the forms, and adds what needs a script.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from wfe_mcp.dashboard import decision_sections
from wfe_mcp.dashboard.comment_fields import FORM, Fields
from wfe_mcp.dashboard.decision_forms import decision_bar
from wfe_mcp.dashboard.decision_sections import artifact_section, earlier_section, prompt_section
from wfe_mcp.dashboard.diff_table import change_html, stat_html
from wfe_mcp.dashboard.edits import what_is_editable
from wfe_mcp.dashboard.fields import Notice, note
from wfe_mcp.dashboard.html import Html, document, headline, icon, panel, tag
from wfe_mcp.dashboard.prose import anchor, shorten_text
from wfe_mcp.views.approvals import words
from wfe_mcp.views.approvals.model import ApprovalView, Change
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.approvals.words import second
from wfe_mcp.views.runs.requests import WaitingTrust
from wfe_mcp.views.values.model import as_text

SCRIPT = "/passkey.js"
_LOOK_AGAIN_S = 3
_WEIGHTS = {"weakened": "weak", "failed": "failed", "warning": "warning", "skipped": "skipped", "note": "old"}


def decision_page(
    view: DecisionView,
    tokens: Mapping[str, str],
    notice: Notice | None = None,
    typed: Mapping[str, str] | None = None,
    *,
    no_pin: str = "",
    split: bool = False,
    untrusted: WaitingTrust | None = None,
    people: Html | None = None,
) -> Html:
    """The whole page of one request. ``tokens``: those of the forms ``approve`` and ``reject``; ``typed``: what was typed in.

    ``no_pin``: why this page takes no PIN; empty where it does. ``split``: old lines of the change beside the new ones. ``untrusted``: what
    needs trust in the project. ``people``: what a server says of others; its script keeps it up to date.
    """
    title, approval = f"{view.request.phase}: {view.title}", view.shown
    fields = Fields.of(typed or {})
    may_talk = "Reject" in view.buttons and (not no_pin or bool(view.passkeys))
    above = (note(notice), people, _trust(untrusted))
    body = decision_body(view, *above, talk=fields if may_talk else None, may_edit=not no_pin, split=split)
    if approval is None:
        return document(title, body, refresh_s=_LOOK_AGAIN_S if view.gating else 0, class_="")
    bar = decision_bar(view, approval, tokens, typed or {}, fields.elsewhere(body), no_pin=no_pin, split=split)
    return document(title, body, script=SCRIPT if view.passkeys or people else "", class_="", bar=bar)


def decision_body(
    view: DecisionView, *above: Html | None, talk: Fields | None = None, may_edit: bool = True, split: bool = False
) -> Html:
    """Everything about one request but the forms: what the page has, and what the application mounts.

    ``above``: notices. ``talk``: the comments on lines; None where none can be made. It is the same for the same ``view``.
    """
    approval = view.shown
    if approval is None:
        return tag("div", *_head(view), *above, *_outcome_notice(view), class_="decision")
    columns = tag(
        "div", _outline(approval), _sections(view, approval, talk, may_edit=may_edit, split=split), class_="split"
    )
    yes = note(Notice("yes", view.approved)) if view.approved else None
    first = (*_head(view), yes, *above, _target(approval), _unusual(approval), _not_done(approval))
    return tag("div", *first, columns, class_="decision")


def _head(view: DecisionView) -> list[Html]:
    request, approval = view.request, view.shown
    crumbs = tag(
        "nav",
        tag("a", "Inbox", href="/"),
        icon("right"),
        tag(
            "span",
            approval.project if approval else Path(view.project).name,
            title=view.project,
            class_="only-wide clip",
        ),
        tag("span", icon("right"), class_="only-wide"),
        tag("span", f"run {request.run_id}", data_run=request.run_id),
        class_="crumbs",
        aria_label="Breadcrumb",
    )
    about = (
        f"{view.template}, phase {request.phase}, attempt {request.attempt}"
        if approval is None
        else words.about(approval)
    )
    whose = "Waiting for others" if view.others or view.approved else "Waiting for you"
    who = [
        _pill("waiting", whose) if view.state == "open" else None,
        _pill("weak", "Tainted run") if view.tainted else None,
        tag("span", f"{view.asked_by or 'The run'} asked ", _time(view.asked_at)),
        tag("span", about),
        tag("span", f"valid until {second(request.expires_at)}") if request.expires_at else None,
    ]
    title = words.heading(request.stage, request.phase, view.title if approval is None else approval.title)
    return [
        crumbs,
        headline(title, who, None if approval is None else tag("dl", *_request_rows(approval), class_="ask")),
    ]


def _time(moment: str) -> Html:
    return tag("time", f"at {words.moment_shown(moment)}", datetime=moment)


def _pill(state: str, text: str) -> Html:
    return tag("span", icon(state), text, class_=f"state s-{state} pill")


def _request_rows(approval: ApprovalView) -> list[Html]:
    rows: list[Html] = []
    for input_ in approval.inputs:
        short, whole = words.input_short(input_), shorten_text(as_text(input_.value))
        folded = tag("details", tag("summary", short), tag("p", whole, class_="words"))
        rows += [tag("dt", input_.name), tag("dd", whole if short == as_text(input_.value) else folded, class_="words")]
    glance = [
        tag(
            "span",
            tag("i", class_=f"mark {decision_sections.STATES[evidence.state][1]}"),
            f"{evidence.gate}: {evidence.state}",
            class_=f"s-{decision_sections.STATES[evidence.state][0]}",
        )
        for evidence in approval.evidence
    ]
    return [
        *rows,
        tag("dt", "Question"),
        tag("dd", f"{approval.question} {approval.effect} {approval.send_back}".rstrip()),
        *([tag("dt", "Phrase"), tag("dd", words.phrase(approval))] if approval.phrase else []),
        tag("dt", words.TITLES["evidence"]),
        tag("dd", *glance, tag("a", "Details", href="#evidence"), class_="glance"),
    ]


def _outcome_notice(view: DecisionView) -> list[Html | None]:
    kind = "yes" if view.state == "answered" else "warn"
    newer = (
        tag("p", tag("a", "Show the open request", href=f"/decide/{view.newer}", class_="btn"), class_="newer")
        if view.newer
        else None
    )
    return [note(Notice(kind, words.end_sentence(view))), newer]


def _unusual(approval: ApprovalView) -> Html:
    if not approval.unusual:
        return tag("section", words.NOTHING_UNUSUAL, class_="unusual none")
    rows = [
        tag(
            "li",
            tag("span", icon(_WEIGHTS[unusual.weight]), unusual.weight, class_=f"state s-{_WEIGHTS[unusual.weight]}"),
            tag("span", unusual.text, class_="sentence"),
            tag("span", unusual.why, class_="why"),
            class_=f"s-{_WEIGHTS[unusual.weight]}",
        )
        for unusual in approval.unusual
    ]
    return tag("section", tag("h2", words.unusual_title(approval)), tag("ul", *rows), class_="unusual", id="unusual")


def _target(approval: ApprovalView) -> Html | None:
    """What the steps would call; above everything else, because it is what an approval does."""
    if approval.target is None:
        return None
    target = approval.target
    rows = [_named_values(words.call(call), words.call_values(call, target)) for call in target.calls]
    rows += [
        _named_values(f"Deployment to {deployment.environment}", words.deployment_values(deployment))
        for deployment in target.deployments
    ]
    title = f"{words.TARGET} {words.target_about(target)}"
    body = tag("div", tag("ul", *rows, class_="listing"), class_="body")
    return tag("section", tag("header", tag("h2", title)), body, class_="panel", id="target")


def _named_values(what: str, values: Iterable[tuple[str, str]]) -> Html:
    pairs = ((tag("dt", name), tag("dd", shorten_text(value), class_="words")) for name, value in values)
    return tag("li", what, tag("dl", *chain.from_iterable(pairs), class_="kv tight"))


def _not_done(approval: ApprovalView) -> Html | None:
    """What was not done in the whole run; folded where the last decision on it said the same."""
    if not approval.not_done:
        return None
    rows = [
        tag(
            "li",
            tag("span", words.not_done(not_done)),
            tag("span", f" ({words.not_done_when(not_done)})", class_="muted small"),
        )
        for not_done in approval.not_done
    ]
    summary = tag("summary", f"{words.NOT_DONE} {words.not_done_about(approval)}", class_="fold")
    is_open = any(not_done.is_new for not_done in approval.not_done)
    body = tag("div", tag("ul", *rows, class_="listing"), class_="body")
    return tag("details", summary, body, class_="panel later", id="not_done", open=is_open)


def _trust(untrusted: WaitingTrust | None) -> Html | None:
    """The way to what needs trust in this project."""
    if untrusted is None:
        return None
    what = f"This project has something that needs your trust: {untrusted.what}. "
    return tag("p", what, tag("a", "Review it", href=f"/{untrusted.path}"), class_="note warn")


def _outline(approval: ApprovalView) -> Html:
    """Links to the sections, with what is in each."""
    items = [_goto(name, *_in_part(approval, name)) for name in words.parts(approval)]
    return tag("nav", tag("ul", *items), class_="outline", aria_label="On this page")


def _in_part(approval: ApprovalView, name: str) -> tuple[str | None, Sequence[Html]]:
    """What the outline says of a part: beside its name, and below it."""
    match name:
        case "change":
            change = approval.changes[0]
            files = [
                tag("li", tag("a", tag("span", file.path, class_="clip"), href=f"#{anchor(file.path)}"))
                for file in change.files[:12]
            ]
            return (stat_html(change.added, change.removed) if change.has_lines else None, files)
        case "artifact" if approval.artifact is not None:
            return (f"rev. {approval.artifact.revision}", ())
        case "evidence":
            marks = (
                tag(
                    "i",
                    class_=f"mark {decision_sections.STATES[evidence.state][1]}",
                    title=f"{evidence.gate}: {evidence.state}",
                )
                for evidence in approval.evidence
            )
            label = "Gates: " + ", ".join(f"{evidence.gate} {evidence.state}" for evidence in approval.evidence)
            return (tag("span", *marks, class_="gates", role="img", aria_label=label), ())
        case _:
            counted = {"earlier": approval.earlier, "opinions": approval.opinions}
            counted |= {"attached": approval.attachments, "attempts": approval.attempts}
            return (str(len(counted[name])) if name in counted else None, ())


def _goto(where: str, more: str | None, below: Sequence[Html]) -> Html:
    end = tag("span", more, class_="end") if more else None
    files = tag("ul", *below, class_="sub") if below else None
    return tag("li", tag("a", words.TITLES[where], end, href=f"#{where}"), files)


def _sections(view: DecisionView, approval: ApprovalView, talk: Fields | None, *, may_edit: bool, split: bool) -> Html:
    whole = f"/whole/{view.request.id}"
    edit = f"/edit/{view.request.id}" if may_edit and what_is_editable(view) else ""
    sections: dict[str, Callable[[], Html]] = {
        "prompt": lambda: prompt_section(approval, whole, edit),
        "change": lambda: _change_section(view, approval, talk, split=split),
        "artifact": lambda: artifact_section(approval, whole, edit),
        "earlier": lambda: earlier_section(approval, may_edit=may_edit),
        "evidence": lambda: decision_sections.evidence_section(approval),
        "opinions": lambda: decision_sections.opinions_section(approval, edit),
        "attached": lambda: decision_sections.attachments_section(approval, view.request.id),
        "attempts": lambda: decision_sections.attempts_section(approval),
    }
    binds = tag("p", words.binds(approval), class_="muted small binds")
    return tag("div", *(sections[name]() for name in words.parts(approval)), binds)


def changes_shown(view: DecisionView, approval: ApprovalView) -> list[Change]:
    """The change since the run began, since the last approval, and since it was asked before."""
    return [*approval.changes, *([] if view.since is None else [view.since])]


def _change_section(view: DecisionView, approval: ApprovalView, talk: Fields | None, *, split: bool) -> Html:
    """The change since the run began; those since a later moment are folded below it."""
    whole = f"/diff/{view.request.id}"
    holders = {
        path: artifact_shown.name
        for artifact_shown in (approval.artifact, *approval.earlier)
        if artifact_shown is not None
        for path in artifact_shown.written
    }
    first, *later = changes_shown(view, approval)
    about = [
        tag("span", words.change_about(approval, first), class_="soft"),
        stat_html(first.added, first.removed) if first.has_lines else None,
        tag("a", "As text", href=f"{whole}?since=0", class_="small") if first.files else None,
    ]
    if any(file.hunks for shown_change in approval.changes for file in shown_change.files):
        other = ("One column", "") if split else ("Side by side", "?split=1")
        about.append(tag("a", other[0], href=f"/decide/{view.request.id}{other[1]}#change", class_="small"))
    body = change_html(first, f"{whole}?since=0", holders, split=split, talk=talk)
    if talk is not None and any(file.hunks for file in first.files):
        # Enter in a field presses the first button of its form: this one sends back, those below add a field.
        press = tag("button", "Send back", form=FORM, class_="hidden", tabindex="-1", aria_hidden="true")
        say = "To comment on a line, press + beside it; your comments go with Send back."
        body = [press, tag("p", say, class_="quiet"), *body]
    for number, change in enumerate(later, 1):
        title = tag("span", words.change_about(approval, change))
        summary = tag(
            "summary", title, stat_html(change.added, change.removed) if change.has_lines else None, class_="fold row"
        )
        files = change_html(change, f"{whole}?since={number}", holders, is_open=False, split=split)
        body.append(panel(summary, *files, class_="panel later", data_since=change.since))
    return decision_sections.section("change", about, *body)
