"""The fields and notices of forms, and comments on lines of the change, without a script."""

from collections.abc import Iterable
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.html import Child, Html, tag

NO_PIN = (
    "Your agent's server started this page, and you did not open it yourself, so it takes no PIN. To decide with your PIN in "
    "the browser, run wfe-mcp ui in a terminal of your own, then load this page again: it leads to yours."
)

PIN_LIMITS = "It holds against your agent's tools, not against all that it can do with your shell."
SECURITY_ROW = "/security#approve-reject-or-trust-in-your-place"
"""What protects the PIN, what does not, and what to do (``app.py``)."""


def refuse_pin(*, asks_pin: bool) -> None:
    """Refuse ``needs_human`` on a page that the user did not open; the PIN is not even compared."""
    if not asks_pin:
        raise Refused("needs_human", NO_PIN, "", data={"takes_pin": False})


@dataclass(frozen=True, slots=True)
class Notice:
    """The result of the user's last action. ``kind``: its CSS class."""

    kind: Literal["yes", "no", "warn"]
    text: str


def note(notice: Notice | None) -> Html | None:
    """The notice of the last action's result, if any."""
    return None if notice is None else tag("p", notice.text, class_=f"note {notice.kind}", role="status")


def field(label: str, where: str, control: Html) -> Html:
    """A control below its label. ``where``: its id."""
    return tag("div", tag("label", label, for_=where), control, class_="field")


def pin_field(where: str) -> Html:
    """The field for the PIN, and the way to what it protects."""
    control = tag("input", type="password", id=where, name="pin", required=True, autocomplete="off")
    limits = tag("a", "What it protects", href=SECURITY_ROW, title=PIN_LIMITS, class_="small")
    return tag("div", tag("label", "Your PIN", for_=where), control, limits, class_="field")


def text_field(label: str, where: str, value: str = "", *, required: bool = False) -> Html:
    """A field for one line."""
    control = tag("input", type="text", id=where, name=where, value=value, required=required, autocomplete="off")
    return field(label, where, control)


def select_field(label: str, where: str, choices: Iterable[tuple[str, str]]) -> Html:
    """A field for one of ``choices``: value and text."""
    options = [tag("option", text, value=value) for value, text in choices]
    return field(label, where, tag("select", *options, id=where, name=where))


def text_area(label: str, where: str, text: str, rows: int, *, required: bool = False, class_: str = "") -> Html:
    """A field for several lines."""
    # Browsers drop the first line end of a text area.
    area = tag(
        "textarea",
        f"\n{text}",
        id=where,
        name=where,
        rows=rows,
        required=required,
        spellcheck="false",
        class_=class_ or None,
    )
    return field(label, where, area)


def buttons(*each: Child) -> Html:
    """The row of buttons that ends a form."""
    return tag("span", *each, class_="row wrap")


def submit(label: str, class_: str = "btn solid") -> Html:
    """The button that sends a form."""
    return tag("button", label, type="submit", class_=class_)


def hidden(name: str, value: str) -> Html:
    """A hidden field."""
    return tag("input", type="hidden", name=name, value=value)


def passkey_button(label: str, class_: str = "") -> list[Html]:
    """The button, fields and status line of the passkey script, hidden without it."""
    return [
        hidden("ceremony", ""),
        hidden("assertion", ""),
        tag("button", label, type="button", class_=f"btn passkey {class_}".strip(), hidden=True),
        tag("noscript", tag("p", "A passkey needs JavaScript on this page.", class_="quiet")),
        tag("p", "", class_="report no", role="status"),
    ]
