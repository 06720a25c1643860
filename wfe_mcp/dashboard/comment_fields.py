"""Comments on lines of the change, on a page without a script.

    + beside a line, a button of the form that sends back ──► the page again, with a field below that line
    the form with its fields                              ──► the rejection, with a comment for each field that has text

What was typed before travels with the form, so another field loses nothing. The PIN is never put back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import quote, unquote

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.prompts import LineComment, Side
from wfe_mcp.dashboard.html import Html, tag

FORM = "sends-back"
"""The id of the form that the fields and buttons belong to, wherever they are on the page."""
ADD = "add"
"""The form's field that names the line for which a field is wanted."""
_FIELD = re.compile(r"(?P<side>old|new):(?P<line>[1-9]\d{0,8}):(?P<file>.+)")


@dataclass(frozen=True, slots=True)
class Fields:
    """The open fields by their names, with their texts. ``added``: the newest, which gets the focus."""

    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    added: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Fields:
        """Those of a form that was sent, and the one that it asks for."""
        added = form.get(ADD, "")
        texts = {name: text for name, text in form.items() if _FIELD.fullmatch(name)}
        return cls(texts | {added: texts.get(added, "")} if _FIELD.fullmatch(added) else texts, added)

    def in_file(self, path: str) -> bool:
        """Whether a field is on a line of this file."""
        return any(name.endswith(f":{quote(path)}") for name in self.texts)

    def button(self, side: Side, line: int, path: str) -> Html:
        """The button that opens the field of a line."""
        label = f"Comment on {'removed ' if side == 'old' else ''}line {line}"
        return tag(
            "button",
            "+",
            form=FORM,
            formnovalidate=True,
            name=ADD,
            value=_name(side, line, path),
            class_="talk",
            aria_label=label,
        )

    def row(self, side: Side, line: int, path: str, columns: int) -> Html | None:
        """The table row with the field of a line; None while it is not open."""
        name = _name(side, line, path)
        if name not in self.texts:
            return None
        return tag("tr", tag("td", self._field(name), colspan=columns), class_="talked")

    def elsewhere(self, page: str) -> list[Html]:
        """The fields whose lines ``page`` does not have: the change has changed since they were opened."""
        return [self._field(name) for name in self.texts if f'id="{name}"' not in page]

    def _field(self, name: str) -> Html:
        read = _FIELD.fullmatch(name)
        assert read is not None, name
        removed = "removed " if read["side"] == "old" else ""
        label = f"What should change in {removed}line {read['line']} of {unquote(read['file'])}"
        text = tag("textarea", self.texts[name], id=name, name=name, form=FORM, rows="2", autofocus=name == self.added)
        return tag("div", tag("label", label, for_=name), text, class_="field say")


def comments_in(form: Mapping[str, str]) -> list[LineComment]:
    """The comments of a form that was sent; a field without text is none."""
    comments: list[LineComment] = []
    for name, text in form.items():
        read = _FIELD.fullmatch(name)
        if read and text.strip():
            side: Side = "old" if read["side"] == "old" else "new"
            comments.append(LineComment(unquote(read["file"]), int(read["line"]), text, side))
    return comments


def _name(side: Side, line: int, path: str) -> str:
    return f"{side}:{line}:{quote(path)}"
