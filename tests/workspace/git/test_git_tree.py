"""Equal content has an equal tree, and asking for it touches nothing."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.workspace.conftest import Git, tree
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.working_tree import changed_paths, tree_hash
from wfe_mcp.workspace.system.temporary import remove_folder


def user_state(root: Path, repo: Git) -> tuple[str, ...]:
    index = hashlib.sha256((root / ".git/index").read_bytes()).hexdigest()
    objects = sorted(str(each) for each in (root / ".git/objects").rglob("*"))
    return index, repo("rev-parse", "HEAD"), repo("for-each-ref"), repo("stash", "list"), *objects


def test_committing_leaves_the_tree_equal(root: Path, repo: Git) -> None:
    (root / "a.txt").write_text("changed\n")
    (root / "sub").mkdir()
    (root / "sub/new.py").write_text("new\n")
    (root / "link").symlink_to("a.txt")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    before = tree(root)
    repo("add", "a.txt")
    assert tree(root) == before
    repo("add", "-A")
    repo("commit", "-q", "-m", "second")
    assert tree(root) == before == repo("rev-parse", "HEAD^{tree}").strip()


def test_asking_for_the_tree_touches_neither_index_nor_head_nor_objects(root: Path, repo: Git) -> None:
    (root / "a.txt").write_text("staged\n")
    repo("add", "a.txt")
    (root / "a.txt").write_text("not staged\n")
    (root / "untracked.txt").write_text("untracked\n")
    before = user_state(root, repo)
    tree(root)
    assert user_state(root, repo) == before
    assert not list(root.glob(".git/*.lock"))


@pytest.mark.parametrize("change", ["edit", "delete", "untracked", "mode", "link"])
def test_every_change_of_a_file_changes_the_tree(root: Path, repo: Git, change: str) -> None:
    before = tree(root)
    match change:
        case "edit":
            (root / "a.txt").write_text("b\n")
        case "delete":
            (root / "a.txt").unlink()
        case "untracked":
            (root / "b.txt").write_text("b\n")
        case "mode":
            (root / "a.txt").chmod(0o755)
        case _:
            (root / "a.txt").unlink()
            (root / "a.txt").symlink_to("b")
    assert tree(root) != before


def test_an_edit_of_equal_size_and_time_is_seen(root: Path, repo: Git) -> None:
    # The file is as new as the index; only a copy of the index that keeps its time makes git look again.
    moment = (root / ".git/index").stat().st_mtime_ns
    os.utime(root / "a.txt", ns=(moment, moment))
    repo("update-index", "a.txt")
    os.utime(root / ".git/index", ns=(moment, moment))
    before = tree(root)
    (root / "a.txt").write_text("b\n")
    os.utime(root / "a.txt", ns=(moment, moment))
    assert tree(root) != before


def test_wfe_and_ignored_files_never_count(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / ".wfe/runs/r/plan/1").mkdir(parents=True)
    (root / ".wfe/runs/r/plan/1/prompt.md").write_text("x")
    (root / "noise.log").write_text("x")
    assert tree(root) == before
    repo("add", "-A", "-f", ".wfe")
    assert tree(root) == before
    repo("commit", "-q", "-m", "configuration")
    (root / ".wfe/runs/r/plan/1/prompt.md").write_text("y")
    assert tree(root) == before


def test_what_a_check_writes_does_not_count(root: Path, repo: Git) -> None:
    before = tree(root, ("out/**", "*.xml"))
    (root / "out").mkdir()
    (root / "out/report.txt").write_text("x")
    (root / "junit.xml").write_text("x")
    assert tree(root, ("out/**", "*.xml")) == before
    (root / "b.txt").write_text("b")
    assert tree(root, ("out/**", "*.xml")) != before


def test_files_that_git_is_configured_to_overlook_still_count(root: Path, repo: Git) -> None:
    (root / "b.txt").write_text("b\n")
    repo("add", "-A")
    before = tree(root)
    repo("update-index", "--assume-unchanged", "a.txt")
    repo("update-index", "--skip-worktree", "b.txt")
    assert tree(root) == before
    (root / "a.txt").write_text("hidden\n")
    after_a = tree(root)
    (root / "b.txt").write_text("hidden\n")
    assert len({before, after_a, tree(root)}) == 3


def test_the_tree_of_a_sparse_checkout_has_what_is_on_the_disk(root: Path, repo: Git) -> None:
    for folder in ("in", "out"):
        (root / folder).mkdir()
        (root / folder / "f").write_text(folder)
    repo("add", "-A")
    repo("commit", "-q", "-m", "two folders")
    before = tree(root)
    repo("sparse-checkout", "set", "in")
    assert changed_paths(root, before, tree(root)) == ["out/f"]


@pytest.mark.attack("let a deleted file pass for one that a sparse checkout left out", "held", "T15")
def test_a_deleted_file_cannot_pass_for_one_that_a_sparse_checkout_left_out(root: Path, repo: Git) -> None:
    before = tree(root)
    repo("update-index", "--skip-worktree", "a.txt")
    repo("config", "core.sparseCheckout", "true")
    (root / "a.txt").unlink()
    assert changed_paths(root, before, tree(root)) == ["a.txt"]


def test_a_project_below_the_top_has_the_tree_of_its_folder(root: Path, repo: Git) -> None:
    project = root / "pkg"
    project.mkdir()
    empty = tree(project)
    (project / "m.py").write_text("m\n")
    before = tree(project)
    (root / "a.txt").write_text("elsewhere\n")
    repo("add", "-A")
    assert tree(project) == before != empty
    repo("commit", "-q", "-m", "both")
    assert tree(project) == repo("rev-parse", "HEAD:pkg").strip()
    (project / ".wfe").mkdir()
    (project / ".wfe/config.toml").write_text("")
    (project / "m.py").write_text("n\n")
    assert changed_paths(project, before, tree(project)) == ["m.py"]


def test_a_worktree_and_its_main_tree_agree(root: Path, repo: Git, tmp_path: Path) -> None:
    other = tmp_path / "other"
    repo("worktree", "add", "-q", str(other))
    assert tree(other) == tree(root)
    (other / "a.txt").write_text("other\n")
    changed = tree(other)
    assert changed_paths(root, tree(root), changed) == ["a.txt"]


def test_before_the_first_commit_there_is_a_tree(root: Path, tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", str(root)], check=True)
    empty = tree(root)
    (root / "a.txt").write_text("a\n")
    assert tree(root) != empty


def test_without_git_there_is_no_tree(root: Path, repo: Git, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tree_hash(home) is None
    assert tree_hash(root / "missing") is None
    monkeypatch.setenv("PATH", str(home))
    assert tree_hash(root) is None


def test_a_folder_name_with_a_line_break_reads_as_no_git(root: Path, repo: Git) -> None:
    (root / "a\nb").mkdir()
    assert tree_hash(root / "a\nb") is None


def test_a_home_directory_in_git_is_not_hashed(home: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", str(home)], check=True)
    assert tree_hash(home) is None


def test_a_project_that_the_repository_around_it_ignores_has_no_tree(root: Path, repo: Git) -> None:
    (root / ".gitignore").write_text("build/\n")
    (root / "build").mkdir()
    assert tree_hash(root / "build") is None


def test_a_work_tree_that_git_places_elsewhere_is_not_ours(root: Path, repo: Git, home: Path) -> None:
    repo("config", "core.worktree", str(home))
    assert tree_hash(root) is None


def test_large_untracked_files_count_without_being_stored(root: Path, repo: Git) -> None:
    (root / "model.bin").write_text("x" * 5_000_000)
    (root / "model.sh").write_text("y" * 100)
    (root / "model.sh").chmod(0o755)
    stored = {each for each in (root / ".git/objects").rglob("*") if each.is_file()}
    before = tree(root)
    assert {each for each in (root / ".git/objects").rglob("*") if each.is_file()} == stored
    repo("add", "-A")
    repo("commit", "-q", "-m", "large")
    assert tree(root) == before


def test_unreadable_files_do_not_stop_the_hash(root: Path, repo: Git) -> None:
    (root / "secret").write_text("x")
    (root / "secret").chmod(0)
    (root / "b.txt").write_text("b")
    assert tree(root)


def test_odd_file_names_come_back_as_they_are(root: Path, repo: Git) -> None:
    before = tree(root)
    names = ["sp ace", "lö", 'quo"te', "ta\tb", "[b]", ":(exclude)x"]
    for name in names:
        (root / name).write_text("x")
    assert changed_paths(root, before, tree(root)) == sorted(names)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no bytes in file names")
def test_a_file_name_that_is_no_text_counts(root: Path, repo: Git) -> None:
    before = tree(root)
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_text("x")
    except OSError:  # macOS file systems refuse such names
        return
    assert changed_paths(root, before, tree(root)) == ["\\xff"], "as text that can be stored"


def test_changed_paths_are_known_without_the_contents_being_kept(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "sub").mkdir()
    (root / "sub/token").write_text("canary")
    after = tree(root)
    assert changed_paths(root, before, after) == ["sub/token"]
    assert changed_paths(root, after, after) == []
    kept = [each for each in (root / ".git/wfe").rglob("*") if each.is_file()]
    assert kept
    assert all(b"canary" not in each.read_bytes() for each in kept)


def test_comparing_with_a_forgotten_tree_says_so(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "a.txt").write_text("b\n")
    after = tree(root)
    remove_folder(root / ".git/wfe")
    with pytest.raises(Refused) as refused:
        changed_paths(root, before, after)
    assert refused.value.code == "unavailable"


def test_a_git_directory_that_cannot_be_written_still_gives_a_tree(
    root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(root)
    (root / ".git/wfe").write_text("in the way") if not (root / ".git/wfe").exists() else None
    remove_folder(root / ".git/wfe")
    (root / ".git/wfe").touch()
    (root / "a.txt").write_text("b\n")
    assert tree(root) != before
