"""What each event of the log changes: the table of the reference page, which tests/core compares with random runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Change:
    """What an event does to statuses. ``own``: those of the attempt that it names; ``others``: those of further attempts.

    Both are before → after; ``new``: the attempt did not exist. ``run``: what the run's status becomes; empty: it stays,
    or follows from the attempts (``running`` or ``waiting``).
    """

    own: Mapping[str, str] = field(default_factory=dict[str, str])
    others: Mapping[str, str] = field(default_factory=dict[str, str])
    run: str = ""


def _each(statuses: str, after: str) -> dict[str, str]:
    return dict.fromkeys(statuses.split(), after)


_CLOSED = {"pending": "skipped"} | _each("ready running gating awaiting", "cancelled")
"""The attempts in the open items of a loop, or in a recovery, that ends."""
_LEFT = _each("pending ready running gating awaiting failed completed skipped rolled_back cancelled", "superseded")

EVENT_CHANGES: Mapping[str, Change] = {
    "RunStarted": Change(others={"new": "pending"}, run="running"),
    "RunForked": Change(
        others={
            "new": "pending | ready | running | gating | failed | completed | skipped | rolled_back | superseded | cancelled"
        },
        run="running | paused | blocked | failed | completed",
    ),
    "WhenAnswered": Change({"pending": "pending"}),
    "LocksNamed": Change({"pending": "pending"}),
    "PhaseReady": Change(_each("pending gating awaiting failed", "ready")),
    "PhaseStarted": Change({"ready": "running"}),
    "LeaseLost": Change({"running": "ready", "gating": "gating", "awaiting": "awaiting"}),
    "SubmissionRefused": Change({"running": "running"}),
    "RevisionSubmitted": Change(_each("running gating awaiting failed", "gating"), _CLOSED),
    "GatesOpened": Change(_each("pending running gating", "gating")),
    "PromptEdited": Change(_each("gating awaiting failed", "gating"), _CLOSED),
    "GateJudged": Change({"gating": "gating | awaiting"}),
    "TreeChanged": Change(_each("gating awaiting", "gating")),
    "ApprovalAwaited": Change({"gating": "awaiting"}),
    "ApprovalAsked": Change({"awaiting": "awaiting"}),
    "ApprovalHanded": Change({"awaiting": "awaiting"}),
    "ApprovalCounted": Change({"awaiting": "awaiting"}),
    "ApprovalGiven": Change({"awaiting": "gating"}),
    "OpinionOverruled": Change(_each("gating failed", "gating"), _CLOSED),
    "PhaseForced": Change({"awaiting": "awaiting", "failed": "failed"}, _CLOSED),
    "PhaseCompleted": Change(_each("running gating awaiting failed", "completed")),
    "NextJudged": Change({"completed": "completed"}),
    "PhaseProceeded": Change({"completed": "completed"}),
    "PhaseSkipped": Change(_each("pending ready running awaiting failed", "skipped"), _CLOSED),
    "AttemptFailed": Change(_each("pending ready running gating awaiting", "failed"), _CLOSED),
    "RepairBegan": Change({"failed": "failed"}),
    "RecoveryOpened": Change({"failed": "failed"}, {"new": "pending"}),
    "RepairEnded": Change({"failed": "failed"}, _CLOSED),
    "BlockerFound": Change({"completed": "completed"}),
    "HumanAwaited": Change({"failed": "failed"}),
    "AttemptOpened": Change({"new": "pending | ready | running"}, _LEFT),
    "LoopOpened": Change({"ready": "running"}),
    "ItemOpened": Change({"running": "running"}, {"new": "pending"}),
    "ItemClosed": Change({"running": "running"}, _CLOSED | {"running": "cancelled | failed"}),
    "LoopFinished": Change({"running": "running"}),
    "WentTo": Change(others={"new": "pending | running"} | _LEFT),
    "AutoSwitched": Change(),
    "RunPaused": Change(run="paused"),
    "RunResumed": Change(run="running"),
    "RunReopened": Change(run="running"),
    "RunBlocked": Change(run="blocked"),
    "RunFailed": Change(run="failed"),
    "RunCompleted": Change(others=_CLOSED | {"failed": "cancelled"}, run="completed"),
    "RunCancelled": Change(others=_each("pending ready running gating awaiting failed", "cancelled"), run="cancelled"),
    "CheckpointTaken": Change(),
    "RollbackBegan": Change(),
    "RollbackAbandoned": Change(),
    "RolledBack": Change(
        others={"new": "pending | ready | running | gating | failed | completed | skipped | cancelled"}
        | _each("pending ready running gating awaiting failed completed skipped", "rolled_back"),
        run="running | paused | blocked | failed | completed",
    ),
    "OperationIntended": Change(),
    "OperationCalled": Change(),
    "OperationObserved": Change(),
    "CredentialGiven": Change(),
    "RecordsKept": Change(),
    "DecisionSigned": Change(),
}
"""Event → the statuses that it changes."""
