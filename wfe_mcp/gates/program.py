"""The program that a check starts: its path and the sha256 of its bytes, so that another program of its name is seen."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any


def program_facts(program: Path) -> dict[str, Any]:
    """``path``: as it was found. ``real``: where links lead, when elsewhere. ``sha256``: of its bytes; None: unreadable.

    A script's interpreter is not named, nor what the program starts.
    """
    real = program.resolve()
    facts: dict[str, Any] = {"path": str(program), "sha256": _hashed(real)}
    return facts if real == program else facts | {"real": str(real)}


def _hashed(program: Path) -> str | None:
    try:
        facts = program.stat()
        return _hash(str(program), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
    except OSError:
        return None


@lru_cache(64)
def _hash(program: str, *_signature: int) -> str:
    """Cached, since interpreters are large: the same path, size, times and inode are the same bytes."""
    with open(os.fspath(program), "rb") as file:  # noqa: PTH123 - the key of the cache is a text
        return hashlib.file_digest(file, "sha256").hexdigest()
