"""A finished change is merged once its commits have an audit, and no recovery of its run is open."""

from typing import Any

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, approve, delivered, results
from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.engine.step_scene import steps
from wfe_mcp.engine.runs import control

ABSENT: dict[str, Any] = {"kind": "files", "exist": ["nothing.txt"]}
WAIT: dict[str, Any] = {"on_fail": [{"do": "wait_human"}]}
CHECK_IN = steps(BRANCH, COMMIT, name="save")
SHIP = steps(MERGE, name="ship", **WAIT)


def unaudited(scene: Scene) -> str:
    """A run whose commit was made of files that a person accepted without their gates, and approved later as a whole."""
    run = scene.start(phase("build", ABSENT, **WAIT), CHECK_IN, phase("accept", approval()), SHIP)
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    scene.work()
    control.force_accept(scene.engine, HUMAN, run, "build", "known, comes later")
    scene.work()
    scene.begin(run, "accept")
    scene.submit(run, "accept")
    approve(scene, run, "accept")
    scene.work()
    return run


@pytest.mark.requirement("S3-20")
def test_a_commit_without_a_passing_audit_is_not_merged_until_a_person_says_so(scene: Scene) -> None:
    delivered(scene)
    run = unaudited(scene)

    (said,) = results(scene, run).values()
    assert said == (
        "A commit has no passing audit: phase build was accepted without its gates: known, comes later. Next: Let its gates judge it "
        f"again: wfe-mcp rollback {run} build; or deliver it as it is: wfe-mcp retry {run} ship [unaudited]"
    )
    assert scene.state(run).status == "waiting"
    assert "VALUE = 1" in scene.git("show", "main:app.py")
    control.retry(scene.engine, HUMAN, run, "ship")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert "VALUE = 2" in scene.git("show", "main:app.py")


@pytest.mark.requirement("S3-20", "S3-13")
def test_nothing_is_merged_while_a_recovery_of_the_run_is_open(scene: Scene) -> None:
    delivered(scene)
    blocker = {"class": "credentials", "fingerprint": "credentials:side", "human_required": True}
    diagnose = {"id": "diagnose", "output": {"artifact": "diagnosis", "schema": "blocker@1"}}
    refuse = steps({"id": "no", "builtin": "fail", "params": {"message": "no"}}, name="ask", **WAIT)
    scene.define(diagnose, refuse, name="mend")
    again = {"on_fail": [{"do": "subflow", "template": "mend"}, {"do": "wait_human"}]}
    side = phase("side", ABSENT, needs=[], **again)
    run = scene.start(
        side, phase("build", approval(), needs=[]), {**CHECK_IN, "needs": ["build"]}, {**SHIP, "needs": ["save"]}
    )
    scene.begin(run, "side")
    scene.submit(run, "side")
    scene.work()
    scene.begin(run, "side[recovery-1].diagnose")
    scene.submit(
        run, "side[recovery-1].diagnose", blocker | {"cause": "no key", "evidence": ["401"], "next_step": "Store it"}
    )
    scene.work()
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()

    assert results(scene, run)["merge"] == (
        "The recovery of side is open: credentials:side: no key. Next: Say what became of it: wfe-mcp recovery resolve "
        f"{run} side --reason TEXT; then wfe-mcp retry {run} ship [recovery]"
    )
    control.retry(scene.engine, HUMAN, run, "side", "the key is stored", blockers="resolved")
    control.retry(scene.engine, HUMAN, run, "ship")
    scene.work()
    assert "VALUE = 2" in scene.git("show", "main:app.py"), results(scene, run)
