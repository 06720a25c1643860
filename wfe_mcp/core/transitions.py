"""Tables of the state machine: which command is possible in which status.

Data only. ``moves.py`` reads them, ``docs/reference/transitions.md`` is generated from them, and
``tests/core/test_transitions.py`` compares them with random runs.

Rules:
1. A command that is in no row of the current status is refused (``illegal_transition``).
2. A command says how a caller names it (``Command.call``). The server alone gives one that does not: no list for a caller
   and no hint names it.
"""

from collections.abc import Mapping

from wfe_mcp.core.units import words

_NEW = "superseded +new"

ATTEMPT_MOVES: Mapping[str, Mapping[str, str]] = {
    "pending": {
        "Answer": "pending | ready | gating | skipped | failed",
        "Wake": "ready | gating",
        "Skip": "skipped",
        "goto": "superseded",
        "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "ready": {
        "Answer": "running | gating | completed | failed",
        "StartPhase": "running",
        "Skip": "skipped",
        "goto": "superseded",
        "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "running": {
        "Answer": "running | gating | completed | failed",
        "StartPhase": "running",
        "LoseLease": "ready",
        "Submit": "gating | completed",
        "RefuseSubmission": "running | failed",
        "TimeOut": "failed",
        "FailAttempt": "failed",
        "Retry": _NEW,
        "Skip": "skipped",
        "goto": "superseded",
        "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "gating": {
        "OpenGates": "gating",
        "LoseLease": "gating",
        "RecordVerdict": "gating | awaiting | ready | completed | failed",
        "Edit": "gating",
        "TreeChange": "gating | failed",
        "Retry": _NEW,
        "Withdraw": _NEW,
        "Overrule": "gating | awaiting | ready | completed",
        "goto": "superseded",
        "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "awaiting": {
        "LoseLease": "awaiting",
        "AskApproval": "awaiting",
        "HandOver": "awaiting",
        "Approve": "awaiting | gating | ready | completed",
        "Reject": "failed",
        "Withdraw": _NEW,
        "Edit": "gating",
        "TreeChange": "gating",
        "Skip": "skipped",
        "ForceAccept": "ready | completed",
        "goto": "superseded",
        "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "failed": {
        "Answer": "failed",
        "EndCompensation": "failed",
        "Edit": "gating",
        "Retry": _NEW,
        "Skip": "skipped",
        "ForceAccept": "ready | completed",
        "Overrule": "gating | awaiting | ready | completed",
        "goto": "superseded",
        "rollback": "rolled_back",
        "Cancel": "cancelled",
    },
    "completed": {
        "Answer": "completed",
        "Proceed": "completed",
        "Retry": _NEW,
        "goto": "superseded",
        "rollback": "rolled_back",
    },
    "skipped": {"Retry": _NEW, "goto": "superseded", "rollback": "rolled_back"},
    "rolled_back": {},
    "superseded": {},
    "cancelled": {},
}
"""Attempt status × command → where it leads. A failed attempt then continues through ``on_fail``, a completed one through
``next``, a gating one through its gates. ``goto`` and ``rollback`` reach attempts from another phase or from the history,
so no command of a phase has their name."""

_RESULTS = words(
    """
    LoseLease Submit RefuseSubmission RecordVerdict TimeOut FailAttempt AskApproval HandOver Approve Reject Withdraw Edit TreeChange
    Skip ForceAccept Overrule Retry
    """
)
"""A paused run starts nothing, but records these."""
_WORK = ("EndCompensation", "Answer", "OpenGates", "StartPhase", "Wake", *_RESULTS)
_REOPENING = ("Edit", "Retry", "Skip", "ForceAccept", "Overrule")
_LATE = ("LoseLease", "RecordVerdict", "FailAttempt", "TreeChange")
"""What jobs and leases of other phases bring after a rule stopped the run: recorded, or it would be lost."""

REOPENING = frozenset({*_REOPENING, "Proceed"})
"""What makes a blocked run continue."""
RECORDING = frozenset({*_RESULTS, "EndCompensation", "RecordOperation"}) - {
    "Retry",
    "Skip",
    "Edit",
    "ForceAccept",
}
"""What jobs bring while a rollback restores the files of a run."""


def _history(status: str) -> dict[str, str]:
    """Checkpoints leave the status as it is; a rollback leads to an earlier one."""
    stays = dict.fromkeys(("TakeCheckpoint", "RecordOperation", "BeginRollback", "AbandonRollback"), status)
    return stays | {"Rollback": "running | waiting | paused | blocked | failed | completed"}


RUN_MOVES: Mapping[str, Mapping[str, str]] = {
    "pending": {
        "StartRun": "running",
        "ForkRun": "running | waiting | paused | blocked | failed | completed",
        "Cancel": "cancelled",
    },
    "running": dict.fromkeys(_WORK, "running | waiting | completed | blocked | failed | paused")
    | {"Proceed": "running", "SetAuto": "running", "Pause": "paused", "TimeOutRun": "blocked", "Cancel": "cancelled"}
    | _history("running"),
    "waiting": dict.fromkeys(_WORK, "running | waiting | completed | blocked | failed | paused")
    | {
        "TimeOutRun": "blocked",
        "Proceed": "running",
        "SetAuto": "running | waiting",
        "Pause": "paused",
        "Cancel": "cancelled",
    }
    | _history("waiting"),
    "paused": dict.fromkeys(_RESULTS, "paused")
    | {"StartPhase": "paused", "SetAuto": "paused", "Resume": "running", "Cancel": "cancelled"}
    | _history("paused"),
    "blocked": dict.fromkeys(_REOPENING, "running")
    | dict.fromkeys(_LATE, "blocked")
    | {"Proceed": "running", "Resume": "running", "Cancel": "cancelled"}
    | _history("blocked"),
    "failed": dict.fromkeys(_REOPENING, "running")
    | dict.fromkeys(_LATE, "failed")
    | {"Cancel": "cancelled"}
    | _history("failed"),
    "completed": {"Retry": "running"} | _history("completed"),
    "cancelled": {"RecordOperation": "cancelled"},
}
"""Run status × command → where it leads. ``running``: the run continues, and what follows may let it wait or end."""
