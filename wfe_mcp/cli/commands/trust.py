"""``wfe-mcp trust``: review configuration and templates of the project, and trust exactly these bytes."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.confirm import require_confirmation
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="What to trust; without it everything shown.")
]

IN_PERSON = (
    "Run it in a terminal of your own: wfe-mcp trust; or: wfe-mcp trust --yes --pin-fd N; in a browser: wfe-mcp ui"
)


def trust(invocation: Invocation, names: Names = None, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Review and trust configuration and templates.

    It shows every effect, compared with what you trusted last; what weakens a gate comes first. It trusts all of it, or
    what you name.
    """
    from wfe_mcp.cli.terminal.effects import show_trust
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.engine.phases.waiting import continue_waiting
    from wfe_mcp.engine.templates.trust import give_trust, in_force, refuse_faulty, refuse_unknown
    from wfe_mcp.views.approvals.trust import trust_line, trust_view, view_data
    from wfe_mcp.views.values.model import plain

    wanted = names or []
    view = trust_view(invocation.engine, wanted)
    if view.is_empty and not wanted:
        # It may have been given in another project, or the bytes that are trusted were put back.
        again = continue_waiting(invocation.engine)
        judged = f" Judged again: {', '.join(again)}." if again else ""
        invocation.answer(f"Nothing needs trust.{judged}", data={"trusted": []})
        return
    templates = {trust_entry.name for trust_entry in view.pending if trust_entry.kind == "template"}
    if (
        wanted
        and view.review is None
        and templates.isdisjoint(wanted)  # what is pending is not in force, and to look reads every template
        and set(wanted) <= {trust_entry.name for trust_entry in in_force(invocation.engine)}
    ):
        invocation.answer(f"Trusted already: {', '.join(wanted)}.", data={"trusted": []})
        return
    refuse_unknown(wanted, view.pending)
    show_trust(invocation.screen, view)
    refuse_faulty(
        invocation.engine, [trust_entry for trust_entry in view.pending if not wanted or trust_entry.name in wanted]
    )
    if pin_fd is None and not at_terminal():
        waiting = ", ".join(trust_entry.name for trust_entry in view.pending) or "your own configuration"
        command = " ".join(["wfe-mcp trust", *wanted])
        seen, hint = plain(view_data(view)), IN_PERSON.replace("wfe-mcp trust", command)
        raise Refused("needs_human", f"Only you can trust. Needs trust: {waiting}.", hint, data=seen)
    names_shown = ", ".join(trust_entry.name for trust_entry in view.shown) or "this"
    weakening = sum(len(listing.weakening) for listing in view.listings)
    if weakening and pin_fd is None:  # --yes is not enough at a terminal
        weaker = plural(weakening, "change that weakens gates", "changes that weaken gates")
        require_confirmation(f"Trust {names_shown}, with {weaker}?", "weaken")
    elif not yes:
        require_confirmation(f"Trust {names_shown}?")
    by = invocation.person(pin_fd, "trust")
    entries = give_trust(invocation.engine, by, wanted, list(view.pending), seen=view.sha256)
    reviewed = f" Reviewed: {view.review.pending.where}." if view.review is not None else ""
    summary = f"Trusted: {', '.join(trust_entry.name for trust_entry in entries) or 'nothing new'}.{reviewed}"
    trusted = [plain(trust_line(listing)) for listing in view.listings if listing.pending in entries]
    # What only counts together with other tables is seen once all of them are in force.
    faults = [problem.message for problem in invocation.engine.settings().problems]

    def render(screen: Screen) -> None:
        screen.line(summary)
        for fault in faults:
            screen.line(f"  ! {fault}", "yellow")

    invocation.answer(summary, render, data={"trusted": trusted, "problems": faults})
