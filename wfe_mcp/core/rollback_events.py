"""What has happened to the history of a run: checkpoints, going back, and beginning where another one stood?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wfe_mcp.core.event import Event
from wfe_mcp.core.model import Attempt, LoopState, RunState, RunStatus, TakesBack
from wfe_mcp.core.spec import PhasePath

__all__ = ["CheckpointTaken", "RollbackAbandoned", "RollbackBegan", "RolledBack", "RunForked", "Why"]

Why = Literal["start", "completion", "manual", "safety"]
"""What a checkpoint was taken for: a phase that starts or is completed, somebody who asked, a rollback that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointTaken(Event):
    """The files as they are now can be brought back from ``commit``; the number of this event names the checkpoint.

    ``commit`` and ``tree`` None: no files are kept, only the state. ``skipped``: how many files were left out. ``phase``:
    whose start or completion it marks.
    """

    why: Why
    phase: PhasePath | None = None
    attempt: int = 0
    commit: str | None = None
    tree: str | None = None
    skipped: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBegan(Event):
    """Files are about to be put back as in ``commit``; see ``GoingBack``. Nothing else happens to the run meanwhile."""

    to: int
    commit: str
    safety: str
    holder: str
    kind: TakesBack


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackAbandoned(Event):
    """The files could not be put back; they and the state are as before."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack(Event):
    """The run stands again where it stood at event ``to``; what happened since stays in the log.

    ``ended``: phases whose newest try is rolled back; ``opened``: the tries that take the places. ``safety``: the commit
    with the files as they were before, where files were put back; ``tree``: what they are since.
    """

    to: int
    kind: TakesBack
    ended: tuple[PhasePath, ...]
    opened: tuple[Attempt, ...]
    loops: Mapping[PhasePath, LoopState]
    status: RunStatus
    auto: bool
    paused_by_human: bool = False
    reason: str = ""
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    safety: str | None = None
    tree: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForked(Event):
    """The run begins as ``state``: that of ``state.origin`` at its event, as it can be taken up again.

    ``revisions``: what it has of artifacts, each by phase, number and sha256; they were handed in there.
    """

    state: RunState
    revisions: tuple[tuple[PhasePath, int, str], ...] = ()
