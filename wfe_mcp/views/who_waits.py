"""Who a run waits for, in plain words: you, the agent, a model, a check, the server, nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.model import AttemptStatus

if TYPE_CHECKING:
    from wfe_mcp.engine.runs.overview import Overview

WAITS = {"agent": "the agent", "human": "you", "job": "the server", "reviewer": "a model", "none": "-"}
"""``waiting_on`` of a run → who that is, where no more is known."""
_WORKED = {AttemptStatus.READY, AttemptStatus.RUNNING}


def waits_for(found: Overview) -> str:
    """Who ``found`` waits for. Background work is a model that works or judges, a check, or steps of the server."""
    if found.waiting_on != "job":
        return WAITS[found.waiting_on]
    state = found.loaded.state
    open_now = [one for one in state.open_attempts if one.phase not in state.loops]
    if any(
        one.status in _WORKED and state.is_served(one.phase) and state.phase(one.phase).kind != "steps"
        for one in open_now
    ):
        return "a model"
    gates = {current_gate(state, one) for one in open_now if one.status is AttemptStatus.GATING}
    return "a model" if gates == {"opinion"} else "a check" if gates else "the server"
