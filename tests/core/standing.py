"""Whether two states of a run are the same for what can happen next."""

from dataclasses import replace
from datetime import UTC, datetime

from wfe_mcp.core.attempt_states import Gating, Running
from wfe_mcp.core.loops import GONE
from wfe_mcp.core.model import Attempt, RunState, RunStatus
from wfe_mcp.core.rollback import taken_up

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def same_standing(one: RunState, other: RunState) -> bool:
    """True when both are the same but for numbers, counters, leases and the progress of gates."""
    return _standing(one) == _standing(other)


def _standing(state: RunState) -> tuple[object, ...]:
    places = {
        path: _uncounted(taken_up(state, tries[-1], _ANY_TIME))
        for path, tries in state.attempts.items()
        if tries[-1].status not in GONE
    }
    loops = {path: replace(loop, attempt=0) for path, loop in state.loops.items()}
    goes_on = state.status in {RunStatus.RUNNING, RunStatus.WAITING}
    return (
        RunStatus.RUNNING if goes_on else state.status,
        state.paused_by_human,
        state.auto,
        state.max_cost_usd,
        state.max_tokens,
        places,
        loops,
    )


def _uncounted(attempt: Attempt) -> Attempt:
    state = replace(attempt.state, deadline=None) if isinstance(attempt.state, Running | Gating) else attempt.state
    return replace(
        attempt,
        number=0,
        iteration=0,
        before=0,
        invalid=0,
        recoveries=0,
        restores=0,
        started_at=None,
        state=state,
        submission=replace(attempt.submission, tree=None),
        tree_at_start=None,
        head_at_start=None,
        approved_tree=None,
    )
