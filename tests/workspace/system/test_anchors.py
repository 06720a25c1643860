"""Anchors are added to the repository and beside the database; nothing else changes, and none is lost."""

import os
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.engine.scene import refused
from wfe_mcp.workspace.git import command as git_command
from wfe_mcp.workspace.system.anchors import AUDIT_REF, Anchor, add_commit, add_line, anchor_file, commits_of, lines_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = "a" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository without a commit and without anyone's name."""
    made = tmp_path / "project"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    (made / "app.py").write_text("VALUE = 1\n", encoding="utf-8")
    return made


def git(root: Path, *words: str, ok: bool = True) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(root)}
    return subprocess.run(["git", *words], cwd=root, env=env, check=ok, capture_output=True, text=True).stdout


def anchor(number: int) -> Anchor:
    return Anchor("p-1", NOW + timedelta(seconds=number), {f"run{number}": (number, HEAD)}, (number, HEAD))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_anchors_are_a_chain_of_commits_and_come_back_oldest_first(root: Path) -> None:
    assert commits_of(root) is None
    made = [add_commit(root, anchor(number)) for number in (1, 2, 3)]
    found = commits_of(root)
    assert found is not None
    assert [one.commit for one in found] == made
    assert [(one.at, one.runs, one.settings) for one in found] == [
        (each.at, each.runs, each.settings) for each in (anchor(1), anchor(2), anchor(3))
    ]
    assert "dangling" not in git(root, "fsck", "--strict")
    assert "wfe-mcp" in git(root, "log", "-1", "--format=%an %cn", AUDIT_REF)


def test_nothing_else_of_the_repository_is_touched_and_no_hook_runs(root: Path) -> None:
    git(root, "add", "-A")
    hook = root / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{root}/hooked'\n", encoding="utf-8")
    hook.chmod(0o755)
    git(root, "config", "commit.gpgsign", "true")
    before = files(root)
    add_commit(root, anchor(1))
    after = files(root)
    new = {name for name in after if name not in before}
    assert {name: after.get(name) for name in before} == before
    assert {name.split(os.sep)[1] for name in new} == {"objects", "refs"}
    assert not (root / "hooked").exists()


def test_servers_that_write_at_once_lose_none(root: Path) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 4):
            add_commit(root, anchor(number))

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = commits_of(root)
    assert found is not None
    assert {name for one in found for name in one.runs} == {
        f"run{first + n}" for first in (0, 10, 20) for n in range(4)
    }


def test_a_tip_in_a_pack_or_of_a_linked_worktree_loses_nothing(root: Path, tmp_path: Path) -> None:
    add_commit(root, anchor(1))
    git(root, "pack-refs", "--all")
    git(root, "repack", "-q", "-a", "-d")
    add_commit(root, anchor(2))
    git(root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "first")
    git(root, "worktree", "add", "-q", str(tmp_path / "linked"))
    add_commit(tmp_path / "linked", anchor(3))
    assert [sorted(one.runs) for one in commits_of(root) or ()] == [["run1"], ["run2"], ["run3"]]
    assert "dangling" not in git(root, "fsck", "--strict")


def test_no_process_of_git_is_needed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_commit(root, anchor(1))
    with monkeypatch.context() as counted:
        counted.setattr(git_command.subprocess, "run", None)
        add_commit(root, anchor(2))
    assert [sorted(one.runs) for one in commits_of(root) or ()] == [["run1"], ["run2"]]


def test_a_ref_that_cannot_be_written_is_refused_and_says_why(root: Path) -> None:
    lock = root / ".git" / "refs" / "wfe" / "audit.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    no = refused(add_commit, root, anchor(1))
    assert (no.code, f"{AUDIT_REF}.lock" in no.hint) == ("unavailable", True)


def test_replaced_commits_are_not_believed(root: Path) -> None:
    first = add_commit(root, anchor(1))
    second = add_commit(root, anchor(2))
    git(root, "update-ref", f"refs/replace/{second}", first)
    found = commits_of(root)
    assert found is not None
    assert [one.commit for one in found] == [first, second]


def test_commits_of_others_in_the_ref_are_passed_over(root: Path) -> None:
    tip = add_commit(root, anchor(1))
    tree = git(root, "rev-parse", f"{tip}^{{tree}}").strip()
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    other = git(root, *identity, "commit-tree", tree, "-p", tip, "-m", '{"project": 1}\n{nonsense').strip()
    git(root, "update-ref", AUDIT_REF, other)
    add_commit(root, anchor(2))
    found = commits_of(root)
    assert found is not None
    assert [sorted(one.runs) for one in found] == [["run1"], ["run2"]]


def test_the_file_keeps_every_line_and_passes_over_a_half_written_one(tmp_path: Path) -> None:
    file = anchor_file(tmp_path / "wfe.db", "p-1")
    assert lines_of(file) is None
    add_line(file, Anchor("p-1", NOW, {"r": (1, HEAD)}, None, "c0ffee"))
    with file.open("a", encoding="utf-8") as half:  # cut short by a full disk
        half.write('{"at":"2026-03-01T12:')
    add_line(file, anchor(2))
    found = lines_of(file)
    assert found is not None
    assert [(one.commit, dict(one.runs)) for one in found] == [("c0ffee", {"r": (1, HEAD)}), ("", {"run2": (2, HEAD)})]
    if os.name == "posix":
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
