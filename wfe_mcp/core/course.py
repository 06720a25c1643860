"""The course of a log: which of its events no rule gives there.

    command legal in this state ──► its events ──► the state after them ──► what follows from that ──► the next command

Anyone who can write the file of a database can append any event with a fitting hash. Here each one is made again: from the
commands that can cause it, given by the caller that its row names or by the server, and from what follows by itself.

Rules:
1. What ``decide`` refuses is caused by nothing: a gate that is left out, a person's decision in another's name.
2. Who the caller was, and what a verdict rests on, is not judged here: signatures and seals prove that.
3. The value of a condition is taken as it is: the engine compares it. Texts may be those of another version; times may differ by a minute.
4. After an event that nothing causes, the next ones are judged by the state that it left.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from types import MappingProxyType
from typing import Any

from wfe_mcp.core import commands as c, consequences, events as e
from wfe_mcp.core.command import Command
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.decide import HANDLERS
from wfe_mcp.core.event import Event
from wfe_mcp.core.evolve import evolve, replay
from wfe_mcp.core.model import By, Channel, RunState, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.questions import questions
from wfe_mcp.core.undo import LogEntry, people_since

_SERVER = By("", Channel.SYSTEM)
_BESIDE = (e.RecordsKept, e.DecisionSigned)
"""They stand before and after the events of a command, and change nothing."""
_BEGINS = (e.RunStarted, e.RunForked)
_TEXTS = {"reason", "fault", "feedback", "proof", "follows"}
"""What the product words, or what older versions did not record: it moves nothing."""
_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Course:
    """The state that a whole log leads to, and its events that neither a legal command nor the state before them gives."""

    state: RunState
    uncaused: tuple[LogEntry, ...]


def course_of(log: Sequence[LogEntry]) -> Course:
    """Follow ``log`` from nothing, once."""
    state, done, uncaused = RunState(), 0, list[LogEntry]()
    moving = [entry for entry in log if not isinstance(entry.event, _BESIDE)]
    while done < len(moving):
        length = _length_of_cause(state, log, moving, done)
        if not length:
            uncaused.append(moving[done])
        state, done = _after(state, moving, done, length or 1), done + (length or 1)
    return Course(state, tuple(uncaused))


def _after(state: RunState, moving: Sequence[LogEntry], at: int, count: int) -> RunState:
    return reduce(evolve, (entry.event for entry in moving[at : at + count]), state)


def _length_of_cause(state: RunState, log: Sequence[LogEntry], moving: Sequence[LogEntry], at: int) -> int:
    """How many of the events from number ``at`` on one command causes, or one step by itself; 0 for none."""
    first = 0
    for count in _lengths(state, log, moving, at):
        first, end = first or count, at + count
        # A failure with a stop after it has two causes: who stopped it, or a rule, which may cause more.
        is_plain = not isinstance(moving[at].event, e.AttemptFailed) or end == len(moving)
        if is_plain or any(_lengths(_after(state, moving, at, count), log, moving, end)):
            return count
    return first


def _lengths(state: RunState, log: Sequence[LogEntry], moving: Sequence[LogEntry], at: int) -> Iterator[int]:
    """The numbers of events that each cause of the next one would cause, where these are the next ones."""
    for events in _possible(state, log, moving, at):
        there = moving[at : at + len(events)]
        if events and len(there) == len(events) and all(map(_is_like, events, (entry.event for entry in there))):
            yield len(events)


def _possible(
    state: RunState, log: Sequence[LogEntry], moving: Sequence[LogEntry], at: int
) -> Iterator[Sequence[Event]]:
    """The events that could come next, by each command or step that the event ``at`` may be the first of."""
    first, *after = moving[at : at + 2]
    if state.status is RunStatus.PENDING and isinstance(first.event, _BEGINS):
        yield [first.event]
    # Reopening is the first part of what a person did.
    named = after[0] if isinstance(first.event, e.RunReopened) and after else first
    for by in (first.by, _SERVER):
        seen = _Seen(state, log, named.event, by, first.at)
        for commands in _CAUSES.get(type(named.event), ()):
            for command in commands(seen):
                if refusal(state, command) is None:
                    yield HANDLERS[type(command)](state, command)
    for is_alive in (True, False):
        yield from consequences.steps_due(state, first.at, holder_alive=is_alive)


def _is_like(caused: Any, logged: Any) -> bool:
    """Whether what is in the log is what would be caused."""
    if type(caused) is not type(logged):
        return False
    if isinstance(caused, datetime):
        return abs(caused - logged) <= _SLACK
    if isinstance(caused, tuple):
        return len(caused) == len(logged) and all(map(_is_like, caused, logged))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - of whatever
    if is_dataclass(caused):
        names = (field.name for field in fields(caused) if field.name not in _TEXTS)
        return all(_is_like(getattr(caused, name), getattr(logged, name)) for name in names)
    return caused == logged


@dataclass(frozen=True, slots=True)
class _Seen:
    """An event of the log in the state before it, with the caller to judge it by."""

    state: RunState
    log: Sequence[LogEntry]
    event: Any
    by: By
    at: datetime


_Cause = Callable[[_Seen], Iterable[Command]]
_Values = Mapping[str, Callable[[Any], object]]


def _like(kind: type[Command], others: _Values = MappingProxyType({})) -> _Cause:
    """The command of this kind with the values of the event; ``others``: those that it has by another name."""
    names = {field.name for field in fields(kind)} - {"by", "at"}  # pyright: ignore[reportArgumentType] - a dataclass by its metaclass

    def commands(seen: _Seen) -> Iterator[Command]:
        values = {name: getattr(seen.event, name) for name in names if hasattr(seen.event, name)}
        values |= {name: value(seen.event) for name, value in others.items()}
        yield kind(by=seen.by, at=seen.at, **values)

    return commands


def _always(value: object) -> Callable[[Any], object]:
    return lambda _: value


def _answers(seen: _Seen) -> Iterator[Command]:
    """Each value that the condition which is due could have had."""
    event = seen.event
    blocker = event if isinstance(event, e.BlockerFound) else None
    where = getattr(event, "source", getattr(event, "phase", None))
    for due in questions(seen.state):
        if where not in {None, due.phase} or (due.kind == "blocker") is (blocker is None):
            continue
        for value, error in ((True, ""), (False, ""), (False, "no value")):
            yield c.Answer(
                phase=due.phase,
                attempt=due.attempt,
                kind=due.kind,
                rule=due.rule,
                value=value,
                error=error,
                keys=getattr(event, "keys", getattr(event, "locks", ())),
                items=getattr(event, "items", None),
                revision=getattr(event, "revision", 0),
                sha256=getattr(event, "sha256", ""),
                blocker=blocker,
                by=seen.by,
                at=seen.at,
            )


def _rollbacks(seen: _Seen) -> Iterator[c.Rollback]:
    """The rollback with what people did since, to other files or to those of then."""
    event: e.RollbackBegan | e.RolledBack = seen.event
    here = next(entry.seq for entry in seen.log if entry.event is event)
    then = replay(entry.event for entry in seen.log[: event.to])
    for files in (True, False):
        people = people_since(seen.log[: here - 1], event.to, whole=event.kind != "rollback", files=files)
        back = c.Rollback(
            to=event.to,
            then=then,
            kind=event.kind,
            people=people,
            files=files,
            safety=event.safety,
            by=seen.by,
            at=seen.at,
        )
        if isinstance(event, e.RolledBack):
            yield from (replace(back, tree=event.tree, changed=changed) for changed in (False, True))
        elif files:
            yield c.BeginRollback(
                commit=event.commit,
                holder=event.holder,
                to=back.to,
                then=then,
                kind=back.kind,
                people=people,
                files=True,
                safety=back.safety,
                by=seen.by,
                at=seen.at,
            )


_REOPENED: _Values = {"attempt": _always(None), "feedback": _always("")}
"""Of what opens an attempt: the event has the number of the new one."""


def _source(event: e.WentTo) -> object:
    return event.source


_OF_VERDICT = ("stage", "gate", "outcome", "sha256", "message", "evidence", "level")


def _value_of_verdict(name: str) -> Callable[[Any], object]:
    return lambda event: getattr(event.verdict, name)


_CAUSES: Mapping[type[Event], tuple[_Cause, ...]] = {
    e.WhenAnswered: (_answers,),
    e.LocksNamed: (_answers,),
    e.NextJudged: (_answers,),
    e.PhaseReady: (_like(c.Wake),),
    e.GatesOpened: (_like(c.OpenGates), _like(c.Wake)),
    e.PromptEdited: (_like(c.Edit, {"revision": _always(0)}),),
    e.PhaseStarted: (_like(c.StartPhase),),
    e.LeaseLost: (_like(c.LoseLease),),
    e.RevisionSubmitted: (_like(c.Submit), _like(c.Edit), _answers),
    e.SubmissionRefused: (_like(c.RefuseSubmission),),
    e.GateJudged: (
        _like(c.RecordVerdict, {name: _value_of_verdict(name) for name in _OF_VERDICT}),
        _like(c.TreeChange, {"tree": _always(None), "by_check": _always(True)}),
    ),
    e.ApprovalAsked: (_like(c.AskApproval),),
    e.ApprovalHanded: (_like(c.HandOver, {"giver": lambda event: event.by}),),
    e.ApprovalCounted: (_like(c.Approve),),
    e.ApprovalGiven: (_like(c.Approve),),
    e.OpinionOverruled: (_like(c.Overrule),),
    e.PhaseForced: (_like(c.ForceAccept),),
    e.AttemptFailed: (
        _like(c.TimeOutRun),
        _like(c.Reject, {"feedback": lambda event: event.reason}),
        _like(c.TimeOut),
        _like(c.FailAttempt, {"human_only": _always(True)}),
        _like(c.FailAttempt),
        _answers,
    ),
    e.RecoveryOpened: (_answers,),
    e.RepairEnded: (_like(c.EndCompensation), _answers),
    e.AttemptOpened: (
        _like(c.Withdraw, _REOPENED),
        _like(c.Withdraw, {**_REOPENED, "holder_alive": _always(False)}),
        _like(c.Retry, _REOPENED),
        _like(c.Retry, {**_REOPENED, "role": _always(None)}),
    ),
    e.PhaseSkipped: (_like(c.Skip),),
    e.LoopOpened: (_answers,),
    e.ItemOpened: (_answers,),
    e.LoopFinished: (_answers,),
    e.BlockerFound: (_answers,),
    e.TreeChanged: (_like(c.TreeChange),),
    e.WentTo: (
        _answers,
        _like(c.Reject, {"phase": _source, "to": lambda event: event.target, "feedback": _always("")}),
        _like(c.Retry, {"phase": _source, "feedback": _always("")}),
    ),
    e.PhaseProceeded: (_like(c.Proceed, {"phase": _always(None)}), _like(c.Proceed)),
    e.AutoSwitched: (_like(c.SetAuto),),
    e.RunPaused: (_like(c.Pause, {"for_human": lambda event: event.by_human}),),
    e.RunResumed: (_like(c.Resume),),
    e.RunBlocked: (_like(c.TimeOutRun), _answers),
    e.RunCancelled: (_like(c.Cancel),),
    e.CheckpointTaken: (_like(c.TakeCheckpoint),),
    e.RollbackBegan: (_rollbacks,),
    e.RollbackAbandoned: (_like(c.AbandonRollback),),
    e.RolledBack: (_rollbacks,),
    **{kind: (_like(c.RecordOperation, {"event": lambda event: event}),) for kind in e.OPERATIONS},
}
"""Event → the commands whose first event it can be, the one with more events first. What is not here follows by itself, or after another event."""
