"""Timing of phases: attempts, results, work time and waiting time.

A *task* is a phase of a run (an item of a loop has its own) until it is over; a jump back or a rollback begins a new one.

    ready ──► claimed ──► submitted ──► gate ──► gate ──► completed
     agent     working     checks, reviewer or human, by the kind of the gate that is next

Rules:
1. Every second of a task belongs to exactly one: ``working``, or the one it waited for.
2. The time of a lost claim, as after a crash, counts as waiting for the agent.
3. The time while the run is paused is ``paused``.
4. A task that is open counts up to ``now``; it has passed or failed only when an attempt has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.events import FORMER_NAMES
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.paths import PhasePath, declared_path
from wfe_mcp.core.spec import PhaseSpec, RunSpec
from wfe_mcp.store.runs.timeline import TimedEvent

For = Literal["working", "human", "reviewer", "checks", "job", "agent", "paused"]
WAITS: tuple[For, ...] = ("human", "reviewer", "checks", "job", "agent", "paused")
"""For whom a task can wait. ``job``: a phase that the server works and has not begun, a pause between tries, an undoing."""

Outcome = Literal["completed", "forced", "failed", "skipped", "open"]

_ENDS = {"RunCompleted", "RunCancelled", "RunFailed"}
_BEGIN = {"PhaseStarted", "RevisionSubmitted", "TreeChanged"}
_OUTCOMES: dict[str, Outcome] = {
    "PhaseCompleted": "completed",
    "PhaseForced": "forced",
    "AttemptFailed": "failed",
    "PhaseSkipped": "skipped",
}
_TURNS: dict[str, For | None] = {
    "PhaseReady": "agent",
    "PhaseStarted": "working",
    "LeaseLost": "agent",
    "ApprovalAwaited": "human",
    "ApprovalAsked": "human",
    "ApprovalCounted": "human",
    "HumanAwaited": "human",
    "PhaseCompleted": None,
    "PhaseForced": None,
    "AttemptFailed": None,
    "PhaseSkipped": None,
    "PhaseProceeded": None,
    "RepairBegan": "job",
    "RepairEnded": None,
}
"""What an attempt's time goes to after an event. Where this says ``agent``, a phase that the server works waits for a ``job``,
and one that a person does for them; a completed one that is held waits for a person."""

_BY_GATE = {
    "GatesOpened",
    "PromptEdited",
    "RevisionSubmitted",
    "TreeChanged",
    "GateJudged",
    "ApprovalGiven",
    "OpinionOverruled",
}
"""After these it goes to whom the next gate asks."""
_FOR_A_PERSON = {outcome.value for outcome in GateOutcome if outcome.kind is VerdictKind.AWAITING}


class Stretch(NamedTuple):
    """A stretch of a task's time: what it went to, in which of its attempts (0: before the first)."""

    to: For
    since: datetime
    until: datetime
    attempt: int


@dataclass(slots=True)
class PhaseTiming:
    """One phase of one run, until it is over. ``seconds``: what its time went to; ``stretches``: the same in order.
    ``tries``: its attempts.

    ``phase`` is that of the template, ``path`` names the item too.
    """

    phase: PhasePath
    path: PhasePath
    tries: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    seconds: dict[For, float] = field(default_factory=dict["For", float])
    stretches: list[Stretch] = field(default_factory=list["Stretch"])

    @property
    def first(self) -> Outcome:
        """The result of its first attempt."""
        return self.tries[min(self.tries)]

    @property
    def last(self) -> Outcome:
        """The result of its last attempt."""
        return self.tries[max(self.tries)]


@dataclass(slots=True)
class _Clock:
    """What a task's time goes to since when; None: to nothing."""

    task: PhaseTiming
    to: For | None = None
    since: datetime | None = None
    number: int = 0


def tasks_of(events: Iterable[TimedEvent], spec: RunSpec, now: datetime, left: Iterable[str] = ()) -> list[PhaseTiming]:
    """The started tasks of a run, from its log; a pure reading of it. ``now``: where open ones end.

    ``left``: the phases whose claim is lost, while the log does not say so yet.
    """
    reading = _TimingReader(spec)
    last = now
    for event in events:
        reading.take(event)
        last = event.at
    for path in left:
        reading.lose_claim(path)
    reading.tick_all(max(now, last))
    return [task for task in reading.tasks if task.tries]


class _TimingReader:
    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.tasks: list[PhaseTiming] = []
        self._clocks: dict[str, _Clock] = {}
        self._is_paused = False
        self._latest = ""

    def take(self, event: TimedEvent) -> None:
        type_, at, payload = FORMER_NAMES.get(event.type, event.type), event.at, event.payload
        if type_ in {"RunPaused", "RunResumed"}:
            self.tick_all(at)
            self._is_paused = type_ == "RunPaused"
        elif type_ in _ENDS:
            self.tick_all(at)
            self._clocks.clear()
        elif type_ == "RunBlocked":
            if self._latest in self._clocks:
                self._turn(self._clocks[self._latest], "human", at)
        elif type_ in {"WentTo", "RolledBack", "RunForked", "ItemOpened"}:
            self._of_many(type_, payload, at)
        elif "phase" in payload:
            self._of_attempt(type_, payload["phase"], payload["attempt"], payload, at)

    def _of_many(self, type_: str, payload: Mapping[str, Any], at: datetime) -> None:
        """Events that open or end tries of several phases at once."""
        opened: list[dict[str, Any]] = []
        if type_ == "WentTo":
            self._leave(payload["superseded"], at)
        elif type_ == "ItemOpened":
            begins = f"{payload['phase']}[{payload['key']}]."
            self._leave([path for path in self._clocks if path.startswith(begins)], at)
        elif type_ == "RolledBack":
            self._is_paused = payload["status"] == "paused"
            self._leave(payload["ended"], at)
            opened = payload["opened"]
        else:  # a fork: what the origin did before is in the origin's own log
            self._is_paused = payload["state"]["status"] == "paused"
            opened = [tries[-1] for tries in payload["state"]["attempts"].values()]
        for attempt in opened:
            self._begin(attempt["phase"], attempt["number"], attempt, at)

    def tick_all(self, at: datetime) -> None:
        for clock in self._clocks.values():
            self._turn(clock, clock.to, at)

    def lose_claim(self, path: str) -> None:
        """What was worked on the claim counts as waiting for the next worker."""
        clock = self._clocks.get(path)
        if clock is not None and clock.to == "working":
            clock.to = "agent"

    def _of_attempt(self, type_: str, path: str, number: int, payload: Mapping[str, Any], at: datetime) -> None:
        phase = self.spec.index.get(declared_path(PhasePath(path)))
        if phase is None or phase.loop is not None:
            return
        if type_ == "AttemptOpened":
            self._begin(path, number, payload, at)
            return
        if type_ not in _TURNS and type_ not in _BY_GATE:
            return  # what says nothing of time: a refused draft is work like any other
        self._latest = path
        clock = self._clock(path)
        if type_ in _BEGIN or (type_ == "PhaseReady" and _worker(phase) == "human"):
            clock.task.tries.setdefault(number, "open")
        if type_ in _OUTCOMES and clock.task.tries.get(number) == "open":  # what was forced stays so
            clock.task.tries[number] = _OUTCOMES[type_]
        if type_ == "LeaseLost":
            self.lose_claim(path)
        elif type_ == "GateJudged" and clock.to != "human":
            clock.to = _gate(phase, payload["verdict"]["stage"], payload["verdict"]["gate"])
        self._turn(clock, _next(type_, phase, payload), at)

    def _begin(self, path: str, number: int, payload: Mapping[str, Any], at: datetime) -> None:
        """A try in the place of the one before it, as far as its status says that something happens."""
        phase = self.spec.index.get(declared_path(PhasePath(path)))
        if phase is None or phase.loop is not None:
            return
        clock = self._clock(path)
        status = payload["status"]
        if status == "running":
            clock.task.tries.setdefault(number, "open")
        waits: For | None = "job" if payload.get("not_before") else None
        to: dict[str, For | None] = {
            "running": "working",
            "ready": _worker(phase),
            "gating": _gate(phase, "after", 0),
            "awaiting": "human",
        }
        self._turn(clock, to.get(status, waits), at)

    def _leave(self, paths: Iterable[str], at: datetime) -> None:
        for path in list(paths):
            clock = self._clocks.pop(path, None)
            if clock is not None:
                self._turn(clock, None, at)

    def _clock(self, path: str) -> _Clock:
        if path not in self._clocks:
            self.tasks.append(PhaseTiming(declared_path(PhasePath(path)), PhasePath(path)))
            self._clocks[path] = _Clock(self.tasks[-1])
        return self._clocks[path]

    def _turn(self, clock: _Clock, to: For | None, at: datetime) -> None:
        """From ``at`` on the task's time goes to ``to``; what lies behind is added up."""
        if clock.to is not None and clock.since is not None:
            key: For = "paused" if self._is_paused else clock.to
            seconds = max(0.0, (at - clock.since).total_seconds())
            if seconds:
                clock.task.seconds[key] = clock.task.seconds.get(key, 0.0) + seconds
                clock.task.stretches.append(Stretch(key, clock.since, at, max(clock.task.tries, default=0)))
        clock.to, clock.since = to, at


def _next(type_: str, phase: PhaseSpec, payload: Mapping[str, Any]) -> For | None:
    if type_ == "GatesOpened":
        return _gate(phase, payload["stage"], 0)
    if type_ == "GateJudged":
        verdict = payload["verdict"]
        waits = verdict.get("outcome") in _FOR_A_PERSON
        return "human" if waits else _gate(phase, verdict["stage"], verdict["gate"] + 1)
    if type_ in {"ApprovalGiven", "OpinionOverruled"}:
        return _gate(phase, "after", payload["gate"] + 1)
    if type_ in _BY_GATE:
        return _gate(phase, "after", 0)
    to = _TURNS[type_]
    if to == "agent":
        return _worker(phase)
    return "human" if type_ == "PhaseCompleted" and payload.get("held") else to


def _worker(phase: PhaseSpec) -> For:
    """For whom a phase waits that is ready."""
    return "job" if phase.served else "human" if phase.kind == "human" else "agent"


def _gate(phase: PhaseSpec, stage: str, number: int) -> For | None:
    """For whom a task waits while this gate is next."""
    gates: Sequence[Any] = phase.gates_before if stage == "before" else phase.gates
    if number >= len(gates):
        return "checks"  # the schema, or nothing any more: the next event follows at once
    kind = gates[number].kind
    return "reviewer" if kind == "opinion" else "human" if kind == "approval" else "checks"
