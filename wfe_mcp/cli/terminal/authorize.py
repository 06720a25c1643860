"""Does this command need the person now, or may anybody give it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.invocation import Door
    from wfe_mcp.core.commands import Command
    from wfe_mcp.core.model import By

__all__ = ["who"]


def who(door: Door, run: str, probe: Command, pin_fd: int | None, what: str) -> By:
    """Whoever may give ``probe``, a command by ``door.by``: unproven where the run lets anybody, else the person.

    A given PIN is always checked. What is illegal for everybody is left to the engine to refuse.
    """
    from wfe_mcp.core.moves import refusal
    from wfe_mcp.views.envelopes import standing_of

    refused = refusal(standing_of(door.engine, run).loaded.state, probe)
    if pin_fd is None and (refused is None or refused.code != "needs_human"):
        return door.by
    return door.person(pin_fd, what)
