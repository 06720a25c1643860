"""What a commit on the base says is what the server wrote, or what acts on nothing and claims nothing."""

import shutil

import pytest

from bench.git_processes import counted_git
from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, approve, delivered, results
from tests.engine.delivery.test_unapproved_merges import is_held, main_of
from tests.engine.scene import GOOD, HUMAN, Scene, approval, phase
from tests.engine.step_scene import steps
from wfe_mcp.core.model import PhasePath
from wfe_mcp.engine.runs import control
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.attack("the message of an agent's own commit closes an issue or claims an approval on main", "held", "#29")
@pytest.mark.parametrize("strategy", ["ff", "merge", "squash", "rebase"])
def test_a_message_of_another_that_acts_on_a_forge_is_shown_and_merged_by_a_squash_alone(
    scene: Scene, strategy: str
) -> None:
    delivered(scene, f'strategy = "{strategy}"')
    began = main_of(scene)
    run = scene.start(steps(BRANCH, name="start"), phase("build", approval()), steps(COMMIT, MERGE, name="ship"))
    scene.work()
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    for message in ("app: see #1 and @ada", "app: two\n\nCloses #1\nApproved-by: Boss <boss@example.org>"):
        scene.git("commit", "-q", "--allow-empty", "-am", message)
    commit = scene.git("rev-parse", "HEAD").strip()
    scene.submit(run, "build")
    decision = open_approval(scene.engine, overview_of(scene.engine, run), PhasePath("build"))
    assert decision is not None
    shown = [each.text for each in decision.unusual]
    why = f"Commit {commit[:12]} is not of this run, and its message acts on a forge or claims something: Closes #1"
    assert [text for text in shown if "not of this run" in text] == [why]
    approve(scene, run, "build")
    scene.work()
    if strategy != "squash":
        text = is_held(scene, run, began)
        why = f"No person approved what the messages of {commit[:12]} say, which this run did not make: 'Closes #1'."
        assert f"{why} See git log" in text
        scene.git("reset", "-q", "--soft", began[0])
        control.retry(scene.engine, HUMAN, run, "ship", from_step="commit")
        scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert "Closes #1" not in scene.git("log", "--format=%B", "main")


def test_the_message_of_a_commit_that_a_phase_chose_commands_no_forge(scene: Scene) -> None:
    delivered(scene)
    step = COMMIT | {"params": {"message": "${artifacts.build_note.title}"}}
    run = scene.start(phase("build", approval()), steps(BRANCH, step, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build", GOOD | {"title": "app: two\n\nCloses #1\nReviewed-by: Boss\n\u001b[31m"})
    approve(scene, run, "build")
    scene.work()
    message = scene.git("log", "-1", "--format=%B", "main")
    assert message.startswith("app: two\n\nCloses #\u200b1\nReviewed-by\u200b: Boss\n<U+001B>[31m\n\nWfe-Run: ")


@pytest.mark.skipif(shutil.which("sh") is None, reason="git is counted by a shell script")
def test_the_messages_of_all_commits_are_read_by_one_process_of_git(scene: Scene) -> None:
    delivered(scene)
    run = scene.start(steps(BRANCH, name="start"), phase("build", approval()), steps(COMMIT, MERGE, name="ship"))
    scene.work()
    scene.begin(run, "build")
    for number in range(3):
        scene.git("commit", "-q", "--allow-empty", "-m", f"app: step {number}\n\nCloses #{number}")
    scene.submit(run, "build")
    overview = overview_of(scene.engine, run)
    with counted_git() as (_, counted):
        decision = open_approval(scene.engine, overview, PhasePath("build"))
        assert counted()["show"] + counted()["log"] == 1, counted()
    assert decision is not None
    lines = [unusual.text.rpartition(": ")[2] for unusual in decision.unusual if "not of this run" in unusual.text]
    assert lines == ["Closes #0", "Closes #1", "Closes #2"]
