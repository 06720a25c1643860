"""Steps of a phase run side by side where their ``needs`` allow it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.phases.test_steps_survive import WORKER
from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import artifact, reopen, rows, step_states, steps, tool, until, with_child
from tests.tools.stub import Stub, calls_in
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.runs import control

HI: dict[str, Any] = {"params": {"words": "hi"}, "needs": []}
NO: dict[str, Any] = {"id": "no", "builtin": "fail", "params": {"message": "no"}}


def set_(step: str, value: object = 1, **keys: Any) -> dict[str, Any]:
    return {"id": step, "builtin": "set", "params": {"n": value}, "assign": step, **keys}


@pytest.mark.requirement("S2-29")
def test_steps_without_needs_are_due_at_once_and_a_later_one_waits_for_all_it_needs(scene: Scene) -> None:
    both = "${vars.left.n + vars.right.n}"
    run = scene.start(steps(set_("left", 2), set_("right", 3, needs=[]), set_("sum", both, needs=["left", "right"])))

    assert step_states(scene, run) == {"left": "queued", "right": "queued"}
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert artifact(scene, run) == {"steps": {"left": {"n": 2}, "right": {"n": 3}, "sum": {"n": 5}}}


def test_no_more_steps_run_at_once_than_the_phase_allows(scene: Scene) -> None:
    run = scene.start(steps(*(set_(f"s{n}", needs=[]) for n in range(4)), max_parallel=2))

    seen: list[int] = [len(step_states(scene, run))]
    while scene.work_one():
        seen.append(sum(status == "queued" for status in step_states(scene, run).values()))
    assert scene.state(run).status is RunStatus.COMPLETED
    assert max(seen) == 2


def test_two_calls_are_under_way_at_the_same_time(scene: Scene, stub: Stub) -> None:
    waits: dict[str, Any] = {"params": {"seconds": 2}, "needs": []}
    run = scene.start(steps(tool("left", "stub.hang", **waits), tool("right", "stub.hang", **waits)))
    worker = new_worker(scene.engine)
    worker.start()
    until(lambda: len(stub.called("hang")) == 2)
    assert step_states(scene, run) == {"left": "running", "right": "running"}
    until(lambda: scene.state(run).status is RunStatus.COMPLETED)
    worker.stop()


def test_a_step_sees_only_the_results_of_the_steps_it_needs(scene: Scene) -> None:
    seen = "${vars.left.n}"
    beside = [set_("left", 1), set_("right", seen, needs=[]), set_("after", seen, needs=["left"])]
    run = scene.start(steps(set_("left", 0), name="before"), steps(*beside, max_parallel=1))

    scene.work()
    found = artifact(scene, run)["steps"]
    assert (found["right"], found["after"]) == ({"n": 0}, {"n": 1})


@pytest.mark.requirement("S2-29")
def test_a_failure_ends_the_phase_once_the_others_have_ended_and_keeps_their_results(scene: Scene, stub: Stub) -> None:
    beside = tool("beside", "stub.hang", params={"seconds": 2}, needs=[])
    run = scene.start(steps(beside, tool("say", **HI), NO | {"needs": ["say"]}, set_("never", needs=["beside"])))
    worker = new_worker(scene.engine)
    worker.start()
    until(lambda: scene.attempt(run, "ci").status == "failed")
    worker.stop()

    assert step_states(scene, run) == {"beside": "done", "say": "done", "no": "failed"}
    assert "Step 'no'" in scene.attempt(run, "ci").reason
    reopen(scene, run)
    assert (rows(scene, run)["beside"].carried, rows(scene, run)["say"].carried) == (1, 1)
    assert len(stub.called()) == 2, "what ended well is not called again"


def test_a_step_that_has_not_begun_when_another_fails_is_cancelled(scene: Scene) -> None:
    run = scene.start(steps(NO | {"needs": []}, {"id": "late", "wait": "1h", "needs": []}))

    scene.work()
    assert step_states(scene, run) == {"no": "failed", "late": "cancelled"}


@pytest.mark.requirement("B-28", "S2-29")
def test_after_kill_9_what_was_acknowledged_is_not_called_again(scene: Scene, tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    with_child(scene, calls)
    hang = tool("hang", "stub.hang", needs=["say"])
    run = scene.start(
        steps(tool("say", "stub.say", **HI), hang, set_("beside", needs=[]), set_("all", needs=["hang", "beside"]))
    )
    url = scene.url
    argv = [sys.executable, "-c", WORKER, url, str(scene.root)]
    with subprocess.Popen(argv, env=scene.environment, cwd=Path.cwd()) as worker:
        until(lambda: len(calls_in(calls)) == 2 and step_states(scene, run).get("beside") == "done")
        worker.kill()
    scene.work()

    assert step_states(scene, run) == {"say": "done", "beside": "done", "hang": "unknown"}
    control.retry(scene.engine, HUMAN, run, "ci")
    assert step_states(scene, run) == {"say": "done", "beside": "done", "hang": "queued"}
    control.skip(scene.engine, HUMAN, run, "ci", "done by hand")
    scene.work()
    assert [call["tool"] for call in calls_in(calls)] == ["say", "hang"]
