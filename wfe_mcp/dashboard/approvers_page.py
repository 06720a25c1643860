"""The page of a project's passkeys."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from wfe_mcp.dashboard.decision_page import SCRIPT
from wfe_mcp.dashboard.document import document
from wfe_mcp.dashboard.fields import Notice, hidden, note, passkey_button, pin_field
from wfe_mcp.dashboard.html import Html, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.views.approvers import PinnedView


def approvers_page(view: PinnedView, tokens: Mapping[str, str], name: str, notice: Notice | None = None) -> Html:
    """The pinned keys, with forms to add and remove one. ``tokens``: of the forms ``add`` and ``remove``."""
    body = [tag("h1", "Passkeys of this project"), _place(view), note(notice)]
    body += (
        [note(Notice("no", view.fault))]
        if view.fault
        else [*_lost(view), *_keys(view, tokens), *_add(view, tokens, name)]
    )
    return document("Passkeys", *body, script=SCRIPT)


def _place(view: PinnedView) -> Html:
    rows = [("Project", view.folder), ("Pinned in", view.file)]
    lines = (tag("tr", tag("th", what), tag("td", tag("code", where))) for what, where in rows)
    return tag("table", tag("tbody", *lines))


def _lost(view: PinnedView) -> list[Html]:
    text = "Keys were pinned here before, and their file is missing. If you did not remove it, restore it from git instead."
    return [tag("p", text, class_="note warn")] if view.lost else []


def _keys(view: PinnedView, tokens: Mapping[str, str]) -> list[Html]:
    if not view.keys:
        return [tag("p", "No key is pinned yet.", class_="quiet")]
    found = [tag("h2", "Pinned keys")]
    for key in view.keys:
        remove = tag(
            "form",
            hidden("token", tokens["remove"]),
            hidden("id", key["id"]),
            *passkey_button(f"Remove {key['name']}", "no"),
            method="post",
            action=_path(view, "remove"),
            data_sign=_path(view, "remove/sign"),
        )
        text = f"{key['name']}, since {key['added_at']}, pinned by {key['let_in_by']}"
        found += [
            tag("p", tag("strong", text)),
            tag("p", tag("code", key["id"])),
            *([remove] if len(view.keys) > 1 else []),
        ]
    return found


def _add(view: PinnedView, tokens: Mapping[str, str], name: str) -> list[Html]:
    first = not any(key["kind"] == "passkey" for key in view.keys)
    how = (
        "This is the first passkey: your PIN pins it. After that, only a pinned key can pin another."
        if first
        else "Your browser creates the new key; then a pinned key signs for it."
    )
    form = tag(
        "form",
        hidden("token", tokens["add"]),
        hidden("key", ""),
        tag("label", "Name", for_="name"),
        tag("input", type="text", id="name", name="name", value=name, required=True, maxlength=64, autocomplete="off"),
        *([pin_field("pin-add")] if first else []),
        *passkey_button("Pin a passkey", "yes"),
        method="post",
        action=_path(view, "add"),
        autocomplete="off",
        data_key=_path(view, "add/key"),
        data_sign=_path(view, "add/sign"),
        data_pin=first,
    )
    after = tag("p", f"Then commit {view.file}: the keys in it verify approvals.", class_="quiet")
    return [tag("h2", "Pin a passkey"), tag("p", how), form, after]


def _path(view: PinnedView, step: str) -> str:
    return f"/approvers/{view.project}/{step}?in={quote(view.folder, safe='')}"
