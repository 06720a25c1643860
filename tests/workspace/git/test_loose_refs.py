"""A ref of ours is made without git where it is a file, as git makes it, and is left to git everywhere else."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspace.checkpoint_scene import AT, LIMITS, Git, user_state, write
from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.git import refs
from wfe_mcp.delivery.git.remote import Remote, fetch
from wfe_mcp.workspace.git import objects
from wfe_mcp.workspace.git.checkpoints import REFS, drop, keep, list_checkpoints
from wfe_mcp.workspace.git.job_refs import drop_jobs, job_ref, keep_files
from wfe_mcp.workspace.git.own_refs import advance_ref
from wfe_mcp.workspace.git.snapshot import take
from wfe_mcp.workspace.git.working_tree import hashed_tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows every ref is left to git")

NAME = "r/one"
REF = f"{REFS}/{NAME}"


@pytest.fixture
def commit(root: Path, repo: Git) -> str:
    return take(root, {}, LIMITS, at=AT).commit


def test_no_process_of_git_is_needed(root: Path, repo: Git, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = user_state(root, repo)
    with monkeypatch.context() as nothing:
        nothing.setenv("PATH", "")
        keep(root, NAME, commit)
        keep(root, NAME, commit)
        assert objects.commit_at(root, REF) == commit
    assert list_checkpoints(root) == {NAME: commit}
    assert user_state(root, repo) == mine
    assert repo("fsck", "--strict", "--no-dangling").strip() == ""
    repo("reflog", "expire", "--expire=all", "--all")
    repo("gc", "-q", "--prune=now")
    assert repo("cat-file", "-t", commit).strip() == "commit"


def packed_name(root: Path, repo: Git) -> None:
    repo("update-ref", REF, "HEAD")
    repo("pack-refs", "--all")


def packed_below(root: Path, repo: Git) -> None:
    repo("update-ref", f"{REF}/below", "HEAD")
    repo("pack-refs", "--all")


def packed_above(root: Path, repo: Git) -> None:
    repo("update-ref", f"{REFS}/r", "HEAD")
    repo("pack-refs", "--all")


def many_packed(root: Path, repo: Git) -> None:
    repo("pack-refs", "--all")
    with (root / ".git/packed-refs").open("a") as file:
        file.write(f"^{'0' * 40}\n" * 30_000)


ODD: dict[str, Callable[[Path, Git], object]] = {
    "the name is taken": lambda root, repo: repo("update-ref", REF, "HEAD"),
    "the name is taken in a pack": packed_name,
    "a packed ref lies below the name": packed_below,
    "a packed ref stands where its folder would": packed_above,
    "too many packed refs to look through": many_packed,
    "a ref stands where its folder would": lambda root, repo: repo("update-ref", f"{REFS}/r", "HEAD"),
    "a folder stands in its place": lambda root, repo: (root / ".git" / REF).mkdir(parents=True),
    "somebody has locked it": lambda root, repo: write(root, f".git/{REF}.lock", ""),
    "the repository is shared": lambda root, repo: repo("config", "core.sharedRepository", "group"),
    "refs are kept otherwise": lambda root, repo: repo("config", "extensions.refStorage", "reftable"),
    "they are kept in tables": lambda root, repo: (root / ".git" / "reftable").mkdir(),
    "its refs are another repository's": lambda root, repo: write(root, ".git/commondir", "../../other/.git\n"),
    "it is no repository": lambda root, repo: (root / ".git" / "HEAD").unlink(),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_not_plain_is_left_to_git(
    root: Path, repo: Git, commit: str, odd: Callable[[Path, Git], object]
) -> None:
    odd(root, repo)
    git = root / ".git"
    before = sorted(each for each in git.rglob("*") if each.is_file())
    assert not objects.create(root, REF, commit)
    assert sorted(each for each in git.rglob("*") if each.is_file()) == before


def test_a_ref_to_an_object_that_is_not_there_is_left_to_git_which_refuses_it(root: Path, repo: Git) -> None:
    assert not objects.create(root, REF, "1" * 40)
    with pytest.raises(Refused) as refused:
        keep(root, NAME, "1" * 40)
    assert "nonexistent object" in refused.value.message
    assert list_checkpoints(root) == {}


def test_a_ref_to_an_object_in_a_pack_is_left_to_git(root: Path, repo: Git, commit: str) -> None:
    keep(root, NAME, commit)
    repo("repack", "-q", "-a", "-d")
    assert not objects.create(root, f"{REFS}/r/two", commit)
    keep(root, "r/two", commit)
    assert list_checkpoints(root) == {NAME: commit, "r/two": commit}


def test_in_a_linked_worktree_and_after_packing_git_keeps_it(
    root: Path, repo: Git, commit: str, tmp_path: Path
) -> None:
    repo("worktree", "add", "-q", str(tmp_path / "linked"))
    assert not objects.create(tmp_path / "linked", REF, commit)
    keep(tmp_path / "linked", NAME, commit)
    assert objects.commit_at(tmp_path / "linked", REF) == ""
    repo("pack-refs", "--all")
    assert objects.commit_at(root, REF) == ""
    keep(root, NAME, commit)
    keep(root, "r/two", commit)
    assert list_checkpoints(root) == {NAME: commit, "r/two": commit}


def test_in_a_repository_of_reftables_git_keeps_it(root: Path) -> None:
    asked = ["git", "init", "-q", "--ref-format=reftable", str(root)]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("this git has no reftables")
    write(root, "a.txt")
    commit = take(root, {}, LIMITS, at=AT).commit
    keep(root, NAME, commit)
    assert list_checkpoints(root) == {NAME: commit}


def test_a_disk_that_refuses_a_write_leaves_no_lock(
    root: Path, repo: Git, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(objects.os, "fsync", full)
    assert not objects.create(root, REF, commit)
    assert list((root / ".git" / "refs").rglob("*.lock")) == []


@pytest.mark.attack(
    "a ref of ours is made another name of a branch, so that we move or delete the branch", "held", "T11"
)
def test_what_names_a_branch_is_replaced_and_removed_itself(root: Path, repo: Git, commit: str) -> None:
    audit, branches = "refs/wfe/audit", repo("for-each-ref", "refs/heads")
    repo("branch", "old", commit)
    for ref in (audit, REF, job_ref("j")):
        repo("symbolic-ref", ref, "refs/heads/main")
    repo("symbolic-ref", f"{REFS}/r/two", "refs/heads/unborn")

    assert advance_ref(root, audit, lambda _: commit, "The anchor") == commit
    keep(root, "r/two", commit)
    keep_files(root, "j", hashed_tree(root).files, AT)
    repo("symbolic-ref", job_ref("k"), "refs/heads/old")
    repo("symbolic-ref", f"{REFS}/r/three", "refs/heads/old")
    drop_jobs(root, but=["j"])
    drop(root, [NAME, "r/three"])
    repo("symbolic-ref", "refs/heads/change", "refs/heads/old")
    refs.remove(root, "refs/heads/change", commit)

    assert repo("rev-parse", "old").strip() == commit
    repo("branch", "-D", "old")
    assert repo("for-each-ref", "refs/heads") == branches
    assert repo("for-each-ref", "--format=%(refname)%(symref)", "refs/wfe").split() == [
        audit,
        f"{REFS}/r/two",
        job_ref("j"),
    ]


def test_what_was_fetched_moves_no_branch_that_its_ref_names(root: Path, repo: Git, tmp_path: Path) -> None:
    there, before = tmp_path / "there.git", repo("rev-parse", "HEAD").strip()
    repo("clone", "-q", "--bare", ".", str(there))
    repo("remote", "add", "origin", str(there))
    repo("symbolic-ref", "refs/remotes/origin/main", "refs/heads/main")
    newer = repo("commit-tree", "-p", "HEAD", "-m", "theirs", "HEAD^{tree}").strip()
    repo("push", "-q", str(there), f"{newer}:refs/heads/main")

    assert fetch(Remote(root, "origin", str(there)), "main") == newer
    assert repo("rev-parse", "main", "refs/remotes/origin/main").split() == [before, newer]
