"""``wfe-mcp trust``: review configuration and templates of the project, and trust exactly these bytes."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.engine.templates.config_drift import OwnConfiguration
    from wfe_mcp.engine.templates.trust import PendingTrust

__all__ = ["trust"]

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="What to trust; without it everything shown.")
]


def trust(invocation: Invocation, names: Names = None, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Review and trust configuration and templates."""
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.engine.templates.config_drift import own_configuration, templates_enabled
    from wfe_mcp.engine.templates.trust import give_trust, pending_trust
    from wfe_mcp.views.envelope import Envelope

    wanted = names or []
    waiting = pending_trust(invocation.engine, wanted)
    shown = [one for one in waiting if not wanted or one.name in wanted]
    own, again = own_configuration(invocation.engine), templates_enabled(invocation.engine)
    if not (waiting or wanted or own.changed or again):
        invocation.render(Envelope(True, summary="Nothing needs trust.", data={"trusted": []}))
        return
    if not invocation.screen.as_json:
        for one in shown:
            _show(invocation, one)
        if own.changed:
            _show_own(invocation, own)
        if again:
            invocation.screen.line(f"Re-enabled since your last review: {', '.join(again)}", "yellow")
    if pin_fd is None and not at_terminal():
        raise Refused("needs_human", f"Only you can trust. Needs trust: {', '.join(one.name for one in waiting)}.",
                      "Run wfe-mcp trust in a terminal of your own, or: wfe-mcp trust --yes --pin-fd N",
                      data={"pending": [_view(one) for one in shown]})  # fmt: skip
    if not yes:
        from wfe_mcp.cli.terminal.confirm import confirmed

        confirmed(f"Trust {', '.join(one.name for one in shown) or 'this'}?")
    by = invocation.person(pin_fd, "trust")
    given = give_trust(invocation.engine, by, wanted, waiting)
    looked = f" Reviewed: {own.file}." if own.changed else ""
    summary = f"Trusted: {', '.join(one.name for one in given) or 'nothing new'}.{looked}"
    invocation.render(Envelope(True, summary=summary, data={"trusted": [_view(one) for one in given]}))


def _show_own(invocation: Invocation, own: "OwnConfiguration") -> None:
    """The user's own configuration as it is now. It needs no trust, but another program may have changed it."""
    since = f"{own.looked_at:%Y-%m-%d %H:%M}" if own.looked_at else "the start"
    invocation.screen.line(f"Your own configuration has changed since {since}: {own.file}", "yellow")
    settings = invocation.engine.settings()
    for key, value in settings.values().items():
        origin = settings.origins.get(key)
        if origin is not None and origin.layer == "user":
            invocation.screen.line(f"  {key} = {value}")


def _show(invocation: Invocation, one: "PendingTrust") -> None:
    """What trust in this allows."""
    invocation.screen.line(f"{one.name} ({one.kind}, {one.where}, sha256 {one.sha256[:12]})", "bold")
    if one.kind == "configuration":
        settings = invocation.engine.settings()
        for name, check in sorted((settings.pending or settings.settings).checks.items()):
            invocation.screen.line(f"  check {name}: {' '.join(check.argv)}")
        for name, bundle in sorted((settings.pending or settings.settings).context.items()):
            invocation.screen.line(f"  context {name}: {', '.join(bundle.named)}")
        for problem in settings.problems:
            invocation.screen.line(f"  ! {problem.message}", "yellow")
        return
    if one.kind == "approvers":
        _show_approvers(invocation)
        return
    from wfe_mcp.engine.templates.catalogue import linted, template_definition

    offer = template_definition(invocation.engine, one.name)
    report = linted(invocation.engine, offer.definition)
    invocation.screen.line(f"  {offer.title or offer.name} {offer.version}")
    invocation.screen.line(
        f"  needs checks: {', '.join(report.requires.checks) or 'none'}; roles: {', '.join(report.requires.roles) or 'none'}"
    )
    for error in report.errors:
        invocation.screen.line(f"  ! {error.path}: {error.message}", "yellow")


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


def _view(one: "PendingTrust") -> dict[str, str]:
    return {"name": one.name, "kind": one.kind, "sha256": one.sha256, "where": one.where}
