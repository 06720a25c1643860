"""The disk below a file: the kind of its file system, whether it has room, and when written bytes are durable.

    file, file, file ──► written out, renamed ──► a new file elsewhere on the disk is synced ──► all of them are durable

Rules:
1. What is written out is not durable yet: the disk may hold it in its cache, and its length and name are in the journal.
2. ext4 and XFS have one journal, in order: syncing a file that was made later waits for all of it, and empties the disk's cache.
   On every other file system, and outside Linux, each file is synced by itself.
3. The end of a process loses neither; only a power cut can.
"""

import errno
import os
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from wfe_mcp.core.errors import Refused

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_MOUNTS = "/proc/self/mountinfo"
_PATIENCE_S, _PAUSE_S = 1.0, 0.02
_ORDERED = frozenset({"ext4", "xfs"})
_WRITE_AND_WAIT = 7
"""``SYNC_FILE_RANGE_WAIT_BEFORE | WRITE | WAIT_AFTER``: as git's own ``core.fsyncMethod=batch``."""


@lru_cache(64)
def file_systems(device: int) -> frozenset[str]:
    """The kinds of file system that the device (``st_dev``) has; empty where no mounts are listed, as outside Linux."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:  # noqa: PTH123 - no Path is needed
            lines = [line.split() for line in mounts]
    except OSError:
        return frozenset()
    own = f"{os.major(device)}:{os.minor(device)}" if sys.platform != "win32" else ""
    return frozenset(line[line.index("-") + 1] for line in lines if line[2] == own)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOSED = _FULL | {errno.EROFS, errno.EACCES}
_PROBE = b"." * 100_000


def is_full(error: OSError) -> bool:
    """True where the system took no more bytes, as the disk is full or the user's share of it."""
    return error.errno in _FULL


def is_closed(error: BaseException | None) -> bool:
    """True where the system lets this user write nothing there: the disk is full or read-only, or the folder is another user's."""
    return isinstance(error, OSError) and error.errno in _CLOSED


def full_folder(*folders: Path) -> Path | None:
    """The first of ``folders`` whose disk does not take 100 kB; None where all do. Found by writing them to a file without a name."""
    import tempfile  # it takes longer to load than the first answer

    for folder in folders:
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                if file.write(_PROBE) < len(_PROBE):
                    return folder
        except OSError as fault:
            if is_full(fault):
                return folder
    return None


def bytes_of(place: Path | str) -> bytes:
    """The content of a file; empty where there is none. What is no file, such as a named pipe, is not waited for."""
    try:
        with open(os.open(place, _READ), "rb", buffering=0) as file:  # noqa: PTH123 - opened with care
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def refuse_pipes(folder: str, names: Iterable[str]) -> None:
    """Refuse ``unavailable`` where one of these names in ``folder`` is a named pipe or a device: reading it waits for ever.

    The null device is none of these: sandboxes put it where a file must not be read.
    """
    for name in names:
        place = f"{folder}{os.sep}{name}"
        try:
            kind = os.stat(place)  # noqa: PTH116 - several times for each call
        except OSError:
            continue
        is_read = stat.S_ISREG(kind.st_mode) or stat.S_ISDIR(kind.st_mode)
        if not is_read and _device(kind) != _device(os.stat(os.devnull)):  # noqa: PTH116
            raise Refused(
                "unavailable",
                f"'{place}' is no file but a pipe or a device, on which git would wait for ever.",
                "Find out who made it, then remove it.",
            )


def _device(kind: os.stat_result) -> int:
    return int(getattr(kind, "st_rdev", 0))  # Windows has none


def write_out(descriptor: int, synced_later: str) -> None:
    """Make a written file durable: with the next new file that is synced in the folder ``synced_later``, else now."""
    device = os.fstat(descriptor).st_dev
    is_ordered = bool(file_systems(device)) and file_systems(device) <= _ORDERED
    if not (is_ordered and _is_on(synced_later, device) and _is_written_out(descriptor)):
        os.fsync(descriptor)


def move_over(source: Path, target: Path) -> None:
    """Rename a file, also to the name of another one, which is gone then.

    On Windows that fails while any program has the other one open, such as one of ours that reads it: it is tried again for a second.
    A file that is read-only is replaced there too, as on other systems.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= end:
                raise
            make_writable(target)
            time.sleep(_PAUSE_S)
        else:
            return


def make_writable(file: Path) -> None:
    """Take the read-only attribute from a file, which Windows neither removes nor replaces with it."""
    with suppress(OSError):
        if not file.is_symlink():
            file.chmod(stat.S_IREAD | stat.S_IWRITE)


def _is_on(folder: str, device: int) -> bool:
    try:
        return os.stat(folder).st_dev == device  # noqa: PTH116 - for each object: a Path takes longer
    except OSError:
        return False


def _is_written_out(descriptor: int) -> bool:
    """Whether the system wrote the file's bytes to the disk, and waited for it."""
    return _system_call()(descriptor, 0, 0, _WRITE_AND_WAIT) == 0


@lru_cache(1)
def _system_call() -> Any:
    import ctypes  # 3 ms, with the first object only

    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):  # a C library without it
        return _missing
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


def _missing(*_: int) -> int:
    return -1
