"""``decide``: the events that a command causes.

Rules:
1. ``decide`` refuses what ``moves.refusal`` refuses, and then changes nothing.
2. A command has its own events; ``consequences.py`` adds what follows from them.
3. A paused run records results and settles no further until it is resumed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

from wfe_mcp.core import commands as c, consequences, events as e
from wfe_mcp.core.answers import answer_events
from wfe_mcp.core.approval_guards import gate_of
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.blockers import Settled
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.forking import fork_event
from wfe_mcp.core.guards import stopped_phases
from wfe_mcp.core.model import AttemptStatus, Channel, RunState, RunStatus, Stage, Verdict
from wfe_mcp.core.moves import refusal, with_commands_of_the_user
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.parts import require_parts
from wfe_mcp.core.rollback import rolled_back
from wfe_mcp.core.transitions import RUN_MOVES
from wfe_mcp.core.units import duration


def decide(state: RunState, command: c.Command) -> tuple[e.Event, ...]:
    """The events that ``command`` causes. Raises ``Refused`` when it is not legal now."""
    return decide_and_evolve(state, command)[0]


def decide_and_evolve(state: RunState, command: c.Command) -> tuple[tuple[e.Event, ...], RunState]:
    """The same, with the state after them."""
    refused = refusal(state, command)
    if refused is not None:
        refused = with_commands_of_the_user(state, command, refused)
    if refused is not None:
        raise refused
    events = HANDLERS[type(command)](state, command)
    after = reduce(evolve, events, state)
    following, settled = consequences.settle(after, command.at, holder_alive=getattr(command, "holder_alive", True))
    return (*events, *following), settled


def _start_run(_state: RunState, command: c.StartRun) -> list[e.Event]:
    return [
        e.RunStarted(
            spec=command.spec,
            auto=command.auto,
            started_at=command.at,
            names_records=True,
            gates=command.gates,
            tree=command.tree,
        )
    ]


def _open_gates(state: RunState, command: c.OpenGates) -> list[e.Event]:
    attempt = state.current(command.phase)
    return [
        e.GatesOpened(
            stage=attempt.stage or Stage.BEFORE,
            sha256=command.sha256,
            tree=command.tree,
            prompt=command.prompt,
            **attempt.on,
        )
    ]


def _start_phase(state: RunState, command: c.StartPhase) -> list[e.Event]:
    attempt = state.current(command.phase)
    if attempt.status is AttemptStatus.RUNNING:
        return []
    ends = consequences.deadline(state, state.phase(attempt.phase), command.at)
    return [
        e.PhaseStarted(
            holder=command.holder,
            started_at=command.at,
            lease_until=command.lease_until,
            deadline=ends,
            tree=command.tree,
            head=command.head,
            prompt_sha256=command.prompt_sha256,
            **attempt.on,
        )
    ]


def _edit(state: RunState, command: c.Edit) -> list[e.Event]:
    attempt = state.current(command.phase)
    if command.prompt is None:
        return [*_reopen_if_over(state), _revision(state, command, edited=True)]
    return [*_reopen_if_over(state), e.PromptEdited(sha256=command.sha256, prompt=command.prompt, **attempt.on)]


def _revision(state: RunState, command: c.Submit | c.Edit, *, edited: bool = False) -> e.RevisionSubmitted:
    return e.RevisionSubmitted(
        revision=command.revision,
        sha256=command.sha256,
        tree=command.tree,
        edited=edited,
        **state.current(command.phase).on,
    )


def _refuse_submission(state: RunState, command: c.RefuseSubmission) -> list[e.Event]:
    attempt = state.current(command.phase)
    on = attempt.on
    submission_refused = e.SubmissionRefused(reason=command.reason, **on)
    if attempt.invalid + 1 < state.spec.max_invalid:
        return [submission_refused]
    # No rule of ``on_fail`` applies: the user decides (HumanAwaited).
    reason = f"{state.spec.max_invalid} invalid artifacts in a row; the last: {command.reason}"
    return [submission_refused, e.AttemptFailed(kind=FailKind.INVALID, reason=reason, **on), e.HumanAwaited(**on)]


def _record_verdict(state: RunState, command: c.RecordVerdict) -> list[e.Event]:
    attempt = state.current(command.phase)
    on = attempt.on
    verdict = Verdict(
        command.stage, command.gate, command.outcome, command.sha256, command.message, command.evidence, command.level
    )
    judged = e.GateJudged(verdict=verdict, seal=command.seal, **on)
    if verdict.kind in {VerdictKind.PASS, VerdictKind.AWAITING}:
        return [judged]
    kind = FailKind.GATE if verdict.kind is VerdictKind.FAIL else FailKind.ERROR
    return [judged, e.AttemptFailed(kind=kind, reason=command.message, **on)]


def _ask_approval(state: RunState, command: c.AskApproval) -> list[e.Event]:
    attempt = state.current(command.phase)
    if attempt.asked == command.request:
        return []
    return [e.ApprovalAsked(request=command.request, tree=command.tree, **attempt.on)]


def _hand_over(state: RunState, command: c.HandOver) -> list[e.Event]:
    on = state.current(command.phase).on
    return [e.ApprovalHanded(request=command.request, to=command.to, by=command.giver, note=command.note, **on)]


def _approve(state: RunState, command: c.Approve) -> list[e.Event]:
    attempt = state.current(command.phase)
    people = gate_of(state, attempt).people
    about = {"sha256": command.sha256, "comment": command.comment, "person": command.person if people > 1 else ""}
    if len(attempt.approvals) + 1 < people:
        return [e.ApprovalCounted(gate=attempt.gate, **about, **attempt.on)]
    return [e.ApprovalGiven(gate=attempt.gate, grant=command.grant, **about, **attempt.on)]


def _reject(state: RunState, command: c.Reject) -> list[e.Event]:
    attempt = state.current(command.phase)
    if command.to is not None:
        return [replace(consequences.go_to(state, attempt, command.to, command.feedback), rejected=True)]
    reason = command.feedback or "rejected by a person"
    return [e.AttemptFailed(kind=FailKind.REJECTED, reason=reason, **attempt.on)]


def _withdraw(state: RunState, command: c.Withdraw) -> list[e.Event]:
    attempt = state.current(command.phase)
    return [consequences.reopen(state, attempt, command.at, command.feedback, holder_alive=command.holder_alive)]


def _tree_change(state: RunState, command: c.TreeChange) -> list[e.Event]:
    attempt = state.current(command.phase)
    on = attempt.on
    # The first time the gates judge the new files; a check that always changes some would never end.
    if not (command.by_check and attempt.tree_changes):
        return [e.TreeChanged(tree=command.tree, paths=command.paths, by_check=command.by_check, **on)]
    reason = f"The check itself changes files, twice in a row: {', '.join(command.paths)}. Name them in the check's `writes`, or make it clean."
    verdict = Verdict(attempt.stage or Stage.AFTER, attempt.gate, GateOutcome.ERROR, attempt.sha256 or "", reason)
    return [e.GateJudged(verdict=verdict, **on), e.AttemptFailed(kind=FailKind.ERROR, reason=reason, **on)]


_SETTLED: Mapping[Settled, str] = {
    "resolved": "The blocker was removed by a person",
    "ignored": "A person decided to ignore the blocker; continue without removing it",
}


def _retry(state: RunState, command: c.Retry) -> list[e.Event]:
    attempt = state.current(command.phase)
    if attempt.status in {AttemptStatus.COMPLETED, AttemptStatus.SKIPPED} or not state.is_open(attempt.phase):
        message = command.feedback or f"{attempt.phase!r} was reopened."
        went = consequences.go_to(state, attempt, attempt.phase, message, role=command.role)
        if consequences.is_last_work(state, attempt):
            went = replace(went, tree=attempt.tree_at_start, head=attempt.head_at_start)
        return [*_reopen_if_over(state), went]
    message = "\n\n".join(filter(None, (command.feedback, attempt.reason)))
    if command.blockers is not None:
        message = f"{_SETTLED[command.blockers]}{f': {command.feedback}' if command.feedback else '.'}"
    opened = consequences.reopen(state, attempt, command.at, message, holder_alive=True, role=command.role)
    return [*_reopen_if_over(state), replace(opened, blockers=command.blockers)]


def _skip(state: RunState, command: c.Skip) -> list[e.Event]:
    number = state.current(command.phase).number
    return [*_reopen_if_over(state), e.PhaseSkipped(phase=command.phase, attempt=number, reason=command.reason)]


def _force_accept(state: RunState, command: c.ForceAccept) -> list[e.Event]:
    attempt = state.current(command.phase)
    stage = attempt.stage or Stage.AFTER
    forced = e.PhaseForced(
        stage=stage, reason=command.reason, revision=command.revision, sha256=command.sha256, **attempt.on
    )
    if stage is Stage.BEFORE:
        return [*_reopen_if_over(state), forced, e.PhaseReady(**attempt.on)]
    return [*_reopen_if_over(state), forced, consequences.complete_phase(state, attempt)]


def _overrule(state: RunState, command: c.Overrule) -> list[e.Event]:
    attempt = state.current(command.phase)
    overruled = e.OpinionOverruled(gate=attempt.gate, sha256=attempt.sha256 or "", reason=command.reason, **attempt.on)
    return [*_reopen_if_over(state), overruled]


def _time_out(state: RunState, command: c.TimeOut) -> list[e.Event]:
    attempt = state.current(command.phase)
    reason = "The time for this attempt is over; refused drafts and logs stay readable."
    return [e.AttemptFailed(kind=FailKind.TIMEOUT, reason=reason, **attempt.on)]


def _fail_attempt(state: RunState, command: c.FailAttempt) -> list[e.Event]:
    on = state.current(command.phase).on
    failed = e.AttemptFailed(kind=command.kind, reason=command.reason, **on)
    return [failed, e.HumanAwaited(**on)] if command.human_only else [failed]


def _end_compensation(state: RunState, command: c.EndCompensation) -> list[e.Event]:
    on = state.current(command.phase).on
    ended = e.RepairEnded(fault=command.fault, **on)
    return [ended, e.HumanAwaited(**on)] if command.fault else [ended]


def _proceed(state: RunState, command: c.Proceed) -> list[e.Event]:
    blocked = state.status is RunStatus.BLOCKED
    return [
        *_reopen_if_over(state),
        *(
            # A blocked run: the rule that blocked it would match again, so its ``next`` is passed over.
            e.PhaseProceeded(judged=blocked and not attempt.held, **attempt.on)
            for attempt in stopped_phases(state, command.phase)
        ),
    ]


def _set_auto(state: RunState, command: c.SetAuto) -> list[e.Event]:
    if command.auto == state.auto:
        return []
    waiting = stopped_phases(state) if command.auto else ()
    # A phase with an ``auto_proceed`` of its own still waits for ``proceed``.
    attempts = [attempt for attempt in waiting if state.phase(attempt.phase).auto_proceed is None]
    return [
        e.AutoSwitched(auto=command.auto),
        *(e.PhaseProceeded(**attempt.on) for attempt in attempts),
    ]


def _pause(_state: RunState, command: c.Pause) -> list[e.Event]:
    # The caller at a terminal may be an agent; the stop is as strong, since only the user can end it.
    by_human = command.for_human or command.by.is_human or command.by.channel in {Channel.CLI, Channel.DASHBOARD}
    return [e.RunPaused(by_human=by_human, reason=command.reason)]


def _resume(_state: RunState, command: c.Resume) -> list[e.Event]:
    return [e.RunResumed(max_cost_usd=command.max_cost_usd, max_tokens=command.max_tokens, ends_at=command.ends_at)]


def _time_out_run(state: RunState, _command: c.TimeOutRun) -> list[e.Event]:
    assert state.started_at is not None, "a run that is not pending has begun"
    assert state.ends_at is not None, "the guard lets only a run with a limit through"
    reason = f"The time limit of this run ({duration((state.ends_at - state.started_at).total_seconds())}) is over."
    running = (a for a in state.open_attempts if a.status is AttemptStatus.RUNNING and a.phase not in state.loops)
    failed = [e.AttemptFailed(kind=FailKind.TIMEOUT, reason=reason, **attempt.on) for attempt in running]
    return [*failed, e.RunBlocked(reason=reason)]


def _take_checkpoint(_state: RunState, command: c.TakeCheckpoint) -> list[e.Event]:
    return [
        e.CheckpointTaken(
            why=command.why,
            phase=command.phase,
            attempt=command.attempt,
            commit=command.commit,
            tree=command.tree,
            skipped=command.skipped,
            note=command.note,
        )
    ]


def _begin_rollback(_state: RunState, command: c.BeginRollback) -> list[e.Event]:
    return [
        e.RollbackBegan(
            to=command.to, commit=command.commit, safety=command.safety or "", holder=command.holder, kind=command.kind
        )
    ]


def _reopen_if_over(state: RunState) -> list[e.Event]:
    return [e.RunReopened()] if state.is_over else []


HANDLERS: Mapping[type[c.Command], Callable[[RunState, Any], list[e.Event]]] = {
    c.StartRun: _start_run,
    c.ForkRun: lambda _, command: [fork_event(command)],
    c.Answer: answer_events,
    c.OpenGates: _open_gates,
    c.StartPhase: _start_phase,
    c.LoseLease: lambda state, command: [e.LeaseLost(**state.current(command.phase).on)],
    c.Submit: lambda state, command: [_revision(state, command)],
    c.Edit: _edit,
    c.RefuseSubmission: _refuse_submission,
    c.RecordVerdict: _record_verdict,
    c.AskApproval: _ask_approval,
    c.HandOver: _hand_over,
    c.Approve: _approve,
    c.Reject: _reject,
    c.Withdraw: _withdraw,
    c.TreeChange: _tree_change,
    c.Retry: _retry,
    c.Skip: _skip,
    c.ForceAccept: _force_accept,
    c.Overrule: _overrule,
    c.TimeOut: _time_out,
    c.FailAttempt: _fail_attempt,
    c.Wake: lambda state, command: [consequences.open_phase(state, state.current(command.phase))],
    c.EndCompensation: _end_compensation,
    c.Proceed: _proceed,
    c.SetAuto: _set_auto,
    c.Pause: _pause,
    c.Resume: _resume,
    c.TimeOutRun: _time_out_run,
    c.Cancel: lambda _, command: [e.RunCancelled(reason=command.reason)],
    c.TakeCheckpoint: _take_checkpoint,
    c.RecordOperation: lambda _, command: [command.event],
    c.BeginRollback: _begin_rollback,
    c.AbandonRollback: lambda _, command: [e.RollbackAbandoned(reason=command.reason)],
    c.Rollback: lambda state, command: [rolled_back(state, command)],
}
"""Every command, and what it causes."""

require_parts("command", ((kind.__name__, "its handler") for kind in c.COMMANDS if kind not in HANDLERS))
_POSSIBLE = {name for row in RUN_MOVES.values() for name in row}
require_parts("command", ((kind.__name__, "its moves") for kind in c.COMMANDS if kind.__name__ not in _POSSIBLE))
