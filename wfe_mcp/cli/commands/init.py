"""``wfe-mcp init``: which checks does this project have, and which person decides here?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.workspace.config.settings import CheckSettings

__all__ = ["init"]


def init(door: Door, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Find this project's checks, write what .wfe/config.toml lacks, set your PIN, trust the file.

    What the file already holds is never changed. Safe to repeat.
    """
    from wfe_mcp.cli.terminal.pin import at_terminal, settle_pin
    from wfe_mcp.engine.approvals.pin import pin_is_set
    from wfe_mcp.engine.templates.trust import give_trust, pending_trust
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.workspace.config.settings import find_checks, write_config

    engine = door.engine
    seen, found = engine.settings(), find_checks(engine.root)
    held = (seen.pending or seen.settings).checks
    missing = {name: check for name, check in found.items() if name not in held}
    decides = bool(missing or seen.untrusted or seen.project_file is None or not pin_is_set(engine))
    if decides and not yes:
        _ask_back(door, {**held, **missing})
    # A wrong PIN must leave no trace, so it comes before the file.
    asks = pin_fd is not None or (decides and at_terminal())
    by = settle_pin(engine, pin_fd) if asks else None
    if engine.settings().project_sha256 != seen.project_sha256:
        raise Refused("stale_revision", ".wfe/config.toml changed while you decided.", "Run wfe-mcp init again.")
    written = write_config(engine.root, found)
    if decides and by is None:
        raise Refused("needs_human", f"{written.path} is written, but it counts only once a person has given their PIN.",
                      "Run wfe-mcp init in a terminal of your own, or: wfe-mcp init --yes --pin-fd N")  # fmt: skip
    waiting = pending_trust(engine)
    trusted = [one.name for one in waiting if one.kind == "configuration"]
    if by is not None and trusted:
        give_trust(engine, by, trusted, waiting)
    rest = [one.name for one in waiting if one.kind != "configuration"]
    checks = engine.settings().settings.checks
    what = f"added {', '.join(written.added)}" if written.added else "nothing to add"
    told = f"{written.path}: {what}. " + (
        f"Checks: {', '.join(sorted(checks))}." if checks else "No check is known yet."
    )
    told += f" Not trusted yet: {', '.join(rest)} (wfe-mcp trust)." if rest else ""
    data = {
        "config": str(written.path), "added": list(written.added), "trusted": trusted, "not_trusted": rest,
        "checks": {name: list(check.argv) for name, check in checks.items()},
    }  # fmt: skip
    door.tell(Envelope(True, summary=told, data=data))


def _ask_back(door: Door, checks: Mapping[str, "CheckSettings"]) -> None:
    from wfe_mcp.cli.terminal.confirm import confirmed

    door.screen.talk("Runs of this project may execute:")
    for name, check in sorted(checks.items()):
        door.screen.talk(f"  {name}: {' '.join(check.argv)}")
    if not checks:
        door.screen.talk("  nothing yet: no way to run tests was recognised")
    confirmed("Keep that in .wfe/config.toml and trust the file?")
