"""Where does a run stand after a person's word?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.envelope import Envelope

__all__ = ["run_outcome"]


def run_outcome(engine: Engine, run: str, phase: str | None, what: str, data: dict[str, Any] | None = None) -> Envelope:
    """The answer after ``what`` was done: the run as it stands now, and what comes next."""
    from dataclasses import replace

    from wfe_mcp.core.model import By
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.views.envelopes import standing_of
    from wfe_mcp.views.tool_answers import status

    envelope = status(engine, By(), run)
    summary = f"{what}. {envelope.summary}"
    more = envelope.data | (data or {})
    if phase is None:
        return replace(envelope, summary=summary, data=more)
    attempt = standing_of(engine, run).loaded.state.current(PhasePath(phase))
    return replace(envelope, phase=phase, state=str(attempt.status), summary=summary, data=more)
