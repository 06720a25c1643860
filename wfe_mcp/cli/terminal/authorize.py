"""The caller of a command: the user with their PIN where the run requires it, else anyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.core.commands import Command
    from wfe_mcp.core.model import By


def authorize(invocation: Invocation, run: str, probe: Command, pin_fd: int | None, what: str) -> By:
    """The caller of ``probe``, a command by ``door.by``: without a proof where any caller may give it, else the user.

    A given PIN is always checked. Refuses what is illegal for the user too before it asks for the PIN; the engine refuses the rest.
    """
    from dataclasses import replace

    from wfe_mcp.core.moves import refusal
    from wfe_mcp.views.moves.calls import USER
    from wfe_mcp.views.reports.envelopes import overview_of

    state = overview_of(invocation.engine, run).loaded.state
    refused = refusal(state, probe)
    if pin_fd is None and refused is None:
        return invocation.by
    never = refusal(state, replace(probe, by=USER)) if pin_fd is None else None
    if never is not None:
        raise replace(never, run=run)
    return invocation.person(pin_fd, what)
