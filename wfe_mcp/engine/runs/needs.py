"""What a run waits for and who must act: the one place that decides whether a person is needed.

Every list, status, inbox, board and notification shows what is decided here.

Rules:
1. A run waits for a person as soon as anything of it does: other work of it may go on meanwhile.
2. A run that stopped waits for a person as a whole, whatever its phases wait for.
3. Work of the server that no process takes up waits for a worker.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from wfe_mcp.core.approval_guards import current_gate, lacks_credential
from wfe_mcp.core.consequences import failure_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.evolve import waits_for
from wfe_mcp.core.model import ENDED, Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.credentials.faults import CredentialFault
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.models.waits import AskedPerson
from wfe_mcp.engine.phases.steps import is_undone
from wfe_mcp.store.records.runs import LoadedRun

WaitingOn = Literal["agent", "human", "job", "reviewer", "none"]

NOT_OVER = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.FAILED)
"""The runs that wait for anything: those that stopped wait for a person."""


class Who(StrEnum):
    """Who must act before a run continues, in the order in which they count."""

    HUMAN = "human"
    AGENT = "agent"
    RUN = "run"
    """Another run, which holds the folder or a lock."""
    WORKER = "worker"
    """A process that works the queue: none does."""
    RUNNER = "runner"
    """A machine that runs a check: none has taken it."""
    OUTAGE = "outage"
    """A provider that did not answer, or a full disk: a timer tries again."""
    MODEL = "model"
    CHECK = "check"
    REVIEWER = "reviewer"
    SERVER = "server"
    NONE = "none"

    @property
    def waiting_on(self) -> WaitingOn:
        """The same in an answer, which has one word for all work of the server."""
        return _WAITING_ON.get(self, "job")


_WAITING_ON: Mapping[Who, WaitingOn] = {
    Who.HUMAN: "human",
    Who.AGENT: "agent",
    Who.REVIEWER: "reviewer",
    Who.NONE: "none",
}


class Stop(StrEnum):
    """What a run waits for before it continues."""

    IMPORTED = "imported"
    STOPPED = "stopped"
    PAUSED = "paused"
    OUTAGE = "outage"
    OUT_OF_TIME = "out_of_time"
    GOING_BACK = "going_back"
    REPAIRED = "repaired"
    FAILED = "failed"
    FAILED_WITH_RUN = "failed_with_run"
    HELD = "held"
    PERSONS_OPINION = "persons_opinion"
    NO_OPINION = "no_opinion"
    HUMAN_TASK = "human_task"
    NEEDS_TRUST = "needs_trust"
    NEEDS_CREDENTIAL = "needs_credential"
    APPROVAL = "approval"
    MANUAL = "manual"
    UNTRUSTED_STEP = "untrusted_step"
    OTHER_RUN = "other_run"
    CHANGED_FILE = "changed_file"
    STEP_AGAIN = "step_again"
    """A step did not succeed, such as one that asks a forge, and is tried again later by itself."""
    NO_WORKER = "no_worker"
    NO_RUNNER = "no_runner"
    RUNNER = "runner"
    """Only a runner can take its check, and one that could has asked for work lately."""
    WORK = "work"
    """Nothing is in the way: an agent or the server works, or may begin."""


TRUST = frozenset({Stop.NEEDS_TRUST, Stop.UNTRUSTED_STEP})


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a run waits for. ``about``: the other run, or the sentence that its finder made."""

    stop: Stop
    who: Who
    phase: PhasePath | None = None
    about: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run before it is decided who must act."""

    loaded: LoadedRun
    plan: CompiledTemplate
    startable: tuple[PhasePath, ...]
    """Phases that this process can claim, or holds."""
    untrusted: tuple[tuple[PhasePath, str], ...] = ()
    """Phases with a step that needs trust, each with a sentence."""
    lacking: tuple[tuple[PhasePath, tuple[CredentialFault, ...]], ...] = ()
    """Phases with a gate or a step that waits for credentials, each with what is wrong with them now; empty: nothing any more."""
    blocked_by: tuple[tuple[PhasePath, str, str], ...] = ()
    """Ready phases that another run blocks, each with a sentence and that run."""
    blocking_files: tuple[tuple[PhasePath, str], ...] = ()
    """Accepted artifacts whose changed files stop new phases, each with a sentence."""
    resumes_at: datetime | None = None
    """When a run that an outage paused is tried again."""
    has_worker: bool = True
    """A process works what the run has in its queues."""
    for_runner: tuple[tuple[PhasePath, str, bool], ...] = ()
    """Phases whose check waits for a runner, each with the labels that it must have, and whether one with them asks for work."""
    by_hand: tuple[PhasePath, ...] = ()
    """Phases that a person works in place of a model."""
    unanswered: Mapping[PhasePath, tuple[str, str]] = field(default_factory=dict["PhasePath", "tuple[str, str]"])
    """Phases at an opinion gate whose reviewers did not answer the last time, with the reason, and when they are asked again."""
    asked_persons: Mapping[PhasePath, tuple[AskedPerson, ...]] = field(
        default_factory=dict["PhasePath", "tuple[AskedPerson, ...]"]
    )
    """Phases at an opinion gate that waits for persons."""
    again: tuple[tuple[PhasePath, str], ...] = ()
    """Phases with a step or a model that is tried again later, each with a sentence."""


_STOPPED = {RunStatus.BLOCKED, RunStatus.FAILED}
_AT_WORK = {AttemptStatus.READY, AttemptStatus.RUNNING}
_WHILE_PAUSED = {Stop.PAUSED, Stop.APPROVAL, Stop.FAILED, Stop.FAILED_WITH_RUN, Stop.PERSONS_OPINION, Stop.MANUAL}
"""What a person can decide in a paused run; the rest comes after it is resumed."""


def needs_of(facts: RunFacts) -> tuple[Need, ...]:
    """Everything that the run waits for: its own state, its phases, what is outside it, then work that only goes on."""
    state = facts.loaded.state
    if state.status in ENDED:
        if state.going_back is not None:
            return (Need(Stop.GOING_BACK, Who.NONE),)
        return (Need(Stop.STOPPED, Who.NONE),) if state.status is RunStatus.CANCELLED and state.reason else ()
    if facts.loaded.record.origin_sha256 is not None:
        return (Need(Stop.IMPORTED, Who.NONE),)
    stops = (*_of_run(facts), *_of_phases(facts), *_from_outside(facts))
    if state.status in _STOPPED:
        return tuple(need if need.stop is Stop.STOPPED else _of_no_one(need) for need in stops)
    if state.status is RunStatus.PAUSED:
        return tuple(
            need if need.who is not Who.HUMAN or need.stop in _WHILE_PAUSED else _of_no_one(need) for need in stops
        )
    return (*stops, *_work(facts, stops))


def who_is_needed(needs: tuple[Need, ...]) -> Who:
    """The first of those who must act; an agent where nothing is known to be in the way."""
    order = list(Who)
    return min((need.who for need in needs), key=order.index, default=Who.NONE)


def _of_no_one(need: Need) -> Need:
    return Need(need.stop, Who.NONE, need.phase, need.about, need.run)


def _of_run(facts: RunFacts) -> Iterator[Need]:
    state = facts.loaded.state
    if state.status is RunStatus.PAUSED and facts.resumes_at is not None:
        yield Need(Stop.OUTAGE, Who.OUTAGE)
        if not facts.has_worker:
            yield Need(Stop.NO_WORKER, Who.WORKER)
    elif state.status is RunStatus.PAUSED:
        yield Need(Stop.PAUSED, Who.HUMAN if state.paused_by_human else Who.AGENT)
    elif state.status in _STOPPED:
        yield Need(Stop.STOPPED, Who.HUMAN)
    if state.status in {RunStatus.PAUSED, *_STOPPED} and state.time_is_over(facts.loaded.record.updated_at):
        yield Need(Stop.OUT_OF_TIME, Who.NONE)  # the row of the run asks
    if state.going_back is not None:
        yield Need(Stop.GOING_BACK, Who.NONE)


def _of_phases(facts: RunFacts) -> Iterator[Need]:
    for attempt in facts.loaded.state.moving_attempts:
        need = need_of(facts, attempt)
        if need is not None:
            yield need
    for path in facts.by_hand:
        yield Need(Stop.MANUAL, Who.HUMAN, path)


def need_of(facts: RunFacts, attempt: Attempt) -> Need | None:
    """What keeps one phase from continuing; None where nothing does."""
    state, phase = facts.loaded.state, attempt.phase
    match attempt.status:
        case AttemptStatus.AWAITING if lacks_credential(attempt):
            return Need(Stop.NEEDS_CREDENTIAL, Who.HUMAN, phase)
        case AttemptStatus.AWAITING if current_gate(state, attempt) != "approval":
            return Need(Stop.NEEDS_TRUST, Who.HUMAN, phase)
        case AttemptStatus.AWAITING:
            assurance = facts.plan.assurance(attempt)
            return Need(Stop.APPROVAL, Who.AGENT if assurance == "agent" else Who.HUMAN, phase)
        case AttemptStatus.FAILED:
            who = Who.HUMAN if waits_for(state, attempt) == "person" else Who.NONE
            return Need(Stop.REPAIRED if attempt.repair else _failure(state, attempt), who, phase)
        case AttemptStatus.COMPLETED if attempt.held:
            return Need(Stop.HELD, Who.HUMAN, phase)
        case AttemptStatus.GATING if phase in facts.asked_persons:
            return Need(Stop.PERSONS_OPINION, Who.HUMAN, phase)
        case AttemptStatus.GATING if phase in facts.unanswered:
            return Need(Stop.NO_OPINION, Who.NONE, phase)  # they are asked again by themselves
        case AttemptStatus.READY | AttemptStatus.RUNNING if state.phase(phase).kind == "human":
            return Need(Stop.HUMAN_TASK, Who.HUMAN, phase)
        case _:
            return None


def may_need_a_person(state: RunState) -> bool:
    """Whether ``needs_of`` could name a person, whatever is found beside ``state``; a changed file is left to the caller.

    False only where it cannot: a list of all open runs then spares the look at jobs, steps and other runs.
    """
    if state.going_back is not None or state.status not in {RunStatus.RUNNING, RunStatus.WAITING}:
        return True
    return any(_may_need_a_person(state, attempt) for attempt in state.moving_attempts)


def _may_need_a_person(state: RunState, attempt: Attempt) -> bool:
    match attempt.status:
        case AttemptStatus.AWAITING | AttemptStatus.FAILED:
            return True
        case AttemptStatus.COMPLETED:
            return attempt.held
        case AttemptStatus.GATING:
            return current_gate(state, attempt) == "opinion"
        case AttemptStatus.READY | AttemptStatus.RUNNING:
            return state.phase(attempt.phase).kind == "human" or is_worked_by_server(state, attempt)
        case _:
            return False


def _failure(state: RunState, attempt: Attempt) -> Stop:
    # Where the run stopped for the same reason, the sentence about the run says it.
    is_same = state.reason in {attempt.reason, failure_of(attempt)}
    waits_for_user = state.status in _STOPPED or state.paused_by_human
    return Stop.FAILED_WITH_RUN if is_same and waits_for_user else Stop.FAILED


def _from_outside(facts: RunFacts) -> Iterator[Need]:
    for path, text in facts.untrusted:
        yield Need(Stop.UNTRUSTED_STEP, Who.HUMAN, path, text)
    for path in dict.fromkeys(path for path, _ in facts.lacking):
        if not lacks_credential(facts.loaded.state.current(path)):  # a step does; a gate's is one of its phase
            yield Need(Stop.NEEDS_CREDENTIAL, Who.HUMAN, path)
    for path, text, run in facts.blocked_by:
        yield Need(Stop.OTHER_RUN, Who.RUN, path, text, run)
    for path, text in facts.blocking_files:
        yield Need(Stop.CHANGED_FILE, Who.HUMAN, path, text)


def _work(facts: RunFacts, stops: tuple[Need, ...]) -> Iterator[Need]:
    """Who works now, or may begin."""
    state = facts.loaded.state
    if facts.startable:
        yield Need(Stop.WORK, Who.AGENT, facts.startable[0])
    works = _server_works(facts)
    if works is not None:
        yield Need(Stop.WORK, works)
        for path, text in facts.again:
            yield Need(Stop.STEP_AGAIN, Who.SERVER, path, text)
        if not facts.has_worker:
            yield Need(Stop.NO_WORKER, Who.WORKER)
        for path, labels, is_there in facts.for_runner:
            yield Need(Stop.RUNNER if is_there else Stop.NO_RUNNER, Who.RUNNER, path, labels)
    elif not facts.startable and state.status is not RunStatus.WAITING and _is_free(state, stops):
        yield Need(Stop.WORK, Who.AGENT)


def _is_free(state: RunState, stops: tuple[Need, ...]) -> bool:
    """True where nothing keeps the run from its work, or not all of it: another process may hold the phases that are worked.

    The phases of a recovery are work, of whichever process holds them.
    """
    stopped = {stop.phase for stop in stops if stop.stop is not Stop.REPAIRED}
    at_work = [attempt for attempt in state.moving_attempts if attempt.status is AttemptStatus.RUNNING]
    return not stopped or (None not in stopped and any(attempt.phase not in stopped for attempt in at_work))


def _server_works(facts: RunFacts) -> Who | None:
    """Who of the server's side works a phase or judges it, or will after a delay; None where no one does."""
    state, waiting = facts.loaded.state, {path for path, _ in (*facts.untrusted, *facts.lacking)}
    by_person = {*facts.by_hand, *facts.asked_persons, *waiting}
    open_now = [attempt for attempt in state.moving_attempts if attempt.phase not in by_person]
    worked = [
        attempt for attempt in open_now if is_worked_by_server(state, attempt) and attempt.phase not in state.loops
    ]
    gates = {current_gate(state, attempt) for attempt in open_now if attempt.status is AttemptStatus.GATING}
    if any(state.phase(attempt.phase).kind != "steps" and not is_undone(attempt) for attempt in worked):
        return Who.MODEL
    if any(is_worked_by_server(state, attempt) for attempt in open_now):
        return Who.CHECK if gates - {"opinion"} else Who.SERVER
    if gates:
        return Who.REVIEWER if gates == {"opinion"} else Who.CHECK
    return Who.SERVER if any(attempt.not_before is not None for attempt in open_now) else None


def is_worked_by_server(state: RunState, attempt: Attempt) -> bool:
    """True where steps, a model or a repair of the server work ``attempt``, or will."""
    return is_undone(attempt) or (attempt.status in _AT_WORK and state.is_served(attempt.phase))
