"""Generates runs with arbitrary moves, and leads a run from any state to its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.core.conftest import HUMAN, NOW, Scene
from tests.core.test_flows import SYSTEM
from tests.core.test_replay import SPEC, any_move
from wfe_mcp.core import commands as c
from wfe_mcp.core.decide import decide
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.moves import legal_moves, refusal
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.core.undo import LogEntry

if TYPE_CHECKING:
    import random


def played(dice: random.Random, moves: int | None = None) -> Scene:
    """A run in which anything happened that is legal, going back included."""
    scene = Quick()
    spec = RunSpec(SPEC, max_parallel=2, max_iterations=4, max_invalid=2)
    scene.give(c.StartRun(spec=spec, auto=dice.random() < 0.5, at=NOW))
    for _ in range(dice.randrange(50) if moves is None else moves):
        if scene.state.status is RunStatus.CANCELLED:
            break
        chance = dice.random()
        if chance < 0.1:
            move = scene.going_back(dice.randint(1, len(scene.log)), files=dice.random() < 0.5)
        else:  # chance alone leaves most phases out and seldom comes to a gate
            move = any_move(scene, dice) if chance < 0.6 else dice.choice(hopeful(scene))
        if move is not None and refusal(scene.state, move) is None:
            scene.give(move)
    return scene


def finish(fork: Scene, most: int = 3_000) -> None:
    """Approve everything until the run is over: whatever waits for a person finds one."""
    for _ in range(most):
        if fork.state.status is RunStatus.COMPLETED:
            return
        fork.later(600)
        for move in hopeful(fork):
            if refusal(fork.state, move) is None:  # those before it may have changed that
                fork.give(move)
    raise AssertionError(f"it does not end: {fork.state.status} {fork.statuses}")


def hopeful(fork: Scene) -> list[c.Command]:
    """What helps the run on, the best first; where nothing does, what opens a phase again that stands still."""
    wanted = (
        c.Resume,
        c.Answer,
        c.OpenGates,
        c.RecordVerdict,
        c.EndCompensation,
        c.Wake,
        c.Approve,
        c.AskApproval,
        c.Submit,
        c.StartPhase,
        c.Proceed,
    )
    moves = [move for by in (HUMAN, SYSTEM) for move in legal_moves(fork.state, by, fork.at)]
    found = [
        answer
        for kind in wanted
        for move in moves
        if isinstance(move, kind) and (answer := said_to(fork, move)) is not None
    ]
    if found:
        return found
    stopped = next(one for one in fork.state.open_attempts if stands_still(fork.state, one))
    if stopped.status is AttemptStatus.AWAITING:  # a gate waits for something else than an approval: it looks again
        return [fork.command(c.TreeChange, stopped.phase, SYSTEM, tree=stopped.tree)]
    if stopped.phase in fork.state.loops:
        return [fork.command(c.Skip, stopped.phase, HUMAN, reason="go on")]
    return [fork.command(c.Retry, stopped.phase, HUMAN)]


def stands_still(state: RunState, attempt: Attempt) -> bool:
    stopped = {AttemptStatus.FAILED, AttemptStatus.AWAITING}
    return attempt.status in stopped or (state.is_over and attempt.status is AttemptStatus.COMPLETED)


def said_to(fork: Scene, move: c.Command) -> c.Command | None:
    match move:
        case c.StartPhase():
            running = fork.state.current(move.phase).status is AttemptStatus.RUNNING
            return None if running else replace(move, holder="h2")
        case c.Answer():
            output: dict[str, Any] = {
                "when": {"value": True},
                "next": {"value": False},
                "until": {"value": True},
                "items": {"keys": ("a",)},
                "locks": {"keys": ("l",)},
                "outputs": {"revision": 1, "sha256": "r" * 64},
                "recovery": {},
            }[move.kind]
            return fork.command(c.Answer, move.phase, SYSTEM, kind=move.kind, rule=move.rule, **output)
        case _:
            return move


class Quick(Scene):
    """A scene that compares the log with the state once, at its end."""

    def give(self, command: c.Command) -> list[str]:
        events = decide(self.state, command)
        for event in events:
            self.state = evolve(self.state, event)
            self.entries.append(LogEntry(len(self.log) + 1, event, command.by, self.at))
            self.log.append(event)
        self.later(0.001)
        return [type(event).__name__ for event in events]
