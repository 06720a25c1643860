"""A deployment: the approved commit is brought to an environment, proved there, and rolled back when it fails."""

import pytest

from tests.engine.deployments.deployment_scene import answer, commit, deploy, environment, operations, result
from tests.engine.scene import Scene
from tests.engine.webhooks.receiver import receiving
from wfe_mcp.engine.deployments.history import known_deployments


@pytest.mark.requirement("S4-08", "S4-30")
def test_the_approved_commit_runs_once_health_and_tests_have_passed(scene: Scene) -> None:
    with environment(scene) as target:
        wanted = scene.git("rev-parse", "HEAD").strip()
        run = deploy(scene)
        assert scene.state(run).status == "completed", result(scene, run)
        assert answer(target) == wanted
        (made,) = known_deployments(scene.engine).deployments
        assert (made.environment, made.state, made.commit, made.before) == ("local", "deployed", wanted, "")
        assert (made.run, made.version) == (run, wanted[: len(made.version)])
        assert made.approved_by == "ada (human)"
        assert [one.kind for one in operations(scene, run)] == ["deploy", "health", "health"]
        assert known_deployments(scene.engine).health["local"].ok


@pytest.mark.requirement("S4-30")
def test_what_is_not_healthy_is_rolled_back_and_the_commit_before_runs_again(scene: Scene) -> None:
    with receiving(scene, events=["deployment.*"]) as receiver, environment(scene) as target:
        deploy(scene)
        good = scene.git("rev-parse", "HEAD").strip()
        scene.write("status.txt", "500\n")
        bad = commit(scene, "broken")
        run = deploy(scene)

        assert scene.state(run).status == "waiting"
        assert "was rolled back to" in result(scene, run)
        assert answer(target) == good
        made = known_deployments(scene.engine)
        assert [(one.state, one.commit, one.before) for one in made.deployments] == [
            ("rolled back", bad, good),
            ("deployed", good, ""),
        ]
        running = made.running("local")
        assert running is not None
        assert running.commit == good
        assert "submit again" not in made.deployments[0].why, "no agent submits anything here"
        scene.work()
        sent = [one.body["type"].removeprefix("deployment.") for one in receiver.heard]
        assert sent == ["started", "succeeded", "started", "failed", "rolled_back"]
