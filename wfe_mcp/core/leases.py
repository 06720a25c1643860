"""What a phase holds alone: places, the working tree and locks.

    places          ``max_parallel`` phases of a run work at the same time, and ``max_parallel`` items of a loop
    working tree    held by phases whose gates read it
    locks           names that hold for all runs of the project; the engine reads the other runs

Rules:
1. A phase takes everything it needs at its claim, a loop when it opens: all or nothing. A phase that waits for a lock
   holds none, unless it is inside a loop that holds some; lint keeps these in one order, so there is no deadlock.
2. Tree and locks are held from claim to completion. They end with the lease, except while a gate runs; a loop has no
   lease, and holds its locks while it is open.
3. A lock of a loop around the phase does not block the phase.
4. A reopened item can be open beside later ones: the earlier is worked first, and what runs ends first.
"""

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Stage
from wfe_mcp.core.paths import PhasePath, items_around


def busy_phases(state: RunState, *, besides: PhasePath) -> tuple[PhasePath, ...]:
    """The phases, without ``besides``, that take a place of ``max_parallel``."""
    busy = {AttemptStatus.RUNNING, AttemptStatus.GATING}
    return tuple(
        other.phase
        for other in state.moving_attempts
        if other.status in busy and other.phase != besides and state.phase(other.phase).loop is None
    )


def refuse_later_item(state: RunState, path: PhasePath) -> Refused | None:
    """Why other open items of a loop around ``path`` have its places (``not_ready``), or None."""
    for loop, key in items_around(path):
        spec = state.phase(loop).loop
        if spec is None or len(state.loops[loop].open) <= spec.max_parallel:
            continue
        busy, order = busy_phases(state, besides=path), state.loops[loop].keys.index
        first: list[tuple[str, PhasePath]] = []
        for other in sorted(state.loops[loop].open, key=order):
            inner = [attempt for attempt in state.attempts_in(loop, (other,)) if not attempt.is_settled]
            runs = [attempt.phase for attempt in inner if attempt.phase in busy]
            stopped = any(attempt.status is AttemptStatus.FAILED and attempt.human_only for attempt in inner)
            if inner and other != key and (runs or (order(other) < order(key) and not stopped)):
                first.append((other, (runs or [attempt.phase for attempt in inner])[0]))
        if len(first) >= spec.max_parallel:
            items = f"{spec.max_parallel} item{'s' * (spec.max_parallel > 1)} at a time"
            message = f"Item {first[0][0]!r} of {loop!r} comes first: it works on {items}."
            return Refused("not_ready", message, f"Finish {first[0][1]!r} first.")
    return None


def refuse_taken(state: RunState, path: PhasePath) -> Refused | None:
    """Why another phase of this run keeps ``path`` from tree or locks (``leased``), or None."""
    holder = tree_holder(state, path)
    if holder is not None:
        return Refused(
            "leased", f"Phase {holder!r} of this run is using the working tree.", f"Finish {holder!r} first."
        )
    locked = lock_holder(state, path)
    if locked is not None:
        holder, name = locked
        return Refused(
            "leased",
            f"Phase {path!r} needs the lock {name!r}, which phase {holder!r} of this run holds.",
            f"Finish {holder!r} first.",
        )
    return None


def tree_holder(state: RunState, path: PhasePath) -> PhasePath | None:
    """Who else has the working tree that ``path`` needs for itself; None when it is free or not needed.

    A loop has it while its own gates run, not while its items are worked.
    """
    if not state.phase(path).exclusive:
        return None
    for other in state.moving_attempts:
        if other.phase != path and state.phase(other.phase).exclusive and _holds_tree(state, other):
            return other.phase
    return None


def lock_holder(state: RunState, path: PhasePath) -> tuple[PhasePath, str] | None:
    """The other phase of the run that holds a lock which ``path`` needs, and its name; None when all are free."""
    wanted = state.current(path).locks
    if not wanted:
        return None
    own = {path, *(loop for loop, _ in items_around(path))}
    for other in state.moving_attempts:
        shared = [name for name in other.locks or () if name in wanted]
        if shared and other.phase not in own and holds_locks(state, other):
            return other.phase, shared[0]
    return None


def holds_locks(state: RunState, attempt: Attempt) -> bool:
    """True while ``attempt`` holds its locks."""
    is_loop = state.phase(attempt.phase).loop is not None
    #          running   gating        awaiting                      failed
    # locks    yes       after work    after work, while held        while a rule can continue it
    # tree     yes       yes           while held                    no
    # A loop has no holder: it keeps locks until it is over, and has the tree only while its own gates run.
    match attempt.status:
        case AttemptStatus.RUNNING:
            return True
        case AttemptStatus.GATING:
            return attempt.stage is Stage.AFTER
        case AttemptStatus.AWAITING:
            return attempt.stage is Stage.AFTER and (is_loop or attempt.holder is not None)
        case AttemptStatus.FAILED:  # a rule may retry with the same holder, and a compensation runs under the locks
            return not attempt.human_only and (attempt.holder is not None or attempt.repair == "compensate")
        case _:
            return False


def _holds_tree(state: RunState, attempt: Attempt) -> bool:
    match attempt.status:
        case AttemptStatus.RUNNING:
            return attempt.phase not in state.loops
        # A check reads the files, whether or not the worker that submitted still lives.
        case AttemptStatus.GATING:
            return True
        case _:
            return attempt.status is AttemptStatus.AWAITING and attempt.holder is not None
