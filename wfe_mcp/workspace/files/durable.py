"""Files of the user that are replaced in one step, or grow by whole lines; the disk has them when the call returns."""

import os
import secrets
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)


def replace_file(file: Path, content: bytes, mode: int | None = 0o600) -> None:
    """Write ``file``: a reader sees the old content or the new. ``mode`` None: as the system gives new files."""
    staged = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    try:
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
        with os.fdopen(os.open(staged, new, 0o666 if mode is None else 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is not None:
            staged.chmod(mode)
        staged.replace(file)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def append_line(file: Path, line: str) -> None:
    """Add a line to a file that its user alone may read, in one write."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
    try:
        os.write(number, f"{line}\n".encode())
        os.fsync(number)
    finally:
        os.close(number)
