"""What the operating system refuses, as an answer to the person: it is no bug of ours."""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.disk import is_full


def refused_by_system(error: Exception) -> Refused | None:
    """The refusal for a path that is too long or closed to us, and for a disk that is full; None for any other error."""
    if not isinstance(error, OSError):
        return None
    name = "" if error.filename is None else str(error.filename)
    if error.errno == errno.ENAMETOOLONG:  # a text where a path belongs
        message = f"The path {name[:80]!r}… is too long: {len(name):,} characters."
        return Refused("bad_argument", message, "Name a shorter one.")
    if is_full(error):
        if not name:
            _answer_elsewhere()
        return Refused(
            "unavailable",
            f"The disk is full: {error.strerror}{f': {name}' if name else ''}.",
            "Free some space, or write the output elsewhere. What was done until then is kept.",
        )
    if error.errno in {errno.EROFS, errno.EACCES} and name:
        message = f"{name} cannot be used: {os.strerror(error.errno)}."
        return Refused("unavailable", message, "Make it writable, then try again. What was done until then is kept.")
    return None


def drop_output() -> None:
    """Drop what standard output has not written, and all that follows: else it would be tried again as the process ends."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:  # not that of the process
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        sys.stdout.flush()


def _answer_elsewhere() -> None:
    """Let standard output lead to standard error: else the refusal could not be written either."""
    drop_output()
    with suppress(OSError, ValueError):
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
