"""Folders are listed again once they have changed, and what else may fool what is kept between two looks."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.house.other_system import on
from tests.workspace.git.test_remembered_hashes import disk
from tests.workspace.git.test_working_tree import git
from wfe_mcp.workspace.git import names, working_tree
from wfe_mcp.workspace.git.file_facts import Signature
from wfe_mcp.workspace.git.working_tree import SeenFiles, WorkingTree

LATER_NS = 10_000_000_000


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose folders are on a local disk, and old enough to be kept."""
    made = tmp_path / "project"
    (made / "src" / "deep").mkdir(parents=True)
    (made / "src" / "deep" / "a.py").write_text("one\n")
    (made / "src" / "b.py").write_text("two\n")
    git(made, "init", "-q")
    git(made, "add", "-A")
    real = time.time_ns
    monkeypatch.setattr(names, "_is_local", _always)
    monkeypatch.setattr(names.time, "time_ns", lambda: real() + LATER_NS)
    return made


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets the name of each folder that is listed."""
    found: list[str] = []
    real = os.scandir

    def counted(place: str) -> object:
        found.append(os.path.basename(place))
        return real(place)

    monkeypatch.setattr(names.os, "scandir", counted)
    return found


def tick(folder: Path) -> None:
    """Until the disk has another time than the last change of ``folder``."""
    probe, before = folder.parent / "probe", folder.stat().st_ctime_ns
    while True:
        probe.touch()
        if probe.stat().st_ctime_ns > before:
            return


def test_a_folder_is_listed_once_while_it_does_not_change(root: Path, listed: list[str]) -> None:
    tree = WorkingTree(root)
    tree.files()
    assert {"project", "src", "deep"} <= {*listed}
    listed.clear()
    tree.files()
    assert listed == []
    tick(root / "src")
    (root / "src" / "new.py").write_text("x")
    assert "src/new.py" in tree.files()
    assert "deep" not in listed


def test_a_folder_is_listed_each_time_where_the_disk_may_not_show_its_changes(
    root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_is_local", _never)
    tree = WorkingTree(root)
    tree.files()
    listed.clear()
    tree.files()
    assert listed == ["project", "src", "deep"]


def test_a_disk_that_the_system_does_not_name_is_not_taken_for_a_local_one() -> None:
    assert not names._is_local(os.makedev(4_000, 77))  # pyright: ignore[reportPrivateUsage] - no such disk is mounted


def _always(_: int) -> bool:
    return True


def _never(_: int) -> bool:
    return False


def _add(root: Path) -> None:
    (root / "src/c.py").write_text("x")


def _remove(root: Path) -> None:
    (root / "src/b.py").unlink()


def _rename(root: Path) -> None:
    os.rename(root / "src/b.py", root / "src/c.py")


def _exchange(root: Path) -> None:
    os.replace(root / "src/deep/a.py", root / "src/b.py")


def _link(root: Path) -> None:
    os.rename(root / "src/b.py", root / "src/aside")
    (root / "src/b.py").symlink_to("aside")


def _another_folder(root: Path) -> None:
    (root / "other").mkdir()
    (root / "other/b.py").write_text("other\n")
    os.rename(root / "src", root / "gone")
    os.rename(root / "other", root / "src")


@pytest.mark.attack("change the names in a folder and give the folder its old time", "held", "T15")
@pytest.mark.parametrize(
    "change",
    [_add, _remove, _rename, _exchange, _link, _another_folder],
    ids=["added", "removed", "renamed", "exchanged", "made a link", "another folder"],
)
def test_a_folder_with_its_old_time_hides_no_change(root: Path, change: Callable[[Path], None]) -> None:
    tree = WorkingTree(root)
    first, before = tree.files(), (root / "src").stat()
    tick(root / "src")
    change(root)
    os.utime(root / "src", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert tree.files() == WorkingTree(root).files() != first


@pytest.mark.attack("remove a file for the moment between the list of names and the look at it", "held", "T15")
def test_a_file_that_comes_back_after_a_look_counts_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, real, place = WorkingTree(root), working_tree.signatures_below, root / "src/b.py"

    def without(folder: Path, paths: Iterable[str]) -> dict[str, Signature]:
        os.rename(place, root.parent / "aside")
        found = real(folder, paths)
        os.rename(root.parent / "aside", place)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(working_tree, "signatures_below", without)
        assert "src/b.py" not in tree.files()
    assert "src/b.py" in tree.files()


@pytest.mark.attack("set the clock back and write a file at the time of its last change", "held", "T15")
def test_nothing_is_kept_over_a_clock_that_was_set_back() -> None:
    with disk() as made:
        tree = WorkingTree(made.root, lambda: made.now_ns)
        made.now_ns += LATER_NS
        before = tree.files()
        made.now_ns -= LATER_NS
        made.write("b.txt", "ONE\n")
        assert tree.files() != before


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_a_time_of_change_shows_a_change_where_there_is_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    on(monkeypatch, working_tree, platform)
    before = SeenFiles(root).stamps(["src/b.py", "absent"])
    tick(root / "src/b.py")
    os.utime(root / "src/b.py", ns=(0, (root / "src/b.py").stat().st_mtime_ns))
    assert (SeenFiles(root).stamps(["src/b.py", "absent"]) == before) is (platform == "win32")
