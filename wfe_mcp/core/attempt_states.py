"""The states of an attempt: one type per status, with the values that this status can have.

pending ──► ready ──► running ──► gating ◄──► awaiting
                                    └──► completed · failed · skipped · superseded · rolled_back · cancelled
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, get_args

from wfe_mcp.core.dataclass import dataclass


class AttemptStatus(StrEnum):
    """The status of one attempt."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    GATING = "gating"
    AWAITING = "awaiting"
    FAILED = "failed"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """What the gates check: the prompt before work, or the artifact after it."""

    BEFORE = "before"
    AFTER = "after"


class FailKind(StrEnum):
    """Why an attempt failed."""

    GATE = "gate"
    ERROR = "error"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on the attempt, and until when without a sign of life."""

    holder: str
    lease_until: datetime | None = None


FailureStep = Literal["rules", "compensate", "recover", "user"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, and what follows: a rule of ``on_fail``, a repair that a rule began, or the user.

    ``fail_rule``: the first rule that can still apply.
    """

    fail_kind: FailKind
    then: FailureStep = "rules"
    fail_rule: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """It waits for its needs, and for ``not_before``."""

    not_before: datetime | None = None
    status: ClassVar = AttemptStatus.PENDING


@dataclass(frozen=True, slots=True)
class Ready:
    """Work can begin."""

    status: ClassVar = AttemptStatus.READY


@dataclass(frozen=True, slots=True)
class Running:
    """A holder works on it; a loop runs without one."""

    claim: Claim | None = None
    deadline: datetime | None = None
    status: ClassVar = AttemptStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Gating:
    """Gate ``gate`` of the stage judges it; a loop keeps its deadline."""

    stage: Stage
    gate: int = 0
    claim: Claim | None = None
    deadline: datetime | None = None
    status: ClassVar = AttemptStatus.GATING


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Its gate waits for the user. ``asked``: the open request; ``asked_tree``: the files that it is about."""

    stage: Stage
    gate: int = 0
    claim: Claim | None = None
    deadline: datetime | None = None
    asked: str | None = None
    asked_tree: str | None = None
    status: ClassVar = AttemptStatus.AWAITING


@dataclass(frozen=True, slots=True)
class Failed:
    """It failed, at a gate where ``stage`` names one; the holder can get the next attempt."""

    failure: Failure
    stage: Stage | None = None
    gate: int = 0
    claim: Claim | None = None
    not_before: datetime | None = None
    status: ClassVar = AttemptStatus.FAILED


@dataclass(frozen=True, slots=True)
class Completed:
    """Accepted. ``held``: it waits for proceed. ``judged``: no rule of ``next`` is left; ``next_rule``: the one that is due."""

    held: bool = False
    judged: bool = False
    next_rule: int = 0
    status: ClassVar = AttemptStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class Skipped:
    """Left out; what needs it can start. ``not_before``: the wait that it was in."""

    not_before: datetime | None = None
    status: ClassVar = AttemptStatus.SKIPPED


@dataclass(frozen=True, slots=True)
class _Left:
    """Over and left behind: where its gates were, the wait that it was in, its failure."""

    stage: Stage | None = None
    not_before: datetime | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RolledBack(_Left):
    """A rollback reversed it."""

    status: ClassVar = AttemptStatus.ROLLED_BACK


@dataclass(frozen=True, slots=True)
class Superseded(_Left):
    """Another attempt replaced it."""

    status: ClassVar = AttemptStatus.SUPERSEDED


@dataclass(frozen=True, slots=True)
class Cancelled(_Left):
    """Its run, loop or recovery ended."""

    status: ClassVar = AttemptStatus.CANCELLED


Judged = Gating | Awaiting
Left = RolledBack | Superseded | Cancelled
AttemptState = Pending | Ready | Running | Gating | Awaiting | Failed | Completed | Skipped | Left
_Gated = Judged | Failed
_Staged = Judged | Failed | Left
_Claimed = Running | Judged | Failed
_Timed = Running | Judged
_Delayed = Pending | Failed | Skipped | Left
_Faulty = Failed | Left
STATES: dict[AttemptStatus, type[AttemptState]] = {kind.status: kind for kind in get_args(AttemptState)}


class StateValues:
    """The values of an attempt's state as properties; what its status cannot have is None, 0, False or empty."""

    __slots__ = ()
    state: AttemptState

    @property
    def status(self) -> AttemptStatus:
        """The status."""
        return self.state.status

    @property
    def stage(self) -> Stage | None:
        """What its gates check, or checked when it ended."""
        return self.state.stage if isinstance(self.state, _Staged) else None

    @property
    def gate(self) -> int:
        """The number of the gate that judges it, within its stage."""
        return self.state.gate if isinstance(self.state, _Gated) else 0

    @property
    def asked(self) -> str | None:
        """The open request for approval."""
        return self.state.asked if isinstance(self.state, Awaiting) else None

    @property
    def asked_tree(self) -> str | None:
        """The files that the open request is about; None without git, and in runs of older versions."""
        return self.state.asked_tree if isinstance(self.state, Awaiting) else None

    @property
    def claim(self) -> Claim | None:
        """Who works on it."""
        return self.state.claim if isinstance(self.state, _Claimed) else None

    @property
    def holder(self) -> str | None:
        """The process that works on it."""
        return None if (claim := self.claim) is None else claim.holder

    @property
    def lease_until(self) -> datetime | None:
        """Until when its holder is taken to be alive."""
        return None if (claim := self.claim) is None else claim.lease_until

    @property
    def deadline(self) -> datetime | None:
        """When it times out."""
        return self.state.deadline if isinstance(self.state, _Timed) else None

    @property
    def not_before(self) -> datetime | None:
        """When a delayed attempt can begin."""
        return self.state.not_before if isinstance(self.state, _Delayed) else None

    @property
    def failure(self) -> Failure | None:
        """Why it failed, and what follows."""
        return self.state.failure if isinstance(self.state, _Faulty) else None

    @property
    def fail_kind(self) -> FailKind | None:
        """Why it failed."""
        return None if (failure := self.failure) is None else failure.fail_kind

    @property
    def fail_rule(self) -> int:
        """The first rule of ``on_fail`` that can still apply."""
        return 0 if (failure := self.failure) is None else failure.fail_rule

    @property
    def human_only(self) -> bool:
        """True when only the user can reopen it."""
        return (failure := self.failure) is not None and failure.then == "user"

    @property
    def repair(self) -> Literal["", "compensate", "recover"]:
        """What a rule does about its failure."""
        then = None if self.failure is None else self.failure.then
        return then if then == "compensate" or then == "recover" else ""

    @property
    def held(self) -> bool:
        """True while it waits for proceed."""
        return isinstance(self.state, Completed) and self.state.held

    @property
    def judged(self) -> bool:
        """True when no rule of ``next`` is left."""
        return isinstance(self.state, Completed) and self.state.judged

    @property
    def next_rule(self) -> int:
        """The rule of ``next`` that is due."""
        return self.state.next_rule if isinstance(self.state, Completed) else 0

    @property
    def unclaimed(self) -> AttemptState:
        """The state without its holder."""
        return replace(self.state, claim=None) if isinstance(self.state, _Claimed) else self.state
