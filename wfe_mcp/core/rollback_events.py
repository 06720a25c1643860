"""Events of checkpoints, rollbacks and forks."""

from collections.abc import Mapping
from typing import Literal

from wfe_mcp.core.event import Event
from wfe_mcp.core.model import Attempt, KeptRecord, LoopState, RunState, RunStatus, TakesBack
from wfe_mcp.core.paths import PhasePath

Why = Literal["start", "completion", "manual", "safety"]
"""Why a checkpoint was taken: a phase that starts or is completed, a request, a rollback that follows."""


class CheckpointTaken(Event):
    """The files as they are now can be restored from ``commit``; the number of this event names the checkpoint.

    ``commit`` and ``tree`` None: no files, only the state. ``skipped``: how many files were left out. ``phase``:
    whose start or completion it marks.
    """

    why: Why
    phase: PhasePath | None = None
    attempt: int = 0
    commit: str | None = None
    tree: str | None = None
    skipped: int = 0
    note: str = ""


OF_THE_PROCESS = ("holder", "safety")
"""What a rollback has of the process that makes it: who it is, and the commit in which it saves the files before. No person signs that."""


class RollbackBegan(Event):
    """The restore of the files of ``commit`` begins; see ``GoingBack``. Other commands wait until it ends."""

    to: int
    commit: str
    safety: str
    holder: str
    kind: TakesBack


class RollbackAbandoned(Event):
    """The files could not be restored; they and the state are as before."""

    reason: str


class RolledBack(Event):
    """The run is again as at event ``to``; what happened since stays in the log."""

    to: int
    kind: TakesBack
    ended: tuple[PhasePath, ...]
    """Phases whose newest attempt is rolled back."""
    opened: tuple[Attempt, ...]
    """The attempts that replace them."""
    loops: Mapping[PhasePath, LoopState]
    status: RunStatus
    auto: bool
    paused_by_human: bool = False
    reason: str = ""
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    safety: str | None = None
    """The commit with the files before, where files were restored."""
    tree: str | None = None
    """That of the files after."""
    anew: tuple[PhasePath, ...] = ()
    """Approved phases whose approval is asked about again."""


class RunForked(Event):
    """The run begins as ``state``: that of ``state.origin`` at its event, without holders and open verdicts.

    ``revisions``: its artifacts, each by phase, number and sha256; they were submitted there. ``records``: as of
    ``RunStarted``.
    """

    state: RunState
    revisions: tuple[tuple[PhasePath, int, str], ...] = ()
    records: tuple[KeptRecord, ...] = ()
