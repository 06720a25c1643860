"""What a decision says of files that git cannot read, or could not when the run began."""

import pytest

from tests.engine.scene import Scene, approval, command, phase
from tests.views.test_approval import shown
from wfe_mcp.views.approvals.changes import NO_GIT
from wfe_mcp.workspace.system.temporary import remove_folder


def test_a_run_without_git_says_what_an_approval_is_about(scene: Scene) -> None:
    remove_folder(scene.root / ".git")
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    view = shown(scene, run)
    assert (view.tree, view.changes[0].note) == ("", NO_GIT)
    assert view.unusual == ()


def test_a_run_that_lost_its_git_is_unusual(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    scene.git("config", "core.bare", "true")
    assert [one.text for one in shown(scene, run).unusual] == ["Git can no longer read the files of this project."]


@pytest.mark.attack("git is kept from the files as a run begins, so that they are not in the change", "detected", "T15")
@pytest.mark.parametrize("reads", [False, True], ids=["no gate reads the files", "a gate reads them"])
def test_a_run_that_began_where_git_saw_no_files_is_unusual_once_it_does(scene: Scene, reads: bool) -> None:
    scene.check("ok", "print('fine')")
    scene.git("config", "core.bare", "true")
    run = scene.start(phase("plan", *([command("ok")] if reads else []), approval()))
    scene.write("evil.py", "x")
    scene.git("config", "--file", ".git/config", "core.bare", "false")
    scene.do(run, "plan")
    assert "Git could not read the files when the run began." in [one.text for one in shown(scene, run).unusual]
