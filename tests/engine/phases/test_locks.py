"""Phases with the same lock run one after the other, within a run and across a project's runs."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, moves, phase, refused
from tests.engine.step_scene import step_states, steps
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.approvals.decide import decide
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions

LOG = {"id": "say", "builtin": "log", "params": {"message": "done"}}
LISTED = {"type": "object", "properties": {"list": {"type": "array"}}}


def alone(name: str, *locks: str, **keys: Any) -> dict[str, Any]:
    return phase(name, needs=[], locks=list(locks), **keys)


def lane(*body: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"id": "lane", "kind": "loop", "needs": [], "locks": ["lane"], "phases": list(body)} | keys


EACH = {"for_each": {"in": "${inputs.list}", "as": "it"}}


def test_in_one_run_the_second_is_offered_when_the_first_is_done(scene: Scene) -> None:
    run = scene.start(alone("a", "db"), alone("b", "db"), alone("c"), limits={"max_parallel": 3})
    _, other = scene.neighbour()
    scene.begin(run, "a")
    assert moves(scene.status(run, other)) == [("start_phase", "c"), ("status", "")]
    no = refused(scene.begin, run, "b", other)
    assert (no.code, no.message) == ("leased", "Phase 'b' needs the lock 'db', which phase 'a' of this run holds.")
    scene.submit(run, "a")
    assert moves(scene.status(run, other))[0] == ("start_phase", "b")
    scene.begin(run, "b", other)


def test_over_all_runs_of_the_project_the_refusal_names_the_run(scene: Scene) -> None:
    first = scene.start(alone("a", "db"), name="one")
    second = scene.start(alone("a", "${'d' + 'b'}"), alone("c"), name="two")
    scene.begin(first, "a")

    no = refused(scene.begin, second, "a")

    assert no.code == "leased"
    assert first in no.message
    assert moves(scene.status(second)) == [("start_phase", "c"), ("status", "")]
    scene.submit(first, "a")
    scene.do(second, "a")


def test_who_only_waits_for_a_lock_of_another_run_waits_and_learns_why(scene: Scene) -> None:
    first = scene.start(alone("a", "db"), name="one")
    second = scene.start(alone("a", "db"), name="two")
    scene.begin(first, "a")

    waits = scene.status(second)

    assert (waits.waiting_on, moves(waits)) == ("job", [("status", "")])
    assert f"run {first} holds" in str(waits.data["blockers"])
    answers.control_run(scene.engine, AGENT, first, "cancel")
    assert moves(scene.status(second)) == [("start_phase", "a")]


@pytest.mark.requirement("S2-20")
def test_a_lock_dies_with_the_process_that_held_it(scene: Scene) -> None:
    neighbour, other = scene.neighbour()
    first = scene.start(alone("a", "db"), name="one")
    second = scene.start(alone("a", "db"), name="two")
    scene.begin(first, "a", other)
    assert refused(scene.begin, second, "a").code == "leased"
    neighbour.end()
    scene.begin(second, "a")


def test_a_lock_is_held_while_a_person_looks(scene: Scene) -> None:
    first = scene.start(alone("a", "db", gates=[approval()]), name="one")
    second = scene.start(alone("a", "db"), name="two")
    scene.do(first, "a")
    assert scene.attempt(first, "a").status == "awaiting"
    assert refused(scene.begin, second, "a").code == "leased"
    decisions.ask_approval(scene.engine, AGENT, first, "a")
    decide(scene.engine, HUMAN, first, "a")
    scene.begin(second, "a")


def test_each_item_of_a_loop_locks_its_own_scopes(scene: Scene) -> None:
    walk = {
        "id": "walk",
        "kind": "loop",
        "for_each": {"in": "${inputs.list}", "as": "it", "max_parallel": 3},
        "phases": [phase("code", locks=["scope:${it.scope}", "${it.more}"])],
    }
    items: list[dict[str, Any]] = [
        {"id": "x", "scope": "db", "more": []},
        {"id": "y", "scope": "ui", "more": ["extra", 7]},
        {"id": "z", "scope": "db", "more": []},
    ]
    run = scene.start(walk, inputs={"list": items}, limits={"max_parallel": 3}, schema=LISTED)
    _, other = scene.neighbour()

    scene.begin(run, "walk[x].code")

    assert scene.attempt(run, "walk[y].code").locks == ("7", "extra", "scope:ui")
    assert moves(scene.status(run, other)) == [("start_phase", "walk[y].code"), ("status", "")]
    scene.submit(run, "walk[x].code")
    scene.begin(run, "walk[z].code", other)


@pytest.mark.parametrize("name", ["${inputs.list}", "${inputs.list[0] == 1}", "${''}"])
def test_a_lock_without_a_name_fails_the_phase(scene: Scene, name: str) -> None:
    run = scene.start(
        phase("a", locks=[name], on_fail=[{"do": "wait_human"}]), inputs={"list": [1, None]}, schema=LISTED
    )
    assert scene.attempt(run, "a").status == "failed"
    assert "a lock is named by text or a number" in scene.attempt(run, "a").reason


@pytest.mark.parametrize("kind", [EACH, {"until": {"if": "${true}", "max": 1}}])
def test_a_loop_opens_once_the_other_run_has_closed_its_own(scene: Scene, kind: dict[str, Any]) -> None:
    start: Any = {"inputs": {"list": ["x"]}, "schema": LISTED}
    first = scene.start(lane(phase("code"), **EACH), name="one", **start)
    second = scene.start(lane(phase("code"), **kind), name="two", **start)
    assert (scene.attempt(first, "lane").status, scene.attempt(second, "lane").status) == ("running", "ready")
    assert f"run {first} holds" in str(scene.status(second).data["blockers"])
    scene.clock.advance(seconds=6)
    scene.work()
    assert scene.attempt(second, "lane").status == "ready"
    scene.do(first, "lane[0].code")
    scene.clock.advance(seconds=6)
    scene.work()
    assert scene.attempt(second, "lane").status == "running"


def test_steps_wait_for_a_lock_of_another_run(scene: Scene) -> None:
    first = scene.start(alone("a", "db"), name="one")
    scene.begin(first, "a")
    second = scene.start(steps(LOG, locks=["db"]), name="two")
    scene.work()
    assert (scene.attempt(second, "ci").status, scene.status(second).waiting_on) == ("ready", "job")
    scene.submit(first, "a")
    scene.clock.advance(seconds=6)
    scene.work()
    assert scene.state(second).status == "completed"
    assert step_states(scene, second) == {"say": "done"}


@pytest.mark.parametrize("waiting", [steps(LOG, locks=["db"]), lane(phase("code"), **EACH) | {"locks": ["db"]}])
def test_a_wait_of_a_night_for_a_lock_leaves_one_job(scene: Scene, waiting: dict[str, Any]) -> None:
    first = scene.start(alone("a", "db", gates=[approval()]), name="one")
    scene.do(first, "a")
    second = scene.start(waiting, name="two", inputs={"list": ["x"]}, schema=LISTED)
    for _ in range(4):
        scene.work()
        scene.clock.advance(seconds=6)
    with scene.store.read() as tx:
        (job,) = tx.jobs.filter(RunId(second))
    assert (job.status, job.tries) == ("queued", 0)
    decisions.ask_approval(scene.engine, AGENT, first, "a")
    decide(scene.engine, HUMAN, first, "a")
    scene.work()
    assert scene.attempt(second, waiting["id"]).status in {"running", "completed"}


def test_steps_of_one_run_take_turns(scene: Scene) -> None:
    run = scene.start(alone("a", "db"), steps(LOG, locks=["db"], needs=[]), limits={"max_parallel": 2})
    scene.work()
    assert scene.state(run).status == "running"
    scene.do(run, "a", GOOD)
    scene.work()
    assert scene.state(run).status == "completed"
