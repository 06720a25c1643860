"""Consequences: the events that follow from a state without a command.

    gates through ──► completed / ready      needs met ──► ready, or gates before work
    approval gate ──► awaiting               nothing left ──► run completed
    failed ──► first applicable ``on_fail`` rule  items of a loop over ──► the next ones, its gates, its end

Rules:
1. A retry keeps the tree of the first start in its iteration, so that files changed by a failed attempt stay visible to
   ``files`` gates.
2. A jump whose limit is used up blocks the run (``next``) or is ignored (``on_fail``: the next rule applies).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from wfe_mcp.core import events as e
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.graph import downstream
from wfe_mcp.core.leases import busy_phases, tree_holder
from wfe_mcp.core.loops import all_items_are_over, item_events, loop_opened, passes_are_used_up
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus, Stage
from wfe_mcp.core.paths import PhasePath, beside, item_of, items_around, seen_from
from wfe_mcp.core.questions import blocker_is_due, conditions_are_met, is_passed_over, needs_are_met
from wfe_mcp.core.recovery import recovery_fault, repair_begun
from wfe_mcp.core.spec import COMPLETE, FailRule, NextRule, PhaseSpec
from wfe_mcp.core.units import plural

_KEPT_FEEDBACK = 5


def settle(state: RunState, at: datetime, *, holder_alive: bool) -> tuple[list[e.Event], RunState]:
    """Every event that follows from ``state``, until none does, and the state after them."""
    settled: list[e.Event] = []
    # One step at a time, each on the state after the last: an event can rule out what was due before it.
    while step := next(filter(None, steps_due(state, at, holder_alive=holder_alive)), ()):
        for event in step:
            state = evolve(state, event)
        settled += step
    return settled, state


def complete_phase(state: RunState, attempt: Attempt) -> e.PhaseCompleted:
    """The artifact of ``attempt`` is accepted. A phase's auto_proceed wins over the run's ``auto``."""
    spec = state.phase(attempt.phase)
    goes_on = state.auto if spec.auto_proceed is None else spec.auto_proceed
    return e.PhaseCompleted(held=not goes_on, judged=not spec.next, **attempt.on)


def open_phase(state: RunState, attempt: Attempt) -> e.Event:
    """The event that opens a pending phase: gates before work, or ready at once."""
    if state.phase(attempt.phase).gates_before:
        return e.GatesOpened(**attempt.on)
    return e.PhaseReady(**attempt.on)


def reopen(
    state: RunState,
    attempt: Attempt,
    at: datetime,
    message: str,
    *,
    holder_alive: bool,
    not_before: datetime | None = None,
    role: str | None = None,
) -> e.AttemptOpened:
    """The next attempt of the same phase: running for the same live holder, else ready; pending when gates come first."""
    spec = state.phase(attempt.phase)
    note = (attempt.feedback_of(message),) if message else ()
    unasked = not conditions_are_met(state, attempt)  # an evaluation failed: it is repeated, never taken as true
    opened = e.AttemptOpened(
        phase=attempt.phase,
        attempt=attempt.number + 1,
        status=AttemptStatus.PENDING if spec.gates_before or not_before or unasked else AttemptStatus.READY,
        feedback=(*attempt.feedback, *note)[-_KEPT_FEEDBACK:],
        not_before=not_before,
        tree=attempt.tree_at_start,
        head=attempt.head_at_start,
        role=role or attempt.role,
    )
    # Another worker, or a holder that let the time run out: the next attempt is ready for anyone.
    goes_on = role is None and attempt.holder is not None and holder_alive and attempt.fail_kind is not FailKind.TIMEOUT
    # A phase that stopped has no place: others may have all of them by now.
    has_place = len(busy_phases(state, besides=attempt.phase)) < state.spec.max_parallel
    if opened.status is AttemptStatus.PENDING or not goes_on or not has_place or state.status is RunStatus.PAUSED:
        return opened
    return replace(
        opened,
        status=AttemptStatus.RUNNING,
        holder=attempt.holder,
        lease_until=attempt.lease_until,
        started_at=at,
        deadline=deadline(state, spec, at),
    )


def deadline(state: RunState, spec: PhaseSpec, at: datetime) -> datetime | None:
    """When a phase that starts at ``at`` times out: its own limit or the run's, whichever comes first."""
    ends = [at + timedelta(seconds=spec.timeout_s)] if spec.timeout_s is not None else []
    if state.ends_at is not None:
        ends.append(state.ends_at)
    return min(ends, default=None)


def next_end(state: RunState) -> datetime | None:
    """When the first time ends, of the run or of an attempt that moves; None without a limit."""
    ends = (state.ends_at, *(attempt.deadline for attempt in state.moving_attempts))
    return min((end for end in ends if end is not None), default=None)


def go_to(
    state: RunState, attempt: Attempt, target: PhasePath, message: str, rule: str = "", role: str | None = None
) -> e.WentTo:
    """A jump back to ``target``: it and everything downstream of it restarts in the next iteration.

    So does the phase that jumped (or the loop around it), and what an earlier ``$complete`` ended: neither could ever
    settle again. A target in a closed item opens the item again; what needs its loop restarts too.
    """
    anew = list(downstream(state.spec, target, beside(attempt.phase, target)))
    reopened: list[tuple[PhasePath, str]] = []
    for loop, key in items_around(target):
        if key not in state.loops[loop].open:
            reopened.append((loop, key))
            anew += [path for path in downstream(state.spec, loop) if path != loop]
    top = (other for other in state.open_attempts if item_of(other.phase) is None)
    anew += downstream(state.spec, *(other.phase for other in top if other.status is AttemptStatus.CANCELLED))
    return e.WentTo(
        source=attempt.phase,
        attempt=attempt.number,
        target=target,
        iteration=state.iteration + 1,
        superseded=tuple(dict.fromkeys(anew)),
        reopened=tuple(reopened),
        feedback=(attempt.feedback_of(message),),
        rule=rule,
        role=role,
    )


def is_last_work(state: RunState, attempt: Attempt) -> bool:
    """Whether nothing but steps that have not completed began after ``attempt``: what changed since it began is its own work.

    One that changed no file has none: what changed since, such as the base that was merged, others brought.
    """
    if _files(attempt.tree) == _files(attempt.tree_at_start):
        return False
    began = attempt.started_at
    later = (
        other
        for tries in state.attempts.values()
        for other in tries
        if began is not None and other.started_at is not None and other.started_at > began
    )
    return all(
        state.phase(other.phase).kind == "steps" and other.status is not AttemptStatus.COMPLETED for other in later
    )


def _files(tree: str | None) -> str:
    """The part of a tree that has the project's files: watched files, which git ignores, follow it."""
    return (tree or "").partition("+")[0]


def jump(state: RunState, attempt: Attempt, index: int, rule: NextRule) -> list[e.Event]:
    """What a matching ``next`` rule causes. A used-up limit blocks the run."""
    if rule.goto == COMPLETE:
        judged = e.NextJudged(rule=index, done=True, **attempt.on)
        flow = item_of(attempt.phase)  # a template that runs inside another ends there
        if flow is None:
            return [judged, e.RunCompleted()]
        return [judged, e.ItemClosed(key=flow[1], **state.current(flow[0]).on)]
    key = f"{attempt.phase}/next/{index}"
    if rule.max_uses is not None and state.jumps.get(key, 0) >= rule.max_uses:
        return [
            e.RunBlocked(
                reason=f"{attempt.phase!r} wants to go back to {rule.goto!r}, but has done so {plural(rule.max_uses, 'time')}, its max."
            )
        ]
    if state.iteration >= state.spec.max_iterations:
        return [
            e.RunBlocked(
                reason=f"{attempt.phase!r} wants to go back to {rule.goto!r}, but the run is in iteration {state.iteration}, its max_iterations."
            )
        ]
    message = f"{attempt.phase!r} sent the run back: its next rule {index + 1} matched."
    return [go_to(state, attempt, seen_from(attempt.phase, PhasePath(rule.goto)), message, key)]


def steps_due(state: RunState, at: datetime, *, holder_alive: bool) -> Iterator[list[e.Event]]:
    """What follows from ``state``: each step with its events, none for one that is not due; the first of them comes first."""
    # During a rollback nothing follows (ADR 0017); what jobs bring meanwhile is recorded.
    if state.status is RunStatus.PENDING or state.is_over or state.going_back is not None:
        return
    # The order matters:
    #   gates      first, also while paused: a paused run records results, it only starts nothing
    #   phases     failures by their rules, what opens, what jumps
    #   loops      after their phases; inner ones first
    #   the end    only when nothing else was due
    for attempt in state.moving_attempts:
        if attempt.status is AttemptStatus.GATING:
            yield from _gate_step(state, attempt)
    if state.status is RunStatus.PAUSED:
        return
    for attempt in state.moving_attempts:
        yield from _phase_step(state, attempt, at, holder_alive=holder_alive)
    for attempt in reversed(state.moving_attempts):  # inner loops first: their end can end an item around them
        if attempt.status is AttemptStatus.RUNNING and attempt.phase in state.loops:
            yield from _loop_step(state, attempt)
        elif attempt.repair == "recover" and attempt.phase in state.loops:
            yield from _recovery_step(state, attempt, at)
    # From the end: what is not over comes last as a rule, and of hundreds of phases only one is asked.
    if all(attempt.is_settled for attempt in reversed(state.open_attempts)):
        yield [e.RunCompleted()]


def _phase_step(state: RunState, attempt: Attempt, at: datetime, *, holder_alive: bool) -> Iterator[list[e.Event]]:
    spec = state.phase(attempt.phase)
    match attempt.status:
        case AttemptStatus.FAILED if not attempt.human_only and not attempt.repair:
            yield _on_fail(state, attempt, at, holder_alive=holder_alive)
        case AttemptStatus.PENDING if is_passed_over(state, attempt) and needs_are_met(state, attempt.phase):
            reason = "it begins only where a jump leads to it, and none did"
            yield [e.PhaseSkipped(reason=reason, follows=True, **attempt.on)]
        case AttemptStatus.PENDING if (
            attempt.not_before is None and conditions_are_met(state, attempt) and needs_are_met(state, attempt.phase)
        ):
            yield [open_phase(state, attempt)]
        # With locks an answer of the engine opens it: only the engine knows the locks of other runs.
        case AttemptStatus.READY if spec.loop is not None and spec.loop.until is not None and not spec.locks:
            yield [loop_opened(attempt, ("1",), None, at, deadline(state, spec, at))]
        case AttemptStatus.COMPLETED if not attempt.judged and not attempt.held and not blocker_is_due(state, attempt):
            rule = spec.next[attempt.next_rule]
            # A rule with a condition waits for its answer (questions.py).
            if rule.condition is None:
                yield jump(state, attempt, attempt.next_rule, rule)
        case _:
            pass


def _loop_step(state: RunState, attempt: Attempt) -> Iterator[list[e.Event]]:
    """Items that end or begin; then its own gates, once no other phase uses the files they read."""
    yield list(item_events(state, attempt))
    spec = state.phase(attempt.phase)
    asks = spec.loop is not None and spec.loop.outputs  # the outputs of a flow come first; its gates check them
    if not asks and all_items_are_over(state, attempt):
        if not spec.gates:
            yield [complete_phase(state, attempt)]
        elif tree_holder(state, attempt.phase) is None:
            yield [e.GatesOpened(stage=Stage.AFTER, **attempt.on)]


def _recovery_step(state: RunState, attempt: Attempt, at: datetime) -> Iterator[list[e.Event]]:
    """The end of a recovery: a new attempt when it succeeded, else the next rule."""
    fault = recovery_fault(state, attempt)
    if fault is None:
        return
    ended = e.RepairEnded(fault=fault, **attempt.on)
    message = f"{attempt.reason}\nA recovery has run since: {attempt.recovery}."
    # No holder continues: its claim ended when the recovery began.
    yield [ended] if fault else [ended, reopen(state, attempt, at, message, holder_alive=False)]


def _gate_step(state: RunState, attempt: Attempt) -> Iterator[list[e.Event]]:
    gate = current_gate(state, attempt)
    if gate:
        if gate == "approval" and attempt.sha256 is not None:
            yield [e.ApprovalAwaited(**attempt.on)]
    elif attempt.stage is Stage.BEFORE:
        yield [e.PhaseReady(**attempt.on)]
    else:
        yield [complete_phase(state, attempt)]


def _on_fail(state: RunState, attempt: Attempt, at: datetime, *, holder_alive: bool) -> list[e.Event]:
    for index, rule in enumerate(state.phase(attempt.phase).on_fail):
        if index < attempt.fail_rule:
            continue
        events = _rule(state, attempt, at, index, rule, holder_alive=holder_alive)
        if events:
            return events
    return [e.HumanAwaited(**attempt.on)]


def _rule(
    state: RunState, attempt: Attempt, at: datetime, index: int, rule: FailRule, *, holder_alive: bool
) -> list[e.Event]:
    """The events of one rule; none when it does not apply."""
    tries = _tries(state, attempt, rule)
    if tries == 0:
        return []
    match rule.do:
        # A retry would multiply the passes that ``until.max`` allows (ADR 0011).
        case "retry" | "backoff" if tries >= rule.max_uses or passes_are_used_up(state, attempt):
            return []
        case "retry":
            return [reopen(state, attempt, at, attempt.reason, holder_alive=holder_alive)]
        case "backoff":
            # 2**60 milliseconds are longer than any wait; at 2**1024 the product would leave the floats.
            later = at + timedelta(seconds=min(rule.max_s, rule.initial_s * 2 ** min(tries - 1, 60)))
            return [reopen(state, attempt, at, attempt.reason, holder_alive=False, not_before=later)]
        case "compensate" | "subflow":
            return repair_begun(state, attempt, index, rule)
        case "goto":
            # Counted over the whole run: neither an iteration nor a rollback gives uses back.
            key = f"{attempt.phase}/on_fail/{index}"
            used_up = state.jumps.get(key, 0) >= rule.max_uses or state.iteration >= state.spec.max_iterations
            target = seen_from(attempt.phase, PhasePath(rule.goto or ""))
            return [] if used_up else [go_to(state, attempt, target, attempt.reason, key)]
        case _:
            return [e.HumanAwaited(**attempt.on), *_ENDS[rule.do](failure_of(attempt))]


def failure_of(attempt: Attempt) -> str:
    """The reason of a run that a rule stopped because of ``attempt``."""
    return f"{attempt.phase!r} failed: {attempt.reason}"


def _tries(state: RunState, attempt: Attempt, rule: FailRule) -> int:
    """The attempts of this iteration that ``rule`` counts; 0 where it does not apply to how ``attempt`` failed."""
    tries = [tried for tried in state.attempts[attempt.phase][attempt.before : attempt.number] if _was_tried(tried)]
    if rule.stage is None:
        return len(tries)
    is_meant = [(tried.stage is Stage.BEFORE) is (rule.stage == "before") for tried in (*tries, attempt)]
    return sum(is_meant[:-1]) if is_meant[-1] else 0


def _was_tried(attempt: Attempt) -> bool:
    """False for one that a rollback took back before anything was submitted or had failed."""
    return attempt.status is not AttemptStatus.ROLLED_BACK or attempt.revision > 0 or attempt.failure is not None


_ENDS: dict[str, Callable[[str], list[e.Event]]] = {
    "wait_human": lambda _reason: [],
    "pause": lambda reason: [e.RunPaused(by_human=True, reason=reason)],
    "block": lambda reason: [e.RunBlocked(reason=reason)],
    "fail": lambda reason: [e.RunFailed(reason=reason)],
}
