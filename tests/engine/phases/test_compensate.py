"""Compensation undoes a failed phase once; then the next rule applies."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine.phases.test_steps_survive import WORKER
from tests.engine.scene import AGENT, HUMAN, Scene, command, expr, phase, refused
from tests.engine.step_scene import configure, rows as step_rows, step_states, steps, tool, until, with_child
from tests.tools.stub import Stub, calls_in
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers

UNDO: dict[str, Any] = {"id": "say", "tool": "stub.say", "params": {"words": "undo ${vars.version} of ${phase.path}"}}
SET: dict[str, Any] = {"id": "say", "builtin": "set", "params": {"value": "v7"}, "assign": "version"}
BROKEN: dict[str, Any] = {"id": "health", "builtin": "fail", "params": {"message": "no pulse"}}
THEN_STOP = [{"do": "compensate"}, {"do": "wait_human"}]


@pytest.mark.requirement("S4-30")
def test_a_deploy_that_fails_is_rolled_back_and_then_the_next_rule_applies(scene: Scene, stub: Stub) -> None:
    back = [{"do": "compensate"}, {"do": "goto", "phase": "build", "max": 1}, {"do": "wait_human"}]
    run = scene.start(phase("build"), steps(SET, BROKEN, name="deploy", compensate=[UNDO], on_fail=back))
    scene.do(run, "build")
    scene.work()
    assert (scene.state(run).iteration, scene.attempt(run, "build").status) == (2, "ready")
    assert step_states(scene, run, "deploy", 1) == {"say": "done", "health": "failed", "compensate.say": "done"}
    undone = step_rows(scene, run, "deploy", 1)["compensate.say"].input
    assert undone == {"words": 'undo {"value":"v7"} of deploy'}
    assert len(stub.called()) == 1
    assert {"RepairBegan", "RepairEnded"} <= set(scene.events(run))
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        assert tx.events.replay(loaded.record.id) == loaded.state
        assert tx.verification.problems(loaded.record.id) == []


def test_while_it_is_undone_status_waits_for_a_job_and_show_shows_the_steps(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(SET, BROKEN, name="deploy", compensate=[UNDO], on_fail=THEN_STOP))
    for _ in range(20):
        if scene.attempt(run, "deploy").repair:
            break
        assert scene.work_one()
    found = scene.status(run)
    assert (found.waiting_on, found.run_state) == ("job", "running")
    assert "it is being undone" in str(found.data["blockers"])
    assert found.data["phases"][0]["repair"] == "compensate"
    assert [move.tool for move in found.next] == ["status"]
    scene.work()
    done = answers.status(scene.engine, AGENT, run, detail="full")
    assert [step["step"] for step in done.data["phases"][0]["steps"]] == ["say", "health", "compensate.say"]
    assert (done.waiting_on, len(stub.called())) == ("human", 1)


@pytest.mark.parametrize("gate", [expr("${artifacts.deploy_note.title == 'good'}"), command("red")])
def test_a_phase_that_an_agent_works_is_undone_too(scene: Scene, stub: Stub, gate: dict[str, Any]) -> None:
    scene.check("red", "raise SystemExit(1)")
    undo = UNDO | {"params": {"words": "undo ${artifacts.deploy_note.title}"}}
    run = scene.start(phase("deploy", gate, compensate=[undo], on_fail=THEN_STOP))
    scene.do(run, "deploy", {"title": "bad"})
    scene.work()
    assert stub.called("say")
    assert step_rows(scene, run, "deploy")["compensate.say"].input == {"words": "undo bad"}
    assert scene.attempt(run, "deploy").human_only


def test_a_loop_is_undone_when_its_own_gates_fail(scene: Scene, stub: Stub) -> None:
    walk = {
        "id": "walk",
        "kind": "loop",
        "for_each": {"in": "${['a']}", "key": "${item.value}"},
        "phases": [phase("code")],
        "gates": [expr("${false}")],
        "on_fail": THEN_STOP,
        "compensate": [UNDO | {"params": {"words": "undo ${artifacts.code_note['a'].title}"}}],
    }
    run = scene.start(walk)
    scene.do(run, "walk[a].code", {"title": "one"})
    scene.work()
    assert step_rows(scene, run, "walk")["compensate.say"].input == {"words": "undo one"}
    assert scene.attempt(run, "walk").human_only


def test_an_undoing_that_fails_waits_for_a_person(scene: Scene) -> None:
    fail = BROKEN | {"id": "undo"}
    rules = [{"do": "compensate"}, {"do": "retry", "max_attempts": 5}]
    run = scene.start(steps(BROKEN, name="deploy", compensate=[fail], on_fail=rules))
    scene.work()
    tried = scene.attempt(run, "deploy")
    assert (tried.number, tried.human_only, scene.state(run).status) == (1, True, RunStatus.WAITING)
    assert "Step 'compensate.undo' (builtin fail) failed: no pulse" in tried.reason
    control.retry(scene.engine, HUMAN, run, "deploy")
    scene.work()
    assert scene.attempt(run, "deploy").number == 2


def test_steps_continue_after_a_pause_and_their_conditions_count(scene: Scene, stub: Stub) -> None:
    skipped = UNDO | {"id": "other", "if": "${phase.attempt > 1}"}
    run = scene.start(steps(SET, BROKEN, name="deploy", compensate=[skipped, UNDO], on_fail=THEN_STOP))
    while not scene.attempt(run, "deploy").repair:
        assert scene.work_one()
    answers.control_run(scene.engine, AGENT, run, "pause")
    scene.work()
    assert stub.called() == []
    answers.control_run(scene.engine, AGENT, run, "resume")
    scene.work()
    assert step_states(scene, run, "deploy") == {
        "say": "done",
        "health": "failed",
        "compensate.other": "skipped",
        "compensate.say": "done",
    }


def test_a_person_who_continues_meanwhile_ends_the_undoing(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(SET, BROKEN, name="deploy", compensate=[UNDO], on_fail=THEN_STOP))
    while not scene.attempt(run, "deploy").repair:
        assert scene.work_one()
    assert refused(control.retry, scene.engine, AGENT, run, "deploy").code == "needs_human"
    control.skip(scene.engine, HUMAN, run, "deploy", "by hand")
    scene.work()
    assert (step_states(scene, run, "deploy")["compensate.say"], stub.called()) == ("cancelled", [])


@pytest.mark.requirement("B-28")
def test_a_call_that_was_killed_with_kill_9_while_undoing_is_never_made_again_by_itself(
    scene: Scene, tmp_path: Path
) -> None:
    calls = tmp_path / "calls.jsonl"
    with_child(scene, calls)
    undo = tool("undo", "stub.hang")
    run = scene.start(steps(BROKEN, name="deploy", compensate=[undo], on_fail=[{"do": "compensate"}, {"do": "retry"}]))
    url = scene.url
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(scene.root)], env=scene.environment, cwd=Path.cwd()
    ) as worker:
        until(lambda: calls_in(calls) or worker.poll() is not None)
        assert worker.poll() is None
        worker.kill()
    server = psutil.Process(calls_in(calls)[0]["pid"])
    scene.work()
    tried = scene.attempt(run, "deploy")
    assert (tried.number, tried.human_only, tried.repair) == (1, True, "")
    assert "Step 'compensate.undo' (tool stub.hang) may have completed" in tried.reason
    assert step_states(scene, run, "deploy")["compensate.undo"] == "unknown"
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    scene.work()
    assert len(calls_in(calls)) == 1


def test_an_undoing_that_needs_trust_continues_with_it(scene: Scene) -> None:
    run = scene.start(steps(BROKEN, name="deploy", compensate=[{"id": "undo", "check": "undo"}], on_fail=THEN_STOP))
    scene.work()
    assert step_states(scene, run, "deploy")["compensate.undo"] == "waiting"
    assert scene.status(run).waiting_on == "human"
    configure(scene)
    assert scene.attempt(run, "deploy").repair == "compensate"
