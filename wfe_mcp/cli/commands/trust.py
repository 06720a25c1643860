"""``wfe-mcp trust``: review configuration and templates of the project, and trust exactly these bytes."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.core.errors import Refused

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="What to trust; without it everything shown.")
]


def trust(invocation: Invocation, names: Names = None, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Review and trust configuration and templates.

    It shows every effect, compared with what you trusted last; what weakens a gate comes first. It trusts all of it, or
    what you name.
    """
    from wfe_mcp.cli.terminal.confirm import confirmed
    from wfe_mcp.cli.terminal.effects import listing_view, show_listing
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.core.units import plural
    from wfe_mcp.engine.templates.config_drift import own_configuration, templates_enabled
    from wfe_mcp.engine.templates.trust import give_trust, own_pending, pending_trust
    from wfe_mcp.engine.templates.trust_listing import trust_listing
    from wfe_mcp.views.envelope import Envelope

    wanted = names or []
    waiting = pending_trust(invocation.engine, wanted)
    shown = [one for one in waiting if not wanted or one.name in wanted]
    listings = [trust_listing(invocation.engine, one) for one in shown]
    weakening = sum(len(each.weakening) for each in listings)
    own, again = own_configuration(invocation.engine), templates_enabled(invocation.engine)
    if not (waiting or wanted or own.changed or again):
        invocation.render(Envelope(True, summary="Nothing needs trust.", data={"trusted": []}))
        return
    for each in listings:
        show_listing(invocation.screen, each)
        if each.pending.kind == "approvers" and not invocation.screen.as_json:
            _show_approvers(invocation)
    if own.changed and all(one.kind != "own configuration" for one in shown):
        show_listing(invocation.screen, trust_listing(invocation.engine, own_pending(invocation.engine)))
    if again and not invocation.screen.as_json:
        invocation.screen.line(f"Re-enabled since your last review: {', '.join(again)}", "yellow")
    if pin_fd is None and not at_terminal():
        raise Refused("needs_human", f"Only you can trust. Needs trust: {', '.join(one.name for one in waiting)}.",
                      "Run wfe-mcp trust in a terminal of your own, or: wfe-mcp trust --yes --pin-fd N",
                      data={"pending": [listing_view(each) for each in listings]})  # fmt: skip
    names_shown = ", ".join(one.name for one in shown) or "this"
    if weakening and pin_fd is None:  # --yes is not enough at a terminal
        confirmed(f"Trust {names_shown}, with {plural(weakening, 'change')} that weaken gates?", "weaken")
    elif not yes:
        confirmed(f"Trust {names_shown}?")
    by = invocation.person(pin_fd, "trust")
    given = give_trust(invocation.engine, by, wanted, waiting)
    looked = f" Reviewed: {own.file}." if own.changed else ""
    summary = f"Trusted: {', '.join(one.name for one in given) or 'nothing new'}.{looked}"
    invocation.render(
        Envelope(
            True, summary=summary, data={"trusted": [listing_view(each) for each in listings if each.pending in given]}
        )
    )


def _show_approvers(invocation: Invocation) -> None:
    """The keys whose signatures would count, and whether keys that were trusted before pinned them."""
    from wfe_mcp.engine.approvals.approvers import approvers_here, continues
    from wfe_mcp.views.approvers import pinned_view

    for key in pinned_view(invocation.engine).keys:
        invocation.screen.line(f"  passkey {key['name']}, since {key['added_at']}, pinned by {key['let_in_by']}")
    if not continues(invocation.engine, approvers_here(invocation.engine.root)):
        invocation.screen.line(
            "  ! It does not continue from keys that you trust here; it depends on its first key alone.", "yellow"
        )
