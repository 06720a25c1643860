"""The pages for decisions.

Order: the question, its content, the gates' verdicts, the changes; then the forms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.model import Stage
from wfe_mcp.dashboard.html import Html, document, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.store.records.approvals import DecisionRecord
    from wfe_mcp.views.decision import DecisionView

__all__ = [
    "SCRIPT", "Told", "decision_page", "hidden", "login_page", "note", "passkey_button", "pin_field", "plain_page", "requests_page",
]  # fmt: skip

SCRIPT = "/passkey.js"

SHOWN_CHARS = 20_000
SHOWN_CHANGES = 60
_VALUE_CHARS = 600
_EVIDENCE_CHARS = 4_000
_LOOK_AGAIN_S = 3


@dataclass(frozen=True, slots=True)
class Told:
    """The result of the user's last action. ``kind``: its CSS class."""

    kind: Literal["yes", "no", "warn"]
    text: str


def login_page(token: str, told: Told | None = None) -> Html:
    """The page that asks for the PIN: other users of this machine can reach the address too."""
    return document(
        "wfe-mcp",
        tag("h1", "Enter your PIN"),
        note(told),
        tag("p", "It shows the requests that wait for you, in all projects of this database."),
        tag(
            "form",
            hidden("token", token),
            pin_field("pin"),
            tag("button", "Show", type="submit"),
            method="post",
            action="/",
        ),
    )


def requests_page(requests: Sequence[DecisionView]) -> Html:
    """The open requests, oldest first."""
    rows = [
        tag(
            "tr",
            tag("td", tag("a", str(view.request.phase), href=_place(view)), class_="short"),
            tag("td", view.title, data_label="Run"),
            tag("td", tag("code", view.request.run_id), data_label="Id", class_="short"),
            tag("td", view.project, data_label="Project"),
            tag("td", _second(view.request.created_at), data_label="Asked at"),
        )
        for view in requests
    ]
    head = tag("tr", *(tag("th", name) for name in ("Phase", "Run", "Id", "Project", "Asked at")))
    nothing = tag("p", "Nothing waits for you.", class_="quiet")
    return document(
        f"({len(rows)}) wfe-mcp" if rows else "wfe-mcp",
        tag("h1", "What waits for you"),
        tag("table", tag("thead", head), tag("tbody", *rows)) if rows else nothing,
        tag("p", "Reload to refresh.", class_="quiet"),
    )


def plain_page(title: str, text: str) -> Html:
    """A page with a title and a text."""
    return document(title, tag("h1", title), tag("p", text))


def decision_page(view: DecisionView, tokens: Mapping[str, str], told: Told | None = None) -> Html:
    """Everything about one request. ``tokens``: those of the forms ``approve`` and ``reject``."""
    request = view.request
    title = f"{request.phase}: {view.title}"
    if view.state == "open":
        script = SCRIPT if view.passkeys else ""
        return document(title, *_head(view), note(told), *_about(view), *_forms(view, tokens), script=script)
    return document(
        title, *_head(view), note(told), *_ended(view), refresh_s=_LOOK_AGAIN_S if view.gating else 0
    )  # fmt: skip


# the question and its answer


def _head(view: DecisionView) -> list[Html]:
    request = view.request
    facts = [
        ("Project", view.project),
        ("Run", f"{request.run_id}, {view.template}"),
        ("Phase", f"{request.phase}, attempt {request.attempt}"),
        ("Asked at", _second(request.created_at)),
        ("Valid until", _second(request.expires_at) if request.expires_at else ""),
        ("sha256", request.sha256),
        ("At a terminal", view.command),
    ]
    rows = [tag("tr", tag("th", name), tag("td", tag("code", value))) for name, value in facts if value]
    tainted = tag("p", "A gate of this run was overruled by force.", class_="note warn") if view.tainted else None
    found = [tag("h1", f"Approve {request.phase} of: {view.title}?"), tag("table", tag("tbody", *rows))]
    return [*found, *([tainted] if tainted else [])]


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
    told = f"{said} by {answer.actor} ({answer.channel}, {answer.assurance.name.lower()}), {_second(answer.at)}."
    return f"{told} {answer.comment}".strip()


# the content of the approval


def _about(view: DecisionView) -> list[Html]:
    shown = view.shown
    found = [*_warnings(shown), *_content(view), *_verdicts(shown.get("verdicts", []))]
    if view.evidence:
        found += [tag("h2", "Evidence"), *(_facts(each) for each in view.evidence)]
    if view.opinions:
        found += [tag("h2", "Opinions"), *(_opinion(each) for each in view.opinions)]
    return found + _changes(view)


def _warnings(shown: Mapping[str, Any]) -> list[Html]:
    texts = {
        "checks_changed": "Changed since the start, and part of the checks",
        "cancelled_before": "Runs cancelled before this one",
        "own_configuration_changed": "Your user configuration changed since you last reviewed it (wfe-mcp trust)",
        "templates_enabled": "Templates re-enabled since your last review (wfe-mcp trust)",
    }
    return [
        tag("p", f"{text}: {shown[key] if isinstance(shown[key], str) else ', '.join(shown[key])}", class_="note warn")
        for key, text in texts.items()
        if shown.get(key)
    ]


def _content(view: DecisionView) -> list[Html]:
    shown = view.shown
    if view.request.stage is Stage.BEFORE:
        text = view.prompt
        title, missing = "The prompt of the work", "The prompt file changed after its gates ran. Reject it."
    else:
        text = pretty(shown["content"]) if "content" in shown else None
        title, missing = f"{shown['artifact']}, revision {shown['revision']}", "This phase has no artifact."
    if text is None:
        return [tag("h2", title), tag("p", missing, class_="note warn")]
    more = tag("p", f"{len(text):,} characters in all. ", tag("a", "The whole", href=f"/whole/{view.request.id}"))
    return [tag("h2", title), tag("pre", text[:SHOWN_CHARS]), *([more] if len(text) > SHOWN_CHARS else [])]


def pretty(value: object) -> str:
    """A JSON value, formatted."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _verdicts(verdicts: Sequence[Mapping[str, Any]]) -> list[Html]:
    words = {"pass": "yes", "fail": "no", "error": "no"}
    rows = [
        tag(
            "tr",
            tag("th", str(said.get("gate", "gate"))),
            tag("td", str(said["verdict"]), class_=words.get(said["verdict"], "warn")),
            tag("td", str(said.get("message", ""))),
        )
        for said in verdicts
    ]
    return [tag("h2", "Gates"), tag("table", tag("tbody", *rows))] if rows else []


def _facts(facts: Mapping[str, Any]) -> Html:
    return tag("pre", pretty(facts)[:_EVIDENCE_CHARS])


def _opinion(said: Mapping[str, Any]) -> Html:
    opinion: dict[str, Any] = said["opinion"]
    findings = [
        tag("li", " ".join(str(found.get(key, "")) for key in ("severity", "title", "detail")))
        for found in opinion.get("findings", [])
    ]
    who = f"{said['reviewer']} ({said['model']})" if said["model"] else said["reviewer"]
    told = f"{who}: {opinion['verdict']}. {opinion.get('summary', '')}"
    return tag("div", tag("p", told), tag("ul", *findings) if findings else None, class_="note")


def _changes(view: DecisionView) -> list[Html]:
    if not view.against:
        return []
    title = tag("h2", f"Changed since revision {view.against}")
    if not view.changes:
        return [title, tag("p", "No changes.", class_="quiet")]
    rows = [
        tag(
            "tr",
            tag("th", tag("code", each["path"] or "(whole)")),
            *_sides(each),
        )
        for each in view.changes[:SHOWN_CHANGES]
    ]
    head = tag("tr", *(tag("th", name) for name in ("Where", "Before", "Now")))
    left = len(view.changes) - SHOWN_CHANGES
    more = [tag("p", f"{left} more", class_="quiet")] if left > 0 else []
    return [title, tag("table", tag("thead", head), tag("tbody", *rows)), *more]


def _sides(change: Mapping[str, Any]) -> list[Html]:
    """The old and the new value; of a text of several lines, its diff."""
    if "diff" in change:
        text: str = change["diff"]
        cut = text if len(text) <= _EVIDENCE_CHARS else f"{text[:_EVIDENCE_CHARS]}\n… (shortened)"
        return [tag("td", tag("pre", cut), colspan="2")]
    if "moved" in change:
        return [tag("td", tag("code", change["moved"])), tag("td", "moved here")]
    return [tag("td", _value(change, key), data_label=name) for key, name in (("old", "Before"), ("new", "Now"))]


def _value(change: Mapping[str, Any], key: str) -> Html:
    if key not in change:
        return tag("span", "(nothing)", class_="quiet")
    value = change[key]
    text = value if isinstance(value, str) else pretty(value)
    return tag("code", text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…")


# the forms


def _forms(view: DecisionView, tokens: Mapping[str, str]) -> list[Html]:
    request, phrase = view.request, view.shown.get("phrase")
    asked = [_field(f"Type the phrase: {phrase}", "phrase", "phrase", required=True)] if phrase else []
    takes_pin = view.shown["assurance"] != "passkey"
    with_pin = [pin_field("pin-approve"), tag("button", "Approve", type="submit", class_="yes")] if takes_pin else []
    approve = tag(
        "form", tag("h2", "Yes"), hidden("token", tokens["approve"]), hidden("sha256", request.sha256), *asked,
        _field("Comment (stored with the decision)", "comment", "comment"), *with_pin,
        *_by_passkey(view, "Approve with a passkey", "yes", told=not takes_pin),
        method="post", action=f"/decide/{request.id}/approve", autocomplete="off", **_sign(view, "approve"),
    )  # fmt: skip
    back = [
        tag("option", "the same phase again", value=""),
        *(tag("option", path, value=path) for path in view.back_to),
    ]
    reject = tag(
        "form", tag("h2", "No"), hidden("token", tokens["reject"]), hidden("sha256", request.sha256),
        tag("label", "What should change", for_="feedback"),
        tag("textarea", "", id="feedback", name="feedback", required=True),
        tag("label", "Go back to", for_="to"), tag("select", *back, id="to", name="to"), pin_field("pin-reject"),
        tag("button", "Reject", type="submit", class_="no"), *_by_passkey(view, "Reject with a passkey", "no"),
        method="post", action=f"/decide/{request.id}/reject", autocomplete="off", **_sign(view, "reject"),
    )  # fmt: skip
    forms = [form for label, form in (("Approve", approve), ("Reject", reject)) if label in view.buttons]
    stopped = tag("p", "The run is stopped, so no decision is possible now.", class_="note warn")
    return [tag("h2", "Your decision"), tag("div", *forms, class_="forms") if forms else stopped]


def _sign(view: DecisionView, answer: str) -> dict[str, str]:
    """The attribute with the path where the script gets the form signed."""
    return {"data_sign": f"/decide/{view.request.id}/{answer}/sign"} if view.passkeys else {}


def _by_passkey(view: DecisionView, label: str, class_: str, *, told: bool = False) -> list[Html]:
    """The passkey button, or with ``told`` the reason why there is none."""
    if view.passkeys:
        keys = tag("p", f"This gate needs the signature of a passkey: {', '.join(view.passkeys)}.") if told else None
        return [*([keys] if keys else []), *passkey_button(label, class_)]
    missing = f"This gate needs the signature of a passkey, and none can sign here. {view.no_passkey}"
    return [tag("p", missing, class_="note warn")] if told else []


def passkey_button(label: str, class_: str = "") -> list[Html]:
    """The button, fields and status line of the passkey script, hidden without it."""
    return [
        hidden("ceremony", ""),
        hidden("assertion", ""),
        tag("button", label, type="button", class_=f"passkey {class_}".strip(), hidden=True),
        tag("noscript", tag("p", "A passkey needs JavaScript on this page.", class_="quiet")),
        tag("p", "", class_="told no", role="status"),
    ]


def pin_field(where: str) -> Html:
    """The field for the PIN."""
    field = tag("input", type="password", id=where, name="pin", required=True, autocomplete="off")
    return tag("div", tag("label", "Your PIN", for_=where), field)


def _field(label: str, where: str, name: str, *, required: bool = False) -> Html:
    field = tag("input", type="text", id=where, name=name, required=required, autocomplete="off")
    return tag("div", tag("label", label, for_=where), field)


def hidden(name: str, value: str) -> Html:
    """A hidden field."""
    return tag("input", type="hidden", name=name, value=value)


def note(told: Told | None) -> Html | None:
    """The notice of the last action's result, if any."""
    return None if told is None else tag("p", told.text, class_=f"note {told.kind}", role="status")


def _place(view: DecisionView) -> str:
    return f"/decide/{view.request.id}"


def _second(moment: Any) -> str:
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
