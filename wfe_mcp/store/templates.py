"""Stored template versions of a project, and users' marks on templates.

A version is immutable: the same name and version with other content is refused. Lists are newest first. The precedence
of sources with the same name is decided elsewhere.
"""

from collections.abc import Iterable

from sqlalchemy import delete, desc, insert, select

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.store.layout.tables import TEMPLATE, TEMPLATE_MARK
from wfe_mcp.store.projects import DocumentRepository
from wfe_mcp.store.records.templates import NewTemplate, TemplateMark, TemplateRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, bound, columns_for, row_from
from wfe_mcp.store.sqlite import insert_new

_SELECT = select(*columns_for(TemplateRecord, TEMPLATE))
_SAME_VERSION = _SELECT.where(*bound(TEMPLATE, "project_id", "name", "version"))
_IN_PROJECT = _SELECT.where(*bound(TEMPLATE, "project_id")).order_by(TEMPLATE.c.name, desc(TEMPLATE.c.id))
_BY_NAME = _SELECT.where(*bound(TEMPLATE, "project_id", "name")).order_by(desc(TEMPLATE.c.id))
_NEW = insert(TEMPLATE)
_MARKS = select(TEMPLATE_MARK.c.name, TEMPLATE_MARK.c.mark).where(*bound(TEMPLATE_MARK, "project_id"))
_NEW_MARK = insert_new(TEMPLATE_MARK)
_NO_MARK = delete(TEMPLATE_MARK).where(*bound(TEMPLATE_MARK, "project_id", "name", "mark"))
_NO_DEFAULT = delete(TEMPLATE_MARK).where(
    *bound(TEMPLATE_MARK, "project_id"), TEMPLATE_MARK.c.mark == TemplateMark.DEFAULT.value
)


class TemplateRepository(Repository):
    """Template versions, and the marks of templates."""

    _documents = RepositoryPart(DocumentRepository)

    def save(self, new: NewTemplate) -> TemplateRecord:
        """Store a version; storing the same content again changes nothing. Refuses ``conflict`` for other content."""
        key = {"project_id_": new.project_id, "name_": new.name, "version_": new.version}
        self.alone("template", *key.values())
        template = self._first(TemplateRecord, _SAME_VERSION, key)
        if template is None:
            return self._add(new, key)
        if template.sha256 != new.sha256:
            raise Refused(
                "conflict",
                f"Template '{new.name}' {new.version} is kept with other content "
                f"(sha256 {template.sha256[:12]}, not {new.sha256[:12]}). A version never changes.",
                "Raise the version in the definition and save it again.",
            )
        return template

    def get(self, project_id: str, name: str, version: str | None = None) -> TemplateRecord | None:
        """The version of ``name`` stored last, or the one named ``version``."""
        templates = self.versions(project_id, name)
        return next((record for record in templates if version in {None, record.version}), None)

    def versions(self, project_id: str, name: str) -> list[TemplateRecord]:
        """The stored versions of ``name``, newest first."""
        return self._all(TemplateRecord, _BY_NAME, {"project_id_": project_id, "name_": name})

    def of_project(self, project_id: str) -> list[TemplateRecord]:
        """All versions of a project by name, newest first."""
        return self._all(TemplateRecord, _IN_PROJECT, {"project_id_": project_id})

    def marks(self, project_id: str) -> dict[str, frozenset[TemplateMark]]:
        """The marks of a project's templates, by name."""
        marks: dict[str, frozenset[TemplateMark]] = {}
        for name, mark in self._connection.execute(_MARKS, {"project_id_": project_id}):
            marks[name] = marks.get(name, frozenset()) | {TemplateMark(mark)}
        return marks

    def mark(self, project_id: str, name: str, mark: TemplateMark, by: By) -> None:
        """Mark the template ``name``. Only one is the default."""
        self.alone("marks", project_id)
        if mark is TemplateMark.DEFAULT:
            self._run(_NO_DEFAULT, {"project_id_": project_id})
        row = {"project_id": project_id, "name": name, "mark": mark.value, "at": self._clock(), "actor": by.actor}
        self._run(_NEW_MARK, row)

    def unmark(self, project_id: str, name: str, marks: Iterable[TemplateMark]) -> None:
        """Remove marks from the template ``name``."""
        for mark in marks:
            self._run(_NO_MARK, {"project_id_": project_id, "name_": name, "mark_": mark.value})

    def _add(self, new: NewTemplate, key: dict[str, str]) -> TemplateRecord:
        self._documents.keep_texts(canonical_json(new.definition))
        values = {
            **row_from(new, TEMPLATE),
            "parent_sha256": None if new.parent is None else self._documents.keep(new.parent),
            "requires": dict(new.requires),
            "created_at": self._clock(),
        }
        self._run(_NEW, values)
        template = self._first(TemplateRecord, _SAME_VERSION, key)
        assert template is not None  # it was written one line above, in this transaction
        return template
