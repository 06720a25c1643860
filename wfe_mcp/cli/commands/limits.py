"""``wfe-mcp limits``: the limits of ``[server.limits]``, and how much of each is used."""

from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.engine.access.limits import LimitUse


def limits(invocation: Invocation) -> None:
    """Show the limits of team, project, people and tokens, and their use."""
    from wfe_mcp.engine.access.limits import uses

    engine = invocation.engine
    with engine.store.read() as tx:
        limit_uses = list(uses(engine, tx))
    reached = sum(use.used >= use.most for use in limit_uses)
    summary = (
        f"{plural(len(limit_uses), 'limit')}, {reached} reached"
        if limit_uses
        else "No limits: [server.limits] is empty"
    )

    def render(screen: Screen) -> None:
        screen.line(f"{summary}.")
        screen.table(("whose", "limit", "used", "of", "frees"), [_line(use) for use in limit_uses])

    invocation.answer(summary, render, view={"limits": limit_uses})


def _line(use: "LimitUse") -> tuple[object, ...]:
    from wfe_mcp.engine.models.caps import dollars

    shown = dollars if use.key.startswith("cost") else "{:g}".format
    frees = "" if use.frees_at is None else f"{use.frees_at:%H:%M:%S} UTC"
    return f"{use.by} {use.of}".strip(), use.key, shown(use.used), shown(use.most), frees
