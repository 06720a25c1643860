"""The page of one decision: what is asked, what is unusual, the change, the artifact, the evidence; below it the forms.

Everything works without a script. What is folded is on the page; what is cut has a link to the whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from wfe_mcp.core.model import Stage
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.decision_forms import decision_bar
from wfe_mcp.dashboard.diff_table import anchor, change_html, stat_html
from wfe_mcp.dashboard.document import document
from wfe_mcp.dashboard.fields import Told, note, second
from wfe_mcp.dashboard.html import Html, tag
from wfe_mcp.dashboard.icons import icon
from wfe_mcp.dashboard.prose import CUT, SHOWN_CHARS, parts_html, shortened
from wfe_mcp.views.approvals.content import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from wfe_mcp.store.records.approvals import DecisionRecord
    from wfe_mcp.views.approvals.model import (
        ApprovalView,
        ArtifactShown,
        GateEvidence,
        Named,
        OpinionShown,
        Prompt,
        Unusual,
    )
    from wfe_mcp.views.approvals.request import DecisionView

SCRIPT = "/passkey.js"
SHOWN_CHANGES = 60
_LOOK_AGAIN_S = 3
_VALUE_CHARS, _DIFF_CHARS = 600, 4_000
_WEIGHTS = {"weakened": "weak", "failed": "failed", "warning": "warning", "skipped": "skipped"}
_STATES = {
    "pass": ("passed", "pass"), "fail": ("failed", "fail"), "skipped": ("skipped", "skip"), "warning": ("warning", "warn"),
    "not run": ("pending", "wait"), "awaiting": ("waiting", "you"),
}  # fmt: skip
"""Of a gate: its icon, which is also its colour, and its mark."""
_SEVERITY = {"critical": "major", "high": "major", "major": "major", "medium": "minor", "minor": "minor"}


def decision_page(
    view: DecisionView, tokens: Mapping[str, str], told: Told | None = None, typed: Mapping[str, str] | None = None
) -> Html:
    """Everything about one request. ``tokens``: those of the forms ``approve`` and ``reject``; ``typed``: what was typed in."""
    request, shown = view.request, view.shown
    title = f"{request.phase}: {view.title}"
    if shown is None:
        refresh_s = _LOOK_AGAIN_S if view.gating else 0
        return document(title, *_head(view), note(told), *_ended(view), refresh_s=refresh_s, class_="")
    body = tag("div", *_sections(view, shown))
    split = tag("div", _outline(shown), body, class_="split")
    return document(
        title, *_head(view), note(told), _unusual(shown.unusual), split, script=SCRIPT if view.passkeys else "", class_="",
        bar=decision_bar(view, shown, tokens, typed or {}),
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
        text = each.value if isinstance(each.value, str) else json.dumps(each.value, ensure_ascii=False)
        rows += [tag("dt", each.name), tag("dd", shortened(text), class_="words")]
    glance = [
        tag(
            "span",
            tag("i", class_=f"mark {_STATES[each.state][1]}"),
            f"{each.gate}: {each.state}",
            class_=f"s-{_STATES[each.state][0]}",
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


def _outline(shown: ApprovalView) -> Html:
    """Links to the sections, with what is in each."""
    change = shown.changes[0]
    files = [
        tag("li", tag("a", tag("span", each.path, class_="clip"), href=f"#{anchor(each)}"))
        for each in change.files[:12]
    ]
    marks = tag(
        "span", *(tag("i", class_=f"mark {_STATES[each.state][1]}", title=f"{each.gate}: {each.state}") for each in shown.evidence),
        class_="gates", role="img", aria_label="Gates: " + ", ".join(f"{each.gate} {each.state}" for each in shown.evidence),
    )  # fmt: skip
    items = [
        _goto("prompt", "Prompt") if shown.prompt else None,
        _goto("change", "Change", stat_html(change.added, change.removed) if change.files else None, below=files),
        _goto("artifact", "Artifact", f"rev. {shown.artifact.revision}") if shown.artifact else None,
        _goto("earlier", "Earlier artifacts", str(len(shown.earlier))) if shown.earlier else None,
        _goto("evidence", "Evidence", marks),
        _goto("opinions", "Opinions", str(len(shown.opinions))) if shown.opinions else None,
        _goto("attempts", "Earlier attempts", str(len(shown.attempts))) if shown.attempts else None,
    ]
    return tag("nav", tag("ul", *items), class_="outline", aria_label="On this page")


def _goto(where: str, name: str, more: str | None = None, below: Sequence[Html] = ()) -> Html:
    end = tag("span", more, class_="end") if more else None
    return tag("li", tag("a", name, end, href=f"#{where}"), tag("ul", *below, class_="sub") if below else None)


def _sections(view: DecisionView, shown: ApprovalView) -> list[Html]:
    whole = f"/whole/{view.request.id}"
    change = _change_section(view, shown)
    parts = [
        _prompt(shown.prompt, whole) if shown.prompt is not None else None,
        # A document is read before the files that hold it.
        *(
            [_artifact(shown.artifact, whole), change]
            if _is_document(shown.artifact)
            else [change, _artifact(shown.artifact, whole)]
        ),
        _earlier(shown.earlier),
        _evidence(shown),
        _opinions(shown.opinions),
        _attempts(shown),
    ]
    return [each for each in parts if each is not None]


def _is_document(artifact: ArtifactShown | None) -> bool:
    return artifact is not None and artifact.schema not in {"change@1", "failing_test@1", "report"}


def _section(where: str, title: str, about: Sequence[str | None], *body: Html | None) -> Html:
    return tag("section", tag("header", tag("h2", title), *about), *body, class_="section", id=where)


def _change_section(view: DecisionView, shown: ApprovalView) -> Html:
    """The change since the run began; the one since the last approval is folded below it."""
    whole = f"/diff/{view.request.id}"
    holders = {
        path: each.name for each in (shown.artifact, *shown.earlier) if each is not None for path in each.written
    }
    first, *later = shown.changes
    about = [tag("span", "unknown", class_="soft")] if first.note else [
        tag("span", f"{plural(len(first.files), 'file')} since {first.since}", class_="soft"),
        stat_html(first.added, first.removed), tag("a", "As text", href=f"{whole}?since=0", class_="small"),
    ]  # fmt: skip
    body = change_html(first, f"{whole}?since=0", holders)
    for number, change in enumerate(later, 1):
        title = tag("span", f"{plural(len(change.files), 'file')} since {change.since}")
        summary = tag("summary", title, stat_html(change.added, change.removed), class_="fold row")
        files = tag("div", *change_html(change, f"{whole}?since={number}", holders, is_open=False), class_="body")
        body.append(tag("details", summary, files, class_="panel later"))
    return _section("change", "Change", about, *body)


def _prompt(prompt: Prompt, whole: str) -> Html:
    if prompt.text is None:
        missing = "The prompt file changed after its gates ran. Reject it."
        return _section("prompt", "Prompt", (), tag("p", missing, class_="note warn"))
    lines = plural(prompt.text.count("\n") + 1, "line")
    about = tag("span", f"exactly as the agent gets it, {lines}, sha256 {prompt.sha256}", class_="muted small")
    return _section("prompt", "Prompt", (about, tag("a", "As text", href=whole, class_="small")),
                    tag("pre", shortened(prompt.text), class_="block prompt"))  # fmt: skip


def _artifact(artifact: ArtifactShown | None, whole: str) -> Html | None:
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
    edit = tag("p", f"To change it, edit {artifact.file} and reload.", class_="muted small") if artifact.file else None
    panel = tag("div", tag("div", *parts, class_="body stack"), class_="panel doc" if size > SHOWN_CHARS else "panel")
    return _section("artifact", "Artifact", (about, all_of_it), panel, edit, *_differences(artifact))


def _differences(artifact: ArtifactShown) -> list[Html]:
    if not artifact.against:
        return []
    title = f"Changed since revision {artifact.against}"
    if not artifact.changes:
        return [tag("p", f"{title}: no changes.", class_="quiet")]
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
    return _section("earlier", "Earlier artifacts of this run", (), *folded)


def _evidence(shown: ApprovalView) -> Html:
    tree = (
        tag("span", "gathered by the server for tree ", tag("code", shown.tree[:12]), class_="muted small")
        if shown.tree
        else None
    )
    return _section("evidence", "Evidence", (tree,), tag("div", *map(_gate, shown.evidence), class_="panel ledger"))


def _gate(line: GateEvidence) -> Html:
    at = line.at[11:19]
    details = [row for each in line.details for row in _detail(each)]
    body = tag("div", tag("dl", *details, class_="kv tight"), class_="detail") if details else None
    return _row(line.gate, line.state, f"{line.level}: {line.text}" if line.level else line.text, at, body)


def _row(name: str, state: str, text: str, at: str, body: Html | None, *, is_open: bool = False) -> Html:
    """One line of a ledger, with what unfolds below it."""
    mark = _STATES.get(state, ("old", ""))[0]
    summary = tag(
        "summary", tag("span", icon(mark), class_=f"s-{mark}"), tag("span", name, class_="gate-name"), tag("span", state, class_=f"s-{mark}"),
        tag("span", text, class_="sentence"), tag("span", at, class_="num muted small time"),
    )  # fmt: skip
    return tag("details", summary, body, open=is_open)


def _detail(fact: Named) -> list[Html]:
    value = fact.value
    if fact.name == "output":
        return [tag("dt", fact.name), tag("dd", tag("pre", shortened(str(value)), class_="block"))]
    text = ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    return [tag("dt", fact.name), tag("dd", tag("code", text))]


def _opinions(opinions: Sequence[OpinionShown]) -> Html | None:
    if not opinions:
        return None
    rows: list[Html] = []
    for each in opinions:
        findings = [
            tag(
                "li", tag("span", one.severity or "note", class_=f"sev {_SEVERITY.get(one.severity, 'note')}"),
                tag("span", *([tag("code", one.place), " "] if one.place else []),
                    " ".join(filter(None, (one.title, one.detail, one.recommendation)))),
                class_="row top",
            )
            for one in each.findings
        ]  # fmt: skip
        suggestion = tag("pre", shortened(each.suggestion), class_="block diff-text") if each.suggestion else None
        body = (
            tag("div", tag("ul", *findings, class_="stack") if findings else None, suggestion, class_="detail")
            if findings or suggestion
            else None
        )
        name = f"{each.reviewer} ({each.model})" if each.model else each.reviewer
        rows.append(_row(name, each.state, each.summary, "", body, is_open=bool(findings)))
    return _section("opinions", "Opinions", (), tag("div", *rows, class_="panel ledger"))


def _attempts(shown: ApprovalView) -> Html | None:
    if not shown.attempts:
        return None
    states = {"failed": "fail", "rejected": "fail", "completed": "pass", "skipped": "skipped"}
    rows = [
        _row(f"Attempt {each.number}", states.get(each.state, each.state.replace("_", " ")), each.reason, "", None)
        for each in shown.attempts
    ]
    return _section("attempts", "Earlier attempts", (), tag("div", *rows, class_="panel ledger"))
