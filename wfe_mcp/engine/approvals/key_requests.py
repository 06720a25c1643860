"""Passkeys that people made at a server and ask to have pinned in a project, until one who may pins or drops them.

key-request:<project>:<key id>    JSON: the key, with the name of the person who was logged in     in the settings log
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.engine.approvals.approvers import ApproverKey

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine

_ROW = "key-request:"


def request_key(engine: Engine, by: By, key: ApproverKey) -> None:
    """Ask to have ``key`` pinned; an earlier request of the same person is replaced."""
    with engine.store.tx() as tx:
        for row, value in tx.secrets.named(_prefix(engine)).items():
            if ApproverKey.model_validate_json(value).name == key.name:
                tx.secrets.set(row, None, by, engine.clock())
        tx.secrets.set(_prefix(engine) + key.id, key.model_dump_json(exclude_none=True), by, engine.clock())


def requested_keys(engine: Engine) -> dict[str, ApproverKey]:
    """What waits to be pinned in the project of ``engine``, by the id of the key."""
    with engine.store.read() as tx:
        found = [ApproverKey.model_validate_json(each) for each in tx.secrets.named(_prefix(engine)).values()]
    return {each.id: each for each in sorted(found, key=lambda each: each.name)}


def drop_request(engine: Engine, by: By, key: ApproverKey) -> None:
    """The key is pinned, or is not wanted."""
    with engine.store.tx() as tx:
        if tx.secrets.get(_prefix(engine) + key.id) is not None:
            tx.secrets.set(_prefix(engine) + key.id, None, by, engine.clock())


def _prefix(engine: Engine) -> str:
    return f"{_ROW}{engine.project_id}:"
