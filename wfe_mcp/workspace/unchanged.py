"""Are the files still those of the last snapshot, as far as their times tell?

A snapshot asks git a dozen questions; in a folder where nothing happened since the last one, a walk answers them all.

Rules:
1. The walk sees more than a snapshot holds (ignored files, nested repositories): at worst it says "changed" for nothing.
2. Times alone are believed only when they are older than any file system's grain, and where the kernel sets them
   (ctime): not on Windows.
3. A folder with more than ``MOST`` entries is not walked: git's index is faster there.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wfe_mcp.workspace.snapshot import Snapshot, take
from wfe_mcp.workspace.snapshot_limits import Limits

__all__ = ["MOST", "Snapshots"]

MOST = 5_000
_OF_GIT = ("HEAD", "config", "index", "packed-refs", "info", "refs/heads")
_NOT_WALKED = frozenset({".git", ".wfe"})

Walk = frozenset[tuple[str, int, int, int, int]]


@dataclass(frozen=True, slots=True)
class _Last:
    walk: Walk
    limits: Limits
    at: datetime
    snapshot: Snapshot


class Snapshots:
    """The snapshots that one process takes, the last of each folder remembered.

    ``grain_ns``: what changed less than so long ago may change again with the same time.
    """

    def __init__(self, grain_ns: int = 2_000_000_000) -> None:
        self._grain_ns = grain_ns
        self._last: dict[Path, _Last] = {}
        self._too_many: set[Path] = set()

    def take(self, root: Path, note: dict[str, str], limits: Limits, at: datetime) -> Snapshot:
        """The files of ``root``: a new snapshot, or the last one when nothing has changed since. Refuses as ``take`` does."""
        walk = self._walk(root)
        last = self._last.pop(root, None)
        if last is not None and walk == last.walk and limits == last.limits and last.at <= at:
            self._last[root] = last
            return last.snapshot
        snapshot = take(root, note, limits, at=at)
        if walk is not None:
            self._last[root] = _Last(walk, limits, at, snapshot)
        return snapshot

    def _walk(self, root: Path) -> Walk | None:
        """What stands in the folder, and what git says of it; None where times do not tell."""
        if os.name == "nt" or root in self._too_many or not (root / ".git").is_dir():
            return None
        found: set[tuple[str, int, int, int, int]] = set()
        newest = time.time_ns() - self._grain_ns
        try:
            for path, facts in _seen(root):
                if len(found) == MOST:
                    self._too_many.add(root)
                if facts.st_ctime_ns > newest or root in self._too_many:
                    return None
                found.add((path, facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
        except OSError:  # something comes or goes just now
            return None
        return frozenset(found)


def _seen(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for name in _OF_GIT:
        place = root / ".git" / name
        if place.is_dir():
            yield from _below(str(place))
        elif place.exists():
            yield str(place), place.lstat()
    yield from _below(str(root), _NOT_WALKED)


def _below(folder: str, besides: frozenset[str] = frozenset()) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in besides:
                continue
            yield entry.path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
