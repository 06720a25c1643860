"""The course of a loop: its items, passes and end.

    ready ──items──► LoopOpened ──► ItemOpened … ItemClosed ──► its own gates ──► completed
          ──until──► LoopOpened ──► ItemOpened, ItemClosed, the condition: true ends it, false opens the next pass

Rules:
1. Items open in order, as many at a time as ``max_parallel`` says.
2. ``block``: an item that waits for the user after a failure keeps further items closed; open ones continue.
   ``continue``: once nothing else of the item is at work, it is closed as failed, and the next one opens.
3. Keys are unique and fit into a path; else the loop has failed, and its ``on_fail`` decides.
4. An item's phases get their attempts when it opens; numbers continue those of earlier passes and iterations.
5. A loop that restarts supersedes the attempts of all its items; one that ends early closes the open ones.
6. Feedback to a loop reaches every phase of its items.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import Cancelled, Failed, FailKind, Failure, RolledBack, Running, Skipped, Superseded
from wfe_mcp.core.model import Attempt, AttemptStatus, LoopState, RunState
from wfe_mcp.core.paths import KEY, PhasePath, inside
from wfe_mcp.core.questions import items_are_over, needs_are_met

MAX_ITEMS = 10_000
"""The limit of items: each change of the run carries all their keys."""


def attempts_in_order(state: RunState) -> Iterator[tuple[Attempt, ...]]:
    """All attempts at each phase, in the order of the template: those in items after their loop, in its order; what no loop has any more comes last."""
    paths = dict.fromkeys([*(attempt.phase for attempt in state.begun_attempts), *state.attempts])
    return (state.attempts[path] for path in paths)


def paths_as_stored(state: RunState) -> tuple[PhasePath, ...]:
    """The phases in the order in which a stored state has them: those of the template, then those in items, by name."""
    declared = (phase.path for phase in state.spec.phases if phase.path in state.attempts)
    return tuple(dict.fromkeys([*declared, *sorted(state.attempts)]))


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
            # While items are open, their phases decide.
            return not state.loops[attempt.phase].open
        case _:
            return not attempt.is_settled and not _waits_for_person(attempt)


LoopEvent = e.LoopOpened | e.ItemOpened | e.ItemClosed | e.LoopFinished

_SKIPPED = Skipped()
_OPEN = {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING}

GONE = {AttemptStatus.SUPERSEDED, AttemptStatus.CANCELLED, AttemptStatus.ROLLED_BACK}
"""Statuses of attempts that are over and left behind."""


def loop_event(state: RunState, event: LoopEvent) -> RunState:
    """The state after an event about a loop's items."""
    path = event.phase
    match event:
        case e.LoopOpened():
            running = Running(deadline=event.deadline)
            opened = replace(state.current(path), state=running, started_at=event.started_at)
            state = with_attempts(state, (opened,))
            return _with_loop(state, path, LoopState(event.attempt, event.keys, items=event.items))
        case e.ItemOpened(key=key):
            return _open_item(state, path, key)
        case e.ItemClosed(key=key, failed=failed):
            if not failed:
                return close_items(state, path, (key,))
            inner = state.attempts_in(path, (key,))
            stopped = (
                _failed_inner_loop(other) for other in inner if other.phase in state.loops and not other.is_settled
            )
            state = close_items(with_attempts(state, tuple(stopped)), path, (key,))
            loop = state.loops[path]
            return _with_loop(state, path, replace(loop, failed=(*loop.failed, key)))
        case _:
            return _with_loop(state, path, replace(state.loops[path], finished=True))


def close_items(state: RunState, loop: PhasePath, keys: Iterable[str]) -> RunState:
    """Close items: their open attempts end; failed ones stay failed."""
    keys = tuple(keys)
    inner = tuple(state.attempts_in(loop, keys))
    state = with_attempts(
        state, (end_attempt(attempt) for attempt in inner if attempt.status is not AttemptStatus.FAILED)
    )
    loops = dict(state.loops)
    for attempt in inner:
        if attempt.phase in loops:
            loops[attempt.phase] = replace(loops[attempt.phase], open=())
    loops[loop] = replace(loops[loop], open=tuple(key for key in loops[loop].open if key not in keys))
    return replace(state, loops=loops)


def open_recovery(state: RunState, event: e.RecoveryOpened) -> RunState:
    """The phases of a recovery begin inside the failed phase, with the failure as feedback."""
    with_feedback = replace(state.current(event.phase), feedback=event.feedback)
    attempts = dict(state.attempts)
    for phase in state.spec.body(event.phase):
        path = inside(event.phase, event.key, phase.path)
        attempts[path] = (*state.attempts.get(path, ()), fresh(state, path, state.iteration, with_feedback))
    opened = LoopState(event.attempt, (event.key,), begun=1, open=(event.key,), items=event.items)
    return _with_loop(replace(state, attempts=attempts), event.phase, opened)


def end_recovery(state: RunState, phase: PhasePath) -> RunState:
    """The recovery of a failed phase ends; its artifacts stay."""
    state = close_items(state, phase, state.loops[phase].open)
    return replace(state, loops={path: loop for path, loop in state.loops.items() if path != phase})


def drop_items(state: RunState, loop: PhasePath) -> RunState:
    """The loop restarts: the attempts of all its items are superseded, and it has no items until it opens."""
    if loop not in state.loops:
        return state
    place = f"{loop}["
    inner = (tries[-1] for path, tries in state.attempts.items() if path.startswith(place))
    state = with_attempts(state, (supersede(attempt) for attempt in inner))
    loops = {path: other for path, other in state.loops.items() if path != loop and not path.startswith(place)}
    return replace(state, loops=loops)


def open_again(state: RunState, loop: PhasePath, key: str, iteration: int) -> RunState:
    """Reopen a closed item; a loop that had ended continues as a new attempt."""
    loop_state, attempt = state.loops[loop], state.current(loop)
    if attempt.status is not AttemptStatus.RUNNING:
        tries = (*state.attempts[loop][:-1], supersede(attempt), fresh(state, loop, iteration, attempt))
        goes_on = replace(tries[-1], state=Running(), started_at=attempt.started_at, locks=attempt.locks)
        state = replace(state, attempts={**state.attempts, loop: (*tries[:-1], goes_on)})
    failed = tuple(other for other in loop_state.failed if other != key)
    again = replace(
        loop_state, attempt=state.current(loop).number, open=(*loop_state.open, key), failed=failed, finished=False
    )
    return _with_loop(state, loop, again)


def fresh(state: RunState, path: PhasePath, iteration: int, source: Attempt | None = None) -> Attempt:
    """The first attempt of ``path`` in this iteration; it has the feedback of ``source``."""
    tried = len(state.attempts.get(path, ()))
    return Attempt(path, tried + 1, iteration, tried, feedback=() if source is None else source.feedback)


def supersede(attempt: Attempt) -> Attempt:
    """``attempt`` after another one replaced it."""
    return replace(attempt, state=Superseded(attempt.stage, attempt.not_before, attempt.failure))


def send_back(state: RunState, event: e.WentTo) -> RunState:
    """A person rejected the work of the source, and with it what the target had completed."""
    attempts = [state.current(path) for path in (event.source, event.target)]
    rejected = [attempt for attempt in attempts if attempt is attempts[0] or attempt.status is AttemptStatus.COMPLETED]
    failure, reason = Failure(FailKind.REJECTED), event.feedback[0].message
    return with_attempts(
        state, (replace(attempt, state=fail_attempt(attempt, failure), reason=reason) for attempt in rejected)
    )


def taken_back(attempt: Attempt) -> Attempt:
    """``attempt`` after a rollback."""
    failure = attempt.failure
    if failure is not None and attempt.repair:
        failure = replace(failure, then="rules")
    return replace(attempt, state=RolledBack(attempt.stage, failure=failure))


def end_attempt(attempt: Attempt, pending: Cancelled | Skipped = _SKIPPED) -> Attempt:
    """``attempt`` after its end; itself when it is over already. ``pending``: what a pending one becomes."""
    if attempt.status is AttemptStatus.PENDING:
        return replace(attempt, state=pending)
    if attempt.status not in _OPEN and attempt.status is not AttemptStatus.FAILED:
        return attempt
    return replace(attempt, state=Cancelled(attempt.stage, attempt.not_before, attempt.failure))


def fail_attempt(attempt: Attempt, failure: Failure) -> Failed:
    """The state of ``attempt`` after a failure; its holder can get the next attempt."""
    return Failed(failure, attempt.stage, attempt.gate, attempt.claim, attempt.not_before)


def with_attempts(state: RunState, newest: Iterable[Attempt]) -> RunState:
    """The state with these as the newest attempts of their phases; what is the same object stays."""
    changed = {
        attempt.phase: (*state.attempts[attempt.phase][:-1], attempt)
        for attempt in newest
        if attempt is not state.current(attempt.phase)
    }
    return replace(state, attempts={**state.attempts, **changed}) if changed else state


def _failed_inner_loop(loop: Attempt) -> Attempt:
    """A loop inside an item that failed and is closed: the user can restart it."""
    reason = "A phase in it waited for a person, and the loop around it went on."
    return replace(loop, state=fail_attempt(loop, Failure(FailKind.ERROR, "user", loop.fail_rule)), reason=reason)


def _open_item(state: RunState, path: PhasePath, key: str) -> RunState:
    loop = state.loops[path]
    keys = loop.keys if loop.begun < len(loop.keys) else (*loop.keys, key)
    attempt = state.current(path)
    attempts = dict(state.attempts)
    for phase in state.spec.body(path):
        inner = inside(path, key, phase.path)
        attempts[inner] = (*attempts.get(inner, ()), fresh(state, inner, state.iteration, attempt))
    state = replace(state, attempts=attempts)
    return _with_loop(state, path, replace(loop, keys=keys, begun=loop.begun + 1, open=(*loop.open, key)))


def _with_loop(state: RunState, path: PhasePath, loop: LoopState) -> RunState:
    return replace(state, loops={**state.loops, path: loop})
