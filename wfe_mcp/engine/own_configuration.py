"""Has the person's own configuration changed since they last looked at it?

It counts without trust: it is theirs. But whoever has their shell can write it too, and loosen a policy there. So
``wfe-mcp trust`` and ``init`` note its bytes, and the next approval and ``wfe-mcp verify`` say when they are others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.store import Tx

__all__ = ["OwnConfiguration", "note_own_configuration", "own_configuration"]

_GONE = "0" * 64


@dataclass(frozen=True, slots=True)
class OwnConfiguration:
    """``looked_at``: when a person last saw it in this project, None: never. ``changed``: it is another one since."""

    file: Path
    looked_at: datetime | None
    changed: bool


def own_configuration(engine: Engine) -> OwnConfiguration:
    """How the user's configuration file stands in this project."""
    file, now = _now()
    with engine.store.read() as tx:
        seen = [one for one in tx.trusted(engine.project_id) if one.path_key == _key(file)]
    last = max(seen, key=lambda one: one.at, default=None)
    return OwnConfiguration(file, last.at if last else None, bool(seen) and now not in {one.sha256 for one in seen})


def note_own_configuration(engine: Engine, tx: Tx, by: By) -> None:
    """The person has looked: from now on these bytes are the known ones."""
    file, now = _now()
    tx.trust(engine.project_id, _key(file), now, by, engine.clock())


def _key(file: Path) -> str:
    return f"own:{file}"


def _now() -> tuple[Path, str]:
    from wfe_mcp.core.canonical import sha256_hex
    from wfe_mcp.workspace.location import user_config_file

    file = user_config_file()
    try:
        return file, sha256_hex(file.read_bytes())
    except OSError:
        return file, _GONE
