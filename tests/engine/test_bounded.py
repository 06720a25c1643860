"""Every kind of failure has a bounded number of attempts; then a person decides. (B-07)"""

from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, approval, command, expr, phase, refused
from tests.engine.step_scene import steps
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.approvals import decide as approvals

REPORT = {
    "type": "object",
    "required": ["role", "status"],
    "properties": {"role": {"type": "string"}, "status": {"type": "string"}},
}
MOST = 10

GATES: dict[str, dict[str, Any]] = {
    "expr": expr("${1 > 2}"),
    "files": {"kind": "files", "exist": ["nowhere"]},
    "git": {"kind": "git", "branch": "elsewhere"},
    "command": command("red"),
    "report": {"kind": "report", "status": "pass"},
}


def worked_until_a_person_must_decide(scene: Scene, run: str, artifact: dict[str, Any]) -> int:
    """Submit as long as that is legal; how many attempts there were."""
    for _ in range(MOST):
        scene.work()
        if scene.attempt(run, "plan").status == "ready":
            scene.begin(run, "plan")
            scene.work()
        if scene.attempt(run, "plan").status != "running":
            break
        scene.submit(run, "plan", artifact)
    tried = scene.attempt(run, "plan")
    assert tried.status == "failed"
    assert scene.state(run).status is RunStatus.WAITING
    return tried.number


@pytest.mark.requirement("B-07")
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize(
    "rules", [None, [{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]], ids=["default", "two"]
)
def test_a_gate_after_work_fails_three_times_or_as_often_as_its_rules_state(
    scene: Scene, kind: str, rules: Any
) -> None:
    scene.check("red", "raise SystemExit(1)")
    made = phase("plan", GATES[kind]) | ({"on_fail": rules} if rules else {})
    artifact = {"title": "good"}
    if kind == "report":
        made["output"], artifact = {"artifact": "plan_note", "schema": REPORT}, {"role": "qa", "status": "fail"}
    run = scene.start(made)
    assert worked_until_a_person_must_decide(scene, run, artifact) == (2 if rules else 3)


@pytest.mark.requirement("B-07")
@pytest.mark.parametrize("kind", [kind for kind in GATES if kind != "report"])
def test_a_gate_before_work_fails_three_times(scene: Scene, kind: str) -> None:
    scene.check("red", "raise SystemExit(1)")
    run = scene.start(phase("plan", prompt_gates=[GATES[kind]]))
    assert worked_until_a_person_must_decide(scene, run, {"title": "good"}) == 3


@pytest.mark.requirement("B-07", "S0-32")
def test_a_person_rejects_any_number_of_times_but_the_agent_tries_three_times(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    for number in (1, 2, 3):
        scene.do(run, "plan", {"title": f"try {number}"})
        approvals.reject(scene.engine, HUMAN, run, "plan", "no")
    assert (scene.attempt(run, "plan").number, scene.attempt(run, "plan").status) == (3, "failed")


@pytest.mark.requirement("B-07")
def test_artifacts_that_match_no_schema_and_steps_that_fail_end_too(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_invalid": 2})
    scene.begin(run)
    for _ in range(2):
        assert refused(scene.submit, run, "plan", {"nothing": 1}).code == "invalid_artifact"
    assert scene.attempt(run, "plan").status == "failed"

    failing = {
        "id": "stop",
        "builtin": "fail",
        "params": {"message": "no"},
        "retry": {"max_attempts": 2, "backoff": "none"},
    }
    run = scene.start(steps(failing, on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]), name="other")
    scene.work()
    assert (scene.attempt(run, "ci").number, scene.attempt(run, "ci").status) == (2, "failed")
