"""What strengthens a gate in the configuration that a person trusted last, kept in the database.

strict:user              of the user's own configuration, whichever folder a variable names now
strict:project:<id>      of the project's, whichever worktree has it
"""

import json
from datetime import datetime

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import By
from wfe_mcp.store import Tx
from wfe_mcp.workspace.config.gate_keys import FileLayer, KeptStrict, strengthening


def kept_strict(tx: Tx, project: str) -> list[KeptStrict]:
    """What is kept for ``project``, the user's own first. Nothing where the row is not ours: ``verify`` names it."""
    stricts: list[KeptStrict] = []
    layers: tuple[FileLayer, FileLayer] = ("user", "project")
    kept = tx.secrets.values([_name(layer, project) for layer in layers])  # one query: nearly every call asks
    for layer in layers:
        text = kept.get(_name(layer, project))
        if text is not None:
            try:
                stored = json.loads(text)
                stricts.append(KeptStrict(layer, str(stored["sha256"]), strengthening(stored["values"], signed=True)))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return stricts


def keep_strict(tx: Tx, project: str, strict: KeptStrict, by: By, at: datetime) -> None:
    """Keep what strengthens a gate in bytes that a person trusts now, in place of what they trusted before."""
    value = canonical_json({"sha256": strict.sha256, "values": strict.values})
    if tx.secrets.get(_name(strict.layer, project)) != value:
        tx.secrets.set(_name(strict.layer, project), value, by, at)


def _name(layer: FileLayer, project: str) -> str:
    return "strict:user" if layer == "user" else f"strict:project:{project}"
