"""Unfinished copies of a database: their names, and the removal of those whose process was killed."""

import glob
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

_COPY = re.compile(r"\.(?:(\d+)-)?[0-9a-f]{16}\.new(?:-wal|-shm|-journal)?\Z")
"""The process that writes it; earlier versions did not say which."""


def name_of_copy(file: Path) -> Path:
    """A new name beside ``file``, for a copy that this process writes."""
    return file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(8)}.new")


def remove_left_copies(file: Path) -> None:
    """Remove the unfinished copies beside ``file`` of processes that have ended."""
    from wfe_mcp.workspace.system.process import started_at

    for left in file.parent.glob(f".{glob.escape(file.name)}.*.new*"):
        found = _COPY.search(left.name)
        if found is not None and (found[1] is None or started_at(int(found[1])) is None):
            with suppress(OSError):
                left.unlink()
