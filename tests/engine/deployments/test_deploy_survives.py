"""A deployment survives kill -9 in each of its steps: what was seen stands, and nothing is deployed twice blindly."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.deployments.deployment_scene import (
    answer,
    approve,
    begin,
    calls,
    commit,
    deploy,
    environment,
    operations,
    result,
)
from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import configure
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.deployments.history import known_deployments
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.views.answers.run_status import status
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.approvals.words import deployment_values
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.deployments import deployments_view
from wfe_mcp.views.runs.models import RunView
from wfe_mcp.views.runs.operations import operation_line

EVENTS = ("OperationIntended", "OperationCalled", "OperationObserved")
PARTS = [("deploy", ""), ("health", "health"), ("health", "test")]


def killed(scene: Scene, tmp_path: Path, kind: str, part: str, point: str) -> None:
    worker = Path(__file__).with_name("dying_worker.py")
    url = scene.url
    words = [sys.executable, str(worker), url, str(scene.root), kind, part, point]
    done = subprocess.run(words, env=scene.environment, cwd=Path.cwd(), timeout=120, check=False)
    assert done.returncode == -9, done


def started_again(scene: Scene) -> None:
    scene.work()  # finds that the worker is gone
    scene.clock.advance(minutes=5)
    scene.work()


def runs_there(scene: Scene, run: str) -> str:
    """What the decision about a deployment says of the environment as it is now."""
    approvals.ask(scene.engine, HUMAN, run, "live")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "live")
    assert view is not None
    assert view.target is not None
    return dict(deployment_values(view.target.deployments[0]))["runs there"]


@pytest.mark.requirement("B-28")
@pytest.mark.parametrize("point", EVENTS)
@pytest.mark.parametrize(("kind", "part"), PARTS)
def test_after_kill_9_the_deployment_continues_where_it_was(
    scene: Scene, tmp_path: Path, kind: str, part: str, point: str
) -> None:
    with environment(scene) as target:
        wanted = scene.git("rev-parse", "HEAD").strip()
        run = begin(scene)
        approve(scene, run)
        killed(scene, tmp_path, kind, part, point)
        started_again(scene)

        deploys = (
            [each for each in calls(target) if each.startswith("deploy")] if (target / "calls.txt").exists() else []
        )
        if (kind, point) == ("deploy", "OperationCalled"):  # called, and nothing of it is there
            assert "may have happened" in result(scene, run)
            assert deploys == []
            (made,) = known_deployments(scene.engine).deployments
            assert made.state == "in doubt"
            return
        assert scene.state(run).status == "completed", result(scene, run)
        assert len(deploys) == 1, "deployed once"
        assert answer(target) == wanted
        assert [one.state for one in operations(scene, run)] == ["observed"] * 3
        assert list(verify(scene.engine).findings) == []


def test_what_was_approved_while_another_run_deployed_is_asked_about_again(scene: Scene, tmp_path: Path) -> None:
    with environment(scene) as target:
        earlier = begin(scene, commit=scene.git("rev-parse", "HEAD").strip())
        scene.write("more.txt", "newer")
        later = begin(scene, commit=commit(scene, "newer"))
        approve(scene, earlier)
        killed(scene, tmp_path, "deploy", "", "OperationObserved")
        scene.clock.advance(minutes=5)
        assert runs_there(scene, later).endswith("the last that succeeded: none")
        approve(scene, later)
        started_again(scene)
        scene.clock.advance(minutes=5)
        scene.work()
        assert scene.state(earlier).status == "completed"
        assert f"Run {earlier} deployed" in result(scene, later)
        assert sum(call.startswith("deploy") for call in calls(target)) == 1


@pytest.mark.parametrize("point", EVENTS)
@pytest.mark.parametrize(("kind", "part"), [("rollback", "rollback"), ("health", "health again")])
def test_after_kill_9_a_rollback_continues_where_it_was(
    scene: Scene, tmp_path: Path, kind: str, part: str, point: str
) -> None:
    with environment(scene) as target:
        deploy(scene)
        good = scene.git("rev-parse", "HEAD").strip()
        scene.write("status.txt", "500\n")
        commit(scene, "broken")
        run = begin(scene)
        approve(scene, run)
        killed(scene, tmp_path, kind, part, point)
        started_again(scene)

        last = known_deployments(scene.engine).deployments[0]
        if (kind, point) == ("rollback", "OperationCalled"):
            assert last.state == "in doubt"
            broken = scene.git("rev-parse", "HEAD").strip()
            (shown,) = status(scene.engine, HUMAN, run).view_as(RunView).blockers
            assert (
                f"Deploy {broken[:12]} again: wfe-mcp retry {run} live; "
                f"roll back: wfe-mcp deploy local --commit {good[:12]}; leave it: wfe-mcp cancel {run})"
            ) in shown, "not the rollback again, and each choice whole"
            assert runs_there(scene, begin(scene)) == (
                f"not known ({broken[:12]} of run {run}: in doubt); the last that succeeded: {good}"
            )
            return
        assert last.state == "rolled back"
        assert answer(target) == good
        assert sum(each.startswith("deploy") for each in calls(target)) == 3, (
            "the good one, the broken one, the good one"
        )


def test_a_deployment_that_died_in_its_check_is_asked_for_by_its_commit(scene: Scene, tmp_path: Path) -> None:
    with environment(scene) as target:
        target.mkdir()
        (target / "die.txt").touch()
        run = begin(scene)
        approve(scene, run)
        killed(scene, tmp_path, "deploy", "", "inside")
        started_again(scene)
        (shown,) = status(scene.engine, HUMAN, run).view_as(RunView).blockers
        assert "failed [deployment]: The end of deploy of " in shown
        assert f"Call it again: wfe-mcp retry {run} live; leave it: " in shown
        assert f"wfe-mcp cancel {run})" in shown, "a person reads the choices wherever the stop is named"
        assert f"wfe-mcp retry {run} live" in result(scene, run)
        assert calls(target)[0].startswith("deploy")
        assert not any(each.startswith("deploy") for each in calls(target)[1:]), "no blind second deployment"


def test_health_that_was_asked_after_a_death_is_what_the_environment_is_known_for(scene: Scene, tmp_path: Path) -> None:
    with environment(scene) as target:
        deploy(scene)
        assert deployments_view(scene.engine).environments[0].health == "healthy"
        (target / "die.txt").touch()
        os.kill(int((target / "pid.txt").read_text()), signal.SIGKILL)
        (target / "pid.txt").unlink()
        run = begin(scene)
        approve(scene, run)
        killed(scene, tmp_path, "deploy", "", "inside")
        started_again(scene)
        (there,) = deployments_view(scene.engine).environments
        assert (there.state, there.health) == ("in doubt", "unhealthy")
        shown = status(scene.engine, HUMAN, run, "full").view_as(RunView)
        assert [operation_line(each) for each in shown.operations][:2] == [
            "deploy local: in doubt",
            "health local after a stop: failed",
        ]


def test_a_repeatable_deployment_is_called_again(scene: Scene, tmp_path: Path) -> None:
    with environment(scene, "repeatable = true") as target:
        target.mkdir()
        (target / "die.txt").touch()
        run = begin(scene)
        approve(scene, run)
        killed(scene, tmp_path, "deploy", "", "inside")
        started_again(scene)
        assert scene.state(run).status == "completed", result(scene, run)
        assert sum(each.startswith("deploy") for each in calls(target)) == 2


def test_a_health_check_that_prints_the_commit_proves_what_died_unseen(scene: Scene, tmp_path: Path) -> None:
    with environment(scene) as target:
        wanted = scene.git("rev-parse", "HEAD").strip()
        deploy(scene)
        configure(scene)
        run = begin(scene)
        approve(scene, run)
        killed(scene, tmp_path, "deploy", "", "OperationCalled")
        started_again(scene)
        assert scene.state(run).status == "completed", result(scene, run)
        assert answer(target) == wanted
