"""A change that is corrected after its commit is committed before it is approved and merged."""

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH, approve, results
from tests.engine.delivery.forge_scene import MERGE_IT, OPEN, STATUS, at_forge
from tests.engine.delivery.test_unapproved_merges import READS, worked
from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.engine.step_scene import steps
from wfe_mcp.engine.runs import control

pytestmark = pytest.mark.usefixtures("home")


def test_what_was_edited_between_its_commit_and_its_approval_is_committed_first(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.checks = [{"name": "ci", "status": "completed", "conclusion": "failure"}]
        forge.word = "blocked"
        close = phase("close", approval())
        run = scene.start(
            phase("build", READS), steps(BRANCH, COMMIT), close, steps(PUSH, OPEN, STATUS, MERGE_IT, name="ship")
        )
        worked(scene, run)
        scene.clock.advance(minutes=1)
        worked(scene, run, "close", "VALUE = 2\n")
        approve(scene, run, "close")
        scene.work()
        assert f"or correct the change: wfe-mcp retry {run} build [checks]" in results(scene, run)["status"]
        forge.checks, forge.word = [], ""
        control.retry(scene.engine, HUMAN, run, "close")
        scene.clock.advance(minutes=1)
        worked(scene, run, "close", "VALUE = 3\n")
        approve(scene, run, "close")
        scene.work()
        assert f"wfe-mcp retry {run} build; the delivery follows." in results(scene, run)["merge"]
        scene.write("app.py", "VALUE = 2\n")
        control.retry(scene.engine, HUMAN, run, "build")
        for name in ("build", "close"):
            scene.clock.advance(minutes=1)
            worked(scene, run, name, "VALUE = 3\n")
        approve(scene, run, "close")
        scene.work()
        assert scene.state(run).status == "completed", results(scene, run)
        assert forge.git("show", "main:app.py") == "VALUE = 3"
