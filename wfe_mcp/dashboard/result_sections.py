"""Sections of a decision that list results: evidence, opinions and earlier attempts."""

from collections.abc import Sequence
from urllib.parse import quote

from wfe_mcp.dashboard.html import Html, icon, tag
from wfe_mcp.dashboard.prose import shorten_text
from wfe_mcp.views.approvals import words
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
    severity = tag("span", finding.severity or "note", class_=f"sev {_SEVERITY.get(finding.severity, 'note')}")
    return tag("li", severity, tag("span", *place, words.finding(finding)), class_="row top")


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
            attempt.reason,
            "",
            tag("p", shorten_text(attempt.whole), class_="detail words") if attempt.whole else None,
            is_open=bool(attempt.whole) and attempt is approval.attempts[-1],
        )
        for attempt in approval.attempts
    ]
    return section("attempts", (), tag("div", *rows, class_="panel ledger"))
