"""What nobody touched since it was saved is not saved once more, and whatever was touched is."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wfe_mcp.workspace.git import unchanged
from wfe_mcp.workspace.git.snapshot_limits import Limits
from wfe_mcp.workspace.git.unchanged import Snapshots

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="times do not tell on Windows: each snapshot is a new one")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("A = 1\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("b\n", encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "src")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def git(root: Path, *words: str) -> None:
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(root), *named, *words], check=True)


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
    "what is staged": lambda root: git(root, "add", "b.txt"),
    "a commit": lambda root: git(root, "commit", "-q", "--allow-empty", "-m", "second"),
    "another branch": lambda root: git(root, "checkout", "-qb", "other"),
    "what git ignores": lambda root: (root / ".git" / "info" / "exclude").write_text("b.txt\n", encoding="utf-8"),
}


def test_what_nobody_touched_is_saved_once(root: Path) -> None:
    snapshots = Snapshots(grain_ns=0)
    assert taken(snapshots, root) == taken(snapshots, root, 1) == taken(snapshots, root, 6_000)


def test_what_we_write_of_runs_is_no_change(root: Path) -> None:
    snapshots = Snapshots(grain_ns=0)
    first = taken(snapshots, root)
    (root / ".wfe" / "runs").mkdir(parents=True)
    assert taken(snapshots, root, 1) == first


def test_what_changes_deep_inside_is_seen_also_in_a_repository_of_its_own(root: Path) -> None:
    deep = root / "src" / "a" / "b"
    (deep / ".git").mkdir(parents=True)
    (deep / "c.py").write_text("C = 1\n", encoding="utf-8")
    snapshots = Snapshots(grain_ns=0)
    first = taken(snapshots, root)
    assert taken(snapshots, root, 1) == first
    (deep / "c.py").write_text("C = 2\n", encoding="utf-8")
    second = taken(snapshots, root, 2)
    assert second != first
    (deep / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    assert taken(snapshots, root, 3) != second


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen(root: Path, change: Callable[[Path], object]) -> None:
    snapshots = Snapshots(grain_ns=0)
    first = taken(snapshots, root)
    change(root)
    assert taken(snapshots, root, 1) != first


def test_what_changed_a_moment_ago_may_change_again_with_the_same_time(root: Path) -> None:
    snapshots = Snapshots()
    assert taken(snapshots, root) != taken(snapshots, root, 1)


def test_a_snapshot_stands_for_no_other_limits_and_for_no_earlier_time(root: Path) -> None:
    snapshots = Snapshots(grain_ns=0)
    first = taken(snapshots, root)
    assert taken(snapshots, root, 1, Limits(file_bytes=1)) != first
    again = taken(snapshots, root, 2)
    assert taken(snapshots, root, 1) not in {first, again}


def test_a_large_folder_is_left_to_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "MOST", 5)
    snapshots = Snapshots(grain_ns=0)
    assert taken(snapshots, root) != taken(snapshots, root, 1)
    monkeypatch.setattr(unchanged, "MOST", 20_000)
    assert taken(snapshots, root, 2) != taken(snapshots, root, 3)


def test_a_folder_inside_a_repository_is_left_to_git(root: Path) -> None:
    snapshots = Snapshots(grain_ns=0)
    assert taken(snapshots, root / "src") != taken(snapshots, root / "src", 1)


def test_a_folder_that_cannot_be_read_is_left_to_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = Snapshots(grain_ns=0)

    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError

    first = taken(snapshots, root)
    monkeypatch.setattr(unchanged, "_look", gone)
    assert taken(snapshots, root, 1) != first
