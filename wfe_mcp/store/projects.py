"""Projects, and documents by their sha256."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.store.layout.tables import DOCUMENT, PROJECT
from wfe_mcp.store.records.runs import ProjectRecord
from wfe_mcp.store.repository import Repository, columns_for
from wfe_mcp.store.sqlite import insert_new

_PROJECT = select(PROJECT.c.id).where(PROJECT.c.key == bindparam("key"))
_ROOTS = select(PROJECT.c.id, PROJECT.c.root).where(PROJECT.c.id.in_(bindparam("ids", expanding=True)))
_PROJECTS = select(*columns_for(ProjectRecord, PROJECT)).order_by(PROJECT.c.created_at, PROJECT.c.id)
_NEW_PROJECT = insert(PROJECT)
_DOCUMENT = select(DOCUMENT.c.content).where(DOCUMENT.c.sha256 == bindparam("sha256"))
_NEW_DOCUMENT = insert_new(DOCUMENT)


class ProjectRepository(Repository):
    """Projects."""

    def id_of(self, key: str, root: str) -> str:
        """The id of the project ``key``, created when it is new."""
        found = self._connection.execute(_PROJECT, {"key": key}).scalar()
        if found is not None:
            return str(found)
        made = f"p-{sha256_hex(key)[:16]}"
        self._run(_NEW_PROJECT, {"id": made, "key": key, "root": root, "created_at": self._clock()})
        return made

    def find(self, key: str) -> str | None:
        """The id of the project ``key``, if it is known; writes nothing."""
        found = self._connection.execute(_PROJECT, {"key": key}).scalar()
        return None if found is None else str(found)

    def all(self) -> list[ProjectRecord]:
        """Every project, oldest first."""
        return self._all(ProjectRecord, _PROJECTS)

    def roots(self, ids: Sequence[str]) -> dict[str, str]:
        """The folders of these projects by id, where each was first seen; unknown ids are left out."""
        rows = self._connection.execute(_ROOTS, {"ids": list(ids)}) if ids else ()
        return {str(row.id): str(row.root) for row in rows}


class DocumentRepository(Repository):
    """JSON values by the sha256 of their canonical text."""

    def keep(self, value: object) -> str:
        """Store a JSON value; its sha256. Idempotent."""
        return self.keep_texts(canonical_json(value))[0]

    def load(self, sha256: str) -> Any:
        """The JSON value that ``sha256`` names. It is shared: do not change it. KeyError when it was never stored."""
        return self._caches.documents.get(sha256, lambda: json.loads(self.text(sha256)))

    def text(self, sha256: str) -> str:
        """The canonical text that ``sha256`` names. KeyError when it was never stored."""
        text = self._connection.execute(_DOCUMENT, {"sha256": sha256}).scalar()
        if text is None:
            raise KeyError(sha256)
        return str(text)

    def keep_texts(self, *texts: str) -> list[str]:
        """Store canonical texts; their sha256. Idempotent."""
        now = self._clock()
        named = [(sha256_hex(text), text) for text in texts]
        self._run(_NEW_DOCUMENT, [{"sha256": name, "created_at": now, "content": text} for name, text in named])
        return [name for name, _ in named]
