"""Commands to a run.

Every command names its caller (``by``) and its time (``at``, aware UTC): the core has no clock. Names are imperative; the
events that follow are in the past tense (``events.py``).
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import TypedDict

from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.blockers import BlockerFound, Settled
from wfe_mcp.core.command import Call, Command, PhaseCommand
from wfe_mcp.core.event import OfAttempt
from wfe_mcp.core.evidence_levels import GateDifference
from wfe_mcp.core.model import By, Origin, RunState, Stage, TakesBack
from wfe_mcp.core.operation_events import OperationEvent
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.rollback_events import Why
from wfe_mcp.core.spec import RunSpec


class CallerAndTime(TypedDict):
    """Names caller and time in a call."""

    by: By
    at: datetime


class OnAttempt(OfAttempt, CallerAndTime):
    """Names the attempt, caller and time in a call."""


class StartRun(Command):
    """Freeze the specification and open the first phases.

    ``gates``: how they differ from the template's. ``tree``: the files now, None without git.
    """

    spec: RunSpec
    auto: bool = True
    gates: tuple[GateDifference, ...] | None = None
    tree: str | None = None


class ForkRun(Command):
    """Begin as ``then``, the state of ``origin`` at its event, which happened at ``then_at``.

    ``people``: what people stopped or refused there since, as sentences; only the user can fork from before that.
    ``anew``: what people approved there, and are asked about again.
    ``evidence``: its names there → here. ``revisions``: see ``RunForked``.
    """

    then: RunState
    then_at: datetime
    origin: Origin
    people: tuple[str, ...] = ()
    anew: tuple[PhasePath, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict[str, str])
    revisions: tuple[tuple[PhasePath, int, str], ...] = ()


class Answer(PhaseCommand):
    """The value of a due question (``questions.py``); ``error`` when its evaluation failed.

    To ``items``: the ``keys`` in order, and the sha256 of the document that holds the items' values. To ``locks``: the
    names as ``keys``. To ``outputs``: the revision that holds them. To ``blocker``: what the artifact reports.
    """

    kind: str
    rule: int = 0
    value: bool = False
    error: str = ""
    keys: tuple[str, ...] = ()
    items: str | None = None
    revision: int = 0
    sha256: str = ""
    blocker: BlockerFound | None = None


class OpenGates(PhaseCommand):
    """The rendered prompt has this sha256 (and the tree is this): the gates before work can judge it.

    ``prompt``: the document with its text, where that is not the rendered one.
    """

    sha256: str
    tree: str | None = None
    prompt: str | None = None


class StartPhase(PhaseCommand):
    """Claim a ready phase, or a running one again by its holder."""

    call = Call("start", "start_phase", "submit", ("agent", "human", "server"))
    holder: str
    lease_until: datetime | None = None
    tree: str | None = None
    head: str | None = None
    prompt_sha256: str | None = None


class LoseLease(PhaseCommand):
    """The holder is gone: the phase is ready for the next one."""


class Submit(PhaseCommand):
    """A valid artifact arrived as ``revision``."""

    call = Call("submit", "submit_artifact", "submit", ("agent", "human", "server"))
    revision: int
    sha256: str
    tree: str | None = None


class RefuseSubmission(PhaseCommand):
    """An invalid artifact arrived; it is stored and counted."""

    reason: str


class RecordVerdict(PhaseCommand):
    """The verdict of the current gate on ``sha256``. ``holder_alive``: a retry can continue with the same holder."""

    stage: Stage
    gate: int
    outcome: GateOutcome
    sha256: str
    message: str = ""
    evidence: str | None = None
    level: str = ""
    seal: str = ""
    holder_alive: bool = True


class AskApproval(PhaseCommand):
    """The request ``request`` for an approval is stored. ``tree``: the files that it is about, None without git."""

    call = Call("approve", "approve", "approve")
    request: str
    tree: str | None = None


class HandOver(PhaseCommand):
    """Hand the open request to the person ``to``; ``giver``: who does. It decides nothing.

    Who may is not said by the state of a run, so no list of legal moves has it.
    """

    call = Call("", "", "", callers=())
    request: str
    to: str
    giver: str
    note: str = ""


class Approve(PhaseCommand):
    """Approve exactly these bytes. ``person``: who decides, by the name of their pinned key; for a gate that asks several.

    ``grant``: the id of the standing grant that is used.
    """

    call = Call("approve", "approve", "approve")
    sha256: str
    comment: str = ""
    person: str = ""
    grant: str = ""


class Reject(PhaseCommand):
    """Reject the submission. ``to`` names an earlier phase to go back to."""

    call = Call("reject", "reject", "reject", ("human",))
    feedback: str
    sha256: str | None = None
    to: PhasePath | None = None
    holder_alive: bool = True


class Withdraw(PhaseCommand):
    """The submitter withdraws its own submission."""

    call = Call("withdraw", "reject", "reject")
    feedback: str = ""
    holder_alive: bool = True


class Edit(PhaseCommand):
    """A person edited the artifact: a new revision, whose gates run again.

    ``prompt``: before work it is the prompt that was edited, and this is the document with its text; ``revision`` is 0.
    """

    call = Call("edit", "", "edit")
    revision: int
    sha256: str
    tree: str | None = None
    prompt: str | None = None


class TreeChange(PhaseCommand):
    """The files changed while gates ran or a request was open: evidence of the old tree is void."""

    tree: str | None
    paths: tuple[str, ...] = ()
    by_check: bool = False
    holder_alive: bool = True


class Retry(PhaseCommand):
    """Open a new attempt. ``role``: the worker from now on, a configured role or ``client``; None: as before.

    ``blockers``: what a person says of the open blockers of the phase.
    """

    call = Call("retry", "retry_phase", "retry")
    feedback: str = ""
    role: str | None = None
    blockers: Settled | None = None


class Skip(PhaseCommand):
    """Skip the phase."""

    call = Call("skip", "skip_phase", "skip")
    reason: str


class ForceAccept(PhaseCommand):
    """Overrule the gates; the run is tainted. ``revision`` 0 keeps the open one."""

    call = Call("force-accept", "", "force-accept", ("human",))
    reason: str
    revision: int = 0
    sha256: str | None = None


class Overrule(PhaseCommand):
    """Overrule the models of an opinion gate; the gates after it run as usual (design §4)."""

    call = Call("overrule", "", "opinion overrule", ("human",))
    reason: str


class TimeOut(PhaseCommand):
    """The deadline of a running attempt has passed."""


class FailAttempt(PhaseCommand):
    """A step of a running attempt failed. ``human_only``: its effect may have happened, so no rule retries it."""

    reason: str
    kind: FailKind = FailKind.ERROR
    human_only: bool = False


class EndCompensation(PhaseCommand):
    """The steps that compensate a failed attempt have ended; ``fault``: why they failed."""

    fault: str = ""


class Wake(PhaseCommand):
    """The time of a scheduled retry has come."""


class Proceed(Command):
    """Continue after held phases: all of them, or ``phase``."""

    call = Call("proceed", "control_run", "proceed", ("human",), "proceed")
    phase: PhasePath | None = None


class SetAuto(Command):
    """Switch automatic mode: whether the run continues after a completed phase."""

    call = Call("switch automatic mode", "control_run", "auto", action="auto_on")
    auto: bool


class Pause(Command):
    """Start nothing new. ``for_human``: only the user can resume, no matter who paused it."""

    call = Call("pause", "control_run", "pause", action="pause")
    reason: str = ""
    for_human: bool = False


class Resume(Command):
    """Continue after a pause, or after the end of its time. ``max_cost_usd``, ``max_tokens``: the new caps of this run;
    ``ends_at``: when its time ends now. None keeps what there is.
    """

    call = Call("resume", "control_run", "resume", action="resume")
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    ends_at: datetime | None = None


class TimeOutRun(Command):
    """The time limit of the run is over: its running attempts fail, and only the user can extend it."""


class Cancel(Command):
    """End the run for good."""

    call = Call("cancel", "control_run", "cancel", action="cancel")
    reason: str = ""


class TakeCheckpoint(Command):
    """Record a checkpoint of the files in ``commit`` (None: without files, and ``note`` says why)."""

    call = Call("take a checkpoint", "", "", callers=("server",))
    why: Why = "manual"
    phase: PhasePath | None = None
    attempt: int = 0
    commit: str | None = None
    tree: str | None = None
    skipped: int = 0
    note: str = ""


class RecordOperation(Command):
    """Record what becomes of an operation outside the working tree. The server gives it; no status changes."""

    event: OperationEvent


class Rollback(Command):
    """Go back to event ``to``; ``then`` is the state of the run there.

    ``people``: what people decided or stopped since, as sentences; only the user can reverse that. ``files``: files are
    restored too, and were ``safety`` before. ``changed``: the files are not those of then, so what people approved, and
    comes back, is asked about anew. An undo or redo also reverses what was set for the whole run: pause, automatic
    mode, caps.
    """

    call = Call("roll back", "", "", callers=("server",))
    to: int
    then: RunState
    kind: TakesBack = "rollback"
    people: tuple[str, ...] = ()
    files: bool = False
    changed: bool = False
    safety: str | None = None
    tree: str | None = None


class BeginRollback(Rollback):
    """Restore the files of ``commit`` first. Legal where ``Rollback`` is; until that follows, nothing else is."""

    commit: str
    holder: str


class AbandonRollback(Command):
    """End a rollback whose files could not be restored; they are as they were before."""

    reason: str


COMMANDS = tuple(
    kind
    for kind in list(vars().values())
    if isinstance(kind, type) and issubclass(kind, Command) and kind not in {Command, PhaseCommand}
)
"""Every command."""
