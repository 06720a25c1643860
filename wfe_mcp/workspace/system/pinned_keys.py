"""The file beside the database that pins the person's key: a line for each key that was ever made for it.

It is written before the key is used. A database that pins another key, or none, was changed outside wfe-mcp.
"""

import json
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.workspace.files.project_files import append_line


def pin_file(database: Path) -> Path:
    """The file's place."""
    return database.parent / "keys" / f"{database.stem}.pinned.jsonl"


def pin_beside(database: Path, public_key: str, at: datetime) -> None:
    """Add a key, unless it is the newest one."""
    if pinned_beside(database)[-1:] == [public_key]:
        return
    line = canonical_json({"public_key": public_key, "at": at.isoformat()})
    append_line(pin_file(database), line)


def pinned_beside(database: Path) -> list[str]:
    """The public halves in the file, oldest first; none where there is no file. An unreadable line is skipped."""
    try:
        lines = pin_file(database).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    keys: list[str] = []
    for line in lines:
        try:
            keys.append(str(json.loads(line)["public_key"]))
        except (ValueError, KeyError, TypeError):
            continue
    return keys
