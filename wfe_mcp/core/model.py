"""The state of a run.

Rules:
1. Every type is frozen; only ``evolve`` makes the next state.
2. Statuses are those of design §4. ``stage``: the gates check the prompt (before) or the artifact (after).
3. Evidence and decisions bind to (attempt, revision sha256, tree); a new revision, attempt or tree voids them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Literal, NewType

from wfe_mcp.core.attempt_states import AttemptState, AttemptStatus as AttemptStatus, Part, Pending, Stage, StateValues
from wfe_mcp.core.blockers import BlockerFound
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.event import OfAttempt
from wfe_mcp.core.evidence_levels import GateDifference
from wfe_mcp.core.moving import is_settled, moving
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.paths import PhasePath, inside, items_around, seen_from
from wfe_mcp.core.spec import CLIENT_ROLE, PhaseSpec, RunSpec

RunId = NewType("RunId", str)


class RunStatus(StrEnum):
    """The status of a run. ``waiting``: every open attempt waits for the user."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    BLOCKED = "blocked"
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


ENDED = (RunStatus.COMPLETED, RunStatus.CANCELLED)  # one that failed or is blocked may go on


class Channel(StrEnum):
    """The channel of a command. The channel, never an argument, sets the assurance of an approval (design §7)."""

    MCP = "mcp"
    HTTP = "http"
    FORM = "form"
    CLI = "cli"
    DASHBOARD = "dashboard"
    PASSKEY = "passkey"
    DEMO = "demo"
    SYSTEM = "system"
    GRANT = "grant"
    INCOMING = "incoming"
    SCHEDULE = "schedule"


class Assurance(IntEnum):
    """The proof that a person decided: 0 an agent's call … 3 a passkey signature."""

    AGENT = 0
    CLIENT = 1
    HUMAN = 2
    PASSKEY = 3


@dataclass(frozen=True, slots=True)
class By:
    """The caller, its channel and its assurance."""

    actor: str = "agent"
    channel: Channel = Channel.MCP
    assurance: Assurance = Assurance.AGENT

    @property
    def is_human(self) -> bool:
        """True when a secret that the agent does not know unlocked this channel."""
        return self.assurance >= Assurance.HUMAN


@dataclass(frozen=True, slots=True)
class Signature:
    """A signed statement: its canonical text, and the signature: base64url, or the JSON of a passkey's assertion."""

    statement: str
    signature: str


@dataclass(frozen=True, slots=True)
class Person(By):
    """A person whose key, of the fingerprint or id ``key``, is unlocked.

    ``sign``: the statement of one transaction from its facts; None for what a passkey was not asked to sign. ``sign_text``
    signs a text as it is. ``rehearses``: they have not signed yet, and what they change is rolled back with what they have to sign.
    """

    key: str = field(kw_only=True)
    sign: Callable[[Mapping[str, object]], Signature | None] = field(kw_only=True, compare=False, repr=False)
    sign_text: Callable[[str], str] = field(kw_only=True, compare=False, repr=False)
    rehearses: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback to the next attempt: its source, why, and the artifact it is about."""

    source: PhasePath
    attempt: int
    message: str
    artifact: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one gate on one revision. ``level``: of its evidence; empty: that of the gate's kind."""

    stage: Stage
    gate: int
    outcome: GateOutcome
    sha256: str
    message: str = ""
    evidence: str | None = None
    level: str = ""

    @property
    def kind(self) -> VerdictKind:
        """How the run goes on after it."""
        return self.outcome.kind


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record beside the log (evidence, a request, an answer, …) as it was written.

    ``fields``: the beginning of each field's sha256, to find the one that differs; empty for records of which there are many.
    """

    kind: str
    id: str
    sha256: str
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Submission:
    """What the gates check: the prompt (revision 0) or a revision of the artifact, the tree, and their verdicts.

    ``tree_changes``: how often in a row a check changed the tree.
    """

    revision: int = 0
    sha256: str | None = None
    tree: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    tree_changes: int = 0


@dataclass(frozen=True, slots=True)
class Attempt(StateValues):
    """One attempt at a phase. Numbers rise over all iterations and never restart; nothing is overwritten."""

    phase: PhasePath
    number: int
    iteration: int
    before: int = 0
    """How many attempts came before the last jump back or restart of its loop; rules count those after them."""
    state: AttemptState = Pending()
    """What its status alone can have; the other fields outlive a status."""
    submission: Submission = Submission()
    gates_before_passed: bool = False
    started_at: datetime | None = None
    tree_at_start: str | None = None
    head_at_start: str | None = None
    invalid: int = 0
    feedback: tuple[Feedback, ...] = ()
    reason: str = ""
    when: bool | None = None
    entered: bool = False
    """A jump led here since the last restart."""
    recovery: str = ""
    """The key of the last of its ``recoveries``, each a template that runs inside it."""
    recoveries: int = 0
    locks: tuple[str, ...] | None = None
    """The names of its locks, once they are known."""
    forced: bool = False
    role: str | None = None
    """The worker of this attempt instead of the phase's own role: a configured role, or ``client``."""
    restores: int = 0
    """The attempt that a rollback restored as this one; 0 for one with work of its own."""
    approved_tree: str | None = None
    """The files that its last approval is about."""
    prompt: str | None = None
    """The document with the text of its prompt, if a person edited it or it carries feedback on an earlier one."""

    revision = Part("submission", 0)
    """The number of its newest revision; 0 without one."""
    sha256 = Part[str | None]("submission", None)
    """The content that its gates check."""
    tree = Part[str | None]("submission", None)
    """The working tree that its gates check."""
    verdicts = Part[tuple[Verdict, ...]]("submission", ())
    """The verdicts of its gates."""
    tree_changes = Part("submission", 0)
    """How often in a row a check changed the tree."""

    @property
    def on(self) -> OfAttempt:
        """The values that name it in an event."""
        return {"phase": self.phase, "attempt": self.number}

    def feedback_of(self, message: str) -> Feedback:
        """Feedback from here to another attempt, about the artifact where there is one."""
        return Feedback(self.phase, self.number, message, self.sha256 if self.revision else None)

    @property
    def made_in(self) -> int:
        """The number of the attempt that made the artifact, the steps and the logs of this one."""
        return self.restores or self.number

    @property
    def is_settled(self) -> bool:
        """True when the phases that need it can start: completed, past its ``next`` rules and not held, or skipped."""
        return is_settled(self.state)


@dataclass(frozen=True, slots=True)
class LoopState:
    """An opened loop. Its cost depends on its open items alone."""

    attempt: int
    keys: tuple[str, ...] = ()
    """Its items, in order."""
    begun: int = 0
    """How many items were opened so far."""
    open: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    items: str | None = None
    """The document with the items' values."""
    finished: bool = False
    """The condition of ``until`` is true."""

    @property
    def done(self) -> int:
        """How many items are closed and have not failed."""
        return self.begun - len(self.open) - len(self.failed)


TakesBack = Literal["rollback", "undo", "redo"]
"""Where the event to go back to comes from: the caller named it (rollback), or it is the one before the last command."""


@dataclass(frozen=True, slots=True)
class GoingBack:
    """A rollback that restores the files of ``commit``; the state of event ``to`` follows when that is done.

    ``safety``: the commit with the files before. ``holder``: the process that restores them.
    """

    to: int
    commit: str
    safety: str
    holder: str
    kind: TakesBack = "rollback"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run was forked from: event ``seq`` of ``run``, which has this ``hash``.

    ``spent_usd``, ``spent_tokens``: what calls to models had used there by then, that of its own origin included: it
    counts against the caps of the fork.
    """

    run: RunId
    seq: int
    hash: str
    spent_usd: float = 0.0
    spent_tokens: int = 0


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run."""

    spec: RunSpec = field(default_factory=lambda: RunSpec(()))
    status: RunStatus = RunStatus.PENDING
    iteration: int = 1
    auto: bool = True
    tainted: bool = False
    paused_by_human: bool = False
    reason: str = ""
    started_at: datetime | None = None
    attempts: Mapping[PhasePath, tuple[Attempt, ...]] = field(default_factory=dict[PhasePath, tuple[Attempt, ...]])
    """Per phase path, oldest first; the last one is the current attempt."""
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    """The caps that the user set for this run; None: those of template and configuration hold."""
    extended_to: datetime | None = None
    """When its time ends since the user extended it; None: the template's limit holds."""
    jumps: Mapping[str, int] = field(default_factory=dict[str, int])
    loops: Mapping[PhasePath, LoopState] = field(default_factory=dict[PhasePath, LoopState])
    going_back: GoingBack | None = None
    origin: Origin | None = None
    gates: tuple[GateDifference, ...] | None = None
    """How the gates differ from the template's; None in runs of older versions."""
    anew: tuple[PhasePath, ...] = ()
    """Phases that people approved, and are asked about again: a fork or rollback took them to other files."""
    tree: str | None = None
    """The files when the run started; None without git, and in runs of older versions."""
    blockers: tuple[BlockerFound, ...] = ()
    """What recoveries reported, oldest first."""
    derived: dict[str, tuple[Attempt, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict[str, tuple[Attempt, ...]]
    )
    """What was asked of this state: it never changes, and a template may have hundreds of phases."""

    @property
    def ends_at(self) -> datetime | None:
        """When the time of the run ends (``limits.timeout``, or what the user set since); None without a limit."""
        if self.extended_to is not None or self.started_at is None or self.spec.timeout_s is None:
            return self.extended_to
        return self.started_at + timedelta(seconds=self.spec.timeout_s)

    def time_is_over(self, at: datetime) -> bool:
        """True once the time limit of the run has passed."""
        return self.ends_at is not None and at >= self.ends_at

    def current(self, path: PhasePath) -> Attempt:
        """The newest attempt of a phase; KeyError when the phase is unknown."""
        return self.attempts[path][-1]

    @property
    def open_attempts(self) -> tuple[Attempt, ...]:
        """The newest attempt of each phase at the top and in the open items of loops, in declared order."""
        top = self.spec.body(None)
        if not self.loops:
            return self._keep_derived("open", lambda: [self.attempts[spec.path][-1] for spec in top])
        return self._keep_derived("open", lambda: self._newest(spec.path for spec in top))

    @property
    def moving_attempts(self) -> tuple[Attempt, ...]:
        """Those of ``open_attempts`` from which something may follow: not what is over, nor what waits for other phases."""
        return self._keep_derived(
            "moving", lambda: moving(self.open_attempts, self.attempts, self.spec.index, self.needs)
        )

    def _keep_derived(self, name: str, made: Callable[[], Iterable[Attempt]]) -> tuple[Attempt, ...]:
        attempts = self.derived.get(name)
        return attempts if attempts is not None else self.derived.setdefault(name, tuple(made()))

    @property
    def begun_attempts(self) -> Iterator[Attempt]:
        """The newest attempt of each phase at the top and in the items of loops that have begun, in declared order."""
        return self._newest((spec.path for spec in self.spec.body(None)), closed=True)

    def attempts_in(self, loop: PhasePath, keys: Iterable[str], *, closed: bool = False) -> Iterator[Attempt]:
        """The newest attempt of each phase in these items of ``loop``, with those of open items further in, or also of ``closed`` ones."""
        body = self.spec.body(loop)
        for key in keys:
            yield from self._newest((inside(loop, key, spec.path) for spec in body), closed=closed)

    def _newest(self, paths: Iterable[PhasePath], *, closed: bool = False) -> Iterator[Attempt]:
        for path in paths:
            yield self.attempts[path][-1]
            loop = self.loops.get(path)
            if loop is not None:
                yield from self.attempts_in(path, loop.keys[: loop.begun] if closed else loop.open, closed=closed)

    def phase(self, path: PhasePath) -> PhaseSpec:
        """The specification of a phase."""
        return self.spec.phase(path)

    def is_served(self, path: PhasePath) -> bool:
        """True when the server works on the current attempt of ``path``: by steps, or by a model."""
        role = self.current(path).role
        return self.spec.phase(path).served if role is None else role != CLIENT_ROLE

    def needs(self, path: PhasePath) -> tuple[PhasePath, ...]:
        """The phases that ``path`` needs, in its own item."""
        needs = self.spec.phase(path).needs
        return tuple(seen_from(path, need) for need in needs) if "." in path else needs

    def is_open(self, path: PhasePath) -> bool:
        """True at the top, and where every item around ``path`` is open."""
        return all(around in self.loops and key in self.loops[around].open for around, key in items_around(path))

    def changed_since(self, before: "RunState") -> tuple[PhasePath, ...]:
        """The phases with other attempts than ``before``. Compared by identity: a state shares what it leaves alone."""
        old = before.attempts
        if old is self.attempts:
            return ()
        # A list: with a generator it takes half as long again, of hundreds of phases.
        return tuple([path for path, tries in self.attempts.items() if old.get(path) is not tries])

    @property
    def is_over(self) -> bool:
        """True when only the user can move the run, or nothing can."""
        return self.status in {RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.BLOCKED}
