"""Snapshots save and restore the bytes on disk, whatever a repository configures."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.workspace.checkpoint_scene import AT, LIMITS, Git, back, files_of, saved, taken, user_state, wreck, write
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.checkpoints import content, keep
from wfe_mcp.workspace.git.restore import restore
from wfe_mcp.workspace.git.snapshot import take
from wfe_mcp.workspace.git.snapshot_files import Limits

MIXED = b"one\r\ntwo\nthree\r\n"


def comes_back(root: Path, repo: Git) -> None:
    """The files survive a checkpoint, a wreck and a restore; nothing of the user's is touched."""
    before, mine = files_of(root), user_state(root, repo)
    snapshot = taken(root)
    assert (files_of(root), user_state(root, repo)) == (before, mine)
    for path in list(files_of(root)):
        if b".git" not in path:
            (root / os.fsdecode(path)).unlink()
    write(root, "junk")
    back(root, snapshot)
    assert files_of(root) == before
    assert user_state(root, repo) == mine


def committed(root: Path, repo: Git) -> None:
    """Commit everything, with files so old that git trusts what its index says of them."""
    for path in files_of(root):
        follows = os.utime not in os.supports_follow_symlinks  # Windows cannot do otherwise
        os.utime(root / os.fsdecode(path), (1_000_000_000, 1_000_000_000), follow_symlinks=follows)
    repo("add", "-A")
    repo("commit", "-q", "-m", "converted")
    assert repo("status", "--porcelain") == ""  # to git, nothing differs


@pytest.mark.parametrize("autocrlf", ["true", "input"])
@pytest.mark.parametrize("eol", ["lf", "crlf"])
def test_line_ends_come_back_as_they_were(root: Path, repo: Git, autocrlf: str, eol: str) -> None:
    repo("config", "core.autocrlf", autocrlf)
    repo("config", "core.safecrlf", "false")
    if autocrlf == "true":
        repo("config", "core.eol", eol)
    write(root, "crlf.txt", b"one\r\ntwo\r\n")
    write(root, "lf.txt", b"one\ntwo\n")
    write(root, "mixed.txt", MIXED)
    committed(root, repo)
    write(root, "untracked.txt", MIXED)
    comes_back(root, repo)


@pytest.mark.parametrize("attributes", ["* text=auto\n", "* text eol=lf\n", "* text eol=crlf\n", "* crlf\n"])
def test_line_ends_by_attributes_come_back_as_they_were(root: Path, repo: Git, attributes: str) -> None:
    write(root, ".gitattributes", attributes)
    write(root, "mixed.txt", MIXED)
    write(root, "lf.txt", b"one\ntwo\n")
    committed(root, repo)
    comes_back(root, repo)


FILTER = (
    '[filter "rot"]\n\tclean = tr a-z b-za\n\tsmudge = sh -c \'echo >> "$HOME/ran"; tr b-za a-z\'\n\trequired = true\n'
)


@pytest.mark.parametrize("whose", ["repository", "user"])
def test_a_filter_takes_no_part(root: Path, repo: Git, home: Path, whose: str) -> None:
    config = root / ".git/config" if whose == "repository" else home / ".gitconfig"
    with config.open("a") as file:
        file.write(FILTER)
    write(root, ".gitattributes", "*.secret filter=rot\n")
    write(root, "kept.secret", "plain words\n")
    committed(root, repo)
    assert repo("show", "HEAD:kept.secret") == "qmbjo xpset\n"
    write(root, "edited.secret", "plain words too\n")
    comes_back(root, repo)
    assert content(root, taken(root).commit, "kept.secret") == b"plain words\n"
    assert not (home / "ran").exists()


def test_a_large_file_of_a_filter_is_left_to_it(root: Path, repo: Git, home: Path) -> None:
    with (home / ".gitconfig").open("a") as file:
        file.write('[filter "lfs"]\n\tclean = sha256sum\n\tsmudge = false\n')
    write(root, ".gitattributes", "*.bin filter=lfs\n")
    write(root, "model.bin", "x" * 1_000)
    committed(root, repo)
    snapshot = taken(root, Limits(file_bytes=100))
    assert [(each.path, each.why) for each in snapshot.skipped] == [("model.bin", "large")]
    write(root, "model.bin", "y" * 1_000)
    done = restore(root, snapshot.commit, expect=None, safety="r/s", limits=Limits(file_bytes=100), at=AT)
    assert (root / "model.bin").read_text() == "y" * 1_000
    assert done.changes == ()


def test_keywords_and_encodings_come_back_as_they_were(root: Path, repo: Git) -> None:
    write(root, ".gitattributes", "*.c ident\n*.rc working-tree-encoding=UTF-16\n")
    write(root, "a.c", "/* $Id: whatever I wrote $ */\n")
    write(root, "b.rc", "text\n".encode("utf-16"))
    committed(root, repo)
    comes_back(root, repo)


def test_before_the_first_commit(root: Path) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    empty = taken(root)
    assert (empty.head, saved(root, empty)) == ("", set())
    write(root, "a.txt", "a\n")
    one = taken(root)
    back(root, empty)
    assert files_of(root) == {}
    back(root, one)
    assert (root / "a.txt").read_text() == "a\n"
    assert not (root / ".git/index").exists()


def test_on_a_detached_head_and_in_a_worktree(root: Path, repo: Git, tmp_path: Path) -> None:
    repo("checkout", "-q", "--detach")
    comes_back(root, repo)
    other = tmp_path / "other"
    repo("worktree", "add", "-q", str(other))
    write(other, "a.txt", "other\n")
    snapshot = take(other, {}, LIMITS, at=AT)
    keep(other, "s/cp-1", snapshot.commit)
    write(other, "a.txt", "wrecked\n")
    back(other, snapshot)
    assert (other / "a.txt").read_text() == "other\n"
    assert (root / "a.txt").read_text() == "a\n"


@pytest.mark.parametrize("kind", ["--no-sparse-index", "--sparse-index"])
def test_a_sparse_checkout_keeps_its_absent_files_absent(root: Path, repo: Git, kind: str) -> None:
    for folder in ("in", "out"):
        write(root, f"{folder}/f", folder)
    repo("add", "-A")
    repo("commit", "-q", "-m", "two folders")
    write(root, "out/f", "edited\n")
    full = taken(root)
    repo("checkout", "-q", "--", ".")
    repo("sparse-checkout", "set", "--cone", kind, "in")
    assert not (root / "out").exists()
    write(root, "in/f", "edited\n")
    mine = user_state(root, repo)
    sparse = taken(root)
    (root / "in/f").unlink()
    back(root, sparse)
    assert (root / "in/f").read_text() == "edited\n"
    assert not (root / "out").exists()
    assert [(each.path, each.why) for each in back(root, full).left] == [("out/f", "sparse")]
    assert not (root / "out").exists()
    assert user_state(root, repo) == mine


def test_a_locked_index_is_no_obstacle(root: Path, repo: Git) -> None:
    write(root, "a.txt", "edited\n")
    (root / ".git/index.lock").touch()
    snapshot = taken(root)
    write(root, "a.txt", "wrecked\n")
    back(root, snapshot)
    assert (root / "a.txt").read_text() == "edited\n"
    assert (root / ".git/index.lock").exists()


def test_a_split_index_is_read_whole(root: Path, repo: Git) -> None:
    repo("config", "core.splitIndex", "true")
    repo("update-index", "--split-index")
    write(root, "b.txt")
    repo("add", "b.txt")
    assert list((root / ".git").glob("sharedindex.*"))
    comes_back(root, repo)


def test_in_the_middle_of_a_merge_with_conflicts(root: Path, repo: Git) -> None:
    repo("checkout", "-q", "-b", "side")
    write(root, "a.txt", "side\n")
    write(root, "sub/f", "side\n")
    repo("add", "-A")
    repo("commit", "-q", "-m", "side")
    repo("checkout", "-q", "main")
    write(root, "a.txt", "main\n")
    repo("commit", "-q", "-a", "-m", "main")
    subprocess.run(["git", "-C", str(root), "merge", "-q", "side"], capture_output=True)
    assert "<<<<<<<" in (root / "a.txt").read_text()
    snapshot = take(root, {}, LIMITS, at=AT)
    assert snapshot.index_tree == ""
    assert saved(root / "sub", take(root / "sub", {}, LIMITS, at=AT)) == {"f"}
    comes_back(root, repo)


def test_files_that_git_is_configured_to_overlook_or_to_expect(root: Path, repo: Git) -> None:
    write(root, "assumed", "a\n")
    write(root, "skipped", "a\n")
    repo("add", "-A")
    repo("commit", "-q", "-m", "two")
    repo("update-index", "--assume-unchanged", "assumed")
    repo("update-index", "--skip-worktree", "skipped")
    for name in ("assumed", "skipped", "intended"):
        write(root, name, "b\n")
    repo("add", "-N", "intended")
    snapshot = taken(root)
    assert [content(root, snapshot.commit, name) for name in ("assumed", "skipped", "intended")] == [b"b\n"] * 3
    comes_back(root, repo)


def test_tracked_files_that_are_ignored_are_saved(root: Path, repo: Git) -> None:
    write(root, "kept.log", "one\n")
    repo("add", "-f", "kept.log")
    comes_back(root, repo)


def test_the_other_kind_of_object_names(root: Path) -> None:
    done = subprocess.run(["git", "init", "-q", "--object-format=sha256", str(root)], capture_output=True)
    if done.returncode:
        pytest.skip("this git has no sha256 repositories")
    write(root, "a.txt", "a\n")
    one = taken(root)
    assert len(one.commit) == 64
    write(root, "a.txt", "b\n")
    back(root, one)
    assert (root / "a.txt").read_text() == "a\n"


def test_objects_borrowed_from_another_repository(root: Path, repo: Git, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--shared", str(root), str(clone)], check=True)
    write(clone, "a.txt", "b\n")
    snapshot = taken(clone)
    write(clone, "a.txt", "c\n")
    back(clone, snapshot)
    assert (clone / "a.txt").read_text() == "b\n"


@pytest.mark.attack("a hook or a program of the repository's configuration runs with a checkpoint", "held", "T4")
def test_neither_hook_nor_configured_program_runs(root: Path, repo: Git, home: Path) -> None:
    program = write(home, "program", f"#!/bin/sh\ntouch '{home}/ran'\n", 0o755)
    for hook in ("reference-transaction", "post-checkout", "post-index-change", "pre-commit", "post-commit"):
        write(root, f".git/hooks/{hook}", program.read_text(), 0o755)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "gpg.program", "core.alternateRefsCommand"):
        repo("config", key, str(program))
    repo("config", "commit.gpgSign", "true")
    (home / "ran").unlink(missing_ok=True)
    write(root, "b.txt")
    snapshot = taken(root)
    write(root, "b.txt", "y\n")
    write(root, "a.txt", "y\n")
    with pytest.raises(Refused):
        back(root, snapshot, expect=snapshot.tree)
    back(root, snapshot)
    assert not (home / "ran").exists()


@pytest.mark.attack("a crafted commit names files outside the project or of git", "held", "T5")
@pytest.mark.parametrize("path", ["../../outside", ".git/hooks/pre-commit", ".wfe/config.toml", "a/../../outside"])
def test_a_snapshot_made_manually_writes_nowhere_else(root: Path, repo: Git, tmp_path: Path, path: str) -> None:
    snapshot = taken(root)
    blob = repo("hash-object", "-w", "a.txt").strip()
    tree = blob
    for number, name in enumerate(reversed(path.split("/"))):
        entry = f"100644 {name}\0" if number == 0 else f"40000 {name}\0"
        made = subprocess.run(
            ["git", "-C", str(root), "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
            input=entry.encode() + bytes.fromhex(tree),
            capture_output=True,
            check=True,
        )
        tree = made.stdout.decode().strip()
    message = repo("log", "-1", "--format=%B", snapshot.commit)
    forged = repo("commit-tree", tree, "-m", message.strip()).strip()
    before = files_of(tmp_path), user_state(root, repo)
    with pytest.raises(Refused) as refused:
        restore(root, forged, expect=None, safety="r/s", limits=LIMITS, at=AT)
    assert refused.value.code in {"path_outside_project", "unavailable"}
    assert (files_of(tmp_path), user_state(root, repo)) == before


def test_a_wreck_in_a_small_repository(root: Path, repo: Git) -> None:
    from tests.workspace.checkpoint_scene import a_busy_repository

    a_busy_repository(root, repo, 400)
    before = files_of(root)
    snapshot = taken(root)
    wreck(root)
    back(root, snapshot)
    assert files_of(root) == before


def test_no_reflog_is_written_even_where_git_is_configured_to_write_all(root: Path, repo: Git) -> None:
    repo("config", "core.logAllRefUpdates", "always")
    taken(root)
    assert not list((root / ".git/logs").rglob("*cp-*"))


def test_content_that_git_is_configured_to_replace_is_the_saved_one(root: Path, repo: Git) -> None:
    snapshot = taken(root)
    other = repo("hash-object", "-w", ".gitignore").strip()
    repo("replace", repo("rev-parse", "HEAD:a.txt").strip(), other)
    write(root, "a.txt", "changed\n")
    assert content(root, snapshot.commit, "a.txt") == b"a\n"
    back(root, snapshot)
    assert (root / "a.txt").read_text() == "a\n"
