"""The git steps deliver what was approved, and nothing else."""

import subprocess

import pytest

from tests.engine.delivery.delivery_scene import (
    BRANCH,
    CLEAN,
    COMMIT,
    MERGE,
    NOTE,
    PUSH,
    approve,
    approved,
    delivered,
    operations,
    results,
)
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.engine.step_scene import reopen, rows, steps
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git.remote import Remote, push
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.audit import verify
from wfe_mcp.workspace.git.working_tree import parts_of, tree_hash


@pytest.mark.requirement("S3-16", "S3-18")
def test_the_approved_files_become_a_commit_on_a_branch_and_reach_the_remotes_base(scene: Scene) -> None:
    remote = delivered(scene)
    began = scene.git("rev-parse", "HEAD").strip()
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    tree = parts_of(tree_hash(scene.root) or "")[0]
    scene.work()

    found = results(scene, run)
    name = found["branch"]["branch"]
    assert name == f"ai/{run}-a-drill"
    assert scene.git("rev-parse", "HEAD^{tree}").strip() == tree == found["commit"]["tree"]
    assert scene.git("rev-parse", "HEAD^").strip() == began
    assert scene.git("log", "-1", "--format=%an <%ae>|%B").strip() == (
        f"Ada <ada@example.org>|app: value is 2\n\nWfe-Run: {run}"
    )
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == ""
    tip = scene.git("rev-parse", name).strip()
    assert scene.git("ls-remote", str(remote), "main").split()[0] == tip
    assert scene.git("rev-parse", "main").strip() == tip
    assert [(one.kind, one.state) for one in operations(scene, run)] == [
        ("git.branch", "observed"),
        ("git.commit", "observed"),
        ("git.push", "observed"),
        ("git.merge", "observed"),
    ]
    assert scene.state(run).status == "completed"


def test_without_git_or_without_the_setting_each_step_says_that_it_did_nothing(scene: Scene) -> None:
    run = approved(scene, NOTE, BRANCH, COMMIT, PUSH, MERGE, CLEAN)  # a phase that only delivers would be left out
    scene.work()
    names = ("branch", "commit", "push", "merge", "clean")
    found = results(scene, run)
    assert {name: found[name] for name in names} == {name: {"skipped": "[delivery] mode is none"} for name in names}
    (ship,) = [
        each for each in answers.status(scene.engine, AGENT, run, detail="full").data["phases"] if each.get("steps")
    ]
    shown = {(each["state"], each["error"]) for each in ship["steps"] if each["step"] in names}
    assert shown == {("skipped", "[delivery] mode is none")}
    assert scene.git("status", "--porcelain", "app.py").strip() == "M app.py"


def test_without_a_remote_the_change_is_merged_here(scene: Scene) -> None:
    delivered(scene, remote=False)
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    assert results(scene, run)["push"] == {"skipped": "no remote"}
    assert scene.git("show", "main:app.py") == "VALUE = 2\n"


def test_a_file_changed_after_the_approval_is_named_and_nothing_is_committed(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT)
    scene.write("app.py", "VALUE = 3\n")
    scene.work()
    assert "The working folder is not what was approved: 'app.py'." in results(scene, run)["commit"]
    assert rows(scene, run, "ship")["commit"].output == {"blocker": "differs"}
    assert scene.attempt(run, "ship").human_only
    scene.write("app.py", "VALUE = 2\n")
    reopen(scene, run, "ship")
    assert scene.git("show", "HEAD:app.py") == "VALUE = 2\n"


def test_what_never_gets_in_and_files_of_wfe_mcp_stay_out_and_the_first_is_said(scene: Scene) -> None:
    delivered(scene, 'never = ["*.env", "secrets/**"]')
    run = approved(scene, BRANCH, COMMIT, files={"app.py": "VALUE = 2\n", "a.env": "KEY=1\n", "secrets/k": "k"})
    scene.work()
    assert results(scene, run)["commit"]["excluded"] == ["a.env", "secrets/k"]
    assert scene.git("ls-tree", "-r", "--name-only", "HEAD").split() == [".gitignore", "app.py"]


def test_files_that_git_would_store_with_other_bytes_are_refused_by_name(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, files={".gitattributes": "*.txt ident\n", "a.txt": "$Id: mine $\r\n"})
    scene.work()
    assert (
        "as they were approved, because of a filter, an encoding or an expanded $Id$" in results(scene, run)["commit"]
    )
    assert "'a.txt'" in results(scene, run)["commit"]


def test_line_ends_are_committed_as_git_stores_them(scene: Scene) -> None:
    scene.git("config", "core.autocrlf", "true")
    (scene.root / "old.txt").write_bytes(b"one\r\ntwo\r\n")
    (scene.root / "moved.txt").write_bytes(b"three\r\nfour\r\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "texts")
    scene.git("config", "core.safecrlf", "true")
    delivered(scene)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, PUSH, MERGE, name="ship"))
    scene.begin(run, "build")
    (scene.root / "old.txt").write_bytes(b"one\r\n2\r\n")
    (scene.root / "moved.txt").rename(scene.root / "here.txt")
    (scene.root / "new.txt").write_bytes(b"new\r\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == ""
    assert [scene.git("show", f"main:{name}.txt") for name in ("old", "here", "new")] == [
        "one\n2\n",
        "three\nfour\n",
        "new\n",
    ]
    assert scene.git("ls-files", "--eol", "new.txt").split()[:2] == ["i/lf", "w/crlf"]
    assert verify(scene.engine, run).findings == ()


@pytest.mark.parametrize("what", ["merge", "rebase"])
def test_what_the_user_has_not_finished_in_the_folder_is_not_ended(scene: Scene, what: str) -> None:
    delivered(scene)
    scene.git("switch", "-qc", "other")
    for branch, text in (("other", "theirs\n"), ("main", "ours\n")):
        scene.git("switch", "-q", branch)
        scene.write("both.txt", text)
        scene.git("add", "both.txt")
        scene.git("commit", "-qm", branch)
    scene.git("push", "-q", "origin", "main")
    with pytest.raises(subprocess.CalledProcessError):  # both changed the file
        scene.git(what, "other")
    run = approved(scene, BRANCH, COMMIT)
    scene.work()
    assert f"A {what} is not finished in this folder" in results(scene, run)["branch"]
    assert scene.git("ls-files", "--unmerged", "both.txt") != ""
    scene.git(what, "--abort")


def test_hooks_of_the_repository_do_not_run(scene: Scene) -> None:
    delivered(scene)
    for name in ("pre-commit", "commit-msg", "post-commit", "pre-push", "post-checkout", "reference-transaction"):
        hook = scene.root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {scene.root.parent}/ran-{name}\n", encoding="utf-8")
        hook.chmod(0o755)
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert [each.name for each in scene.root.parent.glob("ran-*")] == []


def test_a_branch_of_the_same_name_that_the_run_did_not_make_is_left_alone(scene: Scene) -> None:
    delivered(scene)
    scene.git("branch", "ai/mine")
    run = approved(scene, {**BRANCH, "params": {"branch": "ai/mine"}})
    scene.work()
    assert "Branch 'ai/mine' exists and was not made by this run." in results(scene, run)["branch"]


@pytest.mark.parametrize("is_elsewhere", [False, True])
@pytest.mark.parametrize("path", ["other.txt", "app.py"])
def test_a_base_with_other_files_than_the_working_folder_is_refused_with_the_command(
    scene: Scene, path: str, is_elsewhere: bool
) -> None:
    remote = delivered(scene)
    if is_elsewhere:  # git checks a branch out in one work tree alone
        scene.git("switch", "-q", "-c", "side")
        scene.git("worktree", "add", "-q", str(scene.root.parent / "main folder"), "main")
    base = newer(scene, remote, "VALUE = 9\n", path)
    run = approved(scene, BRANCH, COMMIT)
    mine = (scene.root / "app.py").read_text(encoding="utf-8").strip()
    scene.work()
    assert "'main' at" in results(scene, run)["branch"]
    assert results(scene, run)["branch"].endswith("; then retry 'build', so that its gates judge the files of now.")
    for command in to_begin_there(scene, run):
        scene.git(*command)
    assert scene.git("rev-parse", "HEAD").strip() == base
    assert mine in (scene.root / "app.py").read_text(encoding="utf-8"), "beside what the base has"
    reopen(scene, run, "build")
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 3\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    assert scene.git("rev-parse", f"{results(scene, run)['commit']['sha']}^").strip() == base


def test_the_command_that_takes_a_newer_base_in_works_in_the_clone_of_a_bridge(scene: Scene) -> None:
    remote, clone = delivered(scene), scene.root.parent / "of a developer"
    scene.git("clone", "-q", str(remote), str(clone))
    base = newer(scene, remote)
    run = approved(scene, BRANCH)
    scene.work()
    for command in to_begin_there(scene, run):
        scene.git("-C", str(clone), *command)
    assert scene.git("-C", str(clone), "rev-parse", "HEAD").strip() == base


def test_a_folder_with_commits_of_its_own_begins_at_the_base_by_the_command(scene: Scene) -> None:
    delivered(scene)
    scene.git("switch", "-q", "-c", "side")
    scene.git("worktree", "add", "-q", str(scene.root.parent / "main folder"), "main")
    scene.write("own.txt", "mine\n")
    scene.git("add", "own.txt")
    scene.git("commit", "-q", "-m", "own")
    run = approved(scene, BRANCH)
    scene.work()
    for command in to_begin_there(scene, run):
        scene.git(*command)
    assert scene.git("rev-parse", "HEAD") == scene.git("rev-parse", "main")


def to_begin_there(scene: Scene, run: str) -> list[list[str]]:
    """The commands that the refusal of ``git.branch`` names, without ``git``."""
    line = results(scene, run)["branch"].partition("Begin there: git ")[2].partition("; then")[0]
    return [command.split() for command in line.split(" && git ")]


def newer(scene: Scene, remote: object, text: str = "other\n", path: str = "other.txt") -> str:
    """Another clone pushes to the remote's base."""
    clone = scene.root.parent / "clone"
    if not clone.exists():
        scene.git("clone", "-q", str(remote), str(clone))
    (clone / path).write_text(text, encoding="utf-8")
    scene.git("-C", str(clone), "add", "-A")
    scene.git("-C", str(clone), "commit", "-q", "-m", "other")
    scene.git("-C", str(clone), "push", "-q", "origin", "main")
    return scene.git("-C", str(clone), "rev-parse", "HEAD").strip()


def test_a_merged_tree_that_is_not_the_approved_one_is_named_file_by_file(scene: Scene) -> None:
    remote = delivered(scene, 'strategy = "squash"')
    run = approved(scene, BRANCH, COMMIT, MERGE)
    scene.work_one()
    scene.work_one()
    other = newer(scene, remote)
    scene.work()
    fault = results(scene, run)["merge"]
    assert "They differ in 'other.txt'." in fault, fault
    assert scene.git("ls-remote", str(remote), "main").split()[0] == other


@pytest.mark.parametrize(("strategy", "parents"), [("ff", 1), ("merge", 2), ("squash", 1), ("rebase", 1)])
def test_each_strategy_leads_to_the_approved_files(scene: Scene, strategy: str, parents: int) -> None:
    delivered(scene, f'strategy = "{strategy}"')
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE, CLEAN)
    tree = parts_of(tree_hash(scene.root) or "")[0]
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("rev-parse", "main^{tree}").strip() == tree
    assert len(scene.git("log", "-1", "--format=%P", "main").split()) == parents
    assert f"Wfe-Run: {run}" in scene.git("log", "-1", "--format=%B", "main")
    assert scene.git("branch", "--list").split() == ["*", "main"]
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == ""


def test_a_remote_branch_with_other_commits_is_never_overwritten(scene: Scene) -> None:
    remote = delivered(scene)
    run = approved(scene, {**BRANCH, "params": {"branch": "ai/x"}}, COMMIT, PUSH)
    scene.work_one()
    clone_commit = newer(scene, remote)
    scene.git("-C", str(scene.root.parent / "clone"), "push", "-q", "origin", f"{clone_commit}:refs/heads/ai/x")
    scene.work()
    assert "has commits that are not here" in results(scene, run)["push"]
    assert rows(scene, run, "ship")["push"].output == {"blocker": "conflict"}
    assert scene.git("ls-remote", str(remote), "ai/x").split()[0] == clone_commit


def test_a_remote_that_is_gone_is_named_with_the_command_that_corrects_it(scene: Scene) -> None:
    remote = delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work_one()
    scene.work_one()
    remote.rename(remote.with_name("moved.git"))
    scene.work()
    assert "git remote set-url origin ADDRESS" in results(scene, run)["push"]
    assert rows(scene, run, "ship")["push"].output == {"blocker": "no_remote"}
    remote.with_name("moved.git").rename(remote)
    reopen(scene, run, "ship")
    assert scene.state(run).status == "completed", results(scene, run)
    assert len([one for one in operations(scene, run) if one.kind == "git.commit"]) == 1


def test_a_remote_that_refuses_the_branch_is_a_blocker_of_its_own(scene: Scene) -> None:
    remote = delivered(scene)
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nprintf 'protected branch:\\nby the team\\n' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    text = results(scene, run)["push"]
    assert "remote: protected branch: remote: by the team. Deliver" in text
    assert "  " not in text, "git fills lines up with spaces"
    (blocker,) = scene.status(run).data["blockers"]
    assert "Nothing was pushed: " in blocker, "a shortened text keeps its beginning"
    assert "or have the rule of the branch changed, then retry the phase" in blocker
    assert rows(scene, run, "ship")["push"].output == {"blocker": "protected"}
    assert scene.attempt(run, "ship").status is AttemptStatus.FAILED
    assert PhasePath("ship") in scene.state(run).attempts


def test_a_reason_with_a_colon_does_not_hide_which_branch_was_refused(scene: Scene) -> None:
    bare = delivered(scene)
    scene.git("-C", str(bare), "config", "receive.procReceiveRefs", "refs/heads")
    said = "ng refs/heads/ai/x rule 7: not now\n"  # in the protocol of that hook: length, then text
    hook = bare / "hooks" / "proc-receive"
    hook.write_text(f"#!/bin/sh\nprintf '000eversion=1\n0000{len(said) + 4:04x}{said}0000'\ncat > /dev/null\n")
    hook.chmod(0o755)
    with pytest.raises(DeliveryFault, match=r"does not take 'ai/x': .remote rejected. .rule 7: not now."):
        push(Remote(scene.root, "origin", str(bare)), {"refs/heads/ai/x": scene.git("rev-parse", "HEAD").strip()})


@pytest.mark.requirement("S3-25")
def test_clean_lists_first_and_keeps_what_is_not_merged(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, {"id": "look", "builtin": "git.clean"}, {**CLEAN, "id": "clean"})
    scene.work()
    name = results(scene, run)["branch"]["branch"]
    assert results(scene, run)["look"] == {"dry_run": True, "branches": [], "stays": {name: "not merged"}, "remote": ""}
    assert scene.git("rev-parse", name)


def test_a_push_of_which_nothing_can_be_seen_afterwards_may_have_happened(scene: Scene) -> None:
    remote = delivered(scene)
    hook = remote / "hooks" / "post-update"
    hook.write_text(
        '#!/bin/sh\nfor ref; do case $ref in refs/heads/ai/*) git update-ref -d "$ref";; esac; done\n', encoding="utf-8"
    )
    hook.chmod(0o755)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    assert results(scene, run)["push"] == "git.push was called, and nothing of it can be seen"
    assert rows(scene, run, "ship")["push"].status == "unknown"
    hook.unlink()
    reopen(scene, run, "ship")
    assert results(scene, run)["push"]["branch"]


def test_commits_that_only_the_base_of_this_clone_has_are_not_pushed_with_a_change(scene: Scene) -> None:
    remote = delivered(scene)
    before = scene.git("ls-remote", str(remote), "main")
    scene.git("commit", "-q", "--allow-empty", "-m", "mine, not pushed")
    run = approved(scene, BRANCH, COMMIT, MERGE)
    scene.work()
    assert (
        "has commits that origin does not have: they would be pushed with the change." in results(scene, run)["merge"]
    )
    assert scene.git("ls-remote", str(remote), "main") == before
    scene.git("push", "-q", "origin", "main")
    reopen(scene, run, "ship")
    assert scene.git("ls-remote", str(remote), "main").split()[0] == scene.git("rev-parse", "main").strip()
    assert scene.git("show", "main:app.py") == "VALUE = 2\n"


def test_a_step_that_commits_once_more_answers_with_the_commit_that_is_there(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT)
    scene.work()
    answer, done = results(scene, run)["commit"], operations(scene, run)
    control.retry(scene.engine, HUMAN, run, "ship", from_step="commit")
    scene.work()
    assert (results(scene, run)["commit"], operations(scene, run)) == (answer, done)
    assert scene.git("rev-parse", "HEAD").strip() == answer["sha"]


def test_a_later_phase_that_makes_the_branch_of_the_run_continues_on_it(scene: Scene) -> None:
    delivered(scene)
    later = steps(BRANCH, COMMIT, name="ship")
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT), phase("again", approval()), later)
    for name, text in (("build", "VALUE = 2\n"), ("again", "VALUE = 3\n")):
        scene.clock.advance(minutes=1)
        scene.begin(run, name)
        scene.write("app.py", text)
        scene.submit(run, name)
        approve(scene, run, name)
        scene.work()
    assert results(scene, run)["branch"]["resumed"] is True
    assert scene.git("rev-list", "--count", "main..HEAD").strip() == "2"
