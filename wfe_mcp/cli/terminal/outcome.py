"""The answer after a decision or a control command: what was done, and what the run does now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.model import JsonObject


def run_outcome(engine: Engine, run: str, phase: str | None, what: str, data: JsonObject | None = None) -> Envelope:
    """``what`` was done, as a sentence; the run now, and what comes next."""
    from dataclasses import replace

    from wfe_mcp.cli.terminal.render import run_is
    from wfe_mcp.core.model import By
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.views.envelopes import standing_of
    from wfe_mcp.views.run_models import RunOutcome, RunView
    from wfe_mcp.views.run_status import status

    envelope, found = status(engine, By(), run), standing_of(engine, run).loaded
    summary = f'{what}. "{found.record.title}" {run_is(envelope)}.'
    envelope = envelope.showing(RunOutcome(run=envelope.shown(RunView), more=data or {}))
    if phase is None:
        return replace(envelope, summary=summary)
    attempt = found.state.current(PhasePath(phase))
    return replace(envelope, phase=phase, state=str(attempt.status), summary=summary)


def controlled(invocation: Invocation, answer: Envelope, what: str) -> Envelope:
    """The answer of a control command, with ``what`` and the run as its summary."""
    from dataclasses import replace

    record = invocation.record(answer.run)
    return (
        replace(answer, summary=f'{what} {answer.run} "{record.title}".')
        if record is not None and answer.ok
        else answer
    )
