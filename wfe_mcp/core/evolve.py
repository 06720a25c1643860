"""``evolve``: the state after an event.

Rules:
1. ``evolve`` never refuses and reads nothing else: the event holds every fact.
2. ``running`` and ``waiting`` are derived from the attempts after each event; every other run status is set by one.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import TypeVar

from wfe_mcp.core import attempt_states as states, events as e, loops
from wfe_mcp.core.model import Attempt, AttemptStatus, GoingBack, RunState, RunStatus, Stage, Submission, Verdict
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.recovery import settled_blockers

S = TypeVar("S", bound=states.AttemptState)

_WORK = {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING}
_ENDS_LOOP = e.AttemptFailed | e.PhaseSkipped | e.PhaseCompleted


def replay(events: Iterable[e.Event]) -> RunState:
    """The state that ``events`` lead to, from nothing."""
    return reduce(evolve, events, RunState())


def evolve(state: RunState, event: e.Event) -> RunState:
    """The state after ``event``."""
    state = _run_event(state, event) if not isinstance(event, e.AttemptEvent) else _attempt_event(state, event)
    if state.status in {RunStatus.RUNNING, RunStatus.WAITING}:
        status = RunStatus.WAITING if _only_people_can_go_on(state, event) else RunStatus.RUNNING
        if status is not state.status:
            known, state = state.derived, replace(state, status=status)
            state.derived.update(known)  # the attempts are the same
    return state


def _run_event(state: RunState, event: e.Event) -> RunState:  # noqa: C901 - one arm per event
    match event:
        case e.RunStarted():
            attempts = {phase.path: (Attempt(phase.path, 1, 1),) for phase in event.spec.body(None)}
            return RunState(
                event.spec,
                RunStatus.RUNNING,
                auto=event.auto,
                started_at=event.started_at,
                attempts=attempts,
                gates=event.gates,
                tree=event.tree,
            )
        case e.WentTo():
            return _went_to(state, event)
        case e.AutoSwitched(auto=auto):
            return replace(state, auto=auto)
        case e.RunPaused(by_human=by_human, reason=reason):
            return replace(state, status=RunStatus.PAUSED, paused_by_human=by_human, reason=reason)
        case e.RunResumed() | e.RunReopened():
            return _resume(state, event)
        case e.RunBlocked(reason=reason):
            return replace(state, status=RunStatus.BLOCKED, reason=reason)
        case e.RunFailed(reason=reason):
            return replace(state, status=RunStatus.FAILED, reason=reason)
        case e.RunCancelled(reason=reason):
            ended = _end_open(state, pending=states.Cancelled())
            return replace(ended, status=RunStatus.CANCELLED, reason=reason)
        case e.RecordsKept() | e.DecisionSigned():
            return state
        case e.RunCompleted():
            return replace(_end_open(state, pending=states.Skipped()), status=RunStatus.COMPLETED, reason="")
        case _:
            return _history_event(state, event)


def _history_event(state: RunState, event: e.Event) -> RunState:
    match event:
        case (
            e.CheckpointTaken()
            | e.OperationIntended()
            | e.OperationCalled()
            | e.OperationObserved()
            | e.CredentialGiven()
        ):
            return state
        case e.RollbackBegan():
            going = GoingBack(event.to, event.commit, event.safety, event.holder, event.kind)
            return replace(state, going_back=going)
        case e.RollbackAbandoned():
            return replace(state, going_back=None)
        case e.RolledBack():
            return _rolled_back(state, event)
        case e.RunForked(state=begun):
            return _in_order(begun)
        case _:
            raise TypeError(f"no such event: {event!r}")


def _resume(state: RunState, event: e.RunResumed | e.RunReopened) -> RunState:
    resumed = replace(state, status=RunStatus.RUNNING, paused_by_human=False, reason="")
    if isinstance(event, e.RunReopened):
        return resumed
    cost, tokens = event.max_cost_usd or state.max_cost_usd, event.max_tokens or state.max_tokens
    resumed = replace(resumed, max_cost_usd=cost, max_tokens=tokens)
    if event.ends_at is None:
        return resumed
    # Only deadlines that came from the run's limit move; those of phases stay.
    later = loops.with_attempts(
        resumed,
        [
            replace(attempt, state=replace(attempt.state, deadline=event.ends_at))
            for attempt in state.open_attempts
            if isinstance(attempt.state, states.Running)
            and attempt.deadline is not None
            and attempt.deadline == state.ends_at
        ],
    )
    return replace(later, extended_to=event.ends_at)


def _attempt_event(state: RunState, event: e.AttemptEvent) -> RunState:
    if isinstance(event, e.AttemptOpened):
        return _open_loop(state, event)
    if isinstance(event, e.LoopOpened | e.ItemOpened | e.ItemClosed | e.LoopFinished):
        return loops.loop_event(state, event)
    if isinstance(event, e.BlockerFound):
        return replace(state, blockers=(*state.blockers, event))
    tries = state.attempts[event.phase]
    changed = _attempt_after(tries[event.attempt - 1], event)
    attempts = {**state.attempts, event.phase: (*tries[: event.attempt - 1], changed, *tries[event.attempt :])}
    state = replace(state, attempts=attempts, tainted=state.tainted or isinstance(event, e.PhaseForced))
    if isinstance(event, e.RecoveryOpened):
        return loops.open_recovery(state, event)
    if event.phase not in state.loops:
        return state
    if state.phase(event.phase).loop is None:  # a recovery ends with the failure that it repairs
        goes_on = changed.status is AttemptStatus.FAILED and changed.repair
        return state if goes_on else loops.end_recovery(state, event.phase)
    return (
        loops.close_items(state, event.phase, state.loops[event.phase].open) if isinstance(event, _ENDS_LOOP) else state
    )


def _attempt_after(attempt: Attempt, event: e.AttemptEvent) -> Attempt:
    match event:
        case e.WhenAnswered(value=value):
            return replace(attempt, when=value)
        case e.LocksNamed(locks=locks):
            return replace(attempt, locks=locks)
        case e.SubmissionRefused():
            return replace(attempt, invalid=attempt.invalid + 1)
        case e.PhaseReady():
            return replace(attempt, state=states.Ready(), gates_before_passed=True)
        case e.PhaseStarted():
            return replace(
                attempt,
                state=states.Running(states.Claim(event.holder, event.lease_until), event.deadline),
                started_at=event.started_at,
                # The first start counts: ``files`` gates see what an earlier holder changed.
                tree_at_start=attempt.tree_at_start or event.tree,
                head_at_start=attempt.head_at_start or event.head,
            )
        case e.LeaseLost():
            # Gates and open questions need no holder: they continue without one.
            return replace(
                attempt, state=states.Ready() if isinstance(attempt.state, states.Running) else attempt.unclaimed
            )
        case e.PhaseCompleted(held=held, judged=judged):
            return replace(attempt, state=states.Completed(held, judged))
        case e.NextJudged(rule=rule, done=done):
            return replace(attempt, state=replace(_in(attempt, states.Completed), next_rule=rule + 1, judged=done))
        case e.PhaseProceeded(judged=judged):
            return replace(
                attempt, state=replace(_in(attempt, states.Completed), held=False, judged=judged or attempt.judged)
            )
        case _:
            return _after_gate(attempt, event)


def _after_gate(attempt: Attempt, event: e.AttemptEvent) -> Attempt:
    match event:
        case e.GatesOpened(stage=stage, sha256=sha256, tree=tree, prompt=prompt):
            gating = states.Gating(stage, claim=attempt.claim, deadline=attempt.deadline)
            submission = replace(attempt.submission, sha256=sha256, tree=tree)
            return replace(attempt, state=gating, submission=submission, prompt=prompt or attempt.prompt)
        case e.PromptEdited(sha256=sha256, prompt=prompt):
            submission = Submission(sha256=sha256, tree=attempt.tree)
            return replace(attempt, state=states.Gating(Stage.BEFORE), submission=submission, prompt=prompt, reason="")
        case e.RevisionSubmitted(revision=revision, sha256=sha256, tree=tree):
            gating = states.Gating(Stage.AFTER, claim=attempt.claim)
            return replace(attempt, state=gating, submission=Submission(revision, sha256, tree), reason="")
        case e.GateJudged(verdict=verdict):
            return _with_verdict(attempt, verdict)
        case e.ApprovalAwaited():
            at = _in(attempt, states.Gating)
            return replace(attempt, state=states.Awaiting(at.stage, at.gate, at.claim, at.deadline))
        case e.ApprovalAsked() | e.ApprovalCounted() | e.ApprovalHanded():
            return replace(attempt, state=_apply_request(_in(attempt, states.Awaiting), event))
        case e.ApprovalGiven():
            return _apply_approval(attempt, event)
        case e.OpinionOverruled(gate=gate, sha256=sha256, reason=reason):
            reopened = replace(attempt, reason="")
            return _with_verdict(
                reopened, _pass_gate(attempt, gate, GateOutcome.OVERRULED, sha256, f"overruled: {reason}")
            )
        case e.TreeChanged(tree=tree, by_check=by_check):
            # Verdicts are about one tree: all gates judge again. A change by others restarts the count.
            changes = attempt.tree_changes + 1 if by_check else 0
            submission = replace(attempt.submission, tree=tree, verdicts=(), tree_changes=changes)
            return replace(attempt, state=_gating(attempt, 0), submission=submission)
        case _:
            return _after_failure(attempt, event)


def _after_failure(attempt: Attempt, event: e.AttemptEvent) -> Attempt:
    match event:
        case e.AttemptFailed(kind=kind, reason=reason):
            return replace(attempt, state=loops.fail_attempt(attempt, states.Failure(kind)), reason=reason)
        case e.PhaseForced(revision=revision, sha256=sha256, reason=reason):
            submission = (
                replace(attempt.submission, revision=revision, sha256=sha256) if revision else attempt.submission
            )
            return replace(attempt, forced=True, reason=reason, submission=submission)
        case e.PhaseSkipped(reason=reason):
            return replace(attempt, state=states.Skipped(attempt.not_before), reason=reason)
        case e.RecoveryOpened():
            return attempt
        case e.RepairBegan(what=what, rule=rule):
            begun = replace(attempt, state=_then(attempt, what, claim=None, rule=rule + 1))
            if what == "compensate":
                return begun
            return replace(begun, recovery=event.key, recoveries=attempt.recoveries + 1)
        case e.RepairEnded(fault=fault):
            reason = f"{attempt.reason}\n{fault}" if fault else attempt.reason
            return replace(attempt, state=_then(attempt, "rules", claim=attempt.claim), reason=reason)
        case e.HumanAwaited():
            return replace(attempt, state=_then(attempt, "user", claim=None))
        case _:
            raise TypeError(f"no such event: {event!r}")


def _in(attempt: Attempt, kind: type[S]) -> S:
    assert isinstance(attempt.state, kind), f"attempt {attempt.number} of {attempt.phase!r} is {attempt.status}"
    return attempt.state


def _then(
    attempt: Attempt, then: states.FailureStep, *, claim: states.Claim | None, rule: int | None = None
) -> states.Failed:
    was = _in(attempt, states.Failed)
    failure = replace(was.failure, then=then, fail_rule=was.failure.fail_rule if rule is None else rule)
    return replace(was, failure=failure, claim=claim)


def _gating(attempt: Attempt, gate: int) -> states.Gating:
    return states.Gating(attempt.stage or Stage.AFTER, gate, attempt.claim, attempt.deadline)


def _apply_request(
    at: states.Awaiting, event: e.ApprovalAsked | e.ApprovalCounted | e.ApprovalHanded
) -> states.Awaiting:
    if isinstance(event, e.ApprovalHanded):
        return replace(at, handed=states.Handed(event.to, event.by, event.note))
    if isinstance(event, e.ApprovalCounted):
        return replace(at, approvals=(*at.approvals, event.person))
    return replace(at, asked=event.request, asked_tree=event.tree, approvals=(), handed=None)


def _apply_approval(attempt: Attempt, event: e.ApprovalGiven) -> Attempt:
    if event.grant:  # no one has looked: it is not delivered, and the next decision shows it as new
        why = f"by grant {event.grant}: {event.comment}"
        return _with_verdict(attempt, _pass_gate(attempt, event.gate, GateOutcome.GRANTED, event.sha256, why))
    approved = replace(attempt, approved_tree=attempt.asked_tree or attempt.tree)
    return _with_verdict(approved, _pass_gate(attempt, event.gate, GateOutcome.PASS, event.sha256, event.comment))


def _pass_gate(attempt: Attempt, gate: int, outcome: GateOutcome, sha256: str, message: str) -> Verdict:
    return Verdict(attempt.stage or Stage.AFTER, gate, outcome, sha256, message)


def _with_verdict(attempt: Attempt, verdict: Verdict) -> Attempt:
    passed = verdict.kind is VerdictKind.PASS
    at = _gating(attempt, verdict.gate + 1 if passed else verdict.gate)
    waits = verdict.kind is VerdictKind.AWAITING
    return replace(
        attempt,
        state=states.Awaiting(at.stage, at.gate, at.claim, at.deadline) if waits else at,
        submission=replace(attempt.submission, verdicts=(*attempt.verdicts, verdict)),
        reason=attempt.reason if passed else verdict.message,
    )


def _open_loop(state: RunState, event: e.AttemptOpened) -> RunState:
    state = loops.drop_items(state, event.phase)
    tries = state.attempts[event.phase]
    last = tries[-1]
    claim = None if event.holder is None else states.Claim(event.holder, event.lease_until)
    begun: dict[AttemptStatus, states.AttemptState] = {
        AttemptStatus.READY: states.Ready(),
        AttemptStatus.RUNNING: states.Running(claim, event.deadline),
    }
    new = Attempt(
        event.phase,
        event.attempt,
        last.iteration,
        last.before,
        begun.get(event.status, states.Pending(event.not_before)),
        started_at=event.started_at,
        feedback=event.feedback,
        tree_at_start=event.tree,
        head_at_start=event.head,
        when=last.when,
        entered=last.entered,
        locks=last.locks,
        gates_before_passed=event.status is not AttemptStatus.PENDING,
        role=event.role,
    )
    blockers = settled_blockers(state, event.phase, event.blockers)
    return replace(
        state, attempts={**state.attempts, event.phase: (*tries[:-1], loops.supersede(last), new)}, blockers=blockers
    )


def _went_to(state: RunState, event: e.WentTo) -> RunState:
    state = loops.send_back(state, event) if event.rejected else state
    for path in event.superseded:
        state = loops.drop_items(state, path)
        new = loops.fresh(state, path, event.iteration)
        if path == event.target:
            new = replace(new, feedback=event.feedback, role=event.role, entered=True)
            new = replace(new, tree_at_start=event.tree, head_at_start=event.head)
        tries = state.attempts[path]
        state = replace(state, attempts={**state.attempts, path: (*tries[:-1], loops.supersede(tries[-1]), new)})
    for path, key in event.reopened:
        state = loops.open_again(state, path, key, event.iteration)
    jumps = {**state.jumps, **({event.rule: state.jumps.get(event.rule, 0) + 1} if event.rule else {})}
    return replace(state, iteration=event.iteration, jumps=jumps)


def _rolled_back(state: RunState, event: e.RolledBack) -> RunState:
    state = loops.with_attempts(state, (loops.taken_back(state.current(path)) for path in event.ended))
    opened = {attempt.phase: (*state.attempts[attempt.phase], attempt) for attempt in event.opened}
    paths = tuple(path for path in state.anew if path not in opened)
    return replace(
        state,
        attempts={**state.attempts, **opened},
        loops=event.loops,
        status=event.status,
        auto=event.auto,
        reason=event.reason,
        paused_by_human=event.paused_by_human,
        max_cost_usd=event.max_cost_usd,
        max_tokens=event.max_tokens,
        going_back=None,
        anew=(*paths, *event.anew),
    )


def _in_order(state: RunState) -> RunState:
    """``state`` with its mappings in one order: JSON keeps none, and both must come out as the same text."""
    attempts = {path: state.attempts[path] for path in loops.paths_as_stored(state)}
    sorted_loops = dict(sorted(state.loops.items()))
    return replace(state, attempts=attempts, jumps=dict(sorted(state.jumps.items())), loops=sorted_loops)


def _end_open(state: RunState, *, pending: states.Cancelled | states.Skipped) -> RunState:
    return loops.with_attempts(state, (loops.end_attempt(attempt, pending=pending) for attempt in state.open_attempts))


def _only_people_can_go_on(state: RunState, event: e.Event) -> bool:
    """Design §4: every open attempt is awaiting, failed after wait_human, held, or a person's own phase."""
    if isinstance(event, e.AttemptEvent) and event.phase in state.attempts and state.is_open(event.phase):
        attempt = state.current(event.phase)
        if attempt.status in _WORK and waits_for(state, attempt) == "work":
            return False  # the others, hundreds perhaps, are not asked
    waits = [waits_for(state, attempt) for attempt in state.moving_attempts]
    return "person" in waits and "work" not in waits


def waits_for(state: RunState, attempt: Attempt) -> str:
    """Who ``attempt`` waits for: ``person``, ``work``, or ``none``."""
    match attempt.status:
        case AttemptStatus.AWAITING:
            return "person"
        case AttemptStatus.FAILED if attempt.phase in state.loops and attempt.repair:
            return "none"  # the phases of its recovery decide
        case AttemptStatus.FAILED:
            return "person" if attempt.human_only else "work"
        case AttemptStatus.RUNNING if attempt.phase in state.loops:
            return "none"
        case AttemptStatus.READY | AttemptStatus.RUNNING:
            return "person" if state.phase(attempt.phase).kind == "human" else "work"
        case AttemptStatus.GATING:
            return "work"
        case AttemptStatus.PENDING:
            return "none" if attempt.not_before is None else "work"
        case _:
            return "person" if attempt.held else "none"
