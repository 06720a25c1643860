"""The line of those who wait to write to a file: first come, first served, whichever process they are in.

    BEGIN IMMEDIATE ── busy ──► stand in line ── first ──► look every 2 ms until it begins ──► the next is first

The system gives the lock of a file beside the database in the order in which it was asked for, and takes it back from a
process that ends. Who is not first sleeps: fifteen that looked by themselves took a third of a core from the one they waited
for, and one of sixteen servers that started at once was refused after ten seconds.
"""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress


@contextmanager
def place_in_line(database: str, patience_s: float) -> Generator[bool]:
    """The block runs once all who came earlier have left, or after ``patience_s``; it gets whether it is first.

    On Windows no one is, and all look by themselves.
    """
    if os.name == "nt":
        yield False
        return
    first, leaves = threading.Event(), threading.Event()
    # In a thread of its own: only so the wait for a lock can end without it.
    threading.Thread(target=_stand, args=(f"{database}-line", first, leaves), daemon=True).start()
    try:
        yield first.wait(patience_s)
    finally:
        leaves.set()


def _stand(file: str, first: threading.Event, leaves: threading.Event) -> None:
    if os.name != "nt":
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
