"""Files are saved and brought back byte for byte, and nothing else is touched."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workspace.checkpoint_scene import (
    AT,
    LIMITS,
    Git,
    a_busy_repository,
    back,
    files_of,
    saved,
    taken,
    user_state,
    wreck,
    write,
)
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git import restore as restoring
from wfe_mcp.workspace.git.checkpoints import changes, content, diff, diffstat, drop, keep, kept_at, list_checkpoints
from wfe_mcp.workspace.git.restore import prepare, restore
from wfe_mcp.workspace.git.snapshot import available, read_snapshot, take
from wfe_mcp.workspace.git.snapshot_files import Limits


@pytest.mark.requirement("S1-08", "S1-22")
def test_what_was_wrecked_comes_back_byte_for_byte_and_so_does_the_wreck(root: Path, repo: Git) -> None:
    a_busy_repository(root, repo, 5_000)
    before, mine = files_of(root), user_state(root, repo)
    one = taken(root)
    assert (files_of(root), user_state(root, repo)) == (before, mine)

    wreck(root)
    wrecked = files_of(root)
    done = back(root, one)
    assert files_of(root) == before
    assert len(done.changes) > 100
    assert done.left == ()

    undone = back(root, done.safety)
    assert files_of(root) == wrecked
    assert back(root, undone.safety).changes
    assert files_of(root) == before
    assert user_state(root, repo) == mine
    assert take(root, {}, LIMITS, at=AT).tree == one.tree


def test_a_snapshot_says_what_it_is(root: Path, repo: Git) -> None:
    write(root, "b.txt")
    repo("add", "b.txt")
    snapshot = take(root, {"run": "r", "event": 12}, LIMITS, at=AT)
    assert snapshot.head == repo("rev-parse", "HEAD").strip()
    assert snapshot.index_tree == repo("write-tree").strip()
    assert snapshot.note == {"run": "r", "event": 12}
    assert read_snapshot(root, snapshot.commit) == snapshot
    assert (
        repo("log", "-1", "--format=%an %ae %at", snapshot.commit).strip()
        == f"wfe-mcp wfe-mcp@localhost {AT.timestamp():.0f}"
    )


def test_no_other_commit_is_taken_for_a_snapshot(root: Path, repo: Git) -> None:
    for commit in (repo("rev-parse", "HEAD").strip(), "0" * 40, "--help", ""):
        with pytest.raises(Refused) as refused:
            read_snapshot(root, commit)
        assert refused.value.code == "bad_argument"


def test_a_message_that_only_begins_like_ours_makes_no_snapshot(root: Path, repo: Git) -> None:
    subject = repo("log", "-1", "--format=%s", taken(root).commit).strip()
    for body in ("", "no JSON", "[]", '{"note": {}}'):
        commit = repo("commit-tree", "HEAD^{tree}", "-m", f"{subject}\n\n{body}").strip()
        with pytest.raises(Refused) as refused:
            read_snapshot(root, commit)
        assert refused.value.code == "bad_argument"


def test_what_is_kept_survives_a_garbage_collection_and_what_was_staged_too(root: Path, repo: Git) -> None:
    write(root, "a.txt", "staged\n")
    repo("add", "a.txt")
    write(root, "a.txt", "unstaged\n")
    snapshot = taken(root)
    repo("reset", "-q", "--hard")
    repo("reflog", "expire", "--expire=all", "--all")
    repo("gc", "-q", "--prune=now")
    assert content(root, snapshot.commit, "a.txt") == b"unstaged\n"
    assert repo("show", f"{snapshot.index_tree}:a.txt") == "staged\n"
    assert "wfe" not in repo("branch", "-a")


def test_a_name_is_kept_once(root: Path, repo: Git) -> None:
    one = take(root, {}, LIMITS, at=AT)
    write(root, "b.txt")
    two = take(root, {}, LIMITS, at=AT)
    keep(root, "r/cp-1", one.commit)
    keep(root, "r/cp-1", one.commit)
    with pytest.raises(Refused) as refused:
        keep(root, "r/cp-1", two.commit)
    assert refused.value.code == "conflict"
    keep(root, "r/cp-2", two.commit)
    keep(root, "s/cp-1", two.commit)
    assert list_checkpoints(root, "r") == {"r/cp-1": one.commit, "r/cp-2": two.commit}
    assert kept_at(root, "r") == {"r/cp-1": AT, "r/cp-2": AT}
    drop(root, ["r/cp-1", "r/cp-9", "s/cp-1"])
    assert list_checkpoints(root) == {"r/cp-2": two.commit}


@pytest.mark.parametrize("name", ["", "../main", "a..b", "-d", "a b", "a.lock", "a.lock/b", "/a", "a/", "r/.b"])
def test_names_that_git_cannot_keep_are_refused(root: Path, repo: Git, name: str) -> None:
    with pytest.raises(Refused) as refused:
        keep(root, name, repo("rev-parse", "HEAD").strip())
    assert refused.value.code == "bad_argument"


def test_two_snapshots_are_compared(root: Path, repo: Git) -> None:
    one = taken(root)
    write(root, "a.txt", "b\n")
    write(root, "sub/new")
    two = taken(root)
    assert [(each.status, each.path) for each in changes(root, one.tree, two.tree)] == [
        ("M", "a.txt"),
        ("A", "sub/new"),
    ]
    assert "a.txt" in diffstat(root, one.tree, two.tree)
    assert "-a\n+b\n" in diff(root, one.tree, two.tree)
    assert "[cut:" in diff(root, one.tree, two.tree, 20)
    with pytest.raises(Refused) as refused:
        changes(root, one.tree, "1" * 40)
    assert refused.value.code == "unavailable"


def test_a_file_that_a_snapshot_does_not_have_is_refused(root: Path, repo: Git) -> None:
    with pytest.raises(Refused) as refused:
        content(root, taken(root).commit, "b.txt")
    assert refused.value.code == "bad_argument"


def test_ignored_files_and_our_own_are_neither_saved_nor_touched(root: Path, repo: Git) -> None:
    write(root, ".wfe/config.toml", "auto = true\n")
    repo("add", "-f", ".wfe/config.toml")
    repo("commit", "-q", "-m", "configuration")
    write(root, "noise.log", "one")
    snapshot = taken(root)
    assert saved(root, snapshot) == {".gitignore", "a.txt"}
    write(root, ".wfe/config.toml", "auto = false\n")
    write(root, "noise.log", "two")
    back(root, snapshot)
    assert (root / ".wfe/config.toml").read_text() == "auto = false\n"
    assert (root / "noise.log").read_text() == "two"


def test_changes_that_no_one_recorded_are_refused_with_the_difference(root: Path, repo: Git) -> None:
    one = taken(root)
    write(root, "a.txt", "recorded\n")
    two = taken(root)
    write(root, "a.txt", "by somebody else\n")
    before = files_of(root)
    with pytest.raises(Refused) as refused:
        back(root, one, expect=two.tree, safety="r/safety")
    assert refused.value.code == "conflict"
    assert refused.value.data["paths"] == ["a.txt"]
    assert "+by somebody else" in str(refused.value.data["diff"])
    assert "a.txt" in str(refused.value.data["diffstat"])
    assert files_of(root) == before
    assert content(root, list_checkpoints(root)["r/safety"], "a.txt") == b"by somebody else\n"


def test_what_is_as_it_shall_be_is_no_conflict(root: Path, repo: Git) -> None:
    write(root, "b.txt", "one\n")
    one = taken(root)
    write(root, "a.txt", "two\n")
    write(root, "b.txt", "two\n")
    two = taken(root)
    write(root, "a.txt", "a\n")
    assert [each.path for each in back(root, one, expect=two.tree).changes] == ["b.txt"]


def test_an_ignored_file_in_the_way_is_kept_before_it_is_overwritten(root: Path, repo: Git) -> None:
    write(root, "data", "v1")
    one = taken(root)
    (root / "data").unlink()
    write(root, ".gitignore", "*.log\ndata\n")
    write(root, "data", "user precious")
    before = files_of(root)
    done = back(root, one)
    assert (root / "data").read_text() == "v1"
    assert content(root, done.safety.commit, "data") == b"user precious"
    back(root, done.safety)
    assert files_of(root) == before


def test_a_folder_that_became_a_link_to_elsewhere_leads_nowhere(root: Path, repo: Git, tmp_path: Path) -> None:
    write(root, "folder/x", "inside\n")
    one = taken(root)
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, "x", "outside\n")
    write(elsewhere, "y", "outside\n")
    shutil.rmtree(root / "folder")
    (root / "folder").symlink_to(elsewhere)
    done = back(root, one)
    assert not (root / "folder").is_symlink()
    assert (root / "folder/x").read_text() == "inside\n"
    assert sorted(os.listdir(elsewhere)) == ["x", "y"]
    assert (elsewhere / "x").read_text() == "outside\n"
    back(root, done.safety)
    assert (root / "folder").readlink() == elsewhere


def test_a_folder_of_ignored_files_in_the_way_is_refused(root: Path, repo: Git) -> None:
    write(root, "out", "a file\n")
    write(root, "b.txt", "one\n")
    one = taken(root)
    (root / "out").unlink()
    write(root, "out/cache.log")
    write(root, "b.txt", "two\n")
    before = files_of(root)
    with pytest.raises(Refused) as refused:
        back(root, one)
    assert refused.value.code == "conflict"
    assert files_of(root) == before


def test_large_files_are_left_out_and_left_alone(root: Path, repo: Git) -> None:
    small = Limits(file_bytes=100)
    write(root, "model.bin", "x" * 101)
    write(root, "notes.txt", "one\n")
    one = taken(root, small)
    assert [(each.path, each.size_bytes, each.why) for each in one.skipped] == [("model.bin", 101, "large")]
    write(root, "notes.txt", "two\n")
    write(root, "model.bin", "now it is small")
    done = restore(root, one.commit, expect=None, safety="r/s", limits=small, at=AT)
    assert (root / "model.bin").read_text() == "now it is small"
    assert [each.path for each in done.left] == ["model.bin"]
    assert (root / "notes.txt").read_text() == "one\n"


def test_a_file_that_has_become_too_large_to_save_is_not_overwritten(root: Path, repo: Git) -> None:
    small = Limits(file_bytes=100)
    write(root, "data", "one\n")
    one = taken(root, small)
    write(root, "data", "y" * 101)
    done = restore(root, one.commit, expect=None, safety="r/s", limits=small, at=AT)
    assert (root / "data").read_text() == "y" * 101
    assert [each.path for each in done.left] == ["data"]


def test_too_many_files_leave_out_whole_folders_the_biggest_first(root: Path, repo: Git) -> None:
    for number in range(30):
        write(root, f"node_modules/p{number}/x")
    write(root, "src/new.py")
    snapshot = taken(root, Limits(files=10))
    assert [(each.path, each.why) for each in snapshot.skipped] == [("node_modules/", "too many")]
    assert "src/new.py" in saved(root, snapshot)
    shutil.rmtree(root / "node_modules/p3")
    (root / "src/new.py").unlink()
    restore(root, snapshot.commit, expect=None, safety="r/s", limits=LIMITS, at=AT)
    assert (root / "src/new.py").exists()
    assert len(os.listdir(root / "node_modules")) == 29


def test_nested_repositories_and_submodules_are_named_and_left_alone(root: Path, repo: Git) -> None:
    for name in ("inner", "module"):
        subprocess.run(["git", "init", "-q", str(root / name)], check=True)
        write(root, f"{name}/f", "f\n")
        subprocess.run(["git", "-C", str(root / name), "add", "-A"], check=True)
        subprocess.run(["git", "-C", str(root / name), "commit", "-q", "-m", "f"], check=True)
    repo("add", "module")
    repo("commit", "-q", "-m", "a submodule")
    snapshot = taken(root)
    assert [(each.path, each.why) for each in snapshot.skipped] == [
        ("inner/", "nested repository"),
        ("module", "submodule"),
    ]
    write(root, "inner/f", "changed\n")
    write(root, "module/f", "changed\n")
    write(root, "a.txt", "changed\n")
    back(root, snapshot)
    assert [(root / path).read_text() for path in ("inner/f", "module/f", "a.txt")] == ["changed\n", "changed\n", "a\n"]


def test_only_the_projects_own_folder_is_saved_and_restored(root: Path, repo: Git) -> None:
    write(root, "one/f", "one\n")
    write(root, "two/f", "two\n")
    snapshot = taken(root / "one")
    assert saved(root, snapshot) == {"f"}
    write(root, "one/f", "changed\n")
    write(root, "two/f", "changed\n")
    write(root, "a.txt", "changed\n")
    back(root / "one", snapshot)
    assert [(root / path).read_text() for path in ("one/f", "two/f", "a.txt")] == ["one\n", "changed\n", "changed\n"]


def test_no_snapshot_is_taken_of_a_home_or_without_git(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no git work tree" in str(available(root))
    subprocess.run(["git", "init", "-q", str(home)], check=True)
    (home / "project").mkdir()
    assert "home directory" in str(available(home))
    assert "home directory" in str(available(home / "project"))
    subprocess.run(["git", "init", "-q", "--bare", str(root / "bare.git")], check=True)
    assert "no git work tree" in str(available(root / "bare.git"))
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    assert available(root) is None
    monkeypatch.setenv("PATH", str(home))
    assert "not installed" in str(available(root))
    with pytest.raises(Refused) as refused:
        take(root, {}, LIMITS, at=AT)
    assert refused.value.code == "unavailable"


def test_what_a_restore_would_do_is_reported_before(root: Path, repo: Git) -> None:
    one = taken(root)
    write(root, "a.txt", "two\n")
    before = files_of(root)
    answer = prepare(root, one.commit, expect=None, safety="r/s", limits=LIMITS, at=AT)
    assert files_of(root) == before
    assert list_checkpoints(root)["r/s"] == answer.safety.commit
    done = restore(root, one.commit, expect=answer.safety.tree, safety="r/s", limits=LIMITS, at=AT)
    assert done == answer


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_that_git_does_not_know_come_back(root: Path, repo: Git) -> None:
    for name, mode in (("key", 0o600), ("shared", 0o664), ("tool", 0o700), ("plain", 0o644)):
        write(root, name, name, mode)
    before = files_of(root)
    one = taken(root)
    for name in ("key", "shared", "tool", "plain"):
        (root / name).chmod(0o755 if name == "tool" else 0o640)
    (root / "shared").unlink()
    back(root, one)
    assert files_of(root) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_stay_where_git_does_not_look_at_them(root: Path, repo: Git) -> None:
    repo("config", "core.fileMode", "false")
    write(root, "key", "one\n", 0o600)
    one = taken(root)
    write(root, "key", "two\n")
    (root / "a.txt").chmod(0o755)
    back(root, one)
    assert (root / "key").read_text() == "one\n"
    assert [(root / name).stat().st_mode & 0o777 for name in ("key", "a.txt")] == [0o600, 0o755]


def test_much_content_is_read_in_parts(root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "_BATCH_BYTES", 10)
    for number in range(7):
        write(root, f"f{number}", f"{number}" * number)
    before = files_of(root)
    one = taken(root)
    for number in range(7):
        (root / f"f{number}").unlink()
    back(root, one)
    assert files_of(root) == before
