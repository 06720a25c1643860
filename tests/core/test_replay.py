"""Replaying the log rebuilds the state after any sequence of moves."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, NOW, Scene, each, loop, phase, run_of
from tests.core.test_flows import SYSTEM, flow
from tests.core.test_recovery import recovered_by
from tests.examples import seeds
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.evolve import evolve, replay
from wfe_mcp.core.model import AttemptStatus, KeptRecord, RunState, RunStatus
from wfe_mcp.core.moves import legal_moves, refusal
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import COMPLETE, FailRule, GateSpec, NextRule
from wfe_mcp.core.transitions import ATTEMPT_MOVES, RUN_MOVES

ONE_OF_EACH_KIND = (GateOutcome.PASS, GateOutcome.FAIL, GateOutcome.NEEDS_TRUST, GateOutcome.ERROR)


@pytest.mark.requirement("B-03", "S0-13", "S4-36")
def test_every_transition_leaves_an_event_and_replaying_them_yields_the_state():
    scene = run_of(phase("plan", gates=(GateSpec("expr"),)), phase("build", "plan"))
    moments = [scene.state]
    events = [scene.start("plan"), scene.submit("plan"), scene.judge("plan", GateOutcome.FAIL)]
    events += [scene.submit("plan", "b" * 64, 2), scene.judge("plan")]
    moments.append(scene.state)
    assert all(events)
    scene.work("build")
    assert replay(scene.log) == scene.state
    assert replay(scene.log[:2]) == moments[0]
    assert replay(scene.log[: 2 + sum(map(len, events))]) == moments[1]


class NotAnEvent(e.Event):
    """Nothing in the log is called so."""


class NotAnAttemptEvent(e.AttemptEvent):
    """Nothing in the log is called so."""


def test_an_event_that_no_one_knows_is_our_bug():
    scene = run_of(phase("plan"))
    with pytest.raises(TypeError, match="NotAnEvent"):
        evolve(scene.state, NotAnEvent())
    with pytest.raises(TypeError, match="NotAnAttemptEvent"):
        evolve(scene.state, NotAnAttemptEvent(phase=PhasePath("plan"), attempt=1))


def test_naming_the_records_of_a_run_changes_nothing_of_its_state():
    scene = run_of(phase("plan"))
    assert scene.log[0] == e.RunStarted(spec=scene.state.spec, auto=True, started_at=NOW, names_records=True)
    kept = KeptRecord("evidence", "ev-1", "0" * 64, {"data.exit_code": "6b86b273"})
    assert evolve(scene.state, e.RecordsKept(records=(kept,))) == scene.state


def test_every_event_of_the_log_has_a_name_that_finds_it():
    assert e.EVENTS["RunStarted"] is e.RunStarted
    kinds = {
        each
        for kind in (e.Event, e.AttemptEvent)
        for each in kind.__subclasses__()
        if each.__module__.startswith("wfe_mcp.")
    }
    assert set(e.EVENTS.values()) == kinds - {e.AttemptEvent}


SPEC = (
    phase("plan", gates=(GateSpec("expr"), GateSpec("approval")), auto_proceed=True),
    phase(
        "left",
        "plan",
        gates=(GateSpec("command", binds_tree=True),),
        exclusive=True,
        skip="agent",
        timeout_s=60,
        locks=("one",),
    ),
    phase(
        "right",
        "plan",
        when="inputs.right",
        locks=("one", "two"),
        gates_before=(GateSpec("expr"), GateSpec("approval", "client")),
    ),
    phase(
        "join",
        "left",
        "right",
        gates=(GateSpec("report"),),
        next=(NextRule("left", "again", 2), NextRule("plan", "anew")),
        on_fail=(FailRule("backoff", 2), FailRule("goto", 1, PhasePath("plan")), FailRule("block")),
    ),
    phase("mend", "left", goto_only=True, when="worth it", next=(NextRule("left", "anew", 1),)),
    phase("proof", "mend", on_fail=(FailRule("goto", 2, PhasePath("mend")),), next=(NextRule("mend", "again", 1),)),
    phase("person", "join", kind="human", on_fail=(FailRule("fail"),), gates=(GateSpec("expr"),)),
    *each(
        "walk",
        "plan",
        on_item_fail="continue",
        max_parallel=2,
        skip="agent",
        timeout_s=90,
        gates=(GateSpec("approval"),),
        next=(NextRule("plan", "anew", 1),),
        body=(
            phase(
                "code", gates=(GateSpec("command", binds_tree=True),), exclusive=True, on_fail=(FailRule("retry", 2),)
            ),
            phase(
                "test",
                "code",
                gates=(GateSpec("expr"),),
                next=(NextRule("walk.code", "again", 1), NextRule("plan", "far", 1)),
            ),
        ),
    ),
    *flow(
        "release",
        "plan",
        gates=(GateSpec("approval"),),
        next=(NextRule("plan", "anew", 1),),
        on_fail=(FailRule("retry", 2),),
        body=(
            phase(
                "tag",
                gates=(GateSpec("expr"),),
                next=(NextRule(COMPLETE, "enough"), NextRule("release.tag", "again", 1)),
            ),
            *each("walk", "tag", body=(phase("note"),)),
        ),
    ),
    *recovered_by(
        "recovered_by",
        "plan",
        gates=(GateSpec("expr"), GateSpec("approval")),
        next=(NextRule("recovered_by", "again", 1),),
        locks=("c",),
        on_fail=(
            FailRule("compensate"),
            FailRule("retry", 2),
            FailRule("subflow", 2),
            FailRule("compensate"),
            FailRule("goto", 1, PhasePath("plan")),
        ),
        body=(
            phase(
                "diagnose",
                gates=(GateSpec("expr"), GateSpec("approval", people=2)),
                on_fail=(FailRule("wait_human"),),
                next=(NextRule(COMPLETE, "enough"),),
            ),
            *each("walk", "diagnose", body=(phase("note"),)),
        ),
    ),
    *each(
        "outer",
        "plan",
        locks=("a",),
        body=(
            *loop(
                "passes", until="enough", until_max=2, locks=("b",), body=(phase("draft", gates=(GateSpec("report"),)),)
            ),
            phase("note", "passes", gates_before=(GateSpec("approval", "agent"),), auto_proceed=True),
        ),
    ),
)


def any_move(scene: Scene, dice: random.Random) -> c.Command | None:
    """A legal command, sometimes with the answer that no one hopes for."""
    if dice.random() < 0.2:
        scene.later(100)
    moves = [
        move
        for by in (dice.choice([AGENT, HUMAN, HUMAN]), SYSTEM)
        for move in legal_moves(scene.state, by, scene.at)
        if not isinstance(move, c.Cancel) or dice.random() < 0.02
    ]
    if not moves:
        return None
    move = dice.choice(moves)
    if isinstance(move, c.EndCompensation):
        return scene.command(c.EndCompensation, move.phase, SYSTEM, fault=dice.choice(["", "", "no"]))
    if isinstance(move, c.Answer):
        answer: dict[str, Any] = {
            "kind": move.kind,
            "rule": move.rule,
            "value": dice.random() < 0.5,
            "error": dice.choice(["", "", "no"]),
            "keys": dice.choice([(), ("a",), ("a", "b", "c"), ("a", "a")]),
            "revision": 1,
            "sha256": "r" * 64,
        }
        return scene.command(c.Answer, move.phase, **answer)
    if isinstance(move, c.RecordVerdict):
        answer = {"stage": move.stage, "gate": move.gate, "sha256": move.sha256}
        return scene.command(c.RecordVerdict, move.phase, outcome=dice.choice(ONE_OF_EACH_KIND), **answer)
    return move


@pytest.mark.requirement("B-01")
@pytest.mark.parametrize("seed", seeds(30))
def test_every_move_leads_where_the_tables_say(seed: int):
    dice = random.Random(seed)
    scene = run_of(*SPEC, auto=dice.random() < 0.5, max_parallel=2, max_iterations=4, max_invalid=2)
    for _ in range(60):
        move = any_move(scene, dice)
        if move is None:
            break
        before, name = scene.state, type(move).__name__
        assert refusal(before, move) is None
        scene.give(move)  # compares the replayed log with the state
        assert scene.state.status in run_targets(before, name), (before.status, name)
        if isinstance(move, c.PhaseCommand):
            old = before.current(move.phase)
            now = scene.state.attempts[move.phase][old.number - 1]
            assert now.status in attempt_targets(old.status, name), (old.status, name)


def run_targets(before: RunState, name: str) -> set[str]:
    """A run that continues may wait, pause or end by what follows from the command."""
    answer = set(RUN_MOVES[before.status][name].split(" | "))
    follows = {str(status) for status in RunStatus} - {RunStatus.PENDING, RunStatus.CANCELLED}
    return answer | follows if RunStatus.RUNNING in answer else answer


FOLLOWS = {
    AttemptStatus.FAILED: {AttemptStatus.SUPERSEDED},
    AttemptStatus.COMPLETED: {AttemptStatus.SUPERSEDED},
    AttemptStatus.GATING: {AttemptStatus.AWAITING, AttemptStatus.COMPLETED, AttemptStatus.SUPERSEDED},
}
"""What a status leads to by itself: ``on_fail``, ``next``, and gates that are through or want a person."""


def attempt_targets(status: AttemptStatus, name: str) -> set[str]:
    """The statuses in the cell, and what follows from each by itself."""
    answer = {AttemptStatus(target.removesuffix(" +new")) for target in ATTEMPT_MOVES[status][name].split(" | ")}
    return {str(target) for one in answer for target in {one} | FOLLOWS.get(one, set[AttemptStatus]())}


def test_a_log_that_ends_anywhere_rebuilds_a_run_that_can_be_judged():
    dice = random.Random(7)
    scene = run_of(*SPEC, max_parallel=2)
    for _ in range(40):
        move = any_move(scene, dice)
        if move is not None:
            scene.give(move)
    for length in range(len(scene.log) + 1):
        state = replay(scene.log[:length])
        assert isinstance(legal_moves(state, HUMAN, NOW), tuple)
