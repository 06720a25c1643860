"""An undo of a delivery leaves HEAD where the run began, also where that branch has gone on, and ends nothing that the user has begun."""

import subprocess
from pathlib import Path

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH, approved, delivered, operations
from tests.engine.delivery.test_git_steps import newer
from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.views.answers import rollback


def head_of(scene: Scene, folder: Path | None = None) -> str:
    """The branch that is checked out in a folder; ``HEAD`` for none."""
    return scene.git("-C", str(folder or scene.root), "rev-parse", "--abbrev-ref", "HEAD").strip()


@pytest.mark.parametrize("since", ["has gone on", "has another name", "is checked out elsewhere"])
def test_where_the_branch_of_before_cannot_be_had_head_is_at_its_commit(scene: Scene, since: str) -> None:
    remote = delivered(scene)
    began = scene.git("rev-parse", "HEAD").strip()
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    if since == "has gone on":
        newer(scene, remote)
        scene.git("fetch", "-q", "origin", "main:main")
    elif since == "has another name":
        scene.git("branch", "-m", "main", "trunk")
    else:
        scene.git("worktree", "add", "-q", str(scene.root.parent / "beside"), "main")
    bases = scene.git("for-each-ref", "refs/heads/main", "refs/heads/trunk")

    undo_delivery(scene.engine, HUMAN, run)

    assert {one.state for one in operations(scene, run)} == {"undone"}
    assert (head_of(scene), scene.git("rev-parse", "HEAD").strip()) == ("HEAD", began)
    assert scene.git("for-each-ref", "refs/heads") == bases, "the branch of the run is gone, and no other moved"
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe").split() == ["M", "app.py", "??", "new/"]


@pytest.mark.parametrize("what", ["merge", "rebase"])
def test_what_the_user_has_not_finished_in_the_folder_is_not_ended_and_nothing_is_undone(
    scene: Scene, what: str
) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    name = head_of(scene)
    scene.git("switch", "-qc", "other", "main")
    scene.write("app.py", "VALUE = 3\n")
    scene.git("commit", "-qam", "other")
    scene.git("switch", "-q", name)
    with pytest.raises(subprocess.CalledProcessError):  # both changed the file
        scene.git(what, "other")
    pushed = scene.git("ls-remote", str(remote))

    would = refused(rollback.undo_delivery, scene.engine, HUMAN, run, dry_run=True)
    no = refused(undo_delivery, scene.engine, HUMAN, run)

    assert (no.code, no.message) == ("conflict", would.message)
    assert f"A {what} is not finished in this folder" in no.message
    assert no.message.endswith(f"then undo it again: wfe-mcp undo {run} --delivery.")
    assert scene.git("ls-remote", str(remote)) == pushed
    assert {one.state for one in operations(scene, run)} == {"observed"}
    scene.git(what, "--abort")
    undo_delivery(scene.engine, HUMAN, run)
    assert head_of(scene) == "main"
