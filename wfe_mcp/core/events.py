"""Events of a run.

Each event is one row of the append-only log; folding ``evolve`` over them rebuilds the state exactly. An event holds
every fact that the next state needs: nothing is looked up again on replay.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.blockers import BlockerFound, Settled
from wfe_mcp.core.event import AttemptEvent, Event
from wfe_mcp.core.evidence_levels import GateDifference
from wfe_mcp.core.model import AttemptStatus, Feedback, KeptRecord, Stage, Verdict
from wfe_mcp.core.operation_events import CredentialGiven, OperationCalled, OperationIntended, OperationObserved
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.rollback_events import CheckpointTaken, RollbackAbandoned, RollbackBegan, RolledBack, RunForked
from wfe_mcp.core.spec import RunSpec


class RunStarted(Event):
    """The specification is frozen; every phase has a first attempt, pending.

    ``names_records``: each record of the run is named by a ``RecordsKept``; runs of older versions name none.
    ``gates``: how its gates differ from its template's; None in runs of older versions, which did not record it.
    ``tree``: the files at the start; None without git, and in runs of older versions.
    ``records``: the seal of the run's own row; empty in runs of older versions.
    """

    spec: RunSpec
    auto: bool
    started_at: datetime
    names_records: bool = False
    gates: tuple[GateDifference, ...] | None = None
    tree: str | None = None
    records: tuple[KeptRecord, ...] = ()


class WhenAnswered(AttemptEvent):
    """The condition of the phase is true or false."""

    value: bool


class LocksNamed(AttemptEvent):
    """The names that the phase will lock, sorted; it holds them from its claim."""

    locks: tuple[str, ...]


class NextJudged(AttemptEvent):
    """Rule ``rule`` of ``next`` did not match; ``done`` when it was the last."""

    rule: int
    done: bool


class PhaseReady(AttemptEvent):
    """The phase can be claimed."""


class GatesOpened(AttemptEvent):
    """The gates run, those before work on the prompt; ``sha256`` None until it is rendered.

    ``prompt``: the document with its text, where that is not the rendered one.
    """

    stage: Stage = Stage.BEFORE
    sha256: str | None = None
    tree: str | None = None
    prompt: str | None = None


class PromptEdited(AttemptEvent):
    """A person edited the prompt; the gates before work judge it anew. ``prompt``: the document with its text."""

    sha256: str
    prompt: str


class PhaseStarted(AttemptEvent):
    """A holder works on the phase. ``prompt_sha256``: of its prompt, where the prompt is recorded."""

    holder: str
    started_at: datetime
    lease_until: datetime | None = None
    deadline: datetime | None = None
    tree: str | None = None
    head: str | None = None
    prompt_sha256: str | None = None


class LeaseLost(AttemptEvent):
    """The holder is gone; the attempt stays the same."""


class RevisionSubmitted(AttemptEvent):
    """A revision was submitted to its gates. ``edited``: a person edited it."""

    revision: int
    sha256: str
    tree: str | None = None
    edited: bool = False


class SubmissionRefused(AttemptEvent):
    """An invalid artifact was stored and counted."""

    reason: str


class GateJudged(AttemptEvent):
    """A gate gave its verdict. ``seal``: of one without evidence; that of evidence is in its own record."""

    verdict: Verdict
    seal: str = ""


class ApprovalAwaited(AttemptEvent):
    """The current gate needs a person."""


class ApprovalAsked(AttemptEvent):
    """The request is stored and shown. ``tree``: the files that it is about; None without git, and in older logs."""

    request: str
    tree: str | None = None


class ApprovalHanded(AttemptEvent):
    """``by`` handed the open request to ``to``, both by the names of their logins. Who may decide stays as it is."""

    request: str
    to: str
    by: str
    note: str = ""


class ApprovalCounted(AttemptEvent):
    """``person`` approved ``sha256``, and the gate asks for more people."""

    gate: int
    sha256: str
    person: str
    comment: str = ""


class ApprovalGiven(AttemptEvent):
    """``sha256`` was approved with enough assurance. ``proof``: of earlier versions, the document that a passkey signed.

    ``person``: who was the last to approve, at a gate that asks for several people. ``grant``: the standing grant that was used.
    """

    gate: int
    sha256: str
    comment: str = ""
    proof: str = ""
    person: str = ""
    grant: str = ""


class OpinionOverruled(AttemptEvent):
    """A person overruled the models of an opinion gate."""

    gate: int
    sha256: str
    reason: str


class PhaseCompleted(AttemptEvent):
    """The artifact is accepted. ``held``: it waits for proceed. ``judged``: no ``next`` rule is left to evaluate."""

    held: bool = False
    judged: bool = True


class PhaseForced(AttemptEvent):
    """A person overruled the gates; the run is tainted."""

    stage: Stage
    reason: str
    revision: int = 0
    sha256: str | None = None


class AttemptFailed(AttemptEvent):
    """The attempt ended without an accepted artifact."""

    kind: FailKind
    reason: str


class RepairBegan(AttemptEvent):
    """Rule ``rule`` of ``on_fail`` undoes the failed attempt (``compensate``), or starts the recovery ``key``."""

    rule: int
    what: Literal["compensate", "recover"]
    key: str = ""


class RecoveryOpened(AttemptEvent):
    """The phases of the recovery ``key`` have attempts; ``items`` names the document with its inputs."""

    key: str
    items: str | None = None
    feedback: tuple[Feedback, ...] = ()


class RepairEnded(AttemptEvent):
    """The compensation or the recovery has ended; ``fault``: why it failed."""

    fault: str = ""


class HumanAwaited(AttemptEvent):
    """No rule is left: only the user can reopen the phase."""


class AttemptOpened(AttemptEvent):
    """Attempt ``attempt`` takes the place of the one before it. ``blockers``: what becomes of the phase's open blockers."""

    status: AttemptStatus
    feedback: tuple[Feedback, ...] = ()
    holder: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    deadline: datetime | None = None
    not_before: datetime | None = None
    tree: str | None = None
    head: str | None = None
    role: str | None = None
    blockers: Settled | None = None


class PhaseSkipped(AttemptEvent):
    """The phase is skipped. ``follows``: by a condition of its template, also where a person's command made that due."""

    reason: str
    follows: bool = False


class LoopOpened(AttemptEvent):
    """The items of a loop are known, in order; ``items`` names the document with their values."""

    keys: tuple[str, ...]
    started_at: datetime
    items: str | None = None
    deadline: datetime | None = None


class ItemOpened(AttemptEvent):
    """Every phase of the item ``key`` has a new attempt, pending."""

    key: str


class ItemClosed(AttemptEvent):
    """The item ``key`` is over: its phases are settled, or it is left as it ``failed``."""

    key: str
    failed: bool = False


class LoopFinished(AttemptEvent):
    """The condition of ``until`` is true: no further pass opens."""


class TreeChanged(AttemptEvent):
    """The files changed under the evidence: its verdicts are void and the gates begin again."""

    tree: str | None
    paths: tuple[str, ...] = ()
    by_check: bool = False


class WentTo(Event):
    """A jump back opened iteration ``iteration``."""

    source: PhasePath
    attempt: int
    target: PhasePath
    iteration: int
    superseded: tuple[PhasePath, ...]
    """The phases that restart, loops with all their items."""
    feedback: tuple[Feedback, ...] = ()
    rule: str = ""
    reopened: tuple[tuple[PhasePath, str], ...] = ()
    """Items (loop, key) that were over and have open phases again."""
    role: str | None = None
    """The worker of the target now."""
    tree: str | None = None
    """The files that the target first began with, and the commit: its earlier work counts for its gates."""
    head: str | None = None
    rejected: bool = False
    """A person sent the work of the source back, and with it what the target had completed."""


class PhaseProceeded(AttemptEvent):
    """A person continued a held phase, or one whose ``next`` rules had blocked the run (``judged``)."""

    judged: bool = False


class AutoSwitched(Event):
    """Automatic mode is on or off."""

    auto: bool


class RunPaused(Event):
    """Nothing new starts. ``by_human``: only the user can resume."""

    by_human: bool
    reason: str = ""


class RunResumed(Event):
    """The run continues. ``max_cost_usd``, ``max_tokens``: its caps from now on; ``ends_at``: when its time ends.

    None leaves them.
    """

    max_cost_usd: float | None = None
    max_tokens: int | None = None
    ends_at: datetime | None = None


class RunBlocked(Event):
    """A limit or a rule stopped the run; a person can reopen it."""

    reason: str


class RunFailed(Event):
    """A rule ended the run; a person can reopen it."""

    reason: str


class RunReopened(Event):
    """A person reopened a run that had ended."""


class RunCompleted(Event):
    """Every phase is completed or skipped, or a rule led to ``$complete``."""


class RunCancelled(Event):
    """The run has ended for good."""

    reason: str = ""


class RecordsKept(Event):
    """These records were written, or changed, together with the events that follow. The state stays as it is."""

    records: tuple[KeptRecord, ...]


class DecisionSigned(Event):
    """A person's key signed the events before this one, of the same transaction. The state stays as it is.

    ``statement``: canonical JSON of what was decided, with the log's position and hash before and after it.
    """

    statement: str
    signature: str


OPERATIONS = (OperationIntended, OperationCalled, OperationObserved, CredentialGiven)
_FROM_ELSEWHERE = (BlockerFound, CheckpointTaken, RollbackAbandoned, RollbackBegan, RolledBack, RunForked, *OPERATIONS)
"""Events that are defined in other modules."""
EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (*vars().values(), *_FROM_ELSEWHERE)
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in {Event, AttemptEvent}
}
"""Every event by its name in the log."""
FORMER_NAMES: Mapping[str, str] = {"MendingBegan": "RepairBegan", "MendingEnded": "RepairEnded"}
"""Name in the logs of older versions → today's. Stored rows are never rewritten: their hashes cover the name."""
