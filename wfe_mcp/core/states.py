"""The state of what a run works on: one of its template's ``states``, which follows from the phases.

    begins     from when the phase first begins until it has completed: IMPLEMENTING
    reaches    from when the phase has completed: VERIFIED

Lint sees that no order of the phases and no jump makes a move that ``states`` does not have. Going back by hand, by ``retry`` or
``reject``, is checked here; a rollback restores an earlier moment and is no move.
"""

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, RunState
from wfe_mcp.core.paths import PhasePath, declared_path, shell_path
from wfe_mcp.core.refusals import illegal


def reached_state(state: RunState, back_at: PhasePath | None = None) -> str:
    """The state that the run is in; empty where its template has none. ``back_at``: once this phase is open again."""
    now = state.spec.initial_state
    top = None if back_at is None else declared_path(back_at).partition(".")[0]
    # The others, hundreds perhaps, change nothing.
    for phase in [spec for spec in state.spec.body(None) if spec.begins or spec.reaches or spec.path == top]:
        attempt = state.current(phase.path)
        if phase.path == top:
            return phase.begins or now
        if attempt.status is AttemptStatus.COMPLETED:
            now = phase.reaches or phase.begins or now
        elif phase.begins and any(tried.started_at is not None for tried in state.attempts[phase.path]):
            is_due = all(state.current(need).is_settled for need in state.needs(phase.path))
            now = phase.begins if is_due else now
    return now


def going_back_refused(state: RunState, path: PhasePath) -> Refused | None:
    """Why the run cannot go back to the phase at ``path``; None where its states allow the move, or it has none."""
    moves = {spec.name: spec.moves for spec in state.spec.states}
    if not moves:
        return None
    here, there = reached_state(state), reached_state(state, path)
    if here == there or here not in moves or there in moves[here]:
        return None
    allowed = ", ".join(moves[here]) or "no move"
    return illegal(
        f"To go back to {path!r} would move this run from {here} to {there}; its template allows {allowed} from {here}.",
        f"Go back in steps, or restore the moment before that phase: wfe-mcp rollback RUN {shell_path(path)}",
    )
