"""The course of a loop: its items, passes and end.

    ready ──items──► LoopOpened ──► ItemOpened … ItemClosed ──► its own gates ──► completed
          ──until──► LoopOpened ──► ItemOpened, ItemClosed, the condition: true ends it, false opens the next pass

Rules:
1. Items open in order, as many at a time as ``max_parallel`` says.
2. ``block``: an item that waits for the user after a failure keeps further items closed; open ones continue.
   ``continue``: once nothing else of the item is at work, it is closed as failed, and the next one opens.
3. Keys are unique and fit into a path; else the loop has failed, and its ``on_fail`` decides.
"""

from collections.abc import Sequence
from datetime import datetime

from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState
from wfe_mcp.core.paths import KEY
from wfe_mcp.core.questions import items_are_over, needs_are_met

MAX_ITEMS = 10_000
"""The limit of items: each change of the run carries all their keys."""


def loop_opened(
    attempt: Attempt, keys: Sequence[str], items: str | None, at: datetime, deadline: datetime | None
) -> e.LoopOpened | e.AttemptFailed:
    """The loop with these items, or its failure when the keys break rule 3."""
    fault = _fault(keys)
    if fault:
        return e.AttemptFailed(kind=FailKind.ERROR, reason=fault, **attempt.on)
    return e.LoopOpened(keys=tuple(keys), started_at=at, items=items, deadline=deadline, **attempt.on)


def pass_judged(state: RunState, attempt: Attempt, *, holds: bool) -> e.Event:
    """What the condition of ``until`` leads to after a pass."""
    loop, spec = state.loops[attempt.phase], state.phase(attempt.phase).loop
    assert spec is not None, "only a loop is asked"
    if holds:
        return e.LoopFinished(**attempt.on)
    if len(loop.keys) < spec.until_max:
        return e.ItemOpened(key=str(len(loop.keys) + 1), **attempt.on)
    reason = f"The condition of 'until' did not hold after {spec.until_max} pass(es), its max."
    return e.AttemptFailed(kind=FailKind.GATE, reason=reason, **attempt.on)


def passes_are_used_up(state: RunState, attempt: Attempt) -> bool:
    """True when the loop failed because ``until.max`` is used up: a retry would bypass the author's limit."""
    loop, spec = state.loops.get(attempt.phase), state.phase(attempt.phase).loop
    if loop is None or spec is None or spec.until is None or attempt.fail_kind is not FailKind.GATE:
        return False
    return len(loop.keys) >= spec.until_max and not loop.finished


def item_events(state: RunState, attempt: Attempt) -> list[e.Event]:
    """The events for items of a running loop that ended, else for those that open next; none while its open items run."""
    loop, spec = state.loops[attempt.phase], state.phase(attempt.phase).loop
    assert spec is not None, "only a loop has items"
    stopped = False
    for key in loop.open:
        inner = tuple(state.attempts_in(attempt.phase, (key,)))
        if all(other.is_settled for other in inner):
            return [e.ItemClosed(key=key, **attempt.on)]
        if any(_waits_for_person(other) for other in inner):
            stopped = True
            if spec.on_item_fail == "continue" and left_for_a_person(state, inner) is not None:
                return [e.ItemClosed(key=key, failed=True, **attempt.on)]
    if stopped and spec.on_item_fail == "block":
        return []
    free = max(0, spec.max_parallel - len(loop.open))
    return [e.ItemOpened(key=key, **attempt.on) for key in loop.keys[loop.begun : loop.begun + free]]


def all_items_are_over(state: RunState, attempt: Attempt) -> bool:
    """True when only its own gates are left of a running loop."""
    loop, spec = state.loops[attempt.phase], state.phase(attempt.phase).loop
    assert spec is not None, "only a loop has items"
    return items_are_over(state, attempt.phase) and (spec.until is None or loop.finished)


def left_for_a_person(state: RunState, inner: Sequence[Attempt]) -> Attempt | None:
    """The phase among ``inner`` that waits for the user after a failure, once nothing else of them is at work."""
    stopped = next((other for other in inner if _waits_for_person(other)), None)
    return None if any(_is_at_work(state, other) for other in inner) else stopped


def open_inside(state: RunState, attempt: Attempt) -> tuple[Attempt, ...]:
    """The phases that are at work, or could be, in the open items of a loop."""
    loop = state.loops.get(attempt.phase)
    if loop is None:
        return ()
    inner = state.attempts_in(attempt.phase, loop.open)
    return tuple(other for other in inner if not other.is_settled and other.phase not in state.loops)


def _fault(keys: Sequence[str]) -> str:
    if len(keys) > MAX_ITEMS:
        return f"The loop has {len(keys)} items; it may have {MAX_ITEMS}."
    unfit = [key for key in keys if not KEY.fullmatch(key)]
    if unfit:
        return f"Key {unfit[0]!r:.80} is no path: letters, digits, _ and -, at most 64, not beginning with _ or -."
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return f"Two items have the key {key!r}; keys are unique."
        seen.add(key)
    return ""


def _waits_for_person(attempt: Attempt) -> bool:
    return attempt.status is AttemptStatus.FAILED and attempt.human_only


def _is_at_work(state: RunState, attempt: Attempt) -> bool:
    """True when ``attempt`` can still continue while another phase of its item has stopped."""
    match attempt.status:
        case AttemptStatus.PENDING:
            return attempt.not_before is not None or needs_are_met(state, attempt.phase)
        case AttemptStatus.RUNNING if attempt.phase in state.loops:
            return not state.loops[attempt.phase].open
        case _:
            return not attempt.is_settled and not _waits_for_person(attempt)
