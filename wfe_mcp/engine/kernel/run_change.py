"""A run under change: its new state, the events so far, and the transaction that saves them.

Code that evaluates
something for a run (conditions, prompts, gates, steps) reads it here; ``transaction.py`` opens and ends it.

What a person decided in one change of a run: the facts that their key signs (``approvals/statements.py``).
"""

from __future__ import annotations

import re
from dataclasses import field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import gate_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.decide import decide_and_evolve
from wfe_mcp.core.model import Attempt, By, Channel, Person, RunState
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.rollback_events import OF_THE_PROCESS
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.store.records.jobs import JobStatus, NewJob, NewJobValues

if TYPE_CHECKING:
    from wfe_mcp.core.commands import CallerAndTime, Command, OnAttempt
    from wfe_mcp.core.errors import Refused
    from wfe_mcp.core.events import Event
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.core.spec import GateSpec
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun, RunRecord
    from wfe_mcp.workspace.git.snapshot import Snapshot
    from wfe_mcp.workspace.git.working_tree import SeenFiles

BUSY_S = 5.0
"""The delay before a phase checks again for a lease of another run."""


@dataclass(slots=True)
class RunChange:
    """A run under change, inside one transaction."""

    engine: Engine
    tx: Tx
    loaded: LoadedRun
    plan: CompiledTemplate
    by: By
    at: datetime
    state: RunState = field(init=False)
    loaded_before: LoadedRun = field(init=False)
    events: list[Event] = field(default_factory=list["Event"])
    refusal: Refused | None = None
    commands: list[Command] = field(default_factory=list["Command"])
    """What the caller commanded; what the engine gave by itself is not here."""
    decided: list[Event] = field(default_factory=list["Event"])
    """The events of these commands."""
    facts: dict[str, object] = field(default_factory=dict[str, object])
    """More facts for the statement that a person's key signs: ``shown``, ``request``, ``files``."""
    seen: SeenFiles | None = None
    """The caller's look at the files, for what follows the commit: the next gate and the checkpoint."""
    saved: Snapshot | None = None
    """The files as the caller saved them before the transaction, for the checkpoint of what the change completes."""

    def __post_init__(self) -> None:
        self.state = self.loaded.state
        self.loaded_before = self.loaded

    def reading(self, tx: Tx) -> RunChange:
        """The same moment, read through another transaction (after the commit)."""
        return RunChange(self.engine, tx, self.loaded, self.plan, self.by, self.at)

    @property
    def is_rehearsed(self) -> bool:
        """No transaction saves it: nothing outside the database may change either."""
        return isinstance(self.by, Person) and self.by.rehearses

    @property
    def run(self) -> RunRecord:
        """The run's row as it was when the change began."""
        return self.loaded.record

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of the run."""
        return self.tx.documents.load(self.loaded.record.inputs_sha256)

    @property
    def frozen(self) -> dict[str, Any]:
        """Checks, roles, servers, context bundles and allowed environment as they were when the run started."""
        return self.tx.documents.load(self.loaded.record.frozen_sha256)

    def enqueue(self, kind: str, queue: str, **job: Unpack[NewJobValues]) -> str:
        """Put a job of this run into a queue of its project. A worker of this process claims it at once, or is woken."""
        run = self.loaded.record
        name = queue_name(queue, run.project_id)
        # At the end of the transaction, so that a worker with a free slot claims it there, without a poll.
        self.tx.before_commit(lambda: self._hand_over(name))
        return self.tx.jobs.enqueue(NewJob(kind, name, run_id=run.id, **job))

    def _hand_over(self, queue: str) -> None:
        if not any(claim(self.tx, queue) for claim in [*self.engine.workers.values()]):
            # After the commit: before it, a worker would not see the job.
            self.tx.after_commit(self.engine.wake, first=True)

    def set_timer(self, timer: str, moment: datetime, attempt: Attempt | None = None) -> None:
        """Look at the run, or at ``attempt``, again at ``moment``; once for the same moment."""
        phase, number = (None, None) if attempt is None else (attempt.phase, attempt.number)
        place = "" if attempt is None else f"{phase}:{number}:"
        # The moment is in the key: a time that moves gets another timer, and the earlier one finds nothing due.
        key = f"timer:{timer}:{self.run.id}:{place}{moment.isoformat()}"
        payload = {"timer": timer}
        self.enqueue("timer", "timer", payload=payload, run_at=moment, dedupe_key=key, phase=phase, attempt=number)

    def look_again(self, timer: str, attempt: Attempt) -> None:
        """Look at ``attempt`` again in ``BUSY_S``, unless that is due already."""
        moment, statuses = self.at + timedelta(seconds=BUSY_S), (JobStatus.QUEUED, JobStatus.DONE)
        jobs = self.tx.jobs.filter(self.run.id, attempt.phase, attempt.number, statuses)
        looks = [job for job in jobs if job.kind == "timer" and job.payload["timer"] == timer]
        if not looks:
            self.set_timer(timer, moment, attempt)
        elif all(job.status is JobStatus.DONE for job in looks):
            self.tx.lines.repeat(looks[0].id, moment)

    def attempt(self, phase: PhasePath) -> Attempt:
        """The newest attempt of ``phase``, as of now. Refuses ``unknown_phase``."""
        if phase not in self.state.attempts:
            raise unknown_phase(self.state, phase)
        return self.state.current(phase)

    @property
    def given(self) -> CallerAndTime:
        """The values that name the caller and the time in a command of the caller."""
        return {"by": self.by, "at": self.at}

    def values_of(self, attempt: Attempt) -> OnAttempt:
        """The values that name ``attempt`` in a command that the server gives now."""
        return {**attempt.on, "by": SYSTEM, "at": self.at}

    def give(self, command: Command) -> tuple[Event, ...]:
        """Apply ``command``. Raises ``Refused``; then nothing has changed."""
        events, self.state = decide_and_evolve(self.state, command)
        self.events += events
        # By identity: what the server gives in a person's change is not what they decided, nor what their key signs.
        if command.by is self.by:
            self.commands.append(command)
            self.decided += events
        return events


def run_as_read(engine: Engine, tx: Tx, run: str | LoadedRun) -> RunChange:
    """The run for code that only evaluates something of it; no transaction saves it."""
    loaded = engine.load(tx, run) if isinstance(run, str) else run
    return RunChange(engine, tx, loaded, engine.plans.of_run(tx, loaded.record), SYSTEM, engine.clock())


def queue_name(kind: str, project_id: str) -> str:
    """The queue of one project: its checks run in a process that was started for it, with the environment of that."""
    return f"{kind}:{project_id}"


_SCALARS = (str, int, float, bool)
_ENGINES = {"holder_alive", "person"}
"""What a command says of the engine's own knowledge: the person does not decide it, and it may change while they sign.

The person who decides is known by the key that signs.
"""


def facts_of(change: RunChange) -> dict[str, object]:
    """What the caller decided in this change of a run."""
    decided = [command for command in change.commands if not isinstance(command, c.AskApproval)] or change.commands
    first = decided[0] if decided else None
    facts: dict[str, object] = {
        "kind": _word(first) if first is not None else "records",
        "decision": [_describe(command) for command in decided],
        "comment": _comment(first),
    }
    if change.by.channel is Channel.PASSKEY:
        from wfe_mcp.store.serialization import signed_form

        facts["events"] = [signed_form(event, change.at) for event in change.decided]
    path = getattr(first, "phase", None)
    before = change.loaded_before.state
    if path is not None and path in before.attempts:
        attempt, spec = before.current(path), before.phase(path)
        gates = [*spec.gates_before, *spec.gates]
        facts |= {
            "artifact": attempt.sha256 or "",
            "tree": attempt.tree or "",
            "gates": [_gate(gate) for gate in gates],
            "decision": [
                _with_position(decision, attempt, before)
                for decision in cast("list[dict[str, object]]", facts["decision"])
            ],
        }
    return facts | change.facts


def _gate(gate: GateSpec) -> dict[str, object]:
    """The values of a gate; ``people`` only where it asks for several, as statements of older versions have it."""
    values = {part.name: getattr(gate, part.name) for part in fields(gate)}
    return {name: value for name, value in values.items() if (name, value) != ("people", 1)}


def _with_position(described: dict[str, object], attempt: Attempt, before: RunState) -> dict[str, object]:
    """With the attempt, and the gate that waited: of an approval that several people give, how many."""
    if described.get("phase") != attempt.phase:
        return described
    stage: dict[str, object] = {"stage": str(attempt.stage), "gate": attempt.gate} if attempt.stage else {}
    people = gate_of(before, attempt).people if described["do"] == "approve" else 1
    return {"attempt": attempt.number, **stage, **({"people": people} if people > 1 else {}), **described}


def _word(command: c.Command) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(command).__name__).lower()


def _describe(command: c.Command) -> dict[str, object]:
    """The command and its plain values."""
    left_out = _ENGINES | set[str](OF_THE_PROCESS if isinstance(command, c.Rollback) else ())
    values = {part.name: getattr(command, part.name) for part in fields(command) if part.name not in left_out}
    described: dict[str, object] = {"do": _word(command)}
    return described | {name: value for name, value in values.items() if isinstance(value, _SCALARS) and value != ""}


def _comment(command: c.Command | None) -> str:
    texts = (getattr(command, name, "") for name in ("comment", "feedback", "reason"))
    return next((text for text in texts if text), "")
