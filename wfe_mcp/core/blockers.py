"""Blockers: what the recovery of a failed phase found to be in the way.

    diagnose completed with a ``blocker@1`` ──► BlockerFound, with how often it was met
                                                 more often than ``same_blocker`` ──► RepairEnded, the next rule

Rules:
1. The same fingerprint is the same blocker, over all phases, recoveries and iterations of a run; each report counts.
2. A recovery that meets the same blocker too often ends early: what it does about it has not helped.
3. A person resolves or ignores the open blockers of a phase with a new attempt at it, which knows that (``AttemptOpened``).
   A later report of the same one is open again.
4. Else a blocker is open until the phase that failed completes (resolved), or is skipped or forced (ignored). That is
   derived from the phase and never stored.
"""

from typing import Literal

from wfe_mcp.core.attempt_states import AttemptStatus
from wfe_mcp.core.event import AttemptEvent
from wfe_mcp.core.paths import PhasePath, item_of

Settled = Literal["resolved", "ignored"]
BlockerStatus = Literal["open"] | Settled


class BlockerFound(AttemptEvent):
    """A blocker as the artifact of ``phase``, in this attempt, reports it: the event, and what the state keeps of it.

    ``kind``: its class, such as ``failed_checks``. ``times``: how often its fingerprint was reported in the run until then,
    this report included. ``settled``: what a person decided about it since.
    """

    kind: str
    fingerprint: str
    cause: str = ""
    next_step: str = ""
    human_required: bool = False
    sha256: str = ""
    times: int = 1
    settled: Settled | None = None

    @property
    def recovered(self) -> PhasePath:
        """The phase that failed, which the phase of the recovery lies inside."""
        item = item_of(self.phase)
        assert item is not None, "a phase of a recovery lies inside the phase that failed"
        return item[0]


def status_of(blocker: BlockerFound, status: AttemptStatus, *, forced: bool) -> BlockerStatus:
    """The status of a blocker whose failed phase has this status now."""
    if blocker.settled is not None:
        return blocker.settled
    if status is AttemptStatus.SKIPPED or (status is AttemptStatus.COMPLETED and forced):
        return "ignored"
    return "resolved" if status is AttemptStatus.COMPLETED else "open"
