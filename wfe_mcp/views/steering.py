"""Answers about steering a run: forks, and what only a person decides about its gates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.runs import control
from wfe_mcp.views import tool_answers as answers
from wfe_mcp.views.envelopes import after_move
from wfe_mcp.views.run_models import RunView
from wfe_mcp.views.runs import fork_view

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.views.envelope import Envelope


def fork(engine: Engine, by: By, run: str, at: str = "", title: str = "", idempotency_key: str = "") -> Envelope:
    """Create a run from the state of another one at an event (12) or a checkpoint (cp-12)."""
    return forked(engine, by, fork_run(engine, by, run, at, title=title, idempotency_key=idempotency_key or None))


def forked(engine: Engine, by: By, made: LoadedRun) -> Envelope:
    """The status of a run that was just forked, and where it comes from."""
    found = made.state.origin
    assert found is not None, "it was forked"
    answer = answers.begun(engine, by, made)
    view = replace(answer.shown(RunView), forked_from=fork_view(found))
    summary = f"Forked {found.run} at event {found.seq}: run {made.record.id}"
    return replace(answer.showing(view), summary=f"{summary}. {answer.summary}")


def force_accept(engine: Engine, by: By, run: str, phase: str, reason: str) -> Envelope:
    """Accept a phase although its gates fail; the run is tainted."""
    return after_move(
        engine, control.force_accept(engine, by, run, phase, reason), phase, "force-accepted; the run is tainted"
    )


def overrule(engine: Engine, by: By, run: str, phase: str, reason: str) -> Envelope:
    """Overrule the reviewers of a phase; its later gates judge as usual."""
    return after_move(engine, control.overrule(engine, by, run, phase, reason), phase, "overruled")
