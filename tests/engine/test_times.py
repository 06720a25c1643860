"""How long did each phase work, and how long did it wait for whom?"""

import pytest

from tests.engine.scene import HUMAN, Scene, approval, expr, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.engine import approvals, control
from wfe_mcp.engine.times import Times, times


def spent(scene: Scene, run: str) -> dict[PhasePath, Times]:
    with scene.store.read() as tx:
        moments = [event.at for event in tx.all_events(RunId(run))]
        return times(zip(tx.happened(RunId(run)), moments, strict=True), scene.clock())


@pytest.mark.requirement("S1-03")
def test_working_and_waiting_are_told_apart_for_each_phase(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.clock.advance(seconds=5)
    scene.begin(run)
    scene.clock.advance(minutes=2)
    scene.submit(run, "plan")
    scene.clock.advance(hours=1)
    approvals.ask(scene.engine, HUMAN, run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.clock.advance(seconds=7)
    assert spent(scene, run) == {"plan": Times(120.0, 3600.0, 5.0), "build": Times(0.0, 0.0, 7.0)}


def test_all_tries_count_and_a_stop_for_a_person_is_waiting_for_people(scene: Scene) -> None:
    bad = expr("${artifacts.plan_note.title != 'bad'}")
    run = scene.start(phase("plan", bad, on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]))
    scene.begin(run)
    for _ in range(2):
        scene.clock.advance(seconds=10)
        scene.submit(run, "plan", {"title": "bad"})
    scene.clock.advance(minutes=1)
    control.retry(scene.engine, HUMAN, run, "plan", "once more")
    scene.clock.advance(seconds=3)
    assert spent(scene, run) == {"plan": Times(20.0, 60.0, 3.0)}


def test_a_held_phase_and_a_persons_own_work_wait_for_people(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("look", kind="human"), auto=False)
    scene.do(run, "plan")
    scene.clock.advance(minutes=4)
    control.control(scene.engine, HUMAN, run, "proceed")
    scene.clock.advance(minutes=1)
    assert spent(scene, run) == {"plan": Times(people_s=240.0), "look": Times(people_s=60.0)}
