"""Phases that a process of another machine holds, as sentences.

Whether that process lives cannot be known here (a phase of a dead process of this machine is taken over at once), so its
lease counts until it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.workspace.system.process import parse_holder

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview

_HELD = {AttemptStatus.RUNNING, AttemptStatus.GATING}


def elsewhere(engine: Engine, found: Overview, phase: str | None = None) -> tuple[str, ...]:
    """A sentence for each open phase, or for ``phase`` alone, whose holder is on another machine."""
    return tuple(
        sentence
        for attempt in found.loaded.state.open_attempts
        if phase in (None, attempt.phase) and attempt.status in _HELD and (sentence := _sentence(engine, attempt))
    )


def _sentence(engine: Engine, attempt: Attempt) -> str:
    process = parse_holder(attempt.holder or "")
    if process is None or process.host == engine.identity.host:
        return ""
    until = attempt.lease_until
    ends = "" if until is None else f" Its lease ends {until:%Y-%m-%d %H:%M} UTC; then this server can take it over."
    return f"{attempt.phase} is held by a server on another machine, {process.host}: continue there.{ends}"
