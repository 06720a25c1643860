"""Stored trees are removed once they are old and nothing records them, beside a process that looks, and after a kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workspace.conftest import Git, tree
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git import trees
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.working_tree import changed_paths


@pytest.fixture
def two(root: Path, repo: Git) -> tuple[str, str]:
    """Two trees of the folder, which have one subtree in common, both old."""
    for name in ("same", "other"):
        (root / name / "below").mkdir(parents=True)
        (root / name / "below" / "file.txt").write_text(name)
    first = tree(root)
    (root / "other/below/file.txt").write_text("changed")
    second = tree(root)
    grow_old(root)
    return first, second


def stored(root: Path) -> set[str]:
    return {f"{place.parent.name}{place.name}" for place in (root / ".git/wfe/objects").glob("*/*")}


def grow_old(root: Path) -> None:
    then = time.time() - trees.KEPT_FOR_S - 60
    for place in (root / ".git/wfe/objects").glob("*/*"):
        os.utime(place, (then, then))


def unneeded(root: Path, *recorded: str) -> list[trees.StoredTree]:
    return trees.unneeded_trees(require_repository(root), lambda _: {*recorded})


def test_a_recorded_tree_stays_with_all_that_it_has_in_it(root: Path, repo: Git, two: tuple[str, str]) -> None:
    first, second = two
    assert len(stored(root)) == 8
    gone = trees.remove_trees(unneeded(root, second))
    assert len(gone) == 3, "the first tree, and two folders in it"
    assert (root / "other/below/file.txt").write_text("again")
    assert changed_paths(root, second, tree(root)) == ["other/below/file.txt"]
    with pytest.raises(Refused):
        changed_paths(root, first, second)


def test_a_tree_that_a_look_asks_for_while_it_is_removed_stays(root: Path, repo: Git, two: tuple[str, str]) -> None:
    _, second = two
    listed = unneeded(root)
    assert len(listed) == 8
    assert tree(root) == second
    assert len(trees.remove_trees(listed)) == 3
    (root / "other/below/file.txt").write_text("again")
    assert changed_paths(root, second, tree(root)) == ["other/below/file.txt"]


def test_a_look_writes_again_what_was_removed(root: Path, repo: Git, two: tuple[str, str]) -> None:
    before = stored(root)
    assert len(trees.remove_trees(unneeded(root))) == 8
    assert stored(root) == set()
    assert tree(root) == two[1]
    assert stored(root) < before


DIES = """
import os, signal, sys
from pathlib import Path
from wfe_mcp.workspace.git import trees
from wfe_mcp.workspace.git.command import require_repository
left, unlink = 3, Path.unlink
def counted(place, **more):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    unlink(place, **more)
Path.unlink = counted
trees.remove_trees(trees.unneeded_trees(require_repository(Path(sys.argv[1])), lambda _: {sys.argv[2]}))
"""


def test_what_a_killed_removal_left_goes_with_the_next(root: Path, repo: Git, two: tuple[str, str]) -> None:
    words = [sys.executable, "-c", DIES, str(root), two[1]]
    died = subprocess.run(words, check=False, capture_output=True, text=True)
    assert died.returncode not in (0, 1, 2), died.stderr
    left = unneeded(root, two[1])
    assert [tree.oid for tree in left] == [""]
    assert len(trees.remove_trees(left)) == 1
    assert len(stored(root)) == 5
    (root / "same/below/file.txt").write_text("again")
    assert changed_paths(root, two[1], tree(root)) == ["same/below/file.txt"]
