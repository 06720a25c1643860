"""Who else can write into a new folder unseen: files that are open for writing, and file systems that keep no trace.

A program that maps a file into memory and writes there changes the file's times once, at its first write. What it maps
and writes before the times are noted, it can change and put back later unseen. Linux says whether a file is open for
writing, or mapped so: a read lease is refused then. On tmpfs a mapping that was read first leaves no trace at all.
"""

import errno
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_TRACED = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "xfs"})
"""File systems on which the first write through a mapping changes the times of the file."""

_PATIENCE_S = 2.0
"""A child that this process has just forked holds its open files until it runs its program."""
_PAUSE_S = 0.02


def open_for_writing(folder: Path, files: Sequence[str]) -> list[str]:
    """Which of ``files``, relative to ``folder``, a process has open for writing or mapped so. Where the system does not say: none."""
    end = time.monotonic() + _PATIENCE_S
    while (files := [file for file in files if _is_held(f"{folder}/{file}")]) and time.monotonic() < end:
        time.sleep(_PAUSE_S)
    return list(files)


def _is_held(path: str) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)  # ends as the file is closed
    except OSError as fault:
        return fault.errno == errno.EAGAIN
    finally:
        os.close(file)
    return False


def untraced_note(folder: Path) -> str:
    """What is not seen of writes into ``folder``, as a note; empty where a file's times show each."""
    if sys.platform != "linux":
        return ""
    filesystem = ("", "")
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        mount, _, kind = line.partition(" - ")
        at = mount.split(" ")[4].replace("\\040", " ")
        if folder.is_relative_to(at) and len(at) >= len(filesystem[0]):
            filesystem = at, kind.partition(" ")[0]
    if filesystem[1] in _TRACED:
        return ""
    return f"the checkout lies on {filesystem[1]}, where a file that is changed through a mapping and put back keeps its times"
