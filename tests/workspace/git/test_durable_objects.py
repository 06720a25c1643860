"""What a checkpoint writes is durable with the ref that names it, and with as few waits for the disk as that allows."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.house.other_system import always, on
from tests.workspace.checkpoint_scene import AT, LIMITS, Git, write
from wfe_mcp.workspace.files import disk
from wfe_mcp.workspace.git import objects
from wfe_mcp.workspace.git.checkpoints import keep
from wfe_mcp.workspace.git.snapshot import take

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="files are written out together on Linux alone")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets the name of each file that is synced."""
    found: list[str] = []
    real = os.fsync

    def counted(descriptor: int) -> None:
        found.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    return found


def checkpoint(root: Path, repo: Git) -> str:
    """Save ten changed files; the commit, which git finds whole."""
    for number in range(5):
        write(root, f"src/{number}/a.txt", f"{number}\n")
        write(root, f"src/{number}/b.txt", f"{number}\n" * 2)
    commit = take(root, {}, LIMITS, at=AT).commit
    keep(root, f"r/{commit}", commit)
    assert repo("fsck", "--strict", "--no-dangling").strip() == ""
    return commit


def _on(kind: str) -> Callable[..., frozenset[str]]:
    return always(frozenset({kind}))


@ON_LINUX
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_the_ref_alone_is_synced_where_the_disk_has_one_journal(
    root: Path, repo: Git, synced: list[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(disk, "file_systems", _on(kind))
    assert synced == [f"{checkpoint(root, repo)}.lock"]


@ON_LINUX
@pytest.mark.parametrize("kind", ["btrfs", "overlay", "nfs4", "fuse"])
def test_each_object_is_synced_by_itself_where_it_has_not(
    root: Path, repo: Git, synced: list[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(disk, "file_systems", _on(kind))
    ref = f"{checkpoint(root, repo)}.lock"
    assert synced[-1] == ref
    assert len(synced) > 10


@ON_LINUX
def test_an_object_is_written_out_before_the_ref_that_names_it_is_synced(
    root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    written, real = disk.write_out, os.fsync

    def sync(descriptor: int) -> None:
        order.append("synced")
        real(descriptor)

    def write_first(descriptor: int, folder: str) -> None:
        assert os.fstat(descriptor).st_size > 0, "its bytes have left this process"
        order.append("written")
        written(descriptor, folder)

    monkeypatch.setattr(disk, "file_systems", _on("ext4"))
    monkeypatch.setattr("wfe_mcp.workspace.git.objects.write_out", write_first)
    monkeypatch.setattr(os, "fsync", sync)
    checkpoint(root, repo)
    assert len(order) > 10
    assert order == ["written"] * (len(order) - 1) + ["synced"]


@ON_LINUX
def test_refs_on_another_disk_make_no_object_durable(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "file_systems", _on("ext4"))
    with (tmp_path / "object").open("wb", buffering=0) as file:
        file.write(b"bytes")
        disk.write_out(file.fileno(), str(tmp_path))
        assert synced == []
        disk.write_out(file.fileno(), "/proc")
        disk.write_out(file.fileno(), str(tmp_path / "missing"))
    assert synced == ["object", "object"]


@ON_LINUX
def test_a_system_without_the_call_syncs_each_file(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "file_systems", _on("ext4"))
    monkeypatch.setattr(disk, "_system_call", always(always(-1)))
    with (tmp_path / "object").open("wb", buffering=0) as file:
        disk.write_out(file.fileno(), str(tmp_path))
    assert synced == ["object"]


def test_a_system_without_a_list_of_mounts_has_no_known_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_MOUNTS", str(tmp_path / "missing"))
    disk.file_systems.cache_clear()
    assert disk.file_systems(tmp_path.stat().st_dev) == frozenset()
    disk.file_systems.cache_clear()


def test_where_devices_have_no_numbers_each_file_is_synced_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, disk, "win32")
    disk.file_systems.cache_clear()
    assert disk.file_systems(1) == frozenset()
    disk.file_systems.cache_clear()


@pytest.mark.parametrize(("platform", "tries"), [("win32", 3), ("darwin", 1)])
def test_a_file_that_a_reader_keeps_is_replaced_a_moment_later_on_windows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, tries: int
) -> None:
    on(monkeypatch, disk, platform)
    monkeypatch.setattr(disk, "time", SimpleNamespace(monotonic=always(0.0), sleep=always(None)))
    tried: list[Path] = []

    class Kept(type(tmp_path)):
        def replace(self, target: Any) -> Any:
            tried.append(target)
            if len(tried) < 3:
                raise PermissionError
            return super().replace(target)

    Kept(tmp_path / "new").write_bytes(b"new")
    with suppress(PermissionError):
        disk.move_over(Kept(tmp_path / "new"), tmp_path / "old")
    assert len(tried) == tries and (tmp_path / "old").exists() is (platform == "win32")


def test_an_object_that_another_process_wrote_first_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    oid = objects.object_id("blob", b"x", "sha1")

    def first(self: Path, target: Path) -> None:
        target.touch(0o444)
        raise PermissionError  # as Windows does for a read-only file

    monkeypatch.setattr(Path, "replace", first)
    objects.write_loose(tmp_path, oid, "blob", b"x")
    assert [each.name for each in (tmp_path / oid[:2]).iterdir()] == [oid[2:]]
