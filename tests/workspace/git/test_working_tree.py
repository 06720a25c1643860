"""The working tree's cache always equals a full hash of the bytes, after any change of files."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.workspace.checkpoint_scene import saved
from wfe_mcp.workspace.git import names
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.objects import Trees
from wfe_mcp.workspace.git.snapshot import Snapshots, take
from wfe_mcp.workspace.git.snapshot_files import Limits
from wfe_mcp.workspace.git.working_tree import WorkingTree, tree_hash

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows every file is hashed every time")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("A = 1\n", encoding="utf-8")
    (folder / "b.txt").write_text("b\n", encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "src")
    git(folder, "commit", "-qm", "first")
    return folder


def git(root: Path, *words: str, **env: str) -> str:
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(root), *named, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **env}).stdout


# -- nothing but the bytes on the disk -------------------------------------------------------------------------------


def excluded(root: Path) -> None:
    (root / ".git" / "info" / "exclude").write_text("b.txt\n", encoding="utf-8")


def excluded_by_configuration(root: Path) -> None:
    (root.parent / "excludes").write_text("b.txt\n", encoding="utf-8")
    git(root, "config", "core.excludesFile", str(root.parent / "excludes"))


def forged(root: Path) -> None:
    blob = git(root, "hash-object", "-w", "b.txt").strip()
    git(root, "update-index", "--cacheinfo", f"100755,{blob},src/a.py")
    git(root, "update-index", "--assume-unchanged", "src/a.py")


def replaced(root: Path) -> None:
    blob = git(root, "hash-object", "-w", "b.txt").strip()
    git(root, "replace", git(root, "rev-parse", "HEAD:src/a.py").strip(), blob)


def converted(root: Path) -> None:
    git(root, "config", "core.autocrlf", "input")
    git(root, "config", "core.fileMode", "false")
    git(root, "config", "core.ignoreCase", "true")
    (root / ".git" / "info" / "attributes").write_text("* text eol=crlf ident\n", encoding="utf-8")


@pytest.mark.parametrize("change", [excluded, excluded_by_configuration, forged, replaced, converted])
def test_no_configuration_and_nothing_git_remembers_takes_part_in_a_tree(
    root: Path, change: Callable[[Path], None]
) -> None:
    (root / "src" / "a.py").write_text("A = 1 # $Id$\r\n", encoding="utf-8")
    before = tree_hash(root)
    change(root)
    assert tree_hash(root) == before
    (root / "b.txt").write_text("c\n", encoding="utf-8")
    assert tree_hash(root) != before


def test_what_only_the_user_excludes_counts_as_evidence_and_is_not_saved(root: Path) -> None:
    before = tree_hash(root)
    (root / "secret.env").write_text("KEY=1\n", encoding="utf-8")
    (root / ".git" / "info" / "exclude").write_text("# mine\n*.env\n", encoding="utf-8")
    assert tree_hash(root) != before
    snapshot = take(root, {}, Limits(), at=AT)
    assert saved(root, snapshot) == {"b.txt", "src/a.py"}


# -- git is asked when the names change ------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the git commands that the working tree runs."""
    commands: list[str] = []
    real = names.run_git

    def counted(root: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes] | None:
        commands.append(words[2])
        return real(root, *words, **more)

    monkeypatch.setattr(names, "run_git", counted)
    return commands


def test_git_lists_the_names_again_only_when_they_may_differ(root: Path, asked: list[str]) -> None:
    def calls(change: Callable[[], object] = lambda: None) -> int:
        asked.clear()
        change()
        tree_hash(root)
        return len(asked)

    assert calls() == 1
    assert calls() == 0
    assert calls(lambda: (root / "b.txt").write_text("changed\n")) == 0
    assert calls(lambda: (root / "c.txt").write_text("new\n")) == 1
    assert calls(lambda: (root / ".gitignore").write_text("c.txt\n")) == 1
    assert calls(lambda: (root / ".gitignore").write_text("d.txt\n")) == 1
    assert calls(lambda: git(root, "add", "b.txt")) == 1
    assert calls(lambda: (root / ".wfe").mkdir()) == 0
    assert calls() == 0


def test_the_names_of_a_large_folder_are_asked_each_time(
    root: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 1)
    for _ in range(3):
        tree_hash(root)
    assert len(asked) == 3


def test_another_repository_inside_is_listed_once(root: Path, asked: list[str]) -> None:
    git(root, "init", "-q", "src/inner")
    for _ in range(3):
        tree_hash(root)
    assert len(asked) == 2


def test_a_folder_that_goes_while_it_is_walked_is_left_to_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    before = tree_hash(root)
    monkeypatch.setattr(names, "_walk", gone)
    assert tree_hash(root) == before


def test_where_a_repository_is_gets_asked_again_when_its_configuration_changes(root: Path, tmp_path: Path) -> None:
    assert repository(root) is repository(root) is not None
    git(root, "config", "core.worktree", str(tmp_path))
    found = repository(root)
    assert found is None or found.top == tmp_path
    git(root, "config", "--unset", "core.worktree")
    (root / ".git").rename(tmp_path / "moved")
    assert repository(root) is None


# -- checkpoints -----------------------------------------------------------------------------------------------------


def taken(snapshots: Snapshots, root: Path, seconds: int = 0, limits: Limits | None = None) -> str:
    """A snapshot ``seconds`` later; the note makes each commit another one."""
    at = AT + timedelta(seconds=seconds)
    return snapshots.take(root, {"second": str(seconds)}, limits or Limits(), at).commit


def same_bytes_later(root: Path) -> None:
    path = root / "src" / "a.py"
    facts = path.stat()
    path.write_text("A = 2\n", encoding="utf-8")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content of the same size, its time put back": same_bytes_later,
    "a new file": lambda root: (root / "src" / "new.py").write_text("", encoding="utf-8"),
    "a file that is gone": lambda root: (root / "b.txt").unlink(),
    "a mode": lambda root: (root / "b.txt").chmod(0o755),
    "a permission that git does not know": lambda root: (root / "b.txt").chmod(0o600),
    "what is staged": lambda root: git(root, "add", "b.txt"),
    "a commit": lambda root: git(root, "commit", "-q", "--allow-empty", "-m", "second"),
    "what git ignores": lambda root: (root / ".git" / "info" / "exclude").write_text("b.txt\n", encoding="utf-8"),
}


def test_what_no_one_touched_is_saved_once(root: Path) -> None:
    snapshots = Snapshots()
    assert taken(snapshots, root) == taken(snapshots, root, 1) == taken(snapshots, root, 6_000)


def test_what_we_write_of_runs_is_no_change(root: Path) -> None:
    snapshots = Snapshots()
    first = taken(snapshots, root)
    (root / ".wfe" / "runs").mkdir(parents=True)
    (root / ".wfe" / "runs" / "prompt.md").write_text("x", encoding="utf-8")
    assert taken(snapshots, root, 1) == first


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen(root: Path, change: Callable[[Path], object]) -> None:
    snapshots = Snapshots()
    first = taken(snapshots, root)
    change(root)
    assert taken(snapshots, root, 1) != first


def test_a_snapshot_stands_for_no_other_limits_and_for_no_earlier_time(root: Path) -> None:
    snapshots = Snapshots()
    first = taken(snapshots, root)
    assert taken(snapshots, root, 1, Limits(file_bytes=1)) != first
    again = taken(snapshots, root, 2)
    assert taken(snapshots, root, 1) not in {first, again}


@pytest.mark.parametrize("lost", ["commit", "all"])
def test_what_a_garbage_collection_took_is_written_again(root: Path, lost: str) -> None:
    (root / "b.txt").write_text("only here\n", encoding="utf-8")
    snapshots = Snapshots()
    first = taken(snapshots, root)
    if lost == "all":
        git(root, "gc", "-q", "--prune=now")
    else:
        (root / ".git" / "objects" / first[:2] / first[2:]).unlink()
    second = taken(snapshots, root, 1)
    assert second != first
    assert git(root, "show", f"{second}:b.txt") == "only here\n"
    assert "missing" not in git(root, "fsck", "--full", "--strict", second)


def test_what_only_an_earlier_checkpoint_needed_is_written_again(root: Path) -> None:
    snapshots = Snapshots()
    (root / "b.txt").write_text("early\n", encoding="utf-8")
    taken(snapshots, root)
    (root / "b.txt").write_text("late\n", encoding="utf-8")
    late = taken(snapshots, root, 1)
    git(root, "update-ref", "refs/wfe/late", late)
    git(root, "prune", "--expire=now")
    (root / "b.txt").write_text("early\n", encoding="utf-8")
    assert git(root, "show", f"{taken(snapshots, root, 2)}:b.txt") == "early\n"


def test_many_new_files_make_one_pack_and_few_none(root: Path) -> None:
    def packs() -> int:
        return len(list((root / ".git" / "objects" / "pack").glob("*.pack")))

    take(root, {}, Limits(), at=AT)
    assert packs() == 0
    for number in range(100):
        (root / f"f{number}").write_text(f"{number}\n" * number, encoding="utf-8")
    snapshot = take(root, {}, Limits(), at=AT)
    assert packs() == 1
    assert len(saved(root, snapshot)) == 102
    git(root, "fsck", "--strict")


def test_the_tree_of_files_is_that_of_git(root: Path) -> None:
    for name in ("a", "a.b", "a-b", "ab", "a0"):
        (root / name).write_text(name, encoding="utf-8")
    (root / "c").mkdir()
    for name in ("c.d", "c-d", "c0"):
        (root / name).write_text(name, encoding="utf-8")
    (root / "c" / "inner").write_text("x", encoding="utf-8")
    git(root, "add", "-A")
    files = WorkingTree(root).files()
    assert Trees("sha1").tree_of(files)[0] == git(root, "write-tree").strip()
