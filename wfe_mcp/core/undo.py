"""Undo and redo: the moment before the last command.

    c1  c2  c3  undo (c3)  undo (c2)  redo (c2)          each undo and redo is an event like any other
    undo ──► before c2      redo ──► before undo (c3)

Rules:
1. A command includes everything that followed from it without a caller; an undo reverses that too. A command that only asks or
   notes, such as a look at a decision, is part of the one before it.
2. After an undo or redo the run is where it was at ``to``: the next undo looks back from there.
3. A redo reverses an undo. After another command there is nothing to redo.
"""

from collections.abc import Sequence
from datetime import datetime

from wfe_mcp.core import events as e
from wfe_mcp.core.command import PROGRAMS
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of the log: ``seq`` counts from 1."""

    seq: int
    event: e.Event
    by: By
    at: datetime


@dataclass(frozen=True, slots=True)
class UndoStep:
    """The event to go back to (``to``), the number of the first event that this reverses, and the event that names it."""

    to: int
    first: int
    what: LogEntry


def undo(log: Sequence[LogEntry]) -> UndoStep:
    """The step that reverses the last command. Refuses where nothing is left to undo."""
    upto = len(log)
    while (command := _last_command(log, upto)) is not None:
        first, what = command
        if isinstance(what.event, e.RolledBack) and what.event.kind != "rollback":
            # An undo or redo: the run is where it was at ``to`` (rule 2).
            upto = what.event.to
            continue
        if isinstance(log[first].event, e.RunStarted | e.RunForked):
            break
        return UndoStep(log[first].seq - 1, log[first].seq, what)
    raise Refused(
        "illegal_transition", "There is nothing to undo: only the start of the run is left.", "Cancel the run instead."
    )


def redo(log: Sequence[LogEntry]) -> UndoStep:
    """The step that reverses the last undo."""
    upto = len(log)
    while (command := _last_command(log, upto)) is not None:
        first, what = command
        if not isinstance(what.event, e.RolledBack) or what.event.kind == "rollback":
            break
        if what.event.kind == "undo":
            return UndoStep(log[first].seq - 1, log[first].seq, what)
        upto = what.event.to
    raise Refused("illegal_transition", "There is nothing to redo: the last command was not an undo.", "Call status.")


def people_since(log: Sequence[LogEntry], to: int, *, whole: bool, files: bool = False) -> tuple[str, ...]:
    """What people decided, or were asked to decide, after event ``to``: the names of the events, with their numbers.

    ``whole``: pause, automatic mode and caps go back too (an undo). ``files``: files go back too, and with them the
    checkpoints that a person took.
    """
    return tuple(
        describe_command(entry)
        for entry in log[to:]
        if _is_persons(entry, whole=whole) or (files and _is_recorded(entry))
    )


def describe_command(entry: LogEntry) -> str:
    """What a person calls the command that begins with this event: ``the approval of fix (event 34)``."""
    event = entry.event
    words = _COMMANDS.get(type(event), type(event).__name__)
    if isinstance(event, e.RolledBack | e.RollbackBegan):
        words = {"undo": "the undo", "redo": "the redo"}.get(event.kind, "the rollback")
        words = f"the start of {words}" if isinstance(event, e.RollbackBegan) else words
    return f"{words.format(phase=getattr(event, 'phase', ''))} (event {entry.seq})"


_COMMANDS: dict[type[e.Event], str] = {
    e.RunStarted: "the start",
    e.RunForked: "the fork",
    e.PhaseStarted: "the start of {phase}",
    e.RevisionSubmitted: "the submission of {phase}",
    e.SubmissionRefused: "the refused submission of {phase}",
    e.ApprovalCounted: "one person's approval of {phase}",
    e.ApprovalGiven: "the approval of {phase}",
    e.OpinionOverruled: "the decision to overrule the opinions on {phase}",
    e.PhaseCompleted: "the completion of {phase}",
    e.PhaseForced: "the forced acceptance of {phase}",
    e.AttemptFailed: "the rejection of {phase}",
    e.AttemptOpened: "the new attempt at {phase}",
    e.RunReopened: "the reopening of the run",
    e.PhaseSkipped: "the skip of {phase}",
    e.TreeChanged: "the change of files in {phase}",
    e.WentTo: "the return to an earlier phase",
    e.PhaseProceeded: "the decision to proceed after {phase}",
    e.AutoSwitched: "the switch of automatic mode",
    e.RunPaused: "the pause",
    e.RunResumed: "the resumption",
    e.RunCancelled: "the cancellation",
    e.CheckpointTaken: "the checkpoint",
    e.HumanAwaited: "the stop of {phase}",
    e.RunBlocked: "the stop of the run",
    e.RunFailed: "the failure of the run",
    e.GateJudged: "a verdict on {phase}",
    e.PromptEdited: "the edited prompt of {phase}",
    e.RollbackAbandoned: "the rollback that restored nothing",
    e.RepairBegan: "the start of the repair of {phase}",
    e.RepairEnded: "the end of the repair of {phase}",
    e.OperationIntended: "the intent to deliver",
    e.OperationCalled: "a call of the delivery",
    e.OperationObserved: "what the delivery led to",
    e.CredentialGiven: "the use of a credential",
}
"""Event → what a person calls the command that begins with it."""

STOPS = (e.HumanAwaited, e.RunBlocked, e.RunFailed)
_SETTINGS = (e.RunPaused, e.RunResumed, e.AutoSwitched)
_FOLLOWS = (
    e.PhaseReady,
    e.GatesOpened,
    e.WhenAnswered,
    e.LocksNamed,
    e.NextJudged,
    e.LoopOpened,
    e.ItemOpened,
    e.ItemClosed,
    e.LoopFinished,
    e.LeaseLost,
    e.ApprovalAwaited,
    e.ApprovalAsked,
    e.ApprovalHanded,
    e.CheckpointTaken,
    e.RecoveryOpened,
    e.BlockerFound,
    e.RunCompleted,
    e.RecordsKept,
    e.DecisionSigned,
)
"""What follows from a person's command by itself; it is not a decision of that person."""


_NOTES = (
    e.ApprovalAsked,
    e.ApprovalHanded,
    e.CheckpointTaken,
    e.RecordsKept,
    e.RollbackBegan,
    e.RollbackAbandoned,
    e.DecisionSigned,
    *e.OPERATIONS,
)
"""Events that change no status: alone they are nothing to undo."""


def _is_persons(entry: LogEntry, *, whole: bool) -> bool:
    event = entry.event
    if isinstance(event, STOPS):
        return True
    if isinstance(event, _SETTINGS) and not whole:
        return False
    if isinstance(event, e.RunPaused) and event.by_human:
        return True
    through = entry.by.channel in {Channel.FORM, Channel.DASHBOARD, Channel.PASSKEY, Channel.DEMO}
    return (through or entry.by.assurance > Assurance.AGENT) and not isinstance(event, _FOLLOWS)


def _is_recorded(entry: LogEntry) -> bool:
    # At a terminal it may be a person: only callers that certainly are none are left out.
    is_manual = isinstance(entry.event, e.CheckpointTaken) and entry.event.why == "manual"
    return is_manual and entry.by.channel not in {*PROGRAMS, Channel.SYSTEM}


def _last_command(log: Sequence[LogEntry], upto: int) -> tuple[int, LogEntry] | None:
    """Where the last command before index ``upto`` begins, and the event that names it."""
    for index in range(upto - 1, -1, -1):
        if isinstance(log[index].event, e.RolledBack):  # by any caller: it may end a rollback of a dead process
            return _began(log, index), log[index]
        if log[index].by.channel is not Channel.SYSTEM and not isinstance(log[index].event, _NOTES):
            first = _first_of(log, index)
            back = next((at for at in range(first, index) if isinstance(log[at].event, e.RolledBack)), None)
            return (first, _naming_event(log[first : index + 1])) if back is None else (_began(log, back), log[back])
    return None


def _naming_event(events: Sequence[LogEntry]) -> LogEntry:
    """The event of a command that says what it did: the first that does not follow from another, else the first that is no note."""
    own = [entry for entry in events if not isinstance(entry.event, _NOTES)]
    return next((entry for entry in own if not isinstance(entry.event, _FOLLOWS)), own[0])


def _first_of(log: Sequence[LogEntry], index: int) -> int:
    """The first event of the command that ``log[index]`` belongs to: its events have the same time."""
    # The store gives each change of a run a time of its own, so equal times mean one command.
    entry, first = log[index], index
    while first and (log[first - 1].at, log[first - 1].by) == (entry.at, entry.by):
        first -= 1
    return first


def _began(log: Sequence[LogEntry], index: int) -> int:
    """Where the rollback that ended with ``log[index]`` began: before it restored files."""
    ends = (e.RollbackBegan, e.RolledBack, e.RollbackAbandoned)
    back = range(index - 1, -1, -1)
    asked = (
        at
        for at in back
        if isinstance(log[at].event, ends)
        or (log[at].by.channel is not Channel.SYSTEM and not isinstance(log[at].event, e.DecisionSigned))
    )
    before = next(asked, index)
    return before if isinstance(log[before].event, e.RollbackBegan) else index
