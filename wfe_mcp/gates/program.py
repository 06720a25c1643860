"""The program that a check runs: the file that its name leads to, by the ``PATH`` of the check, and the file's sha256.

What that program starts in turn is not looked at: of ``uv run pytest`` it is ``uv``.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path


def program_of(name: str, cwd: Path, env: Mapping[str, str]) -> dict[str, str] | None:
    """``path`` (links followed) and ``sha256`` of what runs as ``name`` in ``cwd``; None where nothing does."""
    asked = str(cwd / name) if os.path.dirname(name) else name  # noqa: PTH120 - "./x" has a folder, "x" has none
    found = shutil.which(asked, path=env.get("PATH"))
    if found is None:
        return None
    place = (cwd / found).resolve()
    try:
        facts = place.stat()
        key = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev)
        return {"path": str(place), "sha256": _sha256(place, key)}
    except OSError:
        return None


@lru_cache(64)
def _sha256(place: Path, _facts: tuple[int, ...]) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
