"""What can be asked of a run?

Every command names who asks (``by``) and when (``at``, aware UTC): the core has no clock. Names are imperative; what
then happened is an event, in the past tense (``events.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wfe_mcp.core.model import By, FailKind, Origin, RunState, Stage, TakesBack, VerdictKind
from wfe_mcp.core.rollback_events import Why
from wfe_mcp.core.spec import PhasePath, RunSpec

__all__ = [
    "AbandonRollback", "Answer", "Approve", "AskApproval", "BeginRollback", "Cancel", "Command", "Edit", "EndCompensation", "FailAttempt", "ForceAccept", "ForkRun", "LoseLease", "OpenGates", "Overrule", "Pause",
    "Proceed", "RecordVerdict", "RefuseSubmission", "Reject", "Resume", "Retry", "Rollback", "SetAuto", "Skip", "StartPhase",
    "StartRun", "Submit", "TakeCheckpoint", "TimeOut", "TreeChange", "Wake", "Withdraw",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The base: who, and when."""

    by: By = field(default_factory=By)
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseCommand(Command):
    """A command on the current attempt of a phase. ``attempt`` None means whichever is open."""

    phase: PhasePath
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun(Command):
    """Freeze the specification and open the first phases."""

    spec: RunSpec
    auto: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRun(Command):
    """Begin as ``then``, the state of ``origin`` at its event, which happened at ``then_at``.

    ``people``: what people stopped or refused there since, in words; only a person forks behind that. ``evidence``: what
    is called what here. ``revisions``: see ``RunForked``.
    """

    then: RunState
    then_at: datetime
    origin: Origin
    people: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict[str, str])
    revisions: tuple[tuple[PhasePath, int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(PhaseCommand):
    """The value of a due question (``questions.py``); ``error`` when its evaluation failed.

    To ``items``: the ``keys`` in order, and the sha256 of the document that holds the items' values. To ``locks``: the
    names as ``keys``. To ``outputs``: the revision that holds them.
    """

    kind: str
    rule: int = 0
    value: bool = False
    error: str = ""
    keys: tuple[str, ...] = ()
    items: str | None = None
    revision: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGates(PhaseCommand):
    """The rendered prompt has this sha256 (and the tree is this): the gates before work can judge it."""

    sha256: str
    tree: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPhase(PhaseCommand):
    """Claim a ready phase, or a running one again as its holder."""

    holder: str
    lease_until: datetime | None = None
    tree: str | None = None
    head: str | None = None
    prompt_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseLease(PhaseCommand):
    """The holder is gone: the phase is ready for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit(PhaseCommand):
    """A valid artifact arrived as ``revision``."""

    revision: int
    sha256: str
    tree: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseSubmission(PhaseCommand):
    """An invalid artifact arrived; it is kept, and counts."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVerdict(PhaseCommand):
    """What the gate under judgement says of ``sha256``. ``holder_alive``: may a retry go on under the same holder."""

    stage: Stage
    gate: int
    verdict: VerdictKind
    sha256: str
    message: str = ""
    evidence: str | None = None
    holder_alive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AskApproval(PhaseCommand):
    """The request ``request`` is stored: a person has been asked."""

    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve(PhaseCommand):
    """Yes, to exactly these bytes. ``proof``: the sha256 of what a passkey signed, where one did."""

    sha256: str
    comment: str = ""
    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(PhaseCommand):
    """No, by a person. ``to`` names an earlier phase to go back to."""

    feedback: str
    sha256: str | None = None
    to: PhasePath | None = None
    holder_alive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw(PhaseCommand):
    """The submitter takes its own submission back."""

    feedback: str = ""
    holder_alive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(PhaseCommand):
    """A person changed the artifact: a new revision, judged anew."""

    revision: int
    sha256: str
    tree: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeChange(PhaseCommand):
    """The files changed while gates ran (``while_gating``) or a person was asked: evidence of the old tree is void."""

    tree: str | None
    paths: tuple[str, ...] = ()
    by_check: bool = False
    holder_alive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(PhaseCommand):
    """Open a new attempt. ``role``: who works it from now on, a configured role or ``client``; None: as before."""

    feedback: str = ""
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip(PhaseCommand):
    """Leave the phase out."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceAccept(PhaseCommand):
    """A person overrules the gates; the run is tainted. ``revision`` 0 keeps the open one."""

    reason: str
    revision: int = 0
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrule(PhaseCommand):
    """A person decides against the models of an opinion gate; the gates after it judge as ever (design §4)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOut(PhaseCommand):
    """The deadline of a running attempt has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailAttempt(PhaseCommand):
    """A step of a running attempt failed. ``human_only``: its effect may have happened, so no rule tries again."""

    reason: str
    kind: FailKind = FailKind.ERROR
    human_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCompensation(PhaseCommand):
    """The steps that undo a failed attempt are over; ``fault``: why they failed."""

    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake(PhaseCommand):
    """The time a backed-off attempt waited for has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proceed(Command):
    """Let held phases go on: all of them, or ``phase``."""

    phase: PhasePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAuto(Command):
    """Switch whether completed phases go on by themselves."""

    auto: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Command):
    """Start nothing new. ``for_human``: only a person lets it go on, whoever paused it."""

    reason: str = ""
    for_human: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Go on after a pause. ``max_cost_usd``, ``max_tokens``: what a person lets this run spend in all from now on."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    """End the run for good."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCheckpoint(Command):
    """The files are kept in ``commit`` (None: they are not, and ``note`` says why)."""

    why: Why = "manual"
    phase: PhasePath | None = None
    attempt: int = 0
    commit: str | None = None
    tree: str | None = None
    skipped: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback(Command):
    """Stand again where the run stood at event ``to``; ``then`` is its state there.

    ``people``: what people did or stopped since, in words; only a person takes that back. ``files``: they went back too,
    and were ``safety`` before. An undo or redo takes back as well what was set for the whole run: pause, automatic mode, caps.
    """

    to: int
    then: RunState
    kind: TakesBack = "rollback"
    people: tuple[str, ...] = ()
    files: bool = False
    safety: str | None = None
    tree: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRollback(Rollback):
    """Put back the files first, as in ``commit``. Legal where ``Rollback`` is; until that follows, nothing else is."""

    commit: str
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonRollback(Command):
    """The files could not be put back, or are again as they were."""

    reason: str
