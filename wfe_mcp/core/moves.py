"""What may be asked of a run now?

Rules:
1. Two tables say which command means something in which status; everything else is ``illegal_transition``.
2. A guard per command says what else must hold (who asks, which revision, a free place). It never changes anything.
3. ``legal_moves`` offers exactly what ``refusal`` lets through: errors, ``next``, buttons and tests read it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.core.guards import GUARDS, illegal, missing, not_of_a_loop
from wfe_mcp.core.model import (
    AttemptStatus,
    By,
    RunState,
    Stage,
    VerdictKind,
)  # fmt: skip
from wfe_mcp.core.questions import questions
from wfe_mcp.core.rollback_guards import HISTORY_GUARDS, is_going_back

__all__ = ["ATTEMPT_MOVES", "RUN_MOVES", "legal_moves", "refusal"]

_NEW = "superseded +new"

ATTEMPT_MOVES: Mapping[str, Mapping[str, str]] = {
    "pending": {
        "Answer": "pending | ready | gating | skipped | failed", "Wake": "ready | gating", "Skip": "skipped",
        "goto": "superseded", "rollback": "rolled_back", "Cancel": "cancelled",
    },
    "ready": {
        "Answer": "running | gating | completed | failed", "StartPhase": "running", "Skip": "skipped", "goto": "superseded", "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "running": {
        "Answer": "running | gating | completed | failed", "StartPhase": "running", "LoseLease": "ready", "Submit": "gating | completed",
        "RefuseSubmission": "running | failed", "TimeOut": "failed", "FailAttempt": "failed", "Retry": _NEW,
        "Skip": "skipped", "goto": "superseded", "rollback": "rolled_back", "Cancel": "cancelled",
    },
    "gating": {
        "OpenGates": "gating", "LoseLease": "gating", "RecordVerdict": "gating | awaiting | ready | completed | failed",
        "Edit": "gating", "TreeChange": "gating | failed", "Retry": _NEW, "Withdraw": _NEW,
        "Overrule": "gating | awaiting | ready | completed", "goto": "superseded", "rollback": "rolled_back", "Cancel": "cancelled",
    },
    "awaiting": {
        "LoseLease": "awaiting", "AskApproval": "awaiting", "Approve": "gating | ready | completed", "Reject": "failed",
        "Withdraw": _NEW, "Edit": "gating", "TreeChange": "gating", "Skip": "skipped",
        "ForceAccept": "ready | completed", "goto": "superseded", "rollback": "rolled_back", "Cancel": "cancelled",
    },
    "failed": {
        "Answer": "failed", "EndCompensation": "failed", "Edit": "gating", "Retry": _NEW, "Skip": "skipped", "ForceAccept": "ready | completed",
        "Overrule": "gating | awaiting | ready | completed", "goto": "superseded", "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "completed": {
        "Answer": "completed", "Proceed": "completed", "Retry": _NEW, "goto": "superseded", "rollback": "rolled_back",
    },
    "skipped": {"Retry": _NEW, "goto": "superseded", "rollback": "rolled_back"},
    "rolled_back": {},
    "superseded": {},
    "cancelled": {},
}  # fmt: skip
"""Attempt status × move → where it leads. By themselves a failed attempt then goes on through ``on_fail``, a completed
one through ``next``, a gating one through its gates. ``goto`` and ``rollback`` reach attempts from another phase or
from history, so no phase command has their name."""

_RECORDING = ("LoseLease", "Submit", "RefuseSubmission", "RecordVerdict", "TimeOut", "AskApproval", "Approve", "Reject",
              "Withdraw", "Edit", "TreeChange", "Skip", "ForceAccept", "Overrule", "Retry")  # fmt: skip
_WORKING = ("EndCompensation", "Answer", "OpenGates", "StartPhase", "Wake", "FailAttempt", *_RECORDING)
_REOPENING = ("Edit", "Retry", "Skip", "ForceAccept", "Overrule")
_WORK = frozenset({"StartPhase", "LoseLease", "Submit", "RefuseSubmission", "Withdraw", "Edit"})
"""What a worker does with a phase; a loop itself has none of it."""
_SHOWN = 10
_LATE = ("LoseLease", "RecordVerdict", "TreeChange")
"""What jobs and leases of other phases bring after a rule stopped the run: recorded, or it would be lost."""

_RECORDED = frozenset({*_RECORDING, "FailAttempt", "EndCompensation"}) - {"Retry", "Skip", "Edit", "ForceAccept"}
"""What jobs bring while the files of a run are being put back."""


def _history(status: str) -> dict[str, str]:
    """Commands about the history of a run: checkpoints leave it as it is, and a rollback leads to where it once stood."""
    stays = dict.fromkeys(("TakeCheckpoint", "BeginRollback", "AbandonRollback"), status)
    return stays | {"Rollback": "running | waiting | paused | blocked | failed | completed"}


RUN_MOVES: Mapping[str, Mapping[str, str]] = {
    "pending": {
        "StartRun": "running",
        "ForkRun": "running | waiting | paused | blocked | failed | completed",
        "Cancel": "cancelled",
    },
    "running": dict.fromkeys(_WORKING, "running | waiting | completed | blocked | failed | paused")
    | {"Proceed": "running", "SetAuto": "running", "Pause": "paused", "Cancel": "cancelled"}
    | _history("running"),
    "waiting": dict.fromkeys(_WORKING, "running | waiting | completed | blocked | failed | paused")
    | {
        "Proceed": "running",
        "SetAuto": "running | waiting",
        "Pause": "paused",
        "Cancel": "cancelled",
    }
    | _history("waiting"),
    "paused": dict.fromkeys(_RECORDING, "paused")
    | {"StartPhase": "paused", "SetAuto": "paused", "Resume": "running", "Cancel": "cancelled"}
    | _history("paused"),
    "blocked": dict.fromkeys(_REOPENING, "running")
    | dict.fromkeys(_LATE, "blocked")
    | {"Proceed": "running", "Cancel": "cancelled"}
    | _history("blocked"),
    "failed": dict.fromkeys(_REOPENING, "running")
    | dict.fromkeys(_LATE, "failed")
    | {"Cancel": "cancelled"}
    | _history("failed"),
    "completed": {"Retry": "running"} | _history("completed"),
    "cancelled": {},
}
"""Run status × command → where it leads. A paused run starts nothing new, but records what open attempts bring.
``running``: it goes on, and what follows by itself may let it wait or end."""


def refusal(state: RunState, command: c.Command) -> Refused | None:
    """Why ``command`` is not legal now, or None. Names the legal next calls through ``legal_moves`` at the edge."""
    name = type(command).__name__
    going_back = is_going_back(state, command, _RECORDED)
    if going_back is not None:
        return going_back
    if name not in RUN_MOVES[state.status]:
        return illegal(f"The run is {state.status}, where {_words(name)} means nothing.", _allowed_in_run(state))
    if isinstance(command, c.PhaseCommand):
        found = _phase_refusal(state, command, name)
        if found is not None:
            return found
    guard = GUARDS.get(type(command)) or HISTORY_GUARDS.get(type(command))
    return guard(state, command) if guard is not None else None


def legal_moves(state: RunState, by: By, at: datetime) -> tuple[c.Command, ...]:
    """The commands that ``by`` could give now, run-level ones last. Payloads nobody knows yet are stand-ins."""
    return tuple(command for command in _candidates(state, by, at) if refusal(state, command) is None)


def _phase_refusal(state: RunState, command: c.PhaseCommand, name: str) -> Refused | None:
    if command.phase not in state.attempts:
        near = nearest(command.phase, state.attempts)
        phases = ", ".join(attempt.phase for attempt in state.open_attempts[:_SHOWN]) if state.attempts else ""
        hint = f"Did you mean {near[0]!r}?" if near else f"Phases: {phases}."
        return Refused("unknown_phase", f"The run has no phase {command.phase!r}.", hint)
    attempt = state.current(command.phase)
    if command.attempt is not None and command.attempt != attempt.number:
        return Refused(
            "stale_revision",
            f"Attempt {command.attempt} of phase {command.phase!r} is closed; attempt {attempt.number} is the open one.",
            "Call status, then start_phase, and work on the open attempt.",
        )
    if state.phase(command.phase).loop is not None and name in _WORK:
        return not_of_a_loop(state, attempt)
    if name in ATTEMPT_MOVES[attempt.status]:
        return None
    if attempt.status is AttemptStatus.SUPERSEDED:
        return Refused("stale_revision", f"Attempt {attempt.number} of phase {command.phase!r} is closed: the loop around it begins anew.",
                       "Call status to see what is open.")  # fmt: skip
    if attempt.status is AttemptStatus.ROLLED_BACK:
        return Refused("stale_revision", f"Attempt {attempt.number} of phase {command.phase!r} was rolled back.",
                       "Call status to see what is open.")  # fmt: skip
    if name == "StartPhase" and attempt.status is AttemptStatus.PENDING:
        return Refused("not_ready", f"Phase {command.phase!r} cannot start: it waits for {missing(state, attempt)}.",
                       "Call status to see what is open.")  # fmt: skip
    allowed = ", ".join(_words(move) for move in ATTEMPT_MOVES[attempt.status] if move not in {"goto", "rollback"})
    return illegal(
        f"Phase {command.phase!r} is {attempt.status}, where {_words(name)} means nothing.",
        f"In this state: {allowed or 'nothing'}.",
    )


def _candidates(state: RunState, by: By, at: datetime) -> Iterator[c.Command]:
    due = questions(state)
    for attempt in state.open_attempts if state.spec.phases else ():
        on: Any = {"phase": attempt.phase, "attempt": attempt.number, "by": by, "at": at}
        sha256, stage = attempt.sha256 or "", attempt.stage or Stage.AFTER
        for question in due:
            if question.phase == attempt.phase:
                yield c.Answer(kind=question.kind, rule=question.rule, value=True, **on)
        match attempt.status:
            case AttemptStatus.READY | AttemptStatus.RUNNING:
                yield c.StartPhase(holder=attempt.holder or "holder", **on)
            case AttemptStatus.GATING:
                yield c.OpenGates(sha256="0" * 64, **on)
                if attempt.sha256 is not None:
                    yield c.RecordVerdict(stage=stage, gate=attempt.gate, verdict=VerdictKind.PASS, sha256=sha256, **on)
            case AttemptStatus.AWAITING:
                yield c.AskApproval(request="request", **on)
                yield c.Approve(sha256=sha256, **on)
                yield c.Reject(feedback="", **on)
            case _:
                pass
        yield c.Submit(revision=attempt.revision + 1, sha256="1" * 64, **on)
        yield c.RefuseSubmission(reason="invalid", **on)
        yield c.TimeOut(**on)
        yield c.FailAttempt(reason="failed", **on)
        yield c.Wake(**on)
        yield c.EndCompensation(**on)
        yield c.LoseLease(**on)
        yield c.Withdraw(**on)
        yield c.TreeChange(tree=attempt.tree, **on)
        yield c.Edit(revision=attempt.revision + 1, sha256="2" * 64, **on)
        yield c.Retry(**on)
        yield c.Skip(reason="skipped", **on)
        yield c.ForceAccept(reason="forced", **on)
        yield c.Overrule(reason="overruled", **on)
    yield c.Proceed(by=by, at=at)
    yield c.Resume(by=by, at=at)
    yield c.SetAuto(auto=not state.auto, by=by, at=at)
    yield c.Pause(by=by, at=at)
    yield c.Cancel(by=by, at=at)


def _allowed_in_run(state: RunState) -> str:
    moves = [_words(move) for move in RUN_MOVES[state.status] if move in {"Proceed", "Resume", "Retry", "Cancel"}]
    return f"In this state: {', '.join(moves)}." if moves else "Start a new run."


_WORDS = {
    "StartRun": "start", "ForkRun": "start --from", "StartPhase": "start_phase", "Submit": "submit_artifact", "RefuseSubmission": "submit_artifact",
    "Approve": "approve", "AskApproval": "approve", "Reject": "reject", "Withdraw": "reject (withdraw)",
    "Retry": "retry_phase", "Skip": "skip_phase", "ForceAccept": "force-accept", "Overrule": "approve (overrule)", "Edit": "edit", "Proceed": "proceed",
    "SetAuto": "auto", "Pause": "pause", "Resume": "resume", "Cancel": "cancel", "TimeOut": "time-out",
    "LoseLease": "end of lease", "RecordVerdict": "a gate's verdict", "OpenGates": "opening gates", "Wake": "wake",
    "Answer": "a condition", "TreeChange": "a change of files", "FailAttempt": "a failed step", "EndCompensation": "the end of a compensation",
    "Rollback": "rollback", "BeginRollback": "rollback", "AbandonRollback": "the end of a rollback", "TakeCheckpoint": "checkpoint",
}  # fmt: skip


def _words(name: str) -> str:
    return _WORDS.get(name, name)
