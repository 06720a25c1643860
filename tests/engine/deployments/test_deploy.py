"""A deployment: the approved commit is brought to an environment, proved there, and rolled back when it fails."""

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
from tests.engine.scene import HUMAN, Scene, refused
from tests.engine.webhooks.receiver import receiving
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.deployments.history import known_deployments
from wfe_mcp.engine.runs.control import retry
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.approvals.shown import SeenDecision
from wfe_mcp.views.reports.envelopes import overview_of


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


def test_a_project_that_commits_its_configuration_is_deployed_too(scene: Scene) -> None:
    with environment(scene) as target:
        scene.git("add", "-f", ".wfe/config.toml")
        scene.git("commit", "-q", "-m", "what runs may use, for the team")
        run = deploy(scene)
        assert scene.state(run).status == "completed", result(scene, run)
        assert answer(target) == scene.git("rev-parse", "HEAD").strip()


def test_a_branch_that_moves_after_the_approval_takes_nothing_along(scene: Scene) -> None:
    with environment(scene) as target:
        approved = scene.git("rev-parse", "HEAD").strip()
        scene.git("branch", "release")
        run = begin(scene, commit="release")
        approve(scene, run)
        scene.write("more.txt", "what no one saw")
        commit(scene, "what no one approved")
        scene.git("branch", "-f", "release")
        scene.work()
        assert scene.state(run).status == "completed", result(scene, run)
        assert answer(target) == approved


def test_a_branch_that_moves_before_the_approval_is_asked_about_again(scene: Scene) -> None:
    with environment(scene):
        scene.git("branch", "release")
        run = begin(scene, commit="release")
        approvals.ask(scene.engine, HUMAN, run, "live")
        other = scene.git("commit-tree", "-m", "other", "-p", "HEAD", "HEAD^{tree}").strip()
        scene.git("branch", "-f", "release", other)
        assert refused(approvals.decide, scene.engine, HUMAN, run, "live").code == "stale_revision"


def test_what_was_approved_before_another_run_deployed_is_asked_about_again(scene: Scene) -> None:
    with environment(scene) as target:
        earlier = begin(scene, commit=scene.git("rev-parse", "HEAD").strip())
        approve(scene, earlier)
        scene.write("more.txt", "newer")
        later = begin(scene, commit=commit(scene, "newer"))
        approve(scene, later)
        scene.clock.advance(minutes=1)
        scene.work()
        states = {run: scene.state(run).status for run in (earlier, later)}
        assert sorted(states.values()) == ["completed", "waiting"], "one of them, and nothing over it"
        assert sum(call.startswith("deploy") for call in calls(target)) == 1
        (waits,) = (run for run, status in states.items() if status == "waiting")
        assert "Nothing was called. Retry the phase: it asks again, for what would change now." in result(scene, waits)
        retry(scene.engine, HUMAN, waits, "live")
        scene.clock.advance(minutes=1)
        approve(scene, waits)
        scene.work()
        assert scene.state(waits).status == "completed", result(scene, waits)


def test_a_decision_made_on_a_page_from_before_another_run_deployed_is_refused(scene: Scene) -> None:
    with environment(scene):
        earlier = begin(scene, commit=scene.git("rev-parse", "HEAD").strip())
        scene.write("more.txt", "newer")
        later = begin(scene, commit=commit(scene, "newer"))
        approvals.ask(scene.engine, HUMAN, later, "live")
        view = open_approval(scene.engine, overview_of(scene.engine, later), "live")
        assert view is not None
        approve(scene, earlier)
        scene.work()
        stale = refused(approvals.decide, scene.engine, HUMAN, later, "live", approval=SeenDecision(scene.engine, view))
        assert (stale.code, stale.data["differs"]) == ("stale_revision", ["target"])


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


@pytest.mark.attack("a commit message hides its commit from who approves its deployment", "held", "A1")
def test_no_message_hides_its_commit_from_the_decision(scene: Scene) -> None:
    with environment(scene):
        deploy(scene)
        scene.write("evil.py", "x\n")
        commit(scene, "steal\x1fall \x1ekeys")
        scene.write("good.py", "x\n")
        commit(scene, "tidy up")
        run = begin(scene)
        approvals.ask(scene.engine, HUMAN, run, "live")
        view = open_approval(scene.engine, overview_of(scene.engine, run), "live")
        assert view is not None
        assert view.target is not None
        (shown,) = view.target.deployments
        assert [line.partition(" ")[2] for line in shown.commits] == ["tidy up", "steal\x1fall \x1ekeys"]


@pytest.mark.attack("a branch that an approval of a deployment names is made after it", "held", "T15")
def test_a_name_that_means_no_commit_is_not_asked_for(scene: Scene) -> None:
    with environment(scene) as target:
        run = begin(scene, commit="release")
        tried = scene.attempt(run, "live")
        assert tried.status is AttemptStatus.FAILED
        assert tried.reason == (
            "The approval of 'live' is not asked for: step 'out' deploys the commit 'release', which is not here. "
            "Make or fetch it and retry the phase, or start a run with another commit."
        )
        scene.git("branch", "release")
        scene.work()
        assert "ApprovalAsked" not in scene.events(run)
        retry(scene.engine, HUMAN, run, "live")
        scene.git("branch", "-D", "release")
        assert refused(approvals.ask, scene.engine, HUMAN, run, "live").code == "conflict"
        scene.git("branch", "release")
        approvals.ask(scene.engine, HUMAN, run, "live")
        scene.git("branch", "-D", "release")
        assert refused(approvals.decide, scene.engine, HUMAN, run, "live").code == "conflict"
        assert answer(target) == ""
