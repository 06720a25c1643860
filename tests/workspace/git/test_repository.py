"""What git knows, and what a repository may not make it do."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git import command as git_command
from wfe_mcp.workspace.git.command import repository, run_git
from wfe_mcp.workspace.git.repository import (
    branch,
    commit_message,
    commit_messages,
    commits_between,
    head,
    is_ancestor,
    is_clean,
)
from wfe_mcp.workspace.git.working_tree import changed_paths, tree_hash

Git = Callable[..., str]


def commit(root: Path, repo: Git, message: str) -> str:
    (root / "n.txt").write_text(message)
    repo("add", "-A")
    repo("commit", "-q", "-m", message)
    return repo("rev-parse", "HEAD").strip()


def test_head_and_branch_are_known(root: Path, repo: Git) -> None:
    assert head(root) == repo("rev-parse", "HEAD").strip()
    assert branch(root) == "main"
    repo("checkout", "-q", "--detach")
    assert branch(root) is None


def test_before_the_first_commit_there_is_a_branch_and_no_head(root: Path) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    assert (head(root), branch(root)) == (None, "main")


def test_without_git_there_is_neither(root: Path) -> None:
    assert (head(root), branch(root)) == (None, None)


def test_a_git_question_without_git_says_what_to_do(root: Path) -> None:
    with pytest.raises(Refused) as refused:
        is_clean(root)
    assert (refused.value.code, refused.value.hint) == ("unavailable", "Run `git init` there, or install git.")


def test_a_clean_tree_has_nothing_changed_and_nothing_untracked(root: Path, repo: Git) -> None:
    (root / ".wfe").mkdir()
    (root / ".wfe/config.toml").write_text("")
    (root / "x.log").write_text("ignored")
    assert is_clean(root)
    (root / "new.txt").write_text("x")
    assert not is_clean(root)
    (root / "new.txt").unlink()
    (root / "a.txt").write_text("changed\n")
    assert not is_clean(root)
    repo("add", "a.txt")
    assert not is_clean(root)


def test_commits_since_a_base_come_oldest_first(root: Path, repo: Git) -> None:
    base = head(root)
    one, two = commit(root, repo, "one"), commit(root, repo, "two")
    assert commits_between(root, base) == [one, two]
    assert commits_between(root, one, two) == [two]
    assert commits_between(root, None) == [base, one, two]
    assert commits_between(root, two) == []


def test_a_message_comes_back_whole(root: Path, repo: Git) -> None:
    commit(root, repo, "area: subject\n\nbody\nmore")
    assert commit_message(root) == "area: subject\n\nbody\nmore"


def test_the_messages_of_commits_come_in_the_order_they_are_asked_for(root: Path, repo: Git) -> None:
    first, second = str(head(root)), commit(root, repo, "area: subject\n\nbody")
    empty = repo("commit-tree", "HEAD^{tree}", "-m", "").strip()
    asked = [empty, first, second]
    assert [*commit_messages(root, asked).items()] == list(
        zip(asked, ["", "first", "area: subject\n\nbody"], strict=True)
    )
    assert commit_messages(root, []) == {}


def test_a_fast_forward_is_recognised(root: Path, repo: Git) -> None:
    base = str(head(root))
    tip = commit(root, repo, "one")
    assert is_ancestor(root, base)
    assert not is_ancestor(root, tip, base)


def test_a_commit_that_does_not_exist_is_refused_and_never_an_option(root: Path, repo: Git) -> None:
    for name in ("0" * 40, "--output=pwned"):
        with pytest.raises(Refused) as refused:
            commit_message(root, name)
        assert refused.value.code == "unavailable"
        with pytest.raises(Refused):
            commits_between(root, None, name)
        with pytest.raises(Refused):
            is_ancestor(root, name)
    assert not (root / "pwned").exists()


def test_nothing_that_the_repository_configures_is_run(root: Path, repo: Git, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    hooks = root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{trace}'\n")
        (hooks / name).chmod(0o755)
    repo("config", "filter.evil.clean", f"touch '{trace}'; cat")
    repo("config", "filter.evil.process", f"touch '{trace}'")
    repo("config", "filter.evil.required", "true")
    repo("config", "gpg.program", str(hooks / "post-index-change"))
    repo("config", "log.showSignature", "true")
    repo("config", "diff.external", f"touch '{trace}'")
    (root / ".gitattributes").write_text("* filter=evil\n")
    repo("config", "core.fsmonitor", str(hooks / "fsmonitor-watchman"))
    trace.unlink(missing_ok=True)
    (root / "a.txt").write_text("b\n")
    (root / "b.txt").write_text("b\n")
    assert tree_hash(root)
    assert not is_clean(root)
    assert commit_message(root) == "first"
    assert not trace.exists()


@pytest.mark.parametrize("whose", ["--global", "--local"])
def test_no_filter_takes_part_in_a_tree(root: Path, repo: Git, tmp_path: Path, whose: str) -> None:
    trace = tmp_path / "ran"
    (root / ".gitattributes").write_text("*.txt filter=up\n")
    (root / "b.txt").write_text("b\n")
    repo("add", "-A")
    repo("commit", "-q", "-m", "as it lies on the disk")
    before = tree_hash(root)
    assert repo("rev-parse", "HEAD^{tree}").strip() == before
    repo("config", whose, "filter.up.clean", f"touch '{trace}'; tr a-z A-Z")
    assert tree_hash(root) == before
    assert not trace.exists()
    os.utime(root / "b.txt", (1, 1))
    repo("add", "-A")
    assert repo("show", ":b.txt") == "B\n"
    assert tree_hash(root) == before


def test_filters_of_a_submodule_do_not_run(root: Path, repo: Git, tmp_path: Path) -> None:
    inner, trace = tmp_path / "inner", tmp_path / "ran"
    inner.mkdir()
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    (inner / "s").write_text("1\n")
    (inner / ".gitattributes").write_text("* filter=evil\n")
    subprocess.run(["git", "-C", str(inner), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(inner), "commit", "-q", "-m", "s"], check=True)
    repo("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    repo("commit", "-q", "-m", "sub")
    before = tree_hash(root)
    subprocess.run(["git", "-C", str(root / "sub"), "config", "filter.evil.clean", f"touch '{trace}'; cat"], check=True)
    (root / "sub/s").write_text("2\n")
    assert before is not None
    assert changed_paths(root, before, tree_hash(root) or "") == ["sub/s"]
    assert is_clean(root)
    assert not trace.exists()


def test_git_variables_of_the_caller_do_not_reach_git(
    root: Path, repo: Git, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(home))
    assert branch(root) == "main"


def test_a_git_that_does_not_end_is_refused(root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_command, "GIT_TIMEOUT_S", 0.05)
    with pytest.raises(Refused) as refused:
        run_git(root, "-c", "alias.wait=!exec sleep 5", "wait")
    assert refused.value.code == "unavailable"


def test_what_python_writes_by_being_run_is_no_ones_work(root: Path, repo: Git) -> None:
    commit(root, repo, "one")
    before = tree_hash(root)
    (root / "tests" / "__pycache__").mkdir(parents=True)
    (root / "tests" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"\0")
    (root / ".pytest_cache").mkdir()
    (root / ".pytest_cache" / "README.md").write_text("cache")
    assert tree_hash(root) == before


def test_a_repository_is_found_from_below_from_a_worktree_and_after_it_was_made(root: Path, tmp_path: Path) -> None:
    below = root / "a" / "b"
    below.mkdir(parents=True)
    assert repository(below) is None
    run_git(root, "init", "-q")
    (root / "a.txt").write_text("a\n")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "first")
    found = repository(below)
    assert found is not None and found.prefix == "a/b/"
    run_git(root, "worktree", "add", "-q", str(tmp_path / "other"))
    assert repository(tmp_path / "other") is not None
    bare = tmp_path / "bare.git"
    shutil.copytree(root / ".git", bare)
    run_git(bare, "config", "core.bare", "true")
    assert repository(bare) is None, "it has no work tree"


def test_a_repository_whose_work_tree_holds_it_is_found_inside_it(root: Path) -> None:
    # How some keep their home directory in git: a bare repository in a folder of the work tree.
    run_git(root, "init", "-q", "--bare", "kept")
    run_git(root / "kept", "config", "core.bare", "false")
    run_git(root / "kept", "config", "core.worktree", str(root))
    found = repository(root / "kept")
    assert found is not None and found.top == root
