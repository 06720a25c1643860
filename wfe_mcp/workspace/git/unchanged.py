"""Detects by timestamps whether the files are still those of the last snapshot.

A snapshot asks git a dozen questions; in a folder where nothing happened since the last one, a walk answers them all.

Rules:
1. The walk sees more than a snapshot holds (ignored files, nested repositories): at worst it says "changed" for nothing.
2. Times alone are believed only when they are older than any file system's grain, and where the kernel sets them
   (ctime): not on Windows.
3. A folder with more than ``MOST`` entries is not walked: most of them are seldom the project's own, so git knows better.
4. Of a walk only a digest is kept. Another order of the same entries reads as "changed".
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wfe_mcp.workspace.git.snapshot import Snapshot, take
from wfe_mcp.workspace.git.snapshot_limits import Limits

__all__ = ["MOST", "Snapshots"]

MOST = 20_000
_OF_GIT = ("HEAD", "config", "index", "packed-refs", "info", "refs/heads")
_NOT_WALKED = frozenset({".git", ".wfe"})


@dataclass(frozen=True, slots=True)
class _Last:
    walk: bytes
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

    def _walk(self, root: Path) -> bytes | None:
        """What stands in the folder, and what git says of it; None where times do not tell."""
        if os.name == "nt" or root in self._too_many or not (root / ".git").is_dir():
            return None
        digest = hashlib.blake2b()
        try:
            _look(root, digest.update, before_ns=time.time_ns() - self._grain_ns)
        except _TooManyError:
            self._too_many.add(root)
            return None
        except (_TooNewError, OSError):  # the second: something comes or goes just now
            return None
        return digest.digest()


class _TooManyError(Exception):
    """The folder is too large to be walked."""


class _TooNewError(Exception):
    """What was changed a moment ago may change again with the same time."""


def _look(root: Path, tell: Callable[[bytes], None], *, before_ns: int) -> None:
    """Tell all that a snapshot could depend on, as long as none of it changed after ``before_ns``."""
    top, git = str(root), f"{root}/.git"
    waiting = [top]
    for name in _OF_GIT:
        place = f"{git}/{name}"
        if os.path.isdir(place):  # noqa: PTH112 - a Path each takes three times as long, here and below
            waiting.append(place)
        elif os.path.lexists(place):
            _tell_of(place, os.lstat(place), tell, before_ns)
    left = MOST
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if folder is top and entry.name in _NOT_WALKED:
                    continue
                if not left:
                    raise _TooManyError
                left -= 1
                _tell_of(entry.path, entry.stat(follow_symlinks=False), tell, before_ns)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _tell_of(path: str, facts: os.stat_result, tell: Callable[[bytes], None], before_ns: int) -> None:
    if facts.st_ctime_ns > before_ns:
        raise _TooNewError
    times = b"%d %d %d %d" % (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    tell(b"%s\0%s\0" % (os.fsencode(path), times))
