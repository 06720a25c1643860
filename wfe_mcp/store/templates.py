"""Which template versions does a project keep?

A version is immutable: the same name and version with other content is refused. Which source wins when several have
the same name is not decided here; lists are newest first.
"""

from sqlalchemy import bindparam, desc, insert, select

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.store.projects import ProjectRows
from wfe_mcp.store.records import NewTemplate, TemplateRecord
from wfe_mcp.store.rows import columns_for
from wfe_mcp.store.tables import TEMPLATE

__all__ = ["TemplateRows"]

_SELECT = select(*columns_for(TemplateRecord, TEMPLATE))
_SAME_VERSION = _SELECT.where(
    TEMPLATE.c.project_id == bindparam("project_id"),
    TEMPLATE.c.source == bindparam("source"),
    TEMPLATE.c.name == bindparam("name"),
    TEMPLATE.c.version == bindparam("version"),
)
_IN_PROJECT = _SELECT.where(TEMPLATE.c.project_id == bindparam("project_id")).order_by(
    TEMPLATE.c.name, desc(TEMPLATE.c.id)
)
_BY_NAME = _SELECT.where(
    TEMPLATE.c.project_id == bindparam("project_id"), TEMPLATE.c.name == bindparam("name")
).order_by(desc(TEMPLATE.c.id))
_BY_SHA256 = _SELECT.where(TEMPLATE.c.sha256 == bindparam("sha256")).order_by(desc(TEMPLATE.c.id)).limit(1)
_NEW = insert(TEMPLATE)


class TemplateRows(ProjectRows):
    """Template versions."""

    def save_template(self, new: NewTemplate) -> TemplateRecord:
        """Keep a version; keeping the same content again changes nothing. Refuses ``conflict`` for other content."""
        key = {"project_id": new.project_id, "source": new.source, "name": new.name, "version": new.version}
        found = self._first(TemplateRecord, _SAME_VERSION, key)
        if found is None:
            return self._add(new, key)
        if found.sha256 != new.sha256:
            raise Refused(
                "conflict",
                f"Template '{new.name}' {new.version} is kept with other content "
                f"(sha256 {found.sha256[:12]}, not {new.sha256[:12]}). A version never changes.",
                "Raise the version in the definition and save it again.",
            )
        return found

    def template(self, project_id: str, name: str, version: str | None = None) -> TemplateRecord | None:
        """The version kept last under ``name``, or the one called ``version``."""
        found = self._all(TemplateRecord, _BY_NAME, {"project_id": project_id, "name": name})
        return next((record for record in found if version in {None, record.version}), None)

    def template_by_sha(self, sha256: str) -> TemplateRecord | None:
        """A kept version with this content, of any project."""
        return self._first(TemplateRecord, _BY_SHA256, {"sha256": sha256})

    def templates(self, project_id: str) -> list[TemplateRecord]:
        """All versions of a project by name, newest first."""
        return self._all(TemplateRecord, _IN_PROJECT, {"project_id": project_id})

    def _add(self, new: NewTemplate, key: dict[str, str]) -> TemplateRecord:
        self._keep_texts(canonical_json(new.definition))
        values = {
            **key,
            "sha256": new.sha256,
            "title": new.title,
            "description": new.description,
            "requires": dict(new.requires),
            "created_at": self._clock(),
        }
        self._run(_NEW, values)
        made = self._first(TemplateRecord, _SAME_VERSION, key)
        assert made is not None  # it was written one line above, in this transaction
        return made
