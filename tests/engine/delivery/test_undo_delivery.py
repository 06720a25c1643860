"""An undo reverses a delivery as it was observed, before the merge."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

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
    operations,
    results,
)
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import reopen, steps
from wfe_mcp.engine.delivery import undo
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.views.answers import rollback

PROTECTED = '#!/bin/sh\n[ "$1" = refs/heads/{branch} ] || exit 0\necho protected branch >&2\nexit 1\n'


def branches_at(scene: Scene, remote: Path) -> list[str]:
    return scene.git("ls-remote", str(remote), "refs/heads/*").split()[1::2]


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
    assert [(one.state, (one.after or {})["sha"]) for one in operations(scene, run)] == [
        ("undone", began),
        ("undone", began),
        ("undone", ""),
    ]
    assert refused(undo_delivery, scene.engine, HUMAN, run).code == "illegal_transition"
    assert list(verify(scene.engine).findings) == []


def test_only_a_person_undoes_a_delivery(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT)
    scene.work()
    no = refused(undo_delivery, scene.engine, AGENT, run)
    assert (no.code, no.hint) == (
        "needs_human",
        f"Ask the user to run in a terminal of their own: wfe-mcp undo {run} --delivery",
    )
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


def test_an_undo_of_the_last_command_says_that_what_was_merged_stays(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    commit = scene.git("rev-parse", "main").strip()[:12]
    stays = f"; {commit} stays on main: wfe-mcp undo {run} --delivery"
    for answer in (
        rollback.preview(scene.engine, run, kind="undo", files=False),
        rollback.undo(scene.engine, HUMAN, run),
    ):
        assert stays in answer.summary


def test_a_remote_branch_with_later_commits_stays(scene: Scene) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    name = scene.git("symbolic-ref", "--short", "HEAD").strip()
    scene.git("commit", "-q", "--allow-empty", "-m", "by hand")
    scene.git("push", "-q", "origin", name)
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert "someone pushed since, so it stays" in no.message
    assert refused(rollback.undo_delivery, scene.engine, HUMAN, run, dry_run=True).message == no.message
    assert name in scene.git("ls-remote", str(remote))


@pytest.mark.parametrize("prevents", ["no such remote", "a hook there"])
def test_what_prevents_an_undo_is_named_with_that_undo_as_the_next_step(scene: Scene, prevents: str) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    if prevents == "a hook there":
        hook = remote / "hooks" / "update"
        hook.write_text(PROTECTED.format(branch=scene.git("symbolic-ref", "--short", "HEAD").strip()), encoding="utf-8")
        hook.chmod(0o755)
    else:
        scene.git("remote", "rename", "origin", "upstream")
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert no.message.endswith(f"then undo it again: wfe-mcp undo {run} --delivery.")
    assert not [word for word in ("retry", "pull request") if word in no.message]
    assert {one.state for one in operations(scene, run)} == {"observed"}


def test_a_commit_of_others_on_the_branch_stays_and_so_does_all_that_the_run_did(scene: Scene) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    before = scene.git("ls-remote", str(remote))
    scene.git("commit", "-q", "--allow-empty", "-m", "mine")
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert "has commits that this run did not record: it stays" in no.message
    assert refused(rollback.undo_delivery, scene.engine, HUMAN, run, dry_run=True).message == no.message
    assert scene.git("ls-remote", str(remote)) == before
    assert {one.state for one in operations(scene, run)} == {"observed"}


def test_a_run_that_delivered_nothing_has_nothing_to_undo(scene: Scene) -> None:
    run = approved(scene, CLEAN)
    scene.work()
    assert refused(undo_delivery, scene.engine, HUMAN, run).code == "illegal_transition"


@pytest.mark.parametrize("rejected", ["merge", "push"])
def test_what_the_remote_rejected_has_nothing_to_undo_and_the_rest_is_undone(scene: Scene, rejected: str) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    hook = remote / "hooks" / "update"
    hook.write_text(PROTECTED.format(branch="main" if rejected == "merge" else f"ai/{run}-a-drill"), encoding="utf-8")
    hook.chmod(0o755)
    scene.work()
    assert [(one.kind, one.state) for one in operations(scene, run)][-1] == (f"git.{rejected}", "called")
    begun = scene.git("rev-parse", "main").strip()

    would = rollback.undo_delivery(scene.engine, AGENT, run, dry_run=True)
    pushed = "git.push" if rejected == "merge" else "git.commit"
    assert would.summary.startswith(
        f"An undo of the delivery would reverse {3 if rejected == 'merge' else 2} operations: {pushed}"
    )
    assert "git.merge" not in would.summary
    assert operations(scene, run)[-1].state == "called", "nothing is recorded by a look"

    undone = undo_delivery(scene.engine, HUMAN, run)

    assert [one.kind for one in undone] == ["git.push", "git.commit", "git.branch"][-len(undone) :]
    assert branches_at(scene, remote) == ["refs/heads/main"]
    assert scene.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert scene.git("rev-parse", "HEAD").strip() == begun
    assert {one.state for one in operations(scene, run)} == {"undone"}
    assert refused(undo_delivery, scene.engine, HUMAN, run).code == "illegal_transition"
    assert list(verify(scene.engine).findings) == []

    hook.unlink()
    plan = control.retry_plan(scene.engine, run, "ship")
    assert plan is not None and plan.kept == (), "what was undone is there no more"
    control.retry(scene.engine, HUMAN, run, "ship")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("show", "main:app.py" if rejected == "merge" else f"ai/{run}-a-drill:app.py") == "VALUE = 2\n"


def killed(scene: Scene, kind: str, point: str) -> None:
    """A worker of its own began the steps and was killed there."""
    worker = Path(__file__).with_name("dying_worker.py")
    words = [sys.executable, str(worker), scene.url, str(scene.root), kind, point]
    done = subprocess.run(words, env=scene.environment, cwd=Path.cwd(), timeout=120, check=False)
    assert done.returncode == -9, done


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        ("git.branch", "OperationCalled"),
        ("git.branch", "git.refs.move"),
        ("git.commit", "OperationCalled"),
        ("git.commit", "git.refs.move"),
        ("git.push", "OperationCalled"),
        ("git.push", "git.remote.push"),
        ("git.merge", "OperationCalled"),
    ],
)
def test_after_kill_9_an_undo_finds_what_the_call_did(scene: Scene, kind: str, point: str) -> None:
    remote = delivered(scene)
    began = scene.git("rev-parse", "HEAD").strip()
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    killed(scene, kind, point)
    assert operations(scene, run)[-1].state == "called"

    did_nothing = (kind, point) == ("git.branch", "OperationCalled")
    if did_nothing:
        assert refused(undo_delivery, scene.engine, HUMAN, run).code == "illegal_transition"
    else:
        undo_delivery(scene.engine, HUMAN, run)

    assert branches_at(scene, remote) == ["refs/heads/main"]
    assert scene.git("branch", "--list", "--format=%(refname:short)").split() == ["main"]
    assert scene.git("rev-parse", "HEAD").strip() == scene.git("rev-parse", "main").strip() == began
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe").split() == ["M", "app.py", "??", "new/"]
    assert {one.state for one in operations(scene, run)} == {"undone"}
    assert list(verify(scene.engine).findings) == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("strategy", ["ff", "squash"])
def test_after_kill_9_an_undo_finds_the_merge_on_the_remote_and_opens_the_run_that_reverts_it(
    scene: Scene, strategy: str
) -> None:
    remote = delivered(scene, f'strategy = "{strategy}"')
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    killed(scene, "git.merge", "git.remote.push")
    assert operations(scene, run)[-1].state == "called"
    merged = scene.git("ls-remote", str(remote), "refs/heads/main").split()[0]

    scene.check("test", "import sys; sys.exit(0)")
    would = rollback.undo_delivery(scene.engine, AGENT, run, dry_run=True)
    assert (
        would.summary == f"{merged[:12]} was merged into main: an undo of the delivery would open a run that reverts it"
    )
    assert refused(undo_delivery, scene.engine, HUMAN, run).code == "conflict"
    assert operations(scene, run)[-1].commit == merged
    made = rollback.undo_delivery(scene.engine, HUMAN, run)
    assert made.run != run
    assert f"{merged[:12]} was merged into main: run {made.run} reverts it" in made.summary


def test_a_step_that_is_at_work_is_not_undone(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    killed(scene, "git.push", "OperationCalled")
    with scene.store.tx() as tx:
        job = next(job for job in tx.jobs.running() if job.run_id == run)
        tx.jobs.fail(job.id, job.fence, "the worker is gone", scene.clock())
        claimed = tx.jobs.claim(scene.engine.holder, [job.queue], 60, scene.clock())
    assert claimed
    no = refused(undo_delivery, scene.engine, HUMAN, run)
    assert (no.code, no.hint) == ("not_ready", f"Wait for it: wfe-mcp watch {run}")


def test_a_branch_that_was_undone_is_made_again_by_its_own_phase(scene: Scene) -> None:
    delivered(scene)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT), steps(PUSH, name="ship"), phase("end"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    undo_delivery(scene.engine, HUMAN, run)
    reopen(scene, run, "ship")
    assert f"Its branch was undone. Make it again: wfe-mcp retry {run} ci" in results(scene, run)["push"]
    control.retry(scene.engine, HUMAN, run, "ci")
    scene.work()
    assert results(scene, run)["push"]["branch"]


def kill(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def test_what_was_undone_is_named_by_its_work_item_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered(scene)
    scene.define(phase("build", approval()), steps(BRANCH, COMMIT, PUSH), phase("end"), name="ship")
    values = {"title": "Value is 2", "body": "It is one, and should be two", "criteria": ["it is two"]}
    item = add_item(scene.engine, AGENT, "task", values)
    change_item(scene.engine, AGENT, item.id, {}, "ready")
    run = start_item(scene.engine, AGENT, item.id, "ship").record.id
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()

    def made() -> tuple[str, int]:
        with scene.engine.store.read() as tx:
            item_now = tx.items.get(scene.engine.project_id, item.id)
        return item_now.branch, len(item_now.commits)

    assert made() == ("ai/W-1-value-is-2", 1)
    with monkeypatch.context() as patch:
        patch.setattr(undo, "_take_from_items", kill)
        with pytest.raises(KeyboardInterrupt):
            undo_delivery(scene.engine, HUMAN, run)
    assert made() == ("ai/W-1-value-is-2", 1)
    undo_delivery(scene.engine, HUMAN, run)
    assert made() == ("", 0)
    assert list(verify(scene.engine).findings) == []


@pytest.mark.requirement("B-28")
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("step", ["push", "commit", "branch"])
def test_an_undo_that_was_killed_in_between_is_completed_by_the_next(scene: Scene, step: str) -> None:
    remote = delivered(scene)
    began = scene.git("rev-parse", "HEAD").strip()
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    argv = [sys.executable, "-m", "tests.engine.delivery.dying_undo", scene.url, str(scene.root), run, f"undo_{step}"]
    ended = subprocess.run(argv, env=scene.environment, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True)
    undo_delivery(scene.engine, HUMAN, run)
    assert {one.state for one in operations(scene, run)} == {"undone"}
    assert scene.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert scene.git("for-each-ref", "--format=%(objectname)", "refs/heads").split() == [began]
    assert scene.git("ls-remote", str(remote), "refs/heads/*").split() == [began, "refs/heads/main"]
    assert (scene.root / "app.py").read_text() == "VALUE = 2\n"
    assert list(verify(scene.engine).findings) == []
