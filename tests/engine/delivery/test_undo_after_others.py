"""An undo of a delivery after others changed the base: its words are true, and their advice brings nothing back."""

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, MERGE, PUSH, approve, delivered, operations
from tests.engine.delivery.test_git_steps import newer
from tests.engine.delivery.test_reverting import foreseen, merged, played, reverted
from tests.engine.scene import HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import steps
from wfe_mcp.engine.delivery.operations import REVERTED
from wfe_mcp.views.answers import rollback

pytestmark = pytest.mark.usefixtures("home")


def test_a_change_that_was_taken_out_of_the_remote_by_force_is_not_brought_back_by_the_advice(scene: Scene) -> None:
    remote = delivered(scene)
    run, began = merged(scene)
    scene.git("push", "-q", "--force", str(remote), f"{began}:refs/heads/main")
    others = newer(scene, remote)

    code, message = foreseen(scene, run)
    assert code == "conflict"
    assert "have both gone on. See what each has alone: git log --left-right main...origin/main." in message
    assert len(scene.git("log", "--left-right", "--format=%m", "main...origin/main").split()) == 2
    drop = "git reset --keep origin/main"
    assert f"drop it on 'main': {drop}. Then try again." in message

    scene.git("switch", "-q", "main")
    scene.git(*drop.split()[1:])
    assert foreseen(scene, run) == ("illegal_transition", f"Nothing of what run {run} merged is on 'main'.")
    assert scene.git("ls-remote", str(remote), "refs/heads/main").split()[0] == others


def test_after_the_base_has_another_name_it_says_where_the_change_was_merged(scene: Scene) -> None:
    remote = delivered(scene)
    run, _ = merged(scene)
    tip = scene.git("rev-parse", "main").strip()[:12]
    scene.git("branch", "-m", "main", "trunk")
    scene.git("push", "-q", "origin", "trunk")
    scene.git("--git-dir", str(remote), "symbolic-ref", "HEAD", "refs/heads/trunk")
    scene.git("push", "-q", "origin", ":main")
    assert foreseen(scene, run)[1].startswith("There is no branch 'main'. Name the base in [delivery] base")
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text().replace('mode = "merge"', 'mode = "merge"\nbase = "trunk"'))
    no = refused(rollback.undo_delivery, scene.engine, HUMAN, run, dry_run=True)
    assert (
        no.message
        == "Nothing is delivered here: no person has trusted the project's configuration since it was changed."
    )
    assert no.hint == "Ask the user to look at it and run: wfe-mcp trust"
    scene.trust_config()
    told = rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True).summary
    assert told == f"{tip} was merged into main: an undo of the delivery would open a run that reverts it"


def test_of_a_run_that_changed_nothing_it_says_so(scene: Scene) -> None:
    delivered(scene)
    scene.check("test", "import sys; sys.exit(0)")
    run = scene.start(phase("build", approval()), steps(BRANCH, PUSH, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    assert scene.state(run).status == "completed"
    assert foreseen(scene, run) == ("illegal_transition", f"Nothing of what run {run} merged is on 'main'.")


@pytest.mark.parametrize(
    ("is_at_base", "why"),
    [
        (True, "no person has trusted the project's configuration since it was changed"),
        (False, "[delivery] mode is none"),
    ],
)
def test_a_work_tree_whose_configuration_delivers_nothing_is_foreseen_and_begins_no_run(
    scene: Scene, is_at_base: bool, why: str
) -> None:
    scene.write(".gitignore", ".wfe/*\n!.wfe/config.toml\n")
    scene.write(".wfe/config.toml", "# what the base has\n")
    scene.git("add", *([".wfe/config.toml"] if is_at_base else []), ".gitignore")
    scene.git("commit", "-qm", "A configuration without delivery")
    remote = delivered(scene)
    run, _ = merged(scene)
    scene.git("add", ".wfe/config.toml")  # known to git, so it is not copied into a work tree
    scene.write("mine.txt", "not committed, so the revert has a work tree of its own\n")

    there = scene.root.parent / f"{scene.root.name}-worktrees" / f"revert-{run}"
    no = refused(reverted, scene, run)
    assert foreseen(scene, run) == (no.code, no.message)
    assert (no.code, no.message) == (
        "unavailable",
        f"The run would begin in {there}, with the configuration of 'main', and nothing is delivered there: {why}.",
    )
    assert no.hint == (
        f"Bring {scene.root} to 'main', without changes and open runs: then it begins there; or put a .wfe/config.toml that delivers "
        f"on 'main'. Then: wfe-mcp undo {run} --delivery"
    )
    assert not there.exists()
    assert REVERTED not in [step.kind for step in operations(scene, run)]

    (scene.root / "mine.txt").unlink()
    scene.git("reset", "-q")
    played(scene, reverted(scene, run))
    assert scene.git("--git-dir", str(remote), "show", "main:app.py") == "VALUE = 1\n"
