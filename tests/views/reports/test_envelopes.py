"""The conditions that end a caller's wait."""

from tests.engine.scene import AGENT, GOOD, Scene, approval, command, phase
from wfe_mcp.engine.files.checkpoints import take_checkpoint
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.views.reports import envelopes


def test_gates_are_done_once_the_attempt_is_judged_or_a_person_is_waited_for(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert not envelopes.gates_are_done(scene.engine, run, "plan", 1)
    assert envelopes.sleeps(scene.engine, run)
    scene.work()
    assert envelopes.gates_are_done(scene.engine, run, "plan", 1)
    assert not envelopes.sleeps(scene.engine, run), "the person has to be asked first"
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert envelopes.sleeps(scene.engine, run), "now for a person"


def test_a_run_has_moved_when_it_stands_otherwise(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    before = envelopes.moment(scene.engine, run)
    assert not envelopes.sleeps(scene.engine, run)
    assert not envelopes.has_moved(scene.engine, before)
    scene.begin(run)
    assert envelopes.has_moved(scene.engine, before)
    claimed = envelopes.moment(scene.engine, run)
    scene.begin(run)
    assert not envelopes.has_moved(scene.engine, claimed), "the same claim again changes nothing"


def test_no_one_is_woken_by_a_checkpoint(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    before = envelopes.moment(scene.engine, run)
    take_checkpoint(scene.engine, run, AGENT)
    assert envelopes.moment(scene.engine, run).record.revision > before.record.revision
    assert not envelopes.has_moved(scene.engine, before)
