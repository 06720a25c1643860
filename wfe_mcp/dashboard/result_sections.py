"""Sections of a decision that list results: evidence, opinions and earlier attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from wfe_mcp.dashboard.html import Html, tag
from wfe_mcp.dashboard.icons import icon
from wfe_mcp.dashboard.prose import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.views.approvals.model import ApprovalView, Finding, GateEvidence, Named, OpinionShown

STATES = {
    "pass": ("passed", "pass"),
    "fail": ("failed", "fail"),
    "skipped": ("skipped", "skip"),
    "warning": ("warning", "warn"),
    "not run": ("pending", "wait"),
    "awaiting": ("waiting", "you"),
}
"""Of a gate: its icon, which is also its colour, and its mark."""
_SEVERITY = {"critical": "major", "high": "major", "major": "major", "medium": "minor", "minor": "minor"}


def section(where: str, title: str, about: Sequence[str | None], *body: Html | None) -> Html:
    """A section with its title, its description, and its body. ``where``: its anchor."""
    return tag("section", tag("header", tag("h2", title), *about), *body, class_="section", id=where)


def evidence_section(shown: ApprovalView) -> Html:
    """One line per gate; its details unfold."""
    tree = (
        tag("span", "gathered by the server for tree ", tag("code", shown.tree[:12]), class_="muted small")
        if shown.tree
        else None
    )
    return section("evidence", "Evidence", (tree,), tag("div", *map(_gate, shown.evidence), class_="panel ledger"))


def _gate(line: GateEvidence) -> Html:
    at = line.at[11:19]
    details = [row for each in line.details for row in _detail(each)]
    body = tag("div", tag("dl", *details, class_="kv tight"), class_="detail") if details else None
    return _row(line.gate, line.state, f"{line.level}: {line.text}" if line.level else line.text, at, body)


def _row(name: str, state: str, text: str, at: str, body: Html | None, *, is_open: bool = False) -> Html:
    """One line of a ledger, with what unfolds below it."""
    mark = STATES.get(state, ("old", ""))[0]
    summary = tag(
        "summary",
        tag("span", icon(mark), class_=f"s-{mark}"),
        tag("span", name, class_="gate-name"),
        tag("span", state, class_=f"s-{mark}"),
        tag("span", text, class_="sentence"),
        tag("span", at, class_="num muted small time"),
    )
    return tag("details", summary, body, open=is_open)


def _detail(fact: Named) -> list[Html]:
    value = fact.value
    if fact.name == "output":
        return [tag("dt", fact.name), tag("dd", tag("pre", shortened(str(value)), class_="block"))]
    text = ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    return [tag("dt", fact.name), tag("dd", tag("code", text))]


def opinions_section(opinions: Sequence[OpinionShown], edit: str) -> Html | None:
    """What each reviewer says. ``edit``: the address of the form that takes a suggestion; empty: none."""
    if not opinions:
        return None
    return section(
        "opinions", "Opinions", (), tag("div", *(_opinion(each, edit) for each in opinions), class_="panel ledger")
    )


def _opinion(opinion: OpinionShown, edit: str) -> Html:
    body: list[Html] = []
    if opinion.findings:
        body.append(tag("ul", *map(_finding, opinion.findings), class_="stack"))
    if opinion.suggestion:
        body.append(tag("pre", shortened(opinion.suggestion), class_="block diff-text"))
        if edit:
            take = f"{edit}?take={quote(opinion.reviewer)}"
            body.append(tag("a", "Take this suggestion", href=take, class_="btn"))
    name = f"{opinion.reviewer} ({opinion.model})" if opinion.model else opinion.reviewer
    detail = tag("div", *body, class_="detail") if body else None
    return _row(name, opinion.state, opinion.summary, "", detail, is_open=bool(opinion.findings))


def _finding(found: Finding) -> Html:
    place = [tag("code", found.place), " "] if found.place else []
    text = " ".join(filter(None, (found.title, found.detail, found.recommendation)))
    severity = tag("span", found.severity or "note", class_=f"sev {_SEVERITY.get(found.severity, 'note')}")
    return tag("li", severity, tag("span", *place, text), class_="row top")


def attachments_section(shown: ApprovalView, request: str) -> Html | None:
    """The files attached to the attempt: pictures as pictures, others as links."""
    if not shown.attachments:
        return None
    rows: list[Html] = []
    for each in shown.attachments:
        where = f"/attachment/{request}/{each.number}"
        picture = tag("img", src=where, alt=each.note or each.name, loading="lazy", class_="attached")
        about = f"{each.media_type}, {each.size_bytes:,} bytes, sha256 {each.sha256}, by {each.by}"
        rows.append(
            tag(
                "li",
                tag("p", tag("a", each.name, href=where), " ", tag("span", about, class_="muted small")),
                tag("p", each.note) if each.note else None,
                tag("a", picture, href=where) if each.media_type.startswith("image/") else None,
            )
        )
    return section("attached", "Attached files", (), tag("div", tag("ul", *rows, class_="stack body"), class_="panel"))


def attempts_section(shown: ApprovalView) -> Html | None:
    """How earlier attempts ended."""
    if not shown.attempts:
        return None
    states = {"failed": "fail", "rejected": "fail", "completed": "pass", "skipped": "skipped"}
    rows = [
        _row(f"Attempt {each.number}", states.get(each.state, each.state.replace("_", " ")), each.reason, "", None)
        for each in shown.attempts
    ]
    return section("attempts", "Earlier attempts", (), tag("div", *rows, class_="panel ledger"))
