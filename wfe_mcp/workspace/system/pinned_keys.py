"""The file beside the database that pins the person's key: a line for each key that was ever made for it.

It is written before the key is used. A database that pins another key, or none, was changed outside wfe-mcp.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from wfe_mcp.core.canonical import canonical_json

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def pin_file(database: Path) -> Path:
    """The file's place."""
    return database.parent / "keys" / f"{database.stem}.pinned.jsonl"


def pin_beside(database: Path, public_key: str, at: datetime) -> None:
    """Add a key, unless it is the newest one."""
    if pinned_beside(database)[-1:] == [public_key]:
        return
    file = pin_file(database)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(number, f"{canonical_json({'public_key': public_key, 'at': at.isoformat()})}\n".encode())
        os.fsync(number)
    finally:
        os.close(number)


def pinned_beside(database: Path) -> list[str]:
    """The public halves in the file, oldest first; none where there is no file. An unreadable line is skipped."""
    try:
        lines = pin_file(database).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found: list[str] = []
    for line in lines:
        try:
            found.append(str(json.loads(line)["public_key"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
