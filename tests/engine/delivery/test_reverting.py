"""A merged delivery is reverted by a run of its own, with gates, an approval and a delivery."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.delivery.delivery_scene import (
    BRANCH,
    CLEAN,
    COMMIT,
    MERGE,
    PUSH,
    approve,
    approved,
    delivered,
    drop_commits,
    merge_own,
    operations,
)
from tests.engine.delivery.forge_scene import MERGE_IT, OPEN, at_forge
from tests.engine.delivery.test_git_steps import newer
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import steps
from wfe_mcp.engine.delivery.operations import REVERTED
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs import reverting
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.answers import rollback, tool_answers as answers
from wfe_mcp.workspace.system.location import project_at

pytestmark = pytest.mark.usefixtures("home")

STEPS = (BRANCH, COMMIT, PUSH, MERGE, CLEAN)
CHANGE = {"summary": "Takes it back", "files": ["app.py"]}


def beside(scene: Scene, folder: Path) -> Engine:
    return create_beside(scene.engine, project_at(folder), scene.engine.holder)


def reverted(scene: Scene, run: str) -> LoadedRun:
    return reverting.start_revert(scene.engine, HUMAN, run, lambda folder: beside(scene, folder))


def foreseen(scene: Scene, run: str) -> tuple[str, str]:
    """What the preview of the undo refuses."""
    no = refused(rollback.undo_delivery, scene.engine, HUMAN, run, dry_run=True)
    return no.code, no.message


def merged(scene: Scene, *steps: object) -> tuple[str, str]:
    """A run whose change was merged, and what ``main`` was before."""
    scene.check("test", "import sys; sys.exit(0)")
    began = scene.git("rev-parse", "main").strip()
    run = approved(scene, *(steps or STEPS))  # pyright: ignore[reportArgumentType] - steps as in the scene
    scene.work()
    assert scene.state(run).status == "completed"
    return run, began


def played(scene: Scene, made: LoadedRun) -> str:
    """The reverting run is worked, approved and delivered; its id."""
    run = made.record.id
    there = beside(scene, Path(made.record.worktree))
    scene.work()
    scene.begin(run, "check", there)
    scene.submit(run, "check", CHANGE, engine=there)
    approve(scene, run, "check")
    scene.work()
    assert scene.state(run).status == "completed", scene.state(run)
    return run


def test_the_change_goes_out_of_the_base_by_a_run_with_gates_and_an_approval(scene: Scene) -> None:
    remote = delivered(scene)
    run, began = merged(scene)
    at = scene.git("rev-parse", "main").strip()

    made = reverted(scene, run)
    assert made.record.title.startswith("Revert ")
    assert (made.record.triggered_by, made.record.external_id) == ("undo", run)
    assert made.record.worktree == str(scene.root), "the folder was free"
    assert operations(scene, run)[-1].kind == "run.revert"
    assert operations(scene, run)[-1].after == {"run": made.record.id}
    scene.work()
    assert scene.git("rev-parse", "main").strip() == at, "nothing is merged before the approval"
    assert (scene.root / "app.py").read_text() == "VALUE = 1\n"
    assert not (scene.root / "new").exists()
    played(scene, made)

    assert scene.git("rev-parse", "main^{tree}") == scene.git("rev-parse", f"{began}^{{tree}}")
    assert scene.git("rev-parse", "main^").strip() == at
    assert scene.git("ls-remote", str(remote), "main").split()[0] == scene.git("rev-parse", "main").strip()
    assert list(verify(scene.engine).findings) == []
    no = refused(reverted, scene, run)
    assert (no.code, no.message) == (
        "illegal_transition",
        f"Run {made.record.id} has reverted what {run} merged.",
    )


def test_a_revert_that_an_agent_starts_names_in_its_commit_what_it_reverts(scene: Scene) -> None:
    delivered(scene)
    run, _ = merged(scene)
    with scene.engine.store.read() as tx:
        title = scene.engine.load(tx, run).record.title
    made = start_run(scene.engine, AGENT, "revert", {"run": run})
    assert made.record.title == f"Revert {title}"
    played(scene, made)
    assert scene.git("log", "-1", "--format=%s", "main").strip() == f"Revert {title}"


def test_a_file_that_is_reverted_keeps_the_line_ends_that_it_has_here(scene: Scene) -> None:
    scene.git("config", "core.autocrlf", "true")
    (scene.root / "lines.txt").write_bytes(b"one\r\ntwo\r\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "lines")
    delivered(scene)
    scene.check("test", "import sys; sys.exit(0)")
    run = scene.start(phase("build", approval()), steps(*STEPS, name="ship"))
    scene.begin(run, "build")
    (scene.root / "lines.txt").write_bytes(b"one\r\n2\r\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    assert scene.state(run).status == "completed"
    made = reverted(scene, run)
    scene.work()
    assert (scene.root / "lines.txt").read_bytes() == b"one\r\ntwo\r\n"
    played(scene, made)
    assert scene.git("show", "main:lines.txt") == "one\ntwo\n"


def test_what_the_server_took_out_is_no_change_of_an_unknown_author(scene: Scene) -> None:
    delivered(scene)
    run, _ = merged(scene)
    made = reverted(scene, run)
    scene.work()
    scene.write("more.py", "x = 1\n")
    scene.clock.advance(minutes=1)
    scene.begin(made.record.id, "check", beside(scene, Path(made.record.worktree)))
    answer = "more.py changed after the run started and before its first phase began."
    assert scene.status(made.record.id).data["warnings"] == [answer]


def test_in_a_folder_with_other_changes_it_has_a_work_tree_of_its_own_and_keeps_what_came_later(scene: Scene) -> None:
    remote = delivered(scene, 'strategy = "merge"')
    run, _ = merged(scene)
    newer(scene, remote)
    scene.write("mine.txt", "not committed\n")
    made = reverted(scene, run)
    folder = Path(made.record.worktree)
    assert folder.name == f"revert-{run}"
    played(scene, made)
    main = scene.git("ls-remote", str(remote), "main").split()[0]
    assert scene.git("show", f"{main}:app.py") == "VALUE = 1\n"
    assert scene.git("show", f"{main}:other.txt") == "other\n"
    assert (scene.root / "mine.txt").read_text() == "not committed\n"


def test_the_work_tree_of_a_revert_leaves_the_base_to_the_folder_of_the_user(scene: Scene) -> None:
    delivered(scene)
    run, _ = merged(scene)
    scene.git("switch", "-q", "-c", "mine")
    scene.write("mine.txt", "not committed\n")
    made = reverted(scene, run)
    played(scene, made)
    assert scene.git("-C", made.record.worktree, "branch", "--show-current") == ""
    scene.git("switch", "-q", "main")
    assert (scene.root / "app.py").read_text() == "VALUE = 1\n"


def test_later_commits_at_the_same_places_are_named_and_no_run_begins(scene: Scene) -> None:
    remote = delivered(scene)
    run, _ = merged(scene)
    newer(scene, remote, "VALUE = 3\n", "app.py")
    no = refused(reverted, scene, run)
    assert no.code == "conflict"
    assert "conflict in 'app.py'. Nothing was taken out. Undo what changed these later first" in no.message
    assert foreseen(scene, run) == (no.code, no.message)
    assert "run.revert" not in [one.kind for one in operations(scene, run)]


def test_where_the_base_here_and_on_the_remote_have_both_moved_it_says_how_to_continue(scene: Scene) -> None:
    remote = delivered(scene)
    run, _ = merged(scene)
    newer(scene, remote)
    (scene.root / "mine.txt").write_text("mine\n")
    scene.git("add", "mine.txt")
    scene.git("commit", "-q", "-m", "Mine")
    no = refused(reverted, scene, run)
    assert no.code == "conflict"
    assert "Bring them together on 'main': git pull --no-rebase origin main; push it." in no.message
    assert no.hint == f"When that is done: wfe-mcp undo {run} --delivery"
    scene.git("pull", "-q", "--no-rebase", "origin", "main")
    scene.git("push", "-q", "origin", "main")
    played(scene, reverted(scene, run))


def test_a_merge_at_a_forge_is_reverted_by_a_pull_request(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run, _ = merged(scene, BRANCH, COMMIT, PUSH, OPEN, MERGE_IT, CLEAN)
        played(scene, reverted(scene, run))
        assert [(pull.title, pull.state) for pull in forge.pulls] == [
            ("Revert A drill", "merged"),
            ("A drill", "merged"),
        ]
        assert forge.git("show", "main:app.py") == "VALUE = 1"


def test_what_a_person_merged_at_the_forge_is_reverted_as_the_preview_says(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run, _ = merged(scene, BRANCH, COMMIT, PUSH, OPEN)
        commit = forge.merge(forge.pulls[0], "squash", "by a person")
        before = operations(scene, run)
        view = rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True)
        assert (
            view.summary
            == f"{commit[:12]} was merged into main: an undo of the delivery would open a run that reverts it"
        )
        assert operations(scene, run) == before, "it only looked"
        rollback.undo_delivery(scene.engine, HUMAN, run)
        assert [(one.kind, one.commit) for one in operations(scene, run)[-2:]] == [
            ("forge.merge", commit),
            ("run.revert", ""),
        ]
        assert scene.state(run).status == "completed"
        played(scene, reverted(scene, run))
        assert forge.git("show", "main:app.py") == "VALUE = 1"


@pytest.mark.parametrize("how", ["merge", "ff", "merge, beside other branches"])
def test_what_the_base_had_brought_into_a_change_stays_when_that_is_reverted(scene: Scene, how: str) -> None:
    with at_forge(scene) as forge:
        scene.check("test", "import sys; sys.exit(0)")
        deliver = steps(COMMIT, PUSH, OPEN, name="ship")
        run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT), phase("again", approval()), deliver)
        scene.begin(run, "build")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "build")
        approve(scene, run, "build")
        scene.work()
        theirs = newer(scene, forge.bare)
        scene.git("fetch", "-q", "origin", "main")
        scene.git("merge", "-q", "--no-edit", theirs)
        if how == "merge, beside other branches":  # the base has theirs by a merge that the change lacks
            merge = ("commit-tree", f"{theirs}^{{tree}}", "-p", f"{theirs}^", "-p", theirs, "-m", "theirs")
            scene.git("push", "-q", "--force", "origin", f"{scene.git(*merge).strip()}:main")
            merge_own(scene, "more.py", "HEAD~2")
        scene.clock.advance(minutes=1)
        scene.begin(run, "again")
        scene.submit(run, "again")
        approve(scene, run, "again")
        scene.work()
        forge.merge(forge.pulls[0], how.partition(",")[0], "by a person")
        rollback.undo_delivery(scene.engine, HUMAN, run)
        played(scene, reverted(scene, run))
        assert forge.git("show", "main:app.py") == "VALUE = 1"
        assert forge.git("ls-tree", "--name-only", "main").split() == [".gitignore", "app.py", "other.txt"]


@pytest.mark.parametrize("how", ["squash", "rebase"])
def test_where_the_commits_of_a_change_are_here_no_more_only_the_change_goes_out(scene: Scene, how: str) -> None:
    with at_forge(scene) as forge:
        scene.check("test", "import sys; sys.exit(0)")
        deliver = steps(COMMIT, PUSH, OPEN, name="ship")
        run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT), phase("again", approval()), deliver)
        for name, path in (("build", "app.py"), ("again", "more.py")):
            scene.clock.advance(minutes=1)
            scene.begin(run, name)
            scene.write(path, "VALUE = 2\n")
            scene.submit(run, name)
            approve(scene, run, name)
            scene.work()
        newer(scene, forge.bare)
        pull, clone = forge.pulls[0], ("-C", str(scene.root.parent / "clone"))
        if how == "squash":
            forge.merge(pull, how, "by a person")
        else:  # each commit again, as a forge does it
            scene.git(*clone, "fetch", "-q", "origin", pull.branch)
            scene.git(*clone, "cherry-pick", "HEAD..FETCH_HEAD")
            scene.git(*clone, "push", "-q", "origin", "main")
            pull.head, pull.state, pull.merged = forge.tip(pull.branch), "merged", forge.tip("main")
        rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True)
        rollback.undo_delivery(scene.engine, HUMAN, run)
        (made,) = [one.after for one in operations(scene, run) if one.kind == REVERTED]
        answers.control_run(scene.engine, HUMAN, str((made or {})["run"]), "cancel", reason="not now")
        scene.git("switch", "-q", "--detach", "origin/main")
        drop_commits(scene)
        played(scene, reverted(scene, run))
        assert forge.git("show", "main:app.py") == "VALUE = 1"
        assert forge.git("ls-tree", "--name-only", "main").split() == [".gitignore", "app.py", "other.txt"]


def test_where_nothing_of_the_change_is_on_the_base_any_more_no_run_begins(scene: Scene) -> None:
    delivered(scene)
    run, began = merged(scene)
    scene.git("revert", "--no-edit", "HEAD")
    scene.git("push", "-q", "origin", "main")
    no = refused(reverted, scene, run)
    assert foreseen(scene, run) == (no.code, no.message)
    assert (no.code, no.message) == ("illegal_transition", f"Nothing of what run {run} merged is on 'main'.")
    scene.git("reset", "-q", "--hard", began)
    scene.git("push", "-q", "--force", "origin", "main")
    drop_commits(scene)
    assert "are not in this repository. Fetch them" in foreseen(scene, run)[1]
    assert [one.kind for one in operations(scene, run) if one.kind == REVERTED] == []


def test_only_a_person_opens_it_and_a_preview_changes_nothing(scene: Scene) -> None:
    delivered(scene)
    run, _ = merged(scene)
    before = operations(scene, run)
    no = refused(rollback.undo_delivery, scene.engine, AGENT, run)
    assert (no.code, no.hint) == (
        "needs_human",
        f"Ask the user to run in a terminal of their own: wfe-mcp undo {run} --delivery",
    )
    told = rollback.undo_delivery(scene.engine, AGENT, run, dry_run=True)
    assert "was merged into main: an undo of the delivery would open a run that reverts it" in told.summary
    assert operations(scene, run) == before


@pytest.mark.requirement("B-28")
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("point", ["OperationIntended", "make_worktree", "start_run", "OperationObserved"])
@pytest.mark.parametrize("is_busy", [False, True])
def test_after_kill_9_at_any_point_the_next_undo_continues_and_there_is_one_run(
    scene: Scene, tmp_path: Path, point: str, is_busy: bool
) -> None:
    delivered(scene)
    run, _ = merged(scene)
    if is_busy:
        scene.write("mine.txt", "not committed\n")
    url = scene.url
    argv = [sys.executable, "-m", "tests.engine.delivery.dying_undo", url, str(scene.root), run, point]
    ended = subprocess.run(argv, env=scene.environment, check=False, capture_output=True, text=True, timeout=120)
    is_asked = point != "make_worktree" or is_busy
    assert ended.returncode == (-signal.SIGKILL if is_asked else 0), ended.stderr
    made = reverted(scene, run).record
    assert reverted(scene, run).record.id == made.id
    with scene.store.read() as tx:
        page = tx.runs.page(scene.engine.project_id, limit=10, archived=False)
    assert sorted(each.id for each in page.runs) == sorted([run, made.id])
    assert [one.state for one in operations(scene, run) if one.kind == "run.revert"] == ["observed"]
    assert (Path(made.worktree) == scene.root) is not is_busy
    scene.work()
    assert (Path(made.worktree) / "app.py").read_text() == "VALUE = 1\n"


def test_a_run_that_would_revert_what_is_gone_stops_before_it_says_that_it_did(scene: Scene) -> None:
    delivered(scene)
    run, _ = merged(scene)
    played(scene, reverted(scene, run))
    again = str(start_run(scene.engine, AGENT, "revert", {"run": run}).record.id)
    scene.work()
    assert scene.attempt(again, "check").status == "pending"
    stopped = scene.attempt(again, "revert").reason
    assert f"What run {run} merged is not in the files any more. Cancel this run." in stopped


def test_a_cancelled_one_is_followed_by_another(scene: Scene) -> None:
    delivered(scene)
    run, _ = merged(scene)
    first = reverted(scene, run).record.id
    answers.control_run(scene.engine, HUMAN, first, "cancel", reason="not now")
    assert reverted(scene, run).record.id != first


def test_one_that_follows_a_cancelled_one_begins_at_the_base_as_it_is_now(scene: Scene) -> None:
    remote = delivered(scene, 'strategy = "merge"')
    run, _ = merged(scene)
    scene.write("mine.txt", "not committed\n")
    first = reverted(scene, run)
    scene.work()
    answers.control_run(scene.engine, HUMAN, first.record.id, "cancel", reason="not now")
    newer(scene, remote)
    played(scene, reverted(scene, run))
    main = scene.git("ls-remote", str(remote), "main").split()[0]
    assert scene.git("show", f"{main}:app.py") == "VALUE = 1\n"
    assert scene.git("show", f"{main}:other.txt") == "other\n"


def test_a_project_without_the_check_of_a_revert_hears_so_from_the_preview_and_nothing_is_begun(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, *STEPS)
    scene.work()
    for preview in (True, False):
        no = refused(rollback.undo_delivery, scene.engine, HUMAN, run, dry_run=preview)
        assert (no.code, "no check 'test'" in no.details[0].message) == ("invalid_template", True)
    assert [one.kind for one in operations(scene, run) if one.kind == REVERTED] == []
