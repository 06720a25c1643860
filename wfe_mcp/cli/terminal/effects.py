"""Shows what trust would allow: what weakens a gate first, then each effect as new, changed or gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal import pin
from wfe_mcp.cli.terminal.text import shortened
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.engine.templates.effects import EffectChange
    from wfe_mcp.engine.templates.trust_listing import TrustListing

_MARKS = {"new": "+", "changed": "~", "gone": "-", "same": " "}
_TEXT_CHARS = 200


def show_listing(screen: Screen, listing: TrustListing) -> None:
    """All effects of ``listing``; those that are trusted already are counted. With ``--json``, only to who can read it."""
    if screen.as_json and not pin.at_terminal():
        return
    one = listing.pending
    version = f" {listing.version}" if listing.version else ""
    compared = f", compared with {listing.compared}" if listing.compared else " (new)"
    _say(screen, f"{one.name}{version} ({one.kind}, {one.where}, sha256 {one.sha256[:12]}){compared}", "bold")
    if listing.weakening:
        _say(screen, "  WEAKENS GATES", "red")
        _show(screen, listing.weakening, "red")
    rest = [each for each in listing.changes if each not in listing.weakening and each.mark != "same"]
    _show(screen, rest, "")
    same = sum(1 for each in listing.changes if each.mark == "same")
    if same:
        _say(screen, f"  unchanged: {plural(same, 'effect')}, trusted already")
    if not listing.weakening and one.kind != "approvers":
        _say(screen, "  No gate is weakened.")
    for problem in listing.problems:
        _say(screen, f"  ! {problem}", "yellow")


def effect_view(change: EffectChange) -> dict[str, Any]:
    """One effect as JSON."""
    effect = change.effect
    view = {"mark": change.mark, "kind": effect.kind, "subject": effect.subject, "detail": effect.detail,
            "weakens": effect.weakens, "source": effect.source}  # fmt: skip
    return view | ({"was": change.was} if change.mark == "changed" else {})


def listing_view(listing: TrustListing) -> dict[str, Any]:
    """A listing as JSON."""
    one = listing.pending
    return {
        "name": one.name, "kind": one.kind, "sha256": one.sha256, "where": one.where, "compared": listing.compared,
        "weakens_gates": bool(listing.weakening), "effects": [effect_view(each) for each in listing.changes],
    }  # fmt: skip


def _say(screen: Screen, text: str, style: str = "") -> None:
    """A line of the listing; with ``--json`` it does not belong into the document."""
    if screen.as_json:
        screen.talk(text)
    else:
        screen.line(text, style)


def _show(screen: Screen, changes: Sequence[EffectChange], colour: str) -> None:
    for change in changes:
        effect = change.effect
        # Only text for a model is cut: a program, an address or a gate is shown whole.
        detail = shortened(effect.detail, _TEXT_CHARS) if effect.kind == "asks" else effect.detail
        _say(screen, f"  {_MARKS[change.mark]} {effect.kind:<7} {effect.subject}: {detail}", colour)
        if change.mark == "changed":
            was = shortened(change.was, _TEXT_CHARS) if effect.kind == "asks" else change.was
            _say(screen, f"              was: {was}", colour)
