"""``git cleanup`` removes what delivered runs left: merged branches and unused work trees, and says why others stay."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, CLEAN, COMMIT, MERGE, PUSH, approved, delivered, operations
from tests.engine.delivery.forge_scene import OPEN, at_forge
from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from wfe_mcp.core.operation_events import OperationCalled, OperationIntended
from wfe_mcp.engine.delivery.operations import record
from wfe_mcp.engine.delivery.undo import undo_delivery, undoable
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.maintenance.worktrees import clean_up
from wfe_mcp.engine.runs.control import control

pytestmark = pytest.mark.usefixtures("home")


def branches(scene: Scene) -> list[str]:
    return scene.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()


def run_of(scene: Scene, number: int, *given: dict[str, object]) -> tuple[str, str]:
    """A run that changed ``app.py`` and worked its steps; and its branch."""
    run = approved(scene, *given, files={"app.py": f"VALUE = {number}\n"})
    scene.work()
    return run, str(operations(scene, run)[0].target["branch"])


@pytest.mark.requirement("S3-27", "S3-25")
def test_merged_branches_of_delivered_runs_go_and_the_others_stay_each_with_its_reason(scene: Scene) -> None:
    remote = delivered(scene)
    first, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    second, kept = run_of(scene, 3, BRANCH, COMMIT, PUSH)
    scene.git("checkout", "-q", "main")
    third, current = run_of(scene, 4, BRANCH, COMMIT, MERGE)

    seen = clean_up(scene.engine, AGENT)
    assert [(each.run, each.kind, each.name, each.stays) for each in seen] == [
        (first, "branch", merged, ""),
        (second, "branch", kept, "not merged"),
        (third, "branch", current, "it is the current branch; leave it: git switch main"),
    ]
    assert branches(scene) == sorted([merged, kept, current, "main"]), "it only looked"
    assert clean_up(scene.engine, AGENT, do=True) == seen
    assert branches(scene) == sorted([kept, current, "main"])
    assert merged in scene.git("ls-remote", str(remote)), "the remote was not named"
    cleaned = operations(scene, first)[-1]
    assert (cleaned.kind, cleaned.state, cleaned.before["by"]) == ("git.clean", "observed", AGENT.actor)
    assert [each.name for each in clean_up(scene.engine, AGENT, do=True) if not each.stays] == []
    found = {each.code for each in verify(scene.engine).findings}
    assert found == {"gates_weakened"}, "the scene defines its template again for each run"


def test_a_branch_that_a_person_merged_at_the_forge_goes_and_one_that_is_open_there_stays(scene: Scene) -> None:
    with at_forge(scene) as forge:
        first, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, OPEN)
        scene.git("checkout", "-q", "main")
        second, kept = run_of(scene, 3, BRANCH, COMMIT, PUSH, OPEN)
        scene.git("checkout", "-q", "main")
        forge.merge(forge.pulls[1], "squash", "by a person")
        assert [(each.run, each.name, each.stays) for each in clean_up(scene.engine, AGENT)] == [
            (first, merged, ""),
            (second, kept, "not merged"),
        ]
        assert branches(scene) == sorted([merged, kept, "main"]), "it only looked"
        clean_up(scene.engine, AGENT, do=True)
        assert branches(scene) == sorted([kept, "main"])


def test_a_branch_of_two_runs_is_that_of_the_run_that_made_it_last(scene: Scene) -> None:
    delivered(scene)
    same: dict[str, object] = {**BRANCH, "params": {"branch": "ai/same"}}
    run_of(scene, 2, same, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    clean_up(scene.engine, HUMAN, do=True, on_remote=True)
    scene.clock.advance(minutes=1)
    second, _ = run_of(scene, 3, same, COMMIT)
    assert clean_up(scene.engine, AGENT) == [(second, "branch", "ai/same", "not merged")]


@pytest.mark.requirement("S3-27")
def test_on_the_remote_merged_branches_go_too_where_a_person_says_so(scene: Scene) -> None:
    remote = delivered(scene)
    _, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    assert refused(clean_up, scene.engine, AGENT, do=True, on_remote=True).code == "needs_human"
    clean_up(scene.engine, HUMAN, do=True, on_remote=True)
    assert (branches(scene), merged in scene.git("ls-remote", str(remote))) == (["main"], False)


@pytest.mark.requirement("S3-27")
def test_what_may_refuse_is_looked_at_before_anything_goes_and_a_begun_one_is_judged_again(
    scene: Scene, tmp_path: Path
) -> None:
    remote = delivered(scene)
    _, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    folder = tmp_path / "beside"
    scene.git("worktree", "add", "-q", str(folder), merged)
    scene.git("-C", str(folder), "commit", "-q", "--allow-empty", "-m", "more")
    scene.git("push", "-q", str(remote), merged)
    scene.git("-C", str(folder), "reset", "-q", "--hard", "HEAD~")
    (stays,) = clean_up(scene.engine, HUMAN, do=True, on_remote=True)
    assert (stays.name, "has other commits than the merged ones" in stays.stays) == (merged, True)
    assert folder.exists(), "nothing went before the remote was looked at"
    scene.git("-C", str(folder), "commit", "-q", "--allow-empty", "-m", "not merged")
    assert [each[2:] for each in clean_up(scene.engine, AGENT, do=True)] == [(merged, "not merged")]
    assert (folder.exists(), merged in branches(scene)) == (True, True)


@pytest.mark.requirement("S3-27")
def test_a_branch_that_is_gone_here_can_be_removed_on_the_remote_later(scene: Scene) -> None:
    remote = delivered(scene)
    run, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    clean_up(scene.engine, HUMAN, do=True)
    assert [each[2:] for each in clean_up(scene.engine, AGENT, on_remote=True)] == [(merged, "")]
    target = {"branch": merged, "remote": "origin"}
    key = "git.clean:@command:begun"
    record(scene.engine, run, OperationIntended(key=key, kind="git.clean", target=target, before={"sha": "a" * 40}))
    assert clean_up(scene.engine, AGENT, do=True) == [], "what was begun with the remote is settled here"
    assert [each[2:] for each in clean_up(scene.engine, HUMAN, do=True, on_remote=True)] == [(merged, "")]
    assert merged not in scene.git("ls-remote", str(remote))
    assert clean_up(scene.engine, HUMAN, do=True, on_remote=True) == []


def test_an_undo_names_the_command_that_finishes_a_begun_clean_up_until_another_one_was_seen(scene: Scene) -> None:
    delivered(scene)
    run, branch = run_of(scene, 2, BRANCH, COMMIT, PUSH)
    scene.git("checkout", "-q", "main")
    scene.git("merge", "-q", branch)
    key, sha = "git.clean:@command:begun", scene.git("rev-parse", branch).strip()
    target = {"branch": branch, "remote": "origin"}
    record(scene.engine, run, OperationIntended(key=key, kind="git.clean", target=target, before={"sha": sha}))
    record(scene.engine, run, OperationCalled(key=key))
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert (no.code, no.hint) == ("not_ready", "Finish it first: wfe-mcp git cleanup --yes --remote")
    clean_up(scene.engine, AGENT, do=True)
    assert key not in [one.key for one in undoable(scene.engine, run)]


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_work_tree_on_no_branch_goes_only_where_the_server_made_it(scene: Scene, is_ours: bool) -> None:
    delivered(scene)
    place = scene.root.with_name(f"{scene.root.name}-worktrees") if is_ours else scene.root.parent
    folder = place / "apart"
    scene.git("worktree", "add", "-q", "--detach", str(folder))
    there = Scene(folder, scene.store, scene.clock, scene.environment)
    run = there.start(phase("build"))
    target = {"remote": "origin", "branch": "none", "sha": ""}
    record(there.engine, run, OperationIntended(key="git.push:a:b:c", kind="git.push", target=target, before={}))
    control(there.engine, HUMAN, run, "cancel", reason="no more")
    (found,) = clean_up(scene.engine, HUMAN, do=True)
    assert (found.kind, found.name, "the server did not make it" in found.stays) == (
        "work tree",
        str(folder),
        not is_ours,
    )
    assert folder.exists() is not is_ours


def test_a_fault_of_one_run_does_not_keep_the_others(scene: Scene) -> None:
    remote = delivered(scene)
    run, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    clean_up(scene.engine, HUMAN, do=True)
    _, other = run_of(scene, 3, BRANCH, COMMIT, MERGE)
    scene.git("checkout", "-q", "main")
    remote.rename(remote.with_name("moved.git"))
    found = clean_up(scene.engine, HUMAN, do=True, on_remote=True)
    assert (found[0].run, found[0].kind) == (run, "run")
    assert [each.name for each in found if each.stays] == [run, other], merged


def test_the_branch_of_an_open_run_and_a_work_tree_with_changes_stay(scene: Scene, tmp_path: Path) -> None:
    delivered(scene)
    ended, merged = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    open_, branch = run_of(scene, 3, BRANCH, COMMIT, MERGE, {"id": "wait", "wait": "1h"})
    scene.git("checkout", "-q", "main")
    folder = tmp_path / "beside"
    scene.git("worktree", "add", "-q", str(folder), merged)
    (folder / "app.py").write_text("not committed\n")
    found = {each.name: each.stays for each in clean_up(scene.engine, AGENT, do=True)}
    assert found == {merged: f"{folder} has changes that are not committed", branch: f"run {open_} is open"}
    scene.git("-C", str(folder), "checkout", "-q", "app.py")
    gone = [(each.run, each.name) for each in clean_up(scene.engine, AGENT, do=True) if not each.stays]
    assert (gone, folder.exists()) == ([(ended, merged)], False)


def test_a_project_that_delivers_nothing_and_one_without_runs_have_nothing_to_remove(scene: Scene) -> None:
    assert clean_up(scene.engine, AGENT, do=True) == []
    delivered(scene)
    run_of(scene, 2, BRANCH, COMMIT, MERGE, CLEAN)
    assert clean_up(scene.engine, AGENT, do=True) == []
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text().replace('mode = "merge"', 'mode = "none"'))
    scene.trust_config()
    no = refused(clean_up, scene.engine, AGENT)
    assert (no.code, "mode is none" in no.message, "wfe-mcp worktree list" in no.hint) == ("unavailable", True, True)


DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from tests.engine.scene import AGENT
from wfe_mcp.delivery.git import refs
from wfe_mcp.engine.delivery import operations
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.maintenance.worktrees import clean_up
from wfe_mcp.engine.runs.control import control
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

url, root, point = sys.argv[1:]
module, name = (refs, "remove") if point == "remove" else (operations, "record")
call = getattr(module, name)

def called(*args, **named):
    found = call(*args, **named)
    if name == point or type(args[2]).__name__ == point:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(module, name, called)
clock = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
engine = create_engine(project_at(Path(root)), clock=clock, store=Store.open(url, clock=clock))
clean_up(engine, AGENT, do=True)
"""


@pytest.mark.requirement("S3-27")
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("point", ["OperationIntended", "OperationCalled", "remove", "OperationObserved"])
def test_after_kill_9_at_any_point_the_next_one_continues(scene: Scene, tmp_path: Path, point: str) -> None:
    delivered(scene)
    run, _ = run_of(scene, 2, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("checkout", "-q", "main")
    argv = [sys.executable, "-c", DIES, scene.url, str(scene.root), point]
    ended = subprocess.run(argv, env=scene.environment, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    clean_up(scene.engine, AGENT, do=True)
    assert branches(scene) == ["main"]
    assert [one.state for one in operations(scene, run) if one.kind == "git.clean"] == ["observed"]
    assert list(verify(scene.engine).findings) == []
    assert refused(undoable, scene.engine, run).code == "conflict"
