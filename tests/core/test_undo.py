"""Undo and redo revert one command after another, whatever happened before."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.core.conftest import AGENT, HUMAN, Scene, phase, run_of
from tests.core.plays import finish, hopeful, played
from tests.core.standing import same_standing
from tests.core.test_flows import SYSTEM
from tests.core.test_replay import SPEC, any_move
from tests.core.test_rollback import PLAN, at_build
from tests.examples import examples
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import NextRule, RunSpec
from wfe_mcp.core.undo import _COMMANDS, _FOLLOWS, LogEntry, describe_command, redo, undo  # pyright: ignore[reportPrivateUsage] - the tables are what is checked


def test_undo_reverts_one_command_after_another_and_redo_restores_them():
    scene = run_of(phase("plan"), phase("build", "plan"), phase("ship", "build"))
    moments = [scene.state]
    for path in ("plan", "build"):
        scene.start(path)
        moments.append(scene.state)
        scene.submit(path)
        moments.append(scene.state)
    for moment in reversed(moments[:-1]):
        scene.undo(AGENT)
        assert same_standing(scene.state, moment)
    with pytest.raises(Refused, match="There is nothing to undo"):
        scene.undo()
    for moment in moments[1:3]:
        scene.redo(AGENT)
        assert same_standing(scene.state, moment)
    scene.undo(AGENT)
    assert same_standing(scene.state, moments[1])
    for moment in moments[2:]:
        scene.redo(AGENT)
        assert same_standing(scene.state, moment)
    with pytest.raises(Refused, match="There is nothing to redo"):
        scene.redo()


def test_after_another_command_there_is_nothing_to_redo():
    scene = run_of(phase("plan"))
    scene.start("plan")
    scene.undo(AGENT)
    scene.start("plan")
    with pytest.raises(Refused, match="was not an undo"):
        scene.redo()


def test_a_run_that_only_the_server_moved_has_nothing_to_undo():
    scene = Scene()
    scene.give(c.StartRun(spec=RunSpec((PLAN,)), by=SYSTEM, at=scene.at))
    for step in (undo, redo):
        with pytest.raises(Refused, match=r"There is nothing to (undo|redo)"):
            step(scene.entries)


def test_a_rollback_that_another_process_ended_is_undone_whole():
    scene, ready = at_build()
    answer: dict[str, Any] = {"to": ready, "then": replay(scene.log[:ready]), "at": scene.at, "files": True}
    before = len(scene.log)
    scene.give(c.BeginRollback(commit="c1", safety="c2", holder="me", by=AGENT, **answer))
    attempt = scene.attempt("build")
    scene.give(scene.command(c.LoseLease, "build", SYSTEM, attempt=attempt.number))
    scene.give(c.Rollback(by=SYSTEM, safety="c2", **answer))
    scene.give(c.TakeCheckpoint(by=SYSTEM, at=scene.at))
    assert undo(scene.entries).to == before


def test_what_followed_from_a_command_goes_with_it():
    scene, _ = at_build()
    claimed = scene.state
    scene.submit("build", tree="t2")
    attempt = scene.attempt("build")
    answer: dict[str, Any] = {"stage": attempt.stage, "gate": 0, "sha256": "a" * 64, "outcome": GateOutcome.PASS}
    scene.give(scene.command(c.RecordVerdict, "build", SYSTEM, **answer))
    scene.give(c.TakeCheckpoint(by=HUMAN, at=scene.at))
    assert scene.state.status is RunStatus.COMPLETED
    scene.undo()
    assert same_standing(scene.state, claimed)


def test_an_undo_of_a_rollback_goes_back_to_before_its_files_were_touched():
    scene, ready = at_build()
    claimed = scene.state
    answer: dict[str, Any] = {"to": ready, "then": replay(scene.log[:ready]), "at": scene.at, "files": True}
    scene.give(c.BeginRollback(commit="c1", safety="c2", holder="me", by=AGENT, **answer))
    scene.give(c.Rollback(by=SYSTEM, safety="c2", **answer))
    step = undo(scene.entries)
    assert (step.to, step.what.event) == (ready + 1, scene.log[-1])
    scene.undo(AGENT)
    assert same_standing(scene.state, claimed)


def test_a_rollback_after_one_that_was_abandoned_is_undone_alone():
    scene, ready = at_build()
    answer: dict[str, Any] = {"to": ready, "then": replay(scene.log[:ready]), "by": AGENT, "at": scene.at}
    scene.give(c.BeginRollback(commit="c1", safety="c2", holder="me", **answer))
    scene.give(scene.command(c.AbandonRollback, by=SYSTEM, reason="disk full"))
    scene.back(ready, AGENT)
    assert undo(scene.entries).to == len(scene.log) - 1


@settings(max_examples=examples(200), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1_000_000))
def test_two_hundred_runs_go_back_anywhere_and_on_and_undo_then_redo_is_the_identity(seed: int):
    dice = random.Random(seed)
    scene = run_of(*SPEC, auto=dice.random() < 0.5, max_parallel=2, max_iterations=4, max_invalid=2)
    for _ in range(15):
        chance = dice.random()
        if chance < 0.1:
            to, by = dice.randint(0, len(scene.log)), dice.choice([AGENT, HUMAN])
            _may(scene, scene.going_back(to, by, files=dice.random() < 0.5))
        elif chance < 0.2:
            _undo_and_redo(scene)
        elif (move := _some_move(scene, dice)) is not None:
            scene.give(move)


@settings(max_examples=examples(50), deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000), data=st.data())
def test_a_run_that_went_back_anywhere_still_comes_to_its_end(seed: int, data: st.DataObject):
    scene = played(random.Random(seed))
    if scene.state.status is not RunStatus.CANCELLED:
        scene.back(data.draw(st.integers(1, len(scene.log))))
        finish(scene)


def _some_move(scene: Scene, dice: random.Random) -> c.Command | None:
    """Half of the moves lead on: chance alone seldom comes to a gate or into a loop."""
    if scene.state.status is RunStatus.CANCELLED or dice.random() < 0.5:
        return any_move(scene, dice)
    move = dice.choice(hopeful(scene))
    return move if refusal(scene.state, move) is None else None


def _undo_and_redo(scene: Scene) -> None:
    before = scene.state
    try:
        command = scene.going_back(undo(scene.entries).to, HUMAN, "undo")
    except Refused:
        return
    if _may(scene, command):
        scene.redo()
        assert same_standing(scene.state, before)


def _may(scene: Scene, command: c.Rollback) -> bool:
    """Give the command where it is legal; else it is refused in words."""
    refused = refusal(scene.state, command)
    if refused is None:
        scene.give(command)
        assert scene.state.iteration >= 1
        return True
    assert refused.message
    return False


def test_the_rules_that_jump_are_as_used_up_after_a_rollback_as_before():
    scene = run_of(phase("plan"), phase("check", "plan", next=(NextRule("plan", "again", 1),)))
    scene.work("plan")
    planned = len(scene.log)
    scene.work("check")
    scene.answer("check", "next", True)
    scene.back(planned)
    scene.work("check")
    scene.answer("check", "next", True)
    assert scene.state.status is RunStatus.BLOCKED


def test_what_a_step_back_reverses_is_called_by_words_and_never_by_the_name_of_an_event():
    own = {e.RolledBack, e.RollbackBegan}  # by what they do
    unnamed = [name for name, kind in e.EVENTS.items() if kind not in {*_FOLLOWS, *_COMMANDS, *own}]
    assert unnamed == []
    began = e.RollbackBegan(to=3, commit="c1", safety="c2", holder="p1", kind="undo")
    entry = LogEntry(9, began, HUMAN, datetime(2026, 3, 1, tzinfo=UTC))
    assert describe_command(entry) == "the start of the undo (event 9)"
