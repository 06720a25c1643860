"""The states of an attempt: one type per status, with the values that this status can have.

pending ──► ready ──► running ──► gating ◄──► awaiting
                                    └──► completed · failed · skipped · superseded · rolled_back · cancelled
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Generic, Literal, TypeVar, get_args

from wfe_mcp.core.dataclass import dataclass

T = TypeVar("T")


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
class Handed:
    """To whom a person handed the open request, by the names of their logins. Any approver may still decide."""

    to: str
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Its gate waits for the user. ``asked``: the open request; ``asked_tree``: the files that it is about.

    ``approvals``: the people who have approved the open request, where the gate asks for more of them. They end with this
    state, and with the request: what is decided on anew, all of them decide anew. So does ``handed``.
    """

    stage: Stage
    gate: int = 0
    claim: Claim | None = None
    deadline: datetime | None = None
    asked: str | None = None
    asked_tree: str | None = None
    approvals: tuple[str, ...] = ()
    handed: Handed | None = None
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


Left = RolledBack | Superseded | Cancelled
AttemptState = Pending | Ready | Running | Gating | Awaiting | Failed | Completed | Skipped | Left
STATES: dict[AttemptStatus, type[AttemptState]] = {kind.status: kind for kind in get_args(AttemptState)}


class Part(Generic[T]):
    """An attribute that reads the one of its name from the object in ``holder``; ``default`` where that has none."""

    def __init__(self, holder: str, default: T) -> None:
        self._holder, self._default, self._name = holder, default, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, of: object, owner: type) -> T:
        return getattr(getattr(of, self._holder), self._name, self._default)


class StateValues:
    """The values of an attempt's state as attributes; what its status cannot have is None, 0, False or empty."""

    __slots__ = ()
    state: AttemptState

    @property
    def status(self) -> AttemptStatus:
        """The status."""
        return self.state.status

    stage = Part[Stage | None]("state", None)
    """What its gates check, or checked when it ended."""
    gate = Part("state", 0)
    """The number of the gate that judges it, within its stage."""
    asked = Part[str | None]("state", None)
    """The open request for approval."""
    asked_tree = Part[str | None]("state", None)
    """The files that the open request is about; None without git, and in runs of older versions."""
    approvals = Part[tuple[str, ...]]("state", ())
    """The people who have approved the open request, where the gate asks for more of them."""
    handed = Part[Handed | None]("state", None)
    """To whom the open request was handed."""
    claim = Part[Claim | None]("state", None)
    """Who works on it."""
    holder = Part[str | None]("claim", None)
    """The process that works on it."""
    lease_until = Part[datetime | None]("claim", None)
    """Until when its holder is taken to be alive."""
    deadline = Part[datetime | None]("state", None)
    """When it times out."""
    not_before = Part[datetime | None]("state", None)
    """When a delayed attempt can begin."""
    failure = Part[Failure | None]("state", None)
    """Why it failed, and what follows."""
    fail_kind = Part[FailKind | None]("failure", None)
    """Why it failed."""
    fail_rule = Part("failure", 0)
    """The first rule of ``on_fail`` that can still apply."""
    then = Part[FailureStep | None]("failure", None)
    """What follows from its failure."""
    held = Part("state", False)
    """True while it waits for proceed."""
    judged = Part("state", False)
    """True when no rule of ``next`` is left."""
    next_rule = Part("state", 0)
    """The rule of ``next`` that is due."""

    @property
    def human_only(self) -> bool:
        """True when only the user can reopen it."""
        return self.then == "user"

    @property
    def repair(self) -> Literal["", "compensate", "recover"]:
        """What a rule does about its failure."""
        then = self.then
        return then if then == "compensate" or then == "recover" else ""

    @property
    def unclaimed(self) -> AttemptState:
        """The state without its holder."""
        state = self.state
        return replace(state, claim=None) if isinstance(state, Running | Gating | Awaiting | Failed) else state
