"""The bar at the bottom of a decision: the choices, and below the chosen one its form.

The choices are radio buttons, so the form of one appears without a script. Where the browser does not support that, both
forms are there.
"""

from collections.abc import Mapping, Sequence

from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.comment_fields import FORM, Fields
from wfe_mcp.dashboard.fields import buttons, field, hidden, passkey_button, pin_field, submit, text_field
from wfe_mcp.dashboard.html import Child, Html, icon, tag
from wfe_mcp.views.approvals.model import ApprovalView
from wfe_mcp.views.approvals.request import DecisionView


def decision_bar(
    view: DecisionView,
    approval: ApprovalView,
    tokens: Mapping[str, str],
    given: Mapping[str, str],
    elsewhere: Sequence[Html] = (),
    *,
    no_pin: str = "",
    split: bool = False,
) -> Html:
    """The forms of the decisions that are legal now. ``given``: what the person typed before an error or another comment.

    ``elsewhere``: comments on lines that the change does not show any more. ``split``: how the change is shown. ``no_pin``: why this page takes no PIN, then they take a passkey where one is pinned, and say how to decide by PIN.
    """
    panes = {
        "Approve": _approve(view, approval, tokens["approve"], given, no_pin=no_pin),
        "Reject": _reject(view, tokens["reject"], given, elsewhere, no_pin=no_pin, split=split),
    }
    legal = [name for name in panes if name in view.buttons]
    lines = {"Approve": view.commands.approve, "Reject": view.commands.reject}
    if view.others or not legal:
        why = view.others or "The run is stopped, so no decision is possible now."
        key = tag("p", tag("a", "Make a passkey", href=view.key_page, class_="btn solid")) if view.key_page else None
        return tag("div", tag("p", why, class_="note warn"), key, class_="decide", aria_label="Your decision")
    if no_pin and not view.passkeys:
        return _at_terminal(
            approval,
            [lines[name] for name in legal],
            "" if approval.assurance != "passkey" else view.no_passkey,
            no_pin,
        )
    choices = [_choice(name, is_chosen=given.get("answer") == name.lower()) for name in legal]
    about = f"sha256 of everything on this page: {view.shown_sha256}"
    signs = tag("span", "signs ", tag("code", view.shown_sha256[:12]), title=about)
    rest = tag(
        "div",
        tag("span", *choices, class_="choices", role="radiogroup", aria_label="Decision"),
        tag("span", signs, class_="facts"),
        _check_again(view, approval, tokens.get("check", "")) if not no_pin else None,
        tag(
            "span",
            *(tag("span", tag("code", lines[name]), class_=f"cli {_CHOICES[name][3]}") for name in legal),
            class_="end",
        ),
        class_="rest",
    )
    return tag("div", *(panes[name] for name in legal), rest, class_="decide", role="group", aria_label="Your decision")


_CHOICES = {"Approve": ("c-yes", "passed", "Approve", "yes"), "Reject": ("c-back", "back", "Send back", "back")}
"""Of each decision: the id of its button, its sign and label, and the class of what belongs to it."""


def _at_terminal(approval: ApprovalView, lines: Sequence[str], why: str, no_pin: str) -> Html:
    """The bar of a page that takes neither the PIN nor a passkey: how to decide, and no field."""
    return tag(
        "div",
        tag(
            "div",
            tag("p", approval.effect, class_="then"),
            tag("p", f"This gate needs the signature of a passkey. {why}", class_="note warn") if why else None,
            tag("p", "To decide, run this in a terminal of your own:"),
            *(tag("p", tag("code", line, class_="copy")) for line in lines),
            tag("p", no_pin, class_="note warn"),
            class_="pane shown",
        ),
        class_="decide",
        role="group",
        aria_label="Your decision",
    )


def _check_again(view: DecisionView, approval: ApprovalView, token: str) -> Html | None:
    """The form that runs the checks once more, in the process of this page."""
    if not any(line.made_by for line in approval.evidence):
        return None
    button = tag("button", "Run the checks again", class_="btn", type="submit")
    return tag("form", hidden("token", token), button, method="post", action=f"/decide/{view.request.id}/check")


def _choice(name: str, *, is_chosen: bool) -> Html:
    where, image, label, _ = _CHOICES[name]
    return tag(
        "label",
        tag("input", type="radio", id=where, name="decision", value=name, checked=is_chosen),
        icon(image),
        label,
        class_="btn",
    )


def _approve(view: DecisionView, approval: ApprovalView, token: str, given: Mapping[str, str], *, no_pin: str) -> Html:
    phrase = f"Type the phrase: {approval.phrase}"
    html = text_field(phrase, "phrase", given.get("phrase", ""), required=True) if approval.phrase else None
    takes_pin = approval.assurance != "passkey"
    lines = len(Fields.of(given).texts)
    left = f"What you typed on {plural(lines, 'line')} goes with Send back only. To keep it with an approval, type it into the comment."
    return _form(
        view,
        "approve",
        "pane yes",
        token,
        tag("p", f"{approval.effect} Your decision covers everything on this page.", class_="then"),
        _instead_of_pin(view.commands.approve, no_pin) if takes_pin and no_pin else None,
        html,
        tag("p", left, class_="note warn then") if lines else None,  # a field belongs to one form
        text_field("Comment (stored with the decision)", "comment", given.get("comment", "")),
        pin_field("pin-approve") if takes_pin and not no_pin else None,
        buttons(
            submit("Sign approval", "btn yes") if takes_pin and not no_pin else None,
            *_by_passkey(view, "Approve with a passkey", "yes", explains=not takes_pin),
        ),
    )


def _instead_of_pin(command: str, no_pin: str) -> Html:
    """How to decide on a page that takes no PIN: a line of its own above the fields."""
    return tag(
        "p", "Sign with a passkey, or run ", tag("code", command, class_="copy"), f". {no_pin}", class_="note warn then"
    )


def _reject(
    view: DecisionView, token: str, given: Mapping[str, str], elsewhere: Sequence[Html], *, no_pin: str, split: bool
) -> Html:
    fields = len(Fields.of(given).texts)
    more = f", and what you said on {plural(fields, 'line')}" if fields else ""
    places = [("", "the same phase again"), *((path, path) for path in view.back_to)]
    back = [
        tag("option", name, value=path, selected=given.get("to", "") == path and bool(path)) for path, name in places
    ]
    feedback = tag("textarea", given.get("feedback", ""), id="feedback", name="feedback", required=not fields, rows="3")
    return _form(
        view,
        "reject",
        "pane back",
        token,
        tag("p", f"The next attempt gets your text{more}.", class_="then"),
        _instead_of_pin(view.commands.reject, no_pin) if no_pin else None,
        *elsewhere,
        hidden("split", "1") if split else None,
        field("What should change", "feedback", feedback),
        field("Go back to", "to", tag("select", *back, id="to", name="to")),
        None if no_pin else pin_field("pin-reject"),
        buttons(
            submit("Sign and send back") if not no_pin else None, *_by_passkey(view, "Send back with a passkey", "")
        ),
    )


def _form(view: DecisionView, answer: str, class_: str, token: str, *fields: Child) -> Html:
    path = f"/decide/{view.request.id}/{answer}"
    kept = [hidden("token", token), hidden("sha256", view.request.sha256), hidden("shown", view.shown_sha256)]
    sign = {"data_sign": f"{path}/sign"} if view.passkeys else {}
    named = FORM if answer == "reject" else None
    pane = tag("div", *fields, class_=class_)
    return tag("form", *kept, pane, method="post", action=path, autocomplete="off", id=named, **sign)


def _by_passkey(view: DecisionView, label: str, class_: str, *, explains: bool = False) -> Sequence[Html]:
    """The passkey button, or with ``explains`` the reason why there is none."""
    if view.passkeys:
        keys = (
            [tag("p", f"This gate needs the signature of a passkey: {', '.join(view.passkeys)}.")] if explains else []
        )
        return [*keys, *passkey_button(label, class_)]
    missing = f"This gate needs the signature of a passkey, and none can sign here. {view.no_passkey}"
    return [tag("p", missing, class_="note warn")] if explains else []
