"""Who holds what no two phases may have at once?

    places          ``max_parallel`` phases of the run at work
    working tree    of phases whose gates read it
    locks           names, of all runs of the project; the engine asks the other runs

Rules:
1. A phase takes all it needs at its claim, a loop when it opens: everything, or nothing. Who waits for a lock holds none
   himself, except for a phase inside a loop that holds some; lint keeps these in one order, so nobody waits crosswise.
2. Tree and locks are held from claim to completion. They die with the lease, except under a running gate; a loop has no
   lease, and holds its locks while it is open.
3. A lock that a loop around the phase holds is no obstacle.
"""

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Stage
from wfe_mcp.core.paths import item_of
from wfe_mcp.core.spec import PhasePath

__all__ = ["busy_phases", "holds_locks", "lock_holder", "taken", "tree_holder"]


def busy_phases(state: RunState, *, besides: PhasePath) -> tuple[PhasePath, ...]:
    """The phases, without ``besides``, that take a place of ``max_parallel``."""
    busy = {AttemptStatus.RUNNING, AttemptStatus.GATING}
    return tuple(
        other.phase
        for other in state.open_attempts
        if other.status in busy and other.phase != besides and state.phase(other.phase).loop is None
    )


def taken(state: RunState, path: PhasePath) -> Refused | None:
    """Why another phase of this run keeps ``path`` from tree or locks (``leased``), or None."""
    holder = tree_holder(state, path)
    if holder is not None:
        return Refused("leased", f"Phase {holder!r} of this run holds the working tree: its gates read it.",
                       f"Finish {holder!r} first.")  # fmt: skip
    locked = lock_holder(state, path)
    if locked is not None:
        holder, name = locked
        return Refused("leased", f"Phase {path!r} needs the lock {name!r}, which phase {holder!r} of this run holds.",
                       f"Finish {holder!r} first.")  # fmt: skip
    return None


def tree_holder(state: RunState, path: PhasePath) -> PhasePath | None:
    """Who else has the working tree that ``path`` needs for itself; None when it is free or not needed.

    A loop has it while its own gates run, not while its items are worked.
    """
    if not state.phase(path).exclusive:
        return None
    for other in state.open_attempts:
        if other.phase != path and state.phase(other.phase).exclusive and _holds_tree(state, other):
            return other.phase
    return None


def lock_holder(state: RunState, path: PhasePath) -> tuple[PhasePath, str] | None:
    """Who else in the run holds a lock that ``path`` needs, and which; None when all are free or none is needed."""
    wanted = state.current(path).locks
    if not wanted:
        return None
    own = {path, *_around(path)}
    for other in state.open_attempts:
        shared = [name for name in other.locks or () if name in wanted]
        if shared and other.phase not in own and holds_locks(state, other):
            return other.phase, shared[0]
    return None


def holds_locks(state: RunState, attempt: Attempt) -> bool:
    """True while nobody else may have what ``attempt`` has locked."""
    is_loop = state.phase(attempt.phase).loop is not None
    match attempt.status:
        case AttemptStatus.RUNNING:
            return True
        case AttemptStatus.GATING:
            return attempt.stage is Stage.AFTER
        case AttemptStatus.AWAITING:
            return attempt.stage is Stage.AFTER and (is_loop or attempt.holder is not None)
        case AttemptStatus.FAILED:  # its rules may go on with the same holder, and what undoes it works under its locks
            return not attempt.human_only and (attempt.holder is not None or attempt.mending == "compensate")
        case _:
            return False


def _holds_tree(state: RunState, attempt: Attempt) -> bool:
    match attempt.status:
        case AttemptStatus.RUNNING:
            return attempt.phase not in state.loops
        case AttemptStatus.GATING:
            return True
        case _:
            return attempt.status is AttemptStatus.AWAITING and attempt.holder is not None


def _around(path: PhasePath) -> list[PhasePath]:
    place = item_of(path)
    return [] if place is None else [place[0], *_around(place[0])]
