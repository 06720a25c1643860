"""Fixtures for the core's tests: a person, an agent, a fixed clock, and a run that is easy to drive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wfe_mcp.core import commands as c
from wfe_mcp.core.decide import decide
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.events import Event
from wfe_mcp.core.evolve import evolve, replay
from wfe_mcp.core.forking import end_of_decision
from wfe_mcp.core.model import Assurance, Attempt, By, Channel, RunState, Stage, TakesBack
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import LoopSpec, PhaseSpec, RunSpec
from wfe_mcp.core.undo import LogEntry, people_since, redo, undo

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AGENT = By("agent", Channel.MCP, Assurance.AGENT)
HUMAN = By("ada", Channel.CLI, Assurance.HUMAN)


@dataclass
class Scene:
    """A run and its log. ``give`` applies a command and checks that the log still rebuilds the state."""

    state: RunState = field(default_factory=RunState)
    log: list[Event] = field(default_factory=list[Event])
    at: datetime = NOW
    entries: list[LogEntry] = field(default_factory=list[LogEntry])

    def give(self, command: c.Command) -> list[str]:
        events = decide(self.state, command)
        for event in events:
            self.state = evolve(self.state, event)
        moment = self.at + timedelta(microseconds=len(self.entries))  # each command has one of its own
        self.entries += (LogEntry(len(self.log) + n, event, command.by, moment) for n, event in enumerate(events, 1))
        self.log += events
        assert replay(self.log) == self.state
        return [type(event).__name__ for event in events]

    def refused(self, command: c.Command) -> Refused:
        with pytest.raises(Refused) as refusal:
            decide(self.state, command)
        return refusal.value

    def back(self, to: int, by: By = HUMAN, kind: TakesBack = "rollback", **more: Any) -> list[str]:
        """Go back to the moment after event ``to``."""
        return self.give(self.going_back(to, by, kind, **more))

    def going_back(self, to: int, by: By = HUMAN, kind: TakesBack = "rollback", **more: Any) -> c.Rollback:
        to = end_of_decision(self.entries, to) if to else 0
        people = people_since(self.entries, to, whole=kind != "rollback")
        return c.Rollback(to=to, then=replay(self.log[:to]), kind=kind, people=people, by=by, at=self.at, **more)

    def undo(self, by: By = HUMAN) -> list[str]:
        return self.back(undo(self.entries).to, by, "undo")

    def redo(self, by: By = HUMAN) -> list[str]:
        return self.back(redo(self.entries).to, by, "redo")

    def later(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def attempt(self, phase: str) -> Attempt:
        return self.state.current(PhasePath(phase))

    def command(self, cls: type[c.Command], phase: str | None = None, by: By = AGENT, **more: Any) -> c.Command:
        on = {} if phase is None else {"phase": PhasePath(phase)}
        return cls(**on, by=by, at=self.at, **more)

    def start(self, phase: str, holder: str = "h1", by: By = AGENT, tree: str | None = None) -> list[str]:
        return self.give(self.command(c.StartPhase, phase, by, holder=holder, tree=tree))

    def submit(self, phase: str, sha256: str = "a" * 64, revision: int = 1, tree: str | None = None) -> list[str]:
        return self.give(self.command(c.Submit, phase, sha256=sha256, revision=revision, tree=tree))

    def judge(
        self, phase: str, outcome: GateOutcome = GateOutcome.PASS, message: str = "", *, alive: bool = True
    ) -> list[str]:
        attempt = self.attempt(phase)
        return self.give(
            self.command(
                c.RecordVerdict,
                phase,
                stage=attempt.stage or Stage.AFTER,
                gate=attempt.gate,
                outcome=outcome,
                sha256=attempt.sha256 or "",
                message=message,
                holder_alive=alive,
            )
        )

    def ask(self, phase: str, request: str = "q1") -> list[str]:
        return self.give(self.command(c.AskApproval, phase, request=request))

    def approve(self, phase: str, by: By = HUMAN) -> list[str]:
        self.ask(phase)
        return self.give(self.command(c.Approve, phase, by, sha256=self.attempt(phase).sha256 or ""))

    def answer(self, phase: str, kind: str, value: bool = False, rule: int = 0, error: str = "") -> list[str]:
        return self.give(self.command(c.Answer, phase, kind=kind, value=value, rule=rule, error=error))

    def items(self, loop: str, *keys: str, document: str = "d" * 64) -> list[str]:
        return self.give(self.command(c.Answer, loop, kind="items", keys=keys, items=document))

    def work(self, phase: str) -> None:
        """Start, submit and pass every gate that is no approval."""
        self.start(phase)
        self.submit(phase, revision=self.attempt(phase).revision + 1)
        while self.attempt(phase).status == "gating":
            self.judge(phase)

    @property
    def statuses(self) -> dict[str, str]:
        return {attempt.phase: str(attempt.status) for attempt in self.state.open_attempts}


def phase(path: str, *needs: str, **more: Any) -> PhaseSpec:
    return PhaseSpec(PhasePath(path), needs=tuple(PhasePath(need) for need in needs), **more)


def loop(path: str, *needs: str, body: tuple[PhaseSpec, ...], **more: Any) -> tuple[PhaseSpec, ...]:
    """A loop phase and its body; what ``LoopSpec`` knows goes there, the rest is the phase's own."""
    named = ("items", "max_parallel", "on_item_fail", "until", "until_max")
    spec = LoopSpec(**{name: more.pop(name) for name in named if name in more})
    inner = tuple(
        replace(
            one,
            path=PhasePath(f"{path}.{one.path}"),
            parent=PhasePath(f"{path}.{one.parent}" if one.parent else path),
            needs=tuple(PhasePath(f"{path}.{need}") for need in one.needs),
        )
        for one in body
    )
    return (phase(path, *needs, loop=spec, kind="loop", **more), *inner)


def each(path: str, *needs: str, body: tuple[PhaseSpec, ...], **more: Any) -> tuple[PhaseSpec, ...]:
    """A loop over items."""
    return loop(path, *needs, body=body, items=more.pop("items", "the items"), **more)


def run_of(*phases: PhaseSpec, auto: bool = True, **limits: Any) -> Scene:
    scene = Scene()
    scene.give(c.StartRun(spec=RunSpec(phases, **limits), auto=auto, at=NOW))
    return scene
