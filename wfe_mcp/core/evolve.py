"""``evolve``: the state after an event.

Rules:
1. ``evolve`` never refuses and reads nothing else: the event holds every fact.
2. ``running`` and ``waiting`` are derived from the attempts after each event; every other run status is set by one.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import Any

from wfe_mcp.core import events as e
from wfe_mcp.core.items import (
    close_items,
    drop_items,
    end_recovery,
    ended,
    fresh,
    loop_event,
    open_again,
    open_recovery,
    superseded,
    taken_back,
    with_attempts,
)  # fmt: skip
from wfe_mcp.core.model import Attempt, AttemptStatus, GoingBack, RunState, RunStatus, Stage, Verdict, VerdictKind

__all__ = ["evolve", "replay"]

_ENDS_LOOP = e.AttemptFailed | e.PhaseSkipped | e.PhaseCompleted


def replay(events: Iterable[e.Event]) -> RunState:
    """The state that ``events`` lead to, from nothing."""
    return reduce(evolve, events, RunState())


def evolve(state: RunState, event: e.Event) -> RunState:
    """The state after ``event``."""
    state = _run_event(state, event) if not isinstance(event, e.AttemptEvent) else _attempt_event(state, event)
    if state.status in {RunStatus.RUNNING, RunStatus.WAITING}:
        return replace(state, status=RunStatus.WAITING if _only_people_can_go_on(state) else RunStatus.RUNNING)
    return state


def _run_event(state: RunState, event: e.Event) -> RunState:  # noqa: C901 - one arm per event
    match event:
        case e.RunStarted():
            attempts = {phase.path: (Attempt(phase.path, 1, 1),) for phase in event.spec.body(None)}
            return RunState(
                event.spec, RunStatus.RUNNING, auto=event.auto, started_at=event.started_at, attempts=attempts
            )
        case e.WentTo():
            return _went_to(state, event)
        case e.AutoSwitched(auto=auto):
            return replace(state, auto=auto)
        case e.RunPaused(by_human=by_human, reason=reason):
            return replace(state, status=RunStatus.PAUSED, paused_by_human=by_human, reason=reason)
        case e.RunResumed() | e.RunReopened():
            return _resumed(state, event)
        case e.RunBlocked(reason=reason):
            return replace(state, status=RunStatus.BLOCKED, reason=reason)
        case e.RunFailed(reason=reason):
            return replace(state, status=RunStatus.FAILED, reason=reason)
        case e.RunCancelled(reason=reason):
            ended = _end_open(state, pending=AttemptStatus.CANCELLED)
            return replace(ended, status=RunStatus.CANCELLED, reason=reason)
        case e.RecordsKept():
            return state
        case e.RunCompleted():
            return replace(_end_open(state, pending=AttemptStatus.SKIPPED), status=RunStatus.COMPLETED, reason="")
        case _:
            return _history_event(state, event)


def _history_event(state: RunState, event: e.Event) -> RunState:
    match event:
        case e.CheckpointTaken():
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


def _resumed(state: RunState, event: e.RunResumed | e.RunReopened) -> RunState:
    resumed = replace(state, status=RunStatus.RUNNING, paused_by_human=False, reason="")
    if isinstance(event, e.RunReopened):
        return resumed
    cost, tokens = event.max_cost_usd or state.max_cost_usd, event.max_tokens or state.max_tokens
    return replace(resumed, max_cost_usd=cost, max_tokens=tokens)


def _attempt_event(state: RunState, event: e.AttemptEvent) -> RunState:
    if isinstance(event, e.AttemptOpened):
        return _opened(state, event)
    if isinstance(event, e.LoopOpened | e.ItemOpened | e.ItemClosed | e.LoopFinished):
        return loop_event(state, event)
    tries = state.attempts[event.phase]
    changed = replace(tries[event.attempt - 1], **_changes(tries[event.attempt - 1], event))
    attempts = {**state.attempts, event.phase: (*tries[: event.attempt - 1], changed, *tries[event.attempt :])}
    state = replace(state, attempts=attempts, tainted=state.tainted or isinstance(event, e.PhaseForced))
    if isinstance(event, e.RecoveryOpened):
        return open_recovery(state, event)
    if event.phase not in state.loops:
        return state
    if state.phase(event.phase).loop is None:  # a recovery ends with the failure that it repairs
        goes_on = changed.status is AttemptStatus.FAILED and changed.mending
        return state if goes_on else end_recovery(state, event.phase)
    return close_items(state, event.phase, state.loops[event.phase].open) if isinstance(event, _ENDS_LOOP) else state


def _changes(attempt: Attempt, event: e.AttemptEvent) -> dict[str, Any]:  # noqa: C901 - one arm per event
    match event:
        case e.WhenAnswered(value=value):
            return {"when": value}
        case e.LocksNamed(locks=locks):
            return {"locks": locks}
        case e.NextJudged(rule=rule, done=done):
            return {"next_rule": rule + 1, "judged": done}
        case e.PhaseReady():
            return {
                "status": AttemptStatus.READY, "stage": None, "gate": 0, "gates_before_passed": True, "asked": None,
                "not_before": None,
            }  # fmt: skip
        case e.GatesOpened():
            return {
                "status": AttemptStatus.GATING, "stage": event.stage, "gate": 0, "sha256": event.sha256,
                "tree": event.tree, "not_before": None,
            }  # fmt: skip
        case e.PhaseStarted():
            return {
                "status": AttemptStatus.RUNNING, "holder": event.holder, "started_at": event.started_at,
                "lease_until": event.lease_until, "deadline": event.deadline,
                "tree_at_start": attempt.tree_at_start or event.tree,
                "head_at_start": attempt.head_at_start or event.head,
            }  # fmt: skip
        case e.LeaseLost():
            running = attempt.status is AttemptStatus.RUNNING
            return {
                "status": AttemptStatus.READY if running else attempt.status, "holder": None, "lease_until": None,
                "deadline": None if running else attempt.deadline,
            }  # fmt: skip
        case e.RevisionSubmitted():
            return {
                "status": AttemptStatus.GATING, "stage": Stage.AFTER, "gate": 0, "revision": event.revision,
                "sha256": event.sha256, "tree": event.tree, "tree_changes": 0, "verdicts": (), "asked": None,
                "reason": "", "fail_kind": None, "human_only": False, "deadline": None,
            }  # fmt: skip
        case e.SubmissionRefused():
            return {"invalid": attempt.invalid + 1}
        case e.GateJudged(verdict=verdict):
            return _judged(attempt, verdict)
        case e.ApprovalAwaited():
            return {"status": AttemptStatus.AWAITING}
        case e.ApprovalAsked(request=request):
            return {"asked": request}
        case e.ApprovalGiven(gate=gate, sha256=sha256, comment=comment):
            verdict = Verdict(attempt.stage or Stage.AFTER, gate, VerdictKind.PASS, sha256, comment)
            return _judged(attempt, verdict) | {"status": AttemptStatus.GATING}
        case e.OpinionOverruled(gate=gate, sha256=sha256, reason=reason):
            verdict = Verdict(attempt.stage or Stage.AFTER, gate, VerdictKind.PASS, sha256, f"overruled: {reason}")
            gating = {"status": AttemptStatus.GATING, "reason": "", "fail_kind": None, "human_only": False}
            return _judged(attempt, verdict) | gating
        case e.PhaseCompleted(held=held, judged=judged):
            return {
                "status": AttemptStatus.COMPLETED, "stage": None, "held": held, "judged": judged, "holder": None,
                "lease_until": None, "deadline": None, "asked": None, "human_only": False,
            }  # fmt: skip
        case e.PhaseForced():
            kept = {} if not event.revision else {"revision": event.revision, "sha256": event.sha256}
            return {"forced": True, "reason": event.reason, "fail_kind": None, "human_only": False, **kept}
        case e.AttemptFailed(kind=kind, reason=reason):
            return {
                "status": AttemptStatus.FAILED, "fail_kind": kind, "reason": reason, "deadline": None, "asked": None,
                "mending": "", "fail_rule": 0,
            }  # fmt: skip
        case e.MendingBegan():
            recovery = {"recovery": event.key, "recoveries": attempt.recoveries + 1} if event.what == "recover" else {}
            return recovery | {"mending": event.what, "fail_rule": event.rule + 1, "holder": None, "lease_until": None}
        case e.RecoveryOpened():
            return {}
        case e.MendingEnded(fault=fault):
            return {"mending": "", "reason": f"{attempt.reason}\n{fault}" if fault else attempt.reason}
        case e.HumanAwaited():
            return {"human_only": True, "holder": None, "lease_until": None}
        case e.PhaseSkipped(reason=reason):
            return {
                "status": AttemptStatus.SKIPPED, "stage": None, "reason": reason, "holder": None, "deadline": None,
                "lease_until": None, "asked": None, "human_only": False, "fail_kind": None,
            }  # fmt: skip
        case e.TreeChanged():
            return {
                "status": AttemptStatus.GATING, "gate": 0, "verdicts": (), "asked": None, "tree": event.tree,
                "tree_changes": attempt.tree_changes + 1 if event.by_check else 0,
            }  # fmt: skip
        case e.PhaseProceeded(judged=judged):
            return {"held": False, "judged": judged or attempt.judged}
        case _:
            raise TypeError(f"no such event: {event!r}")


def _judged(attempt: Attempt, verdict: Verdict) -> dict[str, Any]:
    passed = verdict.kind is VerdictKind.PASS
    status = AttemptStatus.AWAITING if verdict.kind is VerdictKind.AWAITING else attempt.status
    return {
        "verdicts": (*attempt.verdicts, verdict),
        "gate": verdict.gate + 1 if passed else verdict.gate,
        "status": status,
        "asked": None,
        "reason": verdict.message if not passed else attempt.reason,
    }


def _opened(state: RunState, event: e.AttemptOpened) -> RunState:
    state = drop_items(state, event.phase)
    tries = state.attempts[event.phase]
    last = tries[-1]
    new = Attempt(
        event.phase, event.attempt, last.iteration, last.before, event.status, holder=event.holder,
        lease_until=event.lease_until, started_at=event.started_at, deadline=event.deadline,
        not_before=event.not_before, feedback=event.feedback, tree_at_start=event.tree, head_at_start=event.head,
        when=last.when, entered=last.entered, locks=last.locks, gates_before_passed=event.status is not AttemptStatus.PENDING,
        role=event.role,
    )  # fmt: skip
    return replace(state, attempts={**state.attempts, event.phase: (*tries[:-1], superseded(last), new)})


def _went_to(state: RunState, event: e.WentTo) -> RunState:
    for path in event.superseded:
        state = drop_items(state, path)
        new = fresh(state, path, event.iteration)
        if path == event.target:
            new = replace(new, feedback=event.feedback, role=event.role, entered=True)
        tries = state.attempts[path]
        state = replace(state, attempts={**state.attempts, path: (*tries[:-1], superseded(tries[-1]), new)})
    for path, key in event.reopened:
        state = open_again(state, path, key, event.iteration)
    jumps = dict(state.jumps)
    if event.rule:
        jumps[event.rule] = jumps.get(event.rule, 0) + 1
    return replace(state, iteration=event.iteration, jumps=jumps)


def _rolled_back(state: RunState, event: e.RolledBack) -> RunState:
    state = with_attempts(state, (taken_back(state.current(path)) for path in event.ended))
    opened = {attempt.phase: (*state.attempts[attempt.phase], attempt) for attempt in event.opened}
    return replace(
        state, attempts={**state.attempts, **opened}, loops=event.loops, status=event.status, auto=event.auto,
        reason=event.reason, paused_by_human=event.paused_by_human, max_cost_usd=event.max_cost_usd,
        max_tokens=event.max_tokens, going_back=None,
    )  # fmt: skip


def _in_order(state: RunState) -> RunState:
    """``state`` with its mappings in one order: JSON keeps none, and both must come out as the same text."""
    declared = [phase.path for phase in state.spec.phases if phase.path in state.attempts]
    paths = dict.fromkeys([*declared, *sorted(state.attempts)])
    return replace(
        state, attempts={path: state.attempts[path] for path in paths}, jumps=dict(sorted(state.jumps.items())),
        loops=dict(sorted(state.loops.items())),
    )  # fmt: skip


def _end_open(state: RunState, *, pending: AttemptStatus) -> RunState:
    return with_attempts(state, (ended(attempt, pending=pending) for attempt in state.open_attempts))


def _only_people_can_go_on(state: RunState) -> bool:
    """Design §4: every open attempt is awaiting, failed after wait_human, held, or a person's own phase."""
    waits = [_waits_for(state, attempt) for attempt in state.open_attempts]
    return "person" in waits and "work" not in waits


def _waits_for(state: RunState, attempt: Attempt) -> str:
    match attempt.status:
        case AttemptStatus.AWAITING:
            return "person"
        case AttemptStatus.FAILED if attempt.phase in state.loops and attempt.mending:
            return "nobody"  # the phases of its recovery decide
        case AttemptStatus.FAILED:
            return "person" if attempt.human_only else "work"
        case AttemptStatus.RUNNING if attempt.phase in state.loops:
            return "nobody"
        case AttemptStatus.READY | AttemptStatus.RUNNING:
            return "person" if state.phase(attempt.phase).kind == "human" else "work"
        case AttemptStatus.GATING:
            return "work"
        case AttemptStatus.PENDING:
            return "nobody" if attempt.not_before is None else "work"
        case _:
            return "person" if attempt.held else "nobody"
