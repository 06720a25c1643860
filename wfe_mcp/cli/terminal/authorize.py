"""The caller of a command: the user with their PIN where the run requires it, else anyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.core.commands import Command
    from wfe_mcp.core.model import By


def authorize(invocation: Invocation, run: str, probe: Command, pin_fd: int | None, what: str) -> By:
    """The caller of ``probe``, a command by ``invocation.by``: without a proof where any caller may give it, else the user.

    A given PIN is always checked. Refuses what is illegal for the user too before it asks for the PIN; the engine refuses the rest.
    """
    from dataclasses import replace

    from wfe_mcp.core.moves import USER, refusal

    state = invocation.overview(run).loaded.state
    refused = refusal(state, probe)
    if pin_fd is None and refused is None:
        return invocation.by
    never = refusal(state, replace(probe, by=USER)) if pin_fd is None else None
    if never is not None:
        raise replace(never, run=run)
    return invocation.person(pin_fd, what)


def refuse_early(invocation: Invocation, run: str, command: Callable[..., Command]) -> None:
    """Refuse ``command`` of the user, where they cannot give it now: before they answer or type a PIN at the terminal."""
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.core.moves import USER, refusal

    state, move = invocation.overview(run).loaded.state, command(by=USER, at=invocation.clock())
    refused = refusal(state, move)
    if refused is not None and at_terminal():
        raise refused
