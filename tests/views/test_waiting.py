"""The conditions that end a caller's wait."""

from tests.engine.scene import AGENT, GOOD, Scene, approval, command, phase
from wfe_mcp.engine.files.checkpoints import take_checkpoint
from wfe_mcp.views import tool_answers as answers
from wfe_mcp.views import waiting
from wfe_mcp.views.approvals import answers as decisions


def test_gates_are_done_once_the_attempt_is_judged_or_a_person_is_waited_for(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert not waiting.gates_are_done(scene.engine, run, "plan", 1)
    assert waiting.sleeps(scene.engine, run)
    scene.work()
    assert waiting.gates_are_done(scene.engine, run, "plan", 1)
    assert not waiting.sleeps(scene.engine, run), "the person has to be asked first"
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert waiting.sleeps(scene.engine, run), "now for a person"


def test_a_run_has_moved_when_it_stands_otherwise(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    before = waiting.moment(scene.engine, run)
    assert not waiting.sleeps(scene.engine, run)
    assert not waiting.has_moved(scene.engine, before)
    scene.begin(run)
    assert waiting.has_moved(scene.engine, before)
    claimed = waiting.moment(scene.engine, run)
    scene.begin(run)
    assert not waiting.has_moved(scene.engine, claimed), "the same claim again changes nothing"


def test_nobody_is_woken_by_a_checkpoint(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    before = waiting.moment(scene.engine, run)
    take_checkpoint(scene.engine, run, AGENT)
    assert waiting.moment(scene.engine, run).record.revision > before.record.revision
    assert not waiting.has_moved(scene.engine, before)
