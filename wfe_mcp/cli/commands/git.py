"""``wfe-mcp git``: what deliveries leave in the repository is removed. What they do there are steps of a run."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import plural

Yes = Annotated[bool, typer.Option("--yes", help="Remove what is listed.", show_default=False)]
OnRemote = Annotated[
    bool, typer.Option("--remote", help="The branches on the remote too; asks for your PIN.", show_default=False)
]


def cleanup(invocation: Invocation, yes: Yes = False, remote: OnRemote = False, pin_fd: PinFd = None) -> None:
    """List what delivered runs left in git; --yes removes it.

    Merged branches go, and work trees on no branch.

    What is current, protected, the base, of an open run or not merged stays, with the reason.
    """
    from wfe_mcp.engine.maintenance.worktrees import clean_up

    leftovers = invocation.as_needed(
        lambda by: clean_up(invocation.engine, by, do=yes, on_remote=remote),
        pin_fd,
        "remove merged branches on the remote",
    )
    goes, stays = (
        [leftover for leftover in leftovers if not leftover.stays],
        [leftover for leftover in leftovers if leftover.stays],
    )
    counts = {kind: sum(leftover.kind == kind for leftover in goes) for kind in ("branch", "work tree")}
    names = {
        "branch": plural(counts["branch"], "branch", "branches"),
        "work tree": plural(counts["work tree"], "work tree"),
    }
    what = " and ".join(names[kind] for kind, count in counts.items() if count) or "nothing"
    summary = f"{'Removed' if yes else 'Would remove'} {what}"

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for leftover in goes:
            screen.line(f"  {leftover.name}  ({leftover.kind} of run {leftover.run})")
        for leftover in stays:
            screen.line(f"! {leftover.name} stays: {leftover.stays}", "yellow")
        if goes and not yes:
            screen.next("wfe-mcp git cleanup --yes --remote" if remote else "wfe-mcp git cleanup --yes")

    data = {
        "dry_run": not yes,
        "goes": [leftover._asdict() for leftover in goes],
        "stays": [leftover._asdict() for leftover in stays],
    }
    invocation.answer(summary, render, data=data)
