"""Measures a checkpoint and a rollback in a repository of 5,000 files.

For comparison, the time that git takes in the same run: `git status`, and `git stash create`, which saves only the tracked
files.
"""

from __future__ import annotations

import random
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from bench.figures import Figure, median

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.scene import Scene


_Value = TypeVar("_Value")


def measure(scene: Scene, times: int) -> list[Figure]:
    """Milliseconds, the median of ``times`` rounds; the first checkpoint is the first of each round's new changes.

    Without a change, a server hashes nothing and does not call git; the first of a process hashes every file.
    """
    from wfe_mcp.workspace.git.checkpoints import keep
    from wfe_mcp.workspace.git.restore import RestoreResult, restore
    from wfe_mcp.workspace.git.snapshot import Snapshot, Snapshots, take
    from wfe_mcp.workspace.git.snapshot_files import Limits

    root, limits = scene.root, Limits()
    many_files(root)

    def snapshot() -> Snapshot:
        return take(root, {}, limits, at=datetime.now(UTC))

    def back(to: Snapshot, name: str) -> RestoreResult:
        return restore(root, to.commit, expect=None, safety=name, limits=limits, at=datetime.now(UTC))

    first: list[float] = []
    again: list[float] = []
    walked: list[float] = []
    restored: list[float] = []
    undone: list[float] = []
    status: list[float] = []
    stash: list[float] = []
    changed = 0
    for number in range(times):
        _edit(root, number)
        kept = _timed(snapshot, first)
        keep(root, f"bench/cp-{number}", kept.commit)
        _timed(snapshot, again)
        server = Snapshots()
        before = server.take(root, {}, limits, datetime.now(UTC))
        after = _timed(lambda by=server: by.take(root, {}, limits, datetime.now(UTC)), walked)
        assert after is before, "nothing has changed"
        _timed(lambda: _git(root, "status", "--porcelain"), status)
        _timed(lambda: _git(root, "-c", "user.name=b", "-c", "user.email=b@example.org", "stash", "create"), stash)
        _wreck(root, number)
        done = _timed(lambda to=kept, name=f"bench/s-{number}": back(to, name), restored)
        changed = len(done.changes)
        _timed(lambda to=done.safety, name=f"bench/u-{number}": back(to, name), undone)
        back(kept, f"bench/e-{number}")
    floor = f"git status {median(status):.0f} ms, git stash create {median(stash):.0f} ms"
    return [
        Figure("checkpoint of 100 edits and 50 new files, of 5,000", median(first), "ms", 250, floor),
        Figure("checkpoint where nothing has changed since the last", median(walked), "ms", 100),
        Figure("  the same, the first of a process", median(again), "ms", 100),
        Figure("  ÷ git status", median(again) / median(status), "×"),
        Figure(f"restore of {changed} paths, with its safety checkpoint", median(restored), "ms", 450),
        Figure("undo of it", median(undone), "ms", 450),
    ]


def many_files(root: Path) -> None:
    """Commit 5,000 files of 1,500 characters in ``root``."""
    draw = random.Random(3)
    for number in range(5_000):
        file = root / f"pkg{number % 100}" / f"m{number % 7}" / f"f{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(draw.choice("abcdef \n") for _ in range(1_500)), encoding="utf-8")
    (root / ".gitignore").write_text("*.log\nbuild/\n", encoding="utf-8")
    _git(root, "add", "-A")
    _git(root, "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "first")


def _edit(root: Path, seed: int) -> None:
    for number in range(0, 200, 2):
        _file(root, number).write_text(f"edited = {seed}, {number}\n" * 40, encoding="utf-8")
    for number in range(50):
        (root / f"new{seed}-{number}.txt").write_text(f"untracked {seed}, {number}\n", encoding="utf-8")


def _wreck(root: Path, seed: int) -> None:
    for number in range(1, 400, 4):
        _file(root, number).unlink(missing_ok=True)
    for number in range(20):
        (root / f"junk{seed}-{number}").write_text("junk\n", encoding="utf-8")
    (root / f"new{seed}-3.txt").write_text("changed\n", encoding="utf-8")


def _file(root: Path, number: int) -> Path:
    return root / f"pkg{number % 100}" / f"m{number % 7}" / f"f{number}.py"


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def _timed(work: Callable[[], _Value], spent: list[float]) -> _Value:
    began = time.perf_counter()
    value = work()
    spent.append((time.perf_counter() - began) * 1000)
    return value
