"""Every fault during a restore gives a clear error; nothing is half done or lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.workspace.checkpoint_scene import AT, LIMITS, Git, back, files_of, taken, user_state, write
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git import restore as restoring
from wfe_mcp.workspace.git.checkpoints import content, drop, keep, list_checkpoints
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.restore import restore
from wfe_mcp.workspace.git.snapshot import read_snapshot, take

is_linux_root = sys.platform == "linux" and os.geteuid() == 0
mounting = pytest.mark.skipif(not is_linux_root, reason="only root mounts, and only Linux has tmpfs")


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")


@contextmanager
def mounted(folder: Path, *words: str) -> Generator[None]:
    mount(*words, str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def moved_into(folder: Path, root: Path) -> None:
    for each in list(root.iterdir()):
        shutil.move(each, folder / each.name)


@pytest.fixture
def small_disk(tmp_path: Path, root: Path, repo: Git) -> Iterator[Path]:
    """The project on a disk of 400 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=400k", "none"):
        moved_into(disk, root)
        yield disk


def fill(disk: Path, but_bytes: int = 0) -> None:
    """Leave no room but ``but_bytes``."""
    with (disk / ".git/fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\1" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - but_bytes))


@mounting
def test_a_full_disk_refuses_a_checkpoint_and_changes_nothing(small_disk: Path) -> None:
    write(small_disk, "b.txt", os.urandom(50_000))
    before = files_of(small_disk)
    fill(small_disk)
    with pytest.raises(Refused) as refused:
        take(small_disk, {}, LIMITS, at=AT)
    assert refused.value.code == "unavailable"
    assert "the disk is full. Nothing was changed." in refused.value.message
    assert "room" in refused.value.hint
    (small_disk / ".git/fill").unlink()
    assert files_of(small_disk) == before
    looked = subprocess.run(["git", "-C", str(small_disk), "fsck", "--strict"], capture_output=True)
    assert looked.returncode == 0, looked
    assert taken(small_disk).skipped == ()


@mounting
def test_a_full_disk_refuses_a_restore_and_changes_nothing(small_disk: Path) -> None:
    for number in range(4):
        write(small_disk, f"b{number}", b"b" * 30_000)
    snapshot = taken(small_disk)
    for number in range(4):
        (small_disk / f"b{number}").unlink()
    write(small_disk, "a.txt", "changed\n")
    before = files_of(small_disk)
    fill(small_disk, 40_000)
    with pytest.raises(Refused) as refused:
        back(small_disk, snapshot)
    assert refused.value.code == "unavailable"
    assert "space" in str(refused.value)
    assert files_of(small_disk) == before
    assert not (small_disk / ".wfe").exists()
    (small_disk / ".git/fill").unlink()
    back(small_disk, snapshot)
    assert (small_disk / "b3").stat().st_size == 30_000


@mounting
def test_a_read_only_repository_refuses_both(root: Path, repo: Git) -> None:
    snapshot = taken(root)
    write(root, "b.txt")
    before, mine = files_of(root), user_state(root, repo)
    with mounted(root / ".git", "--bind", str(root / ".git")):
        mount("-o", "remount,bind,ro", str(root / ".git"))
        commit = repo("rev-parse", "HEAD").strip()
        for work, words in (
            (lambda: take(root, {}, LIMITS, at=AT), "read-only disk"),
            (lambda: keep(root, "r/cp-9", commit), "read-only disk"),
            (lambda: drop(root, list_checkpoints(root)), "read-only disk"),
            (lambda: back(root, snapshot), "Read-only file system"),
        ):
            with pytest.raises(Refused) as refused:
                work()
            assert refused.value.code == "unavailable"
            assert words in refused.value.message
            assert refused.value.hint
        assert list(list_checkpoints(root)) == ["r/cp-0"]
    assert (files_of(root), user_state(root, repo)) == (before, mine)


@mounting
def test_a_read_only_folder_of_the_project_refuses_and_undoes_what_was_begun(root: Path, repo: Git) -> None:
    write(root, "a-first/f", "one\n")
    write(root, "z-last/f", "one\n")
    snapshot = taken(root)
    write(root, "a-first/f", "two\n")
    write(root, "z-last/f", "two\n")
    before = files_of(root)
    with mounted(root / "z-last", "--bind", str(root / "z-last")):
        mount("-o", "remount,bind,ro", str(root / "z-last"))
        with pytest.raises(Refused) as refused:
            back(root, snapshot)
        assert refused.value.code == "unavailable"
    assert files_of(root) == before


@mounting
def test_a_folder_on_another_disk_is_restored_too(root: Path, repo: Git) -> None:
    (root / "data").mkdir()
    with mounted(root / "data", "-t", "tmpfs", "-o", "size=400k", "none"):
        write(root, "data/f", "one\n")
        (root / "data/link").symlink_to("f")
        write(root, "data/gone", "one\n")
        before = files_of(root)
        snapshot = taken(root)
        write(root, "data/f", "two\n")
        (root / "data/link").unlink()
        (root / "data/gone").unlink()
        write(root, "data/new", "two\n")
        back(root, snapshot)
        assert files_of(root) == before

        write(root, "data/big", b"b" * 300_000)
        write(root, "data/one", "one\n")
        full = taken(root)
        (root / "data/big").unlink()
        write(root, "data/one", "two\n")
        write(root, ".gitignore", "*.log\nignored\n")
        write(root, "data/ignored", b"i" * 200_000)
        before = files_of(root)
        with pytest.raises(Refused) as refused:
            back(root, full)
        assert "No space left" in refused.value.message
        assert files_of(root) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions stop nobody here")
def test_an_object_store_that_may_not_be_written_is_refused(root: Path, repo: Git) -> None:
    write(root, "b.txt")
    (root / ".git/objects").chmod(0o555)
    try:
        with pytest.raises(Refused) as refused:
            take(root, {}, LIMITS, at=AT)
    finally:
        (root / ".git/objects").chmod(0o755)
    assert refused.value.code == "unavailable"


def test_git_that_goes_away_is_said(root: Path, repo: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = taken(root)
    write(root, "a.txt", "changed\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        back(root, snapshot)
    assert refused.value.code == "unavailable"
    assert "not installed" in refused.value.message
    assert (root / "a.txt").read_text() == "changed\n"


def test_content_that_is_no_longer_there_is_said_before_anything_changes(root: Path, repo: Git) -> None:
    write(root, "b.txt", "only here\n")
    snapshot = taken(root)
    oid = repo("hash-object", "b.txt").strip()
    write(root, "b.txt", "changed\n")
    write(root, "a.txt", "changed\n")
    (root / ".git/objects" / oid[:2] / oid[2:]).unlink()
    before = files_of(root)
    with pytest.raises(Refused) as refused:
        back(root, snapshot)
    assert refused.value.code == "unavailable"
    assert "b.txt" in refused.value.message
    assert files_of(root) == before


def test_only_one_restore_is_at_work(root: Path, repo: Git) -> None:
    snapshot = taken(root)
    write(root, "a.txt", "changed\n")
    repo_of_root = require_repository(root)
    with restoring._alone(repo_of_root), pytest.raises(Refused) as refused:  # pyright: ignore[reportPrivateUsage] - the lock itself
        back(root, snapshot)
    assert refused.value.code == "conflict"
    assert (root / "a.txt").read_text() == "changed\n"
    back(root, snapshot)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.workspace.files import staging
from wfe_mcp.workspace.git.snapshot_files import Limits
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.restore import restore

left = int(sys.argv[3])
rename = staging.Staging._rename

def counted(self, source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(self, source, target)

staging.Staging._rename = counted
restore(Path(sys.argv[1]), sys.argv[2], expect=sys.argv[4], safety="r/safety", limits=Limits(), at=datetime.now(UTC))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("steps", [0, 1, 7, 20, 30])
def test_a_restore_that_was_killed_is_finished_by_asking_again(root: Path, repo: Git, steps: int) -> None:
    for number in range(10):
        write(root, f"d{number}/f", f"one {number}\n" * 100)
    (root / "link").symlink_to("d1/f")
    before = files_of(root)
    one = taken(root)
    for number in range(10):
        write(root, f"d{number}/f", f"two {number}\n" * 100)
        write(root, f"junk{number}/f", "junk\n")
    (root / "link").unlink()
    wrecked, mine = files_of(root), user_state(root, repo)
    two = taken(root)
    words = [sys.executable, "-c", KILLED, str(root), one.commit, str(steps), two.tree]
    done = subprocess.run(words, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    whole = {*before.values(), *wrecked.values()}
    assert set(files_of(root).values()) <= whole  # no file is half of anything
    assert content(root, list_checkpoints(root)["r/safety"], "d3/f") == b"two 3\n" * 100

    again = restore(root, one.commit, expect=two.tree, safety="r/safety", limits=LIMITS, at=AT)
    assert files_of(root) == before
    assert again.safety_name == "r/safety"
    assert again.safety == read_snapshot(root, list_checkpoints(root)["r/safety"])
    assert not list((root / ".wfe").iterdir()) if (root / ".wfe").exists() else True
    back(root, again.safety)
    assert files_of(root) == wrecked
    assert user_state(root, repo) == mine


def test_a_change_after_the_kill_is_kept_apart(root: Path, repo: Git) -> None:
    write(root, "b.txt", "one\n")
    one = taken(root)
    write(root, "b.txt", "two\n")
    first = restoring.prepare(root, one.commit, expect=None, safety="r/s", limits=LIMITS, at=AT)
    write(root, "b.txt", "three\n")
    done = restore(root, one.commit, expect=None, safety="r/s", limits=LIMITS, at=AT)
    assert (first.safety_name, done.safety_name) == ("r/s", "r/s.2")
    assert content(root, first.safety.commit, "b.txt") == b"two\n"
    assert content(root, done.safety.commit, "b.txt") == b"three\n"


@pytest.mark.attack("a folder is swapped for a link while files are restored into it", "held", "T5")
@pytest.mark.skipif(os.name == "nt", reason="Windows swaps no open folder")
def test_a_folder_that_turns_into_a_link_meanwhile_leads_nowhere(root: Path, repo: Git, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    for number in range(30):
        write(root, f"folder/f{number}", "one\n")
        write(outside, f"f{number}", "outside\n")
    snapshot = taken(root)
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            with suppress(OSError):  # the restore has remade the folder, or a file in it
                os.rename(root / "folder", root / "aside")
            with suppress(OSError):
                os.symlink(outside, root / "folder")
                os.unlink(root / "folder")
            with suppress(OSError):
                os.rename(root / "aside", root / "folder")

    for _ in range(5):
        assert not (root / "folder").is_symlink()
        for number in range(30):
            write(root, f"folder/f{number}", "two\n")
        stop.clear()
        thread = threading.Thread(target=flip)
        thread.start()
        with suppress(Refused):
            back(root, snapshot)
        stop.set()
        thread.join()
    assert {each.read_text() for each in outside.iterdir()} == {"outside\n"}
