"""The line of those who wait to write to a file: first come, first served, whichever process they are in.

    BEGIN IMMEDIATE ── busy ──► stand in line ── first ──► look every 2 ms until it begins ──► the next is first

The system gives the lock of a file beside the database, on Windows a mutex, in the order in which it was asked for, and
takes it back from a process that ends. Who is not first sleeps: fifteen that looked by themselves took a third of a core from the one they waited
for, and one of sixteen servers that started at once was refused after ten seconds.
"""

import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

from wfe_mcp.core.canonical import sha256_hex


@contextmanager
def place_in_line(database: str, patience_s: float) -> Generator[bool]:
    """The block runs once all who came earlier have left, or after ``patience_s``; it gets whether it is first."""
    if sys.platform == "win32":
        with _mutex(f"wfe-mcp-line-{sha256_hex(database.casefold().encode())}", patience_s) as is_first:
            yield is_first
        return
    first, leaves = threading.Event(), threading.Event()
    # In a thread of its own: only so the wait for a lock can end without it.
    threading.Thread(target=_stand, args=(f"{database}-line", first, leaves), daemon=True).start()
    try:
        yield first.wait(patience_s)
    finally:
        leaves.set()


@contextmanager
def _mutex(name: str, patience_s: float) -> Generator[bool]:
    is_first = False
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.CreateMutexW.restype = ctypes.c_void_p
        mutex = ctypes.c_void_p(kernel.CreateMutexW(None, False, name))  # none: its name is another user's
        # Free, or left by a process that ended.
        is_first = bool(mutex) and kernel.WaitForSingleObject(mutex, round(patience_s * 1000)) in {0x00, 0x80}
        try:
            yield is_first
        finally:
            if is_first:
                kernel.ReleaseMutex(mutex)
            if mutex:
                kernel.CloseHandle(mutex)


def _stand(file: str, first: threading.Event, leaves: threading.Event) -> None:
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):  # a file system without such locks
            place = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(place, fcntl.LOCK_EX)
                first.set()
                leaves.wait()
            finally:
                os.close(place)
        first.set()
