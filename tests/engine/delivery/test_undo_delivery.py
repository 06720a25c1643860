"""An undo reverses a delivery as it was observed, before the merge."""

from tests.engine.delivery.delivery_scene import BRANCH, CLEAN, COMMIT, MERGE, PUSH, approved, delivered, operations
from tests.engine.scene import AGENT, HUMAN, Scene, refused
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.engine.integrity.verification import verify


def test_before_the_merge_push_commit_and_branch_are_undone_and_the_files_stay(scene: Scene) -> None:
    remote = delivered(scene)
    began = scene.git("rev-parse", "HEAD").strip()
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()

    undone = undo_delivery(scene.engine, HUMAN, run)

    assert [one.kind for one in undone] == ["git.push", "git.commit", "git.branch"]
    assert scene.git("ls-remote", str(remote), "HEAD", "refs/heads/*").split() == [
        began,
        "HEAD",
        began,
        "refs/heads/main",
    ]
    assert scene.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert scene.git("rev-parse", "HEAD").strip() == began
    assert scene.git("branch", "--list", "--format=%(refname:short)").split() == ["main"]
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe").split() == ["M", "app.py", "??", "new/"]
    assert {one.state for one in operations(scene, run)} == {"undone"}
    assert refused(undo_delivery, scene.engine, HUMAN, run).code == "illegal_transition"
    assert list(verify(scene.engine).findings) == []


def test_only_a_person_undoes_a_delivery(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT)
    scene.work()
    no = refused(undo_delivery, scene.engine, AGENT, run)
    assert (no.code, no.hint) == ("needs_human", f"Ask the user to run: wfe-mcp undo {run} --delivery")
    assert {one.state for one in operations(scene, run)} == {"observed"}


def test_after_the_merge_it_names_the_run_that_reverts_and_changes_nothing(scene: Scene) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    refs = scene.git("ls-remote", str(remote))
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert "and others may build on it: a run of its own reverts it" in no.message
    assert no.hint == f"Open that run: wfe-mcp undo {run} --delivery"
    assert scene.git("ls-remote", str(remote)) == refs
    assert {one.state for one in operations(scene, run)} == {"observed"}


def test_a_remote_branch_with_later_commits_stays(scene: Scene) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    name = scene.git("symbolic-ref", "--short", "HEAD").strip()
    scene.git("commit", "-q", "--allow-empty", "-m", "by hand")
    scene.git("push", "-q", "origin", name)
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert "someone pushed since, so it stays" in no.message
    assert name in scene.git("ls-remote", str(remote))


def test_a_run_that_delivered_nothing_has_nothing_to_undo(scene: Scene) -> None:
    run = approved(scene, CLEAN)
    scene.work()
    assert refused(undo_delivery, scene.engine, HUMAN, run).code == "illegal_transition"
