"""Forks: a run that begins with the state of another run at one of its events.

    origin   plan #1 completed     build #2 running, with a holder         at its event 12
    fork     plan #1 completed     build #2 ready                          its event 1 holds all of it

Rules:
1. The fork has no holders, and gates run again on what was not completed (``taken_up``). The origin does not change.
2. The limits come along: iteration, jumps, attempts, invalid artifacts, recoveries, the time it has taken, what its calls
   to models have used. It stays tainted, and stopped where a person stopped it.
3. An agent cannot fork from before an event where the user stopped or refused something since. The user can.
4. Events of one decision stay together: a fork begins after the last of them.
5. What people approved is asked about anew where the files are others (``RunState.anew``): its gates run again, and nothing
   that needs it begins before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.command import PROGRAMS
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Attempt, AttemptStatus, Channel, RunState, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.rollback import asked_anew, behind, is_approved_by_people, taken_up
from wfe_mcp.core.undo import STOPS, LogEntry, describe_command

_TAKES_ALONG: Mapping[type[e.Event], tuple[type[e.Event], ...]] = {
    e.WhenAnswered: (e.PhaseSkipped,),
    e.SubmissionRefused: (e.AttemptFailed,),
    e.GateJudged: (e.AttemptFailed,),
    e.AttemptFailed: (e.HumanAwaited,),
    e.RepairEnded: (e.HumanAwaited, e.AttemptOpened),
    e.BlockerFound: (e.RepairEnded,),
    e.HumanAwaited: (e.RunPaused, e.RunBlocked, e.RunFailed),
    e.PhaseForced: (e.PhaseReady, e.PhaseCompleted),
    e.NextJudged: (e.RunCompleted, e.ItemClosed),
    e.RunReopened: (e.Event,),
}
"""Event → the events that can follow it as part of the same decision."""

_PROGRAMS = {*PROGRAMS, Channel.SYSTEM}


def end_of_decision(log: Sequence[LogEntry], seq: int) -> int:
    """The number of the last event of the decision that event ``seq`` belongs to; numbers count from 1."""
    while seq < len(log):
        this, following = log[seq - 1], log[seq]
        if this.at != following.at or not isinstance(following.event, _TAKES_ALONG.get(type(this.event), ())):
            break
        seq += 1
    return seq


def stops_since(log: Sequence[LogEntry], seq: int) -> tuple[str, ...]:
    """What people stopped, refused or were asked to decide after event ``seq``, in words, with the numbers of the events."""
    return tuple(describe_command(entry) for entry in log[seq:] if _is_a_stop(entry))


def approved_by_people(state: RunState) -> tuple[PhasePath, ...]:
    """The completed phases with an approval gate for people, of a run that goes on."""
    if state.is_over:
        return ()
    return tuple(path for path, tries in state.attempts.items() if is_approved_by_people(state, tries[-1]))


def fork_refused(_state: RunState, command: c.ForkRun) -> Refused | None:
    """Why a fork cannot begin there, or None."""
    place = f"event {command.origin.seq} of run '{command.origin.run}'"
    if command.then.status in {RunStatus.PENDING, RunStatus.CANCELLED}:
        return Refused(
            "illegal_transition",
            f"You cannot fork from {place}: the run is {command.then.status} there.",
            f"Fork from an earlier event: wfe-mcp log {command.origin.run}",
        )
    closed = [path for path in command.anew if not command.then.is_open(path)]
    if closed and not command.by.is_human:
        return Refused(
            "needs_human",
            f"The files are not those that the user approved in {closed[0]!r}, an item that is closed.",
            f"Ask the user to run: wfe-mcp start --from {command.origin.run}@{command.origin.seq}",
        )
    if command.people and not command.by.is_human:
        return Refused(
            "needs_human",
            f"Since {place} the user stopped or refused something, or was asked to decide: {', '.join(command.people[:3])}.",
            f"Fork from an event after that, or ask the user to run: wfe-mcp start --from {command.origin.run}@{command.origin.seq}",
        )
    return None


def fork_event(command: c.ForkRun) -> e.RunForked:
    """The event that a fork begins with."""
    assert command.then.started_at is not None, "a run that is not pending has begun"
    taken = command.then_at - command.then.started_at  # the time that the origin has taken counts
    extended_to = command.then.extended_to
    if extended_to is not None:
        extended_to += command.at - command.then_at
    then = replace(command.then, started_at=command.at - taken, extended_to=extended_to)
    attempts = {
        path: tuple(
            _rename_evidence(_last(then, attempt, command) if attempt is tries[-1] else attempt, command.evidence)
            for attempt in tries
        )
        for path, tries in then.attempts.items()
    }
    status = RunStatus.RUNNING if then.status is RunStatus.WAITING else then.status
    state = replace(then, attempts=attempts, status=status, going_back=None, origin=command.origin, anew=command.anew)
    return e.RunForked(state=state, revisions=command.revisions)


def begins_as(then: RunState, then_at: datetime, event: e.RunForked, at: datetime) -> bool:
    """True when ``event``, of ``at``, is what a fork of ``then`` begins with; evidence may have other names."""
    if event.state.origin is None:
        return False
    here = dict(_evidence(event.state))
    names = {was: here[place] for place, was in _evidence(then) if place in here}
    again = fork_event(
        c.ForkRun(then=then, then_at=then_at, origin=event.state.origin, evidence=names, anew=event.state.anew, at=at)
    )
    return again.state == event.state


def _evidence(state: RunState) -> Iterator[tuple[tuple[PhasePath, int, int], str]]:
    """The evidence that verdicts name: phase, attempt, position of the verdict, and the name."""
    for path, tries in state.attempts.items():
        for attempt in tries:
            for place, verdict in enumerate(attempt.verdicts):
                if verdict.evidence is not None:
                    yield (path, attempt.number, place), verdict.evidence


def _last(then: RunState, was: Attempt, command: c.ForkRun) -> Attempt:
    again = taken_up(then, was, command.at)
    anew = frozenset(path for path in command.anew if then.is_open(path))
    if was.phase in anew and was.status is AttemptStatus.COMPLETED:
        again = asked_anew(again)
    else:
        again = behind(then, again, anew)
    return replace(again, restores=was.restores, recoveries=was.recoveries, invalid=was.invalid)


def _rename_evidence(attempt: Attempt, names: Mapping[str, str]) -> Attempt:
    """``attempt`` without its holder, its verdicts with the names that the evidence has here."""
    verdicts = tuple(
        verdict
        if verdict.evidence is None
        else replace(verdict, evidence=names.get(verdict.evidence, verdict.evidence))
        for verdict in attempt.verdicts
    )
    return replace(attempt, submission=replace(attempt.submission, verdicts=verdicts), state=attempt.unclaimed)


def _is_a_stop(entry: LogEntry) -> bool:
    event = entry.event
    if isinstance(event, STOPS) or (isinstance(event, e.RunPaused) and event.by_human):
        return True
    if isinstance(event, e.AttemptFailed):
        return event.kind is FailKind.REJECTED
    if entry.by.channel in _PROGRAMS and entry.by.assurance is Assurance.AGENT:
        return False
    match event:
        case e.WentTo():
            return not event.rule
        case e.AutoSwitched():
            return not event.auto
        case _:
            return isinstance(event, e.RunCancelled | e.RolledBack)
