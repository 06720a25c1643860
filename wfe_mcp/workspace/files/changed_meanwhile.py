"""Files that changed while a check ran, also those that were changed back.

Content alone does not show a file that was replaced and put back: the tree is the same before and after. The time of the
last change of an inode (ctime) shows it, because no program of the user can set that time.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, ...]


def file_stamps(root: Path, paths: Iterable[str]) -> dict[str, Stamp | None]:
    """What ``lstat`` says of each path below ``root``; None where nothing is."""
    return {path: _stamp(f"{root}/{path}") for path in paths}


def changed_meanwhile(before: Mapping[str, Stamp | None], after: Mapping[str, Stamp | None]) -> list[str]:
    """The paths that were written, replaced, created or removed between two ``file_stamps``, in order.

    A path counts also when its content is what it was. Where the system keeps no time of change (Windows), a file
    that was changed back with its old modification time is missed.
    """
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _stamp(place: str) -> Stamp | None:
    try:
        facts = os.lstat(place)  # thousands of paths: a Path each takes three times as long
    except OSError:
        return None
    # A change of permissions, or a hard link by a backup, sets the ctime too: it counts as a change.
    return facts.st_size, facts.st_mtime_ns, 0 if os.name == "nt" else facts.st_ctime_ns, facts.st_ino
