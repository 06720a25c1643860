"""Sections of a decision: its prompt and artifacts, evidence, opinions, attachments and earlier attempts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from wfe_mcp.artifacts.content import parts_of
from wfe_mcp.dashboard.html import Html, icon, panel, table, tag
from wfe_mcp.dashboard.prose import CUT, SHOWN_CHARS, parts_html, severity_html, shorten_text
from wfe_mcp.views.approvals import words
from wfe_mcp.views.approvals.model import (
    ApprovalView,
    ArtifactShown,
    Finding,
    GateEvidence,
    Named,
    OpinionShown,
    Prompt,
)

STATES = {
    "pass": ("passed", "pass"),
    "fail": ("failed", "fail"),
    "skipped": ("skipped", "skip"),
    "warning": ("warning", "warn"),
    "not run": ("pending", "wait"),
    "awaiting": ("waiting", "you"),
}
"""Of a gate: its icon, which is also its colour, and its mark."""


def section(part: str, about: Sequence[str | None], *body: Html | None) -> Html:
    """A part of the decision with its title, its description, and its body; its name is its anchor."""
    header = tag("header", tag("h2", words.TITLES[part]), *about)
    return tag("section", header, *body, class_="section", id=part)


def evidence_section(approval: ApprovalView) -> Html:
    """One line per gate, and whose evidence it is; its facts unfold."""
    about = tag("span", words.evidence_about(approval), class_="muted small")
    whose = words.whose(approval)
    note = tag("p", whose, class_="muted small") if whose else None
    return section("evidence", (about,), tag("div", *map(_gate, approval.evidence), class_="panel ledger"), note)


def _gate(line: GateEvidence) -> Html:
    facts = [row for fact in words.gate_facts(line) for row in _fact(fact)]
    body = tag("div", tag("dl", *facts, class_="kv tight"), class_="detail") if facts else None
    text = f"{line.level}: {line.text}" if line.level else line.text
    return _row(line.gate, line.state, line.state, text, line.at[11:19], body)


def _row(name: str, state: str, looks: str, text: str, at: str, body: Html | None, *, is_open: bool = False) -> Html:
    """One line of a ledger, with what unfolds below it. ``looks``: the state of a gate whose icon it has."""
    mark = STATES.get(looks, ("old", ""))[0]
    summary = tag(
        "summary",
        tag("span", icon(mark), class_=f"s-{mark}"),
        tag("span", name, class_="gate-name"),
        tag("span", state, class_=f"s-{mark}"),
        tag("span", text, class_="sentence"),
        tag("span", at, class_="num muted small time"),
    )
    return tag("details", summary, body, open=is_open)


def _fact(fact: Named) -> list[Html]:
    if fact.name == "output":
        return [tag("dt", fact.name), tag("dd", tag("pre", shorten_text(str(fact.value)), class_="block"))]
    whole, short = tag("code", words.fact_text(fact)), words.fact_short(fact)
    return [tag("dt", fact.name), tag("dd", tag("details", tag("summary", short), whole) if short else whole)]


def opinions_section(approval: ApprovalView, edit: str) -> Html:
    """What each reviewer says. ``edit``: the address of the form that takes a suggestion; empty: none."""
    return section(
        "opinions", (), tag("div", *(_opinion(opinion, edit) for opinion in approval.opinions), class_="panel ledger")
    )


def _opinion(opinion: OpinionShown, edit: str) -> Html:
    body: list[Html] = [tag("p", f"from {opinion.source}", class_="soft")] if opinion.source else []
    if opinion.findings:
        body.append(tag("ul", *map(_finding, opinion.findings), class_="stack"))
    if opinion.suggestion:
        text = tag("pre", shorten_text(opinion.suggestion), class_="block diff-text")
        body += [tag("p", words.SUGGESTS, class_="soft"), text]
        if edit:
            take = f"{edit}?take={quote(opinion.reviewer)}"
            body.append(tag("p", tag("a", "Take this suggestion", href=take, class_="btn")))
    detail = tag("div", *body, class_="detail") if body else None
    name = words.reviewer(opinion)
    return _row(name, opinion.state, opinion.state, opinion.summary, "", detail, is_open=bool(opinion.findings))


def _finding(finding: Finding) -> Html:
    place = [tag("code", finding.place), " "] if finding.place else []
    return tag("li", severity_html(finding.severity), tag("span", *place, words.finding(finding)), class_="row top")


def attachments_section(approval: ApprovalView, request: str) -> Html:
    """The files attached to the attempt: pictures as pictures, others as links."""
    rows: list[Html] = []
    for attachment in approval.attachments:
        where = f"/attachment/{request}/{attachment.number}"
        picture = tag("img", src=where, alt=attachment.note or attachment.name, loading="lazy", class_="attached")
        rows.append(
            tag(
                "li",
                tag("p", tag("a", words.attachment(attachment), href=where)),
                tag("a", picture, href=where) if attachment.media_type.startswith("image/") else None,
            )
        )
    return section("attached", (), tag("div", tag("ul", *rows, class_="stack body"), class_="panel"))


def attempts_section(approval: ApprovalView) -> Html:
    """How earlier attempts ended."""
    looks = {"failed": "fail", "rejected": "fail", "completed": "pass", "skipped": "skipped"}
    rows = [
        _row(
            f"Attempt {attempt.number}",
            attempt.state.replace("_", " "),
            looks.get(attempt.state, ""),
            words.attempt_reason(attempt),
            "",
            tag("p", shorten_text(attempt.whole), class_="detail words") if attempt.whole else None,
            is_open=bool(attempt.whole) and attempt is approval.attempts[-1],
        )
        for attempt in approval.attempts
    ]
    return section("attempts", (), tag("div", *rows, class_="panel ledger"))


_MOST = 60
"""Differences that are shown."""
_VALUE_CHARS, _DIFF_CHARS = 600, 4_000


def prompt_section(approval: ApprovalView, whole: str, edit_at: str) -> Html:
    """The prompt as the agent gets it, and how it differs from what the template makes."""
    prompt = approval.prompt
    assert prompt is not None, "it is a part of the view"
    if prompt.text is None:
        about = tag("p", f"{words.TITLES['prompt']} {words.prompt_about(approval, prompt)}.", class_="note warn")
        return section("prompt", (), about, *_edits(prompt))
    about = tag("span", words.prompt_about(approval, prompt), class_="muted small")
    links = [tag("a", "As text", href=whole, class_="small")]
    links += [tag("a", "Edit the prompt", href=edit_at, class_="small")] if edit_at else []
    text = tag("pre", shorten_text(prompt.text), class_="block prompt")
    return section("prompt", (about, *links), text, *_edits(prompt))


def _edits(prompt: Prompt) -> list[Html]:
    origin = words.prompt_origin(prompt)
    return (
        [_field_changes(origin, prompt.changes)]
        if prompt.changes
        else [tag("p", origin, class_="quiet")]
        if origin
        else []
    )


def artifact_section(approval: ApprovalView, whole: str, edit_at: str) -> Html:
    """The artifact that is decided about, what it leaves open, and how it differs from the last one."""
    artifact = approval.artifact
    assert artifact is not None, "it is a part of the view"
    about = tag("span", words.artifact_about(artifact), class_="muted small")
    parts = _parts(artifact, approval)
    is_cut = any(CUT in part for part in parts)
    links = [tag("a", "The whole, as JSON" if is_cut else "JSON", href=whole, class_="small")]
    links += [tag("a", "Edit", href=edit_at, class_="small")] if edit_at else []
    return section("artifact", (about, *links), *_body(artifact, parts, may_edit=bool(edit_at)))


def _body(artifact: ArtifactShown, parts: Sequence[Html], *, may_edit: bool) -> list[Html | None]:
    """An artifact below its title: what it leaves open, its ``parts``, and how it differs."""
    left_open = None
    if artifact.questions:
        html = tag("ul", *(tag("li", question) for question in artifact.questions), class_="stack body")
        left_open = tag("div", tag("p", tag("b", words.LEFT_OPEN), class_="body"), html, class_="panel")
    claimed = words.artifact_claimed(artifact)
    is_long = sum(len(part) for part in parts) > SHOWN_CHARS
    return [
        left_open,
        tag("div", tag("div", *parts, class_="body stack"), class_="panel doc" if is_long else "panel"),
        tag("p", claimed, class_="note warn") if claimed else None,
        tag("p", words.artifact_to_edit(artifact), class_="muted small") if artifact.file and may_edit else None,
        _differences(artifact),
    ]


def _differences(artifact: ArtifactShown) -> Html | None:
    title = words.artifact_changed(artifact)
    return (
        _field_changes(title, artifact.changes)
        if artifact.changes
        else tag("p", title, class_="quiet")
        if title
        else None
    )


def _field_changes(title: str, changes: Sequence[Mapping[str, Any]]) -> Html:
    """How a value differs, field by field."""
    rows = [
        tag("tr", tag("th", tag("code", change["path"] or "(whole)")), *_sides(change)) for change in changes[:_MOST]
    ]
    left = len(changes) - _MOST
    more = tag("p", f"{left} more", class_="quiet") if left > 0 else None
    summary = tag("summary", title, class_="fold row")
    return panel(summary, table(("Where", "Before", "Now"), rows, "records"), more, is_open=True)


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


def earlier_section(approval: ApprovalView, *, may_edit: bool) -> Html:
    """The artifacts of earlier phases, folded."""
    return section("earlier", (), *(_earlier(shown, approval, may_edit=may_edit) for shown in approval.earlier))


def _earlier(artifact: ArtifactShown, approval: ApprovalView, *, may_edit: bool) -> Html:
    summary = tag("summary", tag("span", words.artifact_about(artifact), class_="words"), class_="fold row")
    return panel(summary, *_body(artifact, _parts(artifact, approval), may_edit=may_edit))


def _parts(artifact: ArtifactShown, approval: ApprovalView) -> list[Html]:
    changed = {file.path for file in approval.changes[0].files} if approval.changes else set[str]()
    return parts_html(parts_of(artifact.schema, artifact.content), changed)
