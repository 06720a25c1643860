"""``wfe-mcp init``: find the project's checks, set the PIN, trust the configuration."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.templates.trust_listing import TrustListing
    from wfe_mcp.workspace.config.checks import CheckSettings


def init(invocation: Invocation, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Find this project's checks and set your PIN.

    It adds missing checks to .wfe/config.toml, changes nothing that the file already has, shows every effect, and trusts
    the file unless it weakens a gate. You can repeat it.
    """
    from wfe_mcp.cli.terminal.effects import listing_view, show_listing
    from wfe_mcp.cli.terminal.pin import at_terminal, settle_pin
    from wfe_mcp.core.units import plural
    from wfe_mcp.engine.approvals.pin import pin_is_set
    from wfe_mcp.engine.templates.trust import give_trust, pending_trust
    from wfe_mcp.engine.templates.trust_listing import trust_listing
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.workspace.config.checks import find_checks
    from wfe_mcp.workspace.config.config_file import write_config

    engine = invocation.engine
    seen, found = engine.settings(), find_checks(engine.root)
    held = (seen.pending or seen.settings).checks
    missing = {name: check for name, check in found.items() if name not in held}
    decides = bool(missing or seen.untrusted or seen.project_file is None or not pin_is_set(engine))
    if decides and not yes:
        _ask_back(invocation, _listing(engine, missing))
    # A wrong PIN must leave no trace, so it comes before the file.
    asks = pin_fd is not None or (decides and at_terminal())
    by = settle_pin(engine, pin_fd) if asks else None
    if engine.settings().project_sha256 != seen.project_sha256:
        raise Refused("stale_revision", ".wfe/config.toml changed during your review.", "wfe-mcp init")
    written = write_config(engine.root, found)
    if decides and by is None:
        raise Refused("needs_human", f"{written.path} is written, but needs your PIN to take effect.",
                      "Run wfe-mcp init in a terminal of your own, or: wfe-mcp init --yes --pin-fd N")  # fmt: skip
    waiting = pending_trust(engine)
    listings = [trust_listing(engine, one) for one in waiting if one.kind == "configuration"]
    if yes:
        for each in listings:
            show_listing(invocation.screen, each)
    weaker = [change for each in listings for change in each.weakening]
    if weaker:
        raise Refused("needs_human", f"{written.path} weakens {plural(len(weaker), 'gate')}, so init does not trust it.",
                      "Review it and decide: wfe-mcp trust", data={"pending": [listing_view(each) for each in listings]})  # fmt: skip
    trusted = [each.pending.name for each in listings]
    if by is not None and trusted:
        give_trust(engine, by, trusted, waiting, own=not engine.settings().unsigned)
    rest = [one.name for one in waiting if one.kind != "configuration"]
    checks = engine.settings().settings.checks
    what = f"added {', '.join(written.added)}" if written.added else "nothing to add"
    told = f"{written.path}: {what}. " + (f"Checks: {', '.join(sorted(checks))}." if checks else "No check was found.")
    told += f" Not trusted yet: {', '.join(rest)} (wfe-mcp trust)." if rest else ""
    data = {
        "config": str(written.path), "added": list(written.added), "trusted": trusted, "not_trusted": rest,
        "checks": {name: list(check.argv) for name, check in checks.items()},
        "effects": [view for each in listings for view in listing_view(each)["effects"]],
    }  # fmt: skip
    invocation.render(Envelope(True, summary=told, data=data))


def _ask_back(invocation: Invocation, listing: "TrustListing") -> None:
    from wfe_mcp.cli.terminal.confirm import confirmed
    from wfe_mcp.cli.terminal.effects import show_listing

    show_listing(invocation.screen, listing)
    if not listing.changes:
        invocation.screen.talk("  It allows nothing: no check was found.")
    confirmed("Write it?" if listing.weakening else "Write and trust it?")


def _listing(engine: "Engine", missing: Mapping[str, "CheckSettings"]) -> "TrustListing":
    """The effects of the file as init would leave it."""
    from wfe_mcp.engine.templates.trust_listing import configuration_with
    from wfe_mcp.workspace.config.config_file import with_checks

    return configuration_with(engine, with_checks(engine.root, missing))
