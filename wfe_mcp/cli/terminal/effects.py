"""Shows what trust would allow: what weakens a gate first, then each effect as new, changed or gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal import pin
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.engine.templates.effects import EffectChange
    from wfe_mcp.engine.templates.trust_listing import TrustListing
    from wfe_mcp.views.approvals.trust import TrustView

_MARKS = {"new": "+", "changed": "~", "gone": "-", "same": " "}


def show_listing(screen: Screen, listing: TrustListing) -> None:
    """All effects of ``listing``; unchanged ones are counted. With ``--json``, only to who can read it."""
    if screen.as_json and not pin.at_terminal():
        return
    from wfe_mcp.views.approvals.trust import UNWEAKENED

    trust = listing.pending
    version = f" {listing.version}" if listing.version else ""
    compared = f", compared with {listing.compared}" if listing.compared else " (new)"
    screen.aside(f"{trust.name}{version} ({trust.kind}, {trust.where}, sha256 {trust.sha256[:12]}){compared}", "bold")
    if listing.weakening:
        screen.aside("  WEAKENS GATES", "red")
        _show(screen, listing.weakening, "red")
    rest = [change for change in listing.changes if change not in listing.weakening and change.mark != "same"]
    _show(screen, rest, "")
    same = sum(1 for change in listing.changes if change.mark == "same")
    if same:
        screen.aside(f"  unchanged: {plural(same, 'effect')}")
    if not listing.weakening and trust.kind != "approvers":
        screen.aside(f"  {UNWEAKENED}")
    for problem in listing.problems:
        screen.aside(f"  ! {problem}", "yellow")


def show_trust(screen: Screen, view: TrustView) -> None:
    """All of ``view``."""
    for listing in view.listings:
        show_listing(screen, listing)
        if listing.pending.kind == "approvers" and not screen.as_json:
            _show_keys(screen, view)
    if view.review is not None:
        show_listing(screen, view.review)
    if view.enabled_again and not screen.as_json:
        screen.line(f"Re-enabled since your last review: {', '.join(view.enabled_again)}", "yellow")


def _show_keys(screen: Screen, view: TrustView) -> None:
    """The keys whose signatures would count, and whether keys that were trusted before pinned them."""
    from wfe_mcp.views.approvals.approvers import key_words
    from wfe_mcp.views.approvals.trust import NOT_CONTINUED

    for key in view.keys:
        screen.line(f"  {key['kind']} {key_words(key)}")
    if not view.continues:
        screen.line(f"  ! {NOT_CONTINUED}", "yellow")


def change_lines(change: EffectChange) -> list[str]:
    """A change as ``trust``, ``init`` and ``doctor`` print it: its mark, its kind, what it is, and what it was."""
    effect = change.effect
    first, *more = effect.detail.rstrip("\n").split("\n")
    line = f"{_MARKS[change.mark]} {effect.kind:<7} {effect.subject}: {first}"
    was, *before = change.was.rstrip("\n").split("\n")
    earlier = (
        [f"            was: {was}", *(f"            {piece}" for piece in before)] if change.mark == "changed" else []
    )
    return [line, *(f"          {piece}" for piece in more), *earlier]


def _show(screen: Screen, changes: Sequence[EffectChange], colour: str) -> None:
    for line in (text for change in changes for text in change_lines(change)):
        screen.aside(f"  {line}", colour)
