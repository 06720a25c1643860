"""Questions: the conditions that the engine must evaluate before a run can continue, and the events that their answers cause.

    when     a pending phase's needs are met       items    a for_each loop may open, or one that takes locks
    locks    … and it is not skipped               until    a pass of the loop is over
    next     a phase has completed                 outputs  the phases of a flow are over
    recovery another template repairs a failed phase   blocker  a phase of it reports what is in the way

The core holds conditions as opaque text. The engine evaluates what is due and sends each value as an ``Answer`` in the
same transaction; the answer is in the log, so that a replay needs no expression language.
"""

from collections.abc import Iterator
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.graph import around
from wfe_mcp.core.leases import lock_holder, tree_holder
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import LoopSpec, PhaseSpec


@dataclass(frozen=True, slots=True)
class Question:
    """What is due: a condition, or the items of a loop. ``rule`` is the index in ``next``; 0 for the others."""

    kind: Literal["when", "locks", "items", "until", "outputs", "recovery", "blocker", "next"]
    phase: PhasePath
    attempt: int
    rule: int
    text: str


def questions(state: RunState) -> tuple[Question, ...]:
    """The conditions due now; none while the run is paused, over, or going back."""
    if state.status not in {RunStatus.RUNNING, RunStatus.WAITING} or state.going_back is not None:
        return ()
    due = (_question(state, attempt) for attempt in state.moving_attempts)
    return tuple(question for question in due if question is not None)


def needs_are_met(state: RunState, path: PhasePath) -> bool:
    """True when every phase that ``path`` needs is settled.

    Also what those need, where people are asked about it anew.
    """
    if next(open_needs(state, path), None) is not None:
        return False
    anew = around(state.spec, path).intersection(state.anew) if state.anew else ()
    return all(state.current(phase).is_settled for phase in anew)


def open_needs(state: RunState, path: PhasePath) -> Iterator[PhasePath]:
    """The phases that ``path`` needs and that are not settled; also those that a skipped one needs: a skip can be early."""
    needs = [*state.needs(path)]
    for need in needs:  # which grows
        attempt = state.current(need)
        if not attempt.is_settled:
            yield need
        elif attempt.status is AttemptStatus.SKIPPED:
            needs += (further for further in state.needs(need) if further not in needs)


def _of_loop(state: RunState, attempt: Attempt, loop: LoopSpec) -> Question | None:
    path = attempt.phase
    if attempt.status is AttemptStatus.READY:
        # A loop takes its locks when it opens (ADR 0013), so it opens only while they are free.
        due = (loop.items is not None or state.phase(path).locks) and lock_holder(state, path) is None
        return Question("items", path, attempt.number, 0, loop.items or "") if due else None
    if loop.until is not None and pass_is_over(state, path):
        return Question("until", path, attempt.number, 0, loop.until)
    if loop.outputs and items_are_over(state, path) and tree_holder(state, path) is None:
        return Question("outputs", path, attempt.number, 0, "")
    return None


def conditions_are_met(state: RunState, attempt: Attempt) -> bool:
    """True when no condition keeps a pending phase closed: ``when`` is true, and its locks have names."""
    spec = state.phase(attempt.phase)
    return (spec.when is None or bool(attempt.when)) and (not spec.locks or attempt.locks is not None)


def blocker_is_due(state: RunState, attempt: Attempt) -> bool:
    """True for a completed phase of a recovery whose report of a blocker is not recorded yet."""
    if not state.phase(attempt.phase).reports_blocker or attempt.status is not AttemptStatus.COMPLETED:
        return False
    return not any((blocker.phase, blocker.attempt) == (attempt.phase, attempt.made_in) for blocker in state.blockers)


def is_passed_over(state: RunState, attempt: Attempt) -> bool:
    """True for a ``goto_only`` phase without a jump to it so far."""
    return state.phase(attempt.phase).goto_only and not attempt.entered


def _question(state: RunState, attempt: Attempt) -> Question | None:
    spec = state.phase(attempt.phase)
    match attempt.status:
        case AttemptStatus.PENDING if (
            not conditions_are_met(state, attempt)
            and not is_passed_over(state, attempt)
            and needs_are_met(state, attempt.phase)
        ):
            return _before_it_opens(spec, attempt)
        case AttemptStatus.READY | AttemptStatus.RUNNING if spec.loop is not None:
            return _of_loop(state, attempt, spec.loop)
        case AttemptStatus.FAILED if attempt.repair == "recover" and attempt.phase not in state.loops:
            return Question(
                "recovery", attempt.phase, attempt.number, 0, "" if spec.recovery is None else spec.recovery.items or ""
            )
        case AttemptStatus.COMPLETED if blocker_is_due(state, attempt):
            return Question("blocker", attempt.phase, attempt.number, 0, "")
        case AttemptStatus.COMPLETED if not attempt.judged and not attempt.held:
            condition = spec.next[attempt.next_rule].condition
            if condition is not None:
                return Question("next", attempt.phase, attempt.number, attempt.next_rule, condition)
        case _:
            pass
    return None


def _before_it_opens(spec: PhaseSpec, attempt: Attempt) -> Question:
    if spec.when is not None and attempt.when is None:
        return Question("when", attempt.phase, attempt.number, 0, spec.when)
    return Question("locks", attempt.phase, attempt.number, 0, "\n".join(spec.locks))


def pass_is_over(state: RunState, path: PhasePath) -> bool:
    """True while the condition of an ``until`` loop is due: no item is open, and it was not true yet."""
    return items_are_over(state, path) and not state.loops[path].finished


def items_are_over(state: RunState, path: PhasePath) -> bool:
    """True when every item of an opened loop has opened and closed."""
    loop = state.loops[path]
    return not loop.open and loop.begun == len(loop.keys)
