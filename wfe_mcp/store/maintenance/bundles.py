"""The rows of a run for export, and the import of a run from a bundle.

Rules:
1. All columns are exported except those that name the location; new columns are included automatically.
2. A run is imported whole: its row, its attempts (from a replay of its events) and all sections, in one transaction.
3. An imported run stays marked by ``origin_sha256``, and the settings log records the import.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from itertools import chain, islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.model import RunId, RunState
from wfe_mcp.store import serialization as codec
from wfe_mcp.store.columns import JsonText, Number, UtcDateTime, Word, instant
from wfe_mcp.store.layout import tables
from wfe_mcp.store.projects import DocumentRepository
from wfe_mcp.store.records.bundles import ColumnKind, ColumnOf, Row
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, row_from
from wfe_mcp.store.sqlite import insert_new

_AT_A_TIME = {"documents": 2, "revisions": 2, "attachments": 2}
"""Rows per write: few for sections whose rows may hold a megabyte; else ``_MANY``."""

_MANY = 100


@dataclass(frozen=True, slots=True)
class _Section:
    table: sa.Table
    left_out: frozenset[str]
    order: tuple[Any, ...]
    as_json: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[sa.Column[Any], ...]:
        return tuple(column for column in self.table.columns if column.name not in self.left_out)


def _section(table: sa.Table, *order: Any, left_out: Iterable[str] = (), as_json: Iterable[str] = ()) -> _Section:
    rowid: sa.ColumnElement[Any] = sa.literal_column(f"{table.name}.rowid")
    return _Section(table, frozenset(left_out), order or (rowid,), frozenset(as_json))


_HERE = ("run_id", "project_id")
_SECTIONS: dict[str, _Section] = {
    "documents": _section(tables.DOCUMENT, left_out=["created_at"], as_json=["content"]),
    "events": _section(tables.EVENT, tables.EVENT.c.seq, left_out=_HERE, as_json=["payload"]),
    "revisions": _section(tables.REVISION, tables.REVISION.c.id, left_out=["id", *_HERE], as_json=["content"]),
    "refused": _section(tables.REFUSED_SUBMISSION, tables.REFUSED_SUBMISSION.c.id, left_out=["id", *_HERE]),
    "evidence": _section(tables.EVIDENCE, left_out=_HERE),
    "requests": _section(tables.REQUEST, left_out=_HERE),
    "decisions": _section(tables.DECISION),
    "steps": _section(
        tables.STEP_RUN, *(tables.STEP_RUN.c[name] for name in ("phase", "attempt", "position", "step")), left_out=_HERE
    ),
    "opinions": _section(tables.OPINION, left_out=_HERE),
    "model_calls": _section(tables.MODEL_CALL, left_out=[*_HERE, "counted"]),
    "tool_calls": _section(tables.TOOL_CALL, left_out=_HERE),
    "attachments": _section(tables.ATTACHMENT, tables.ATTACHMENT.c.number, left_out=_HERE),
}

_RUN_LEFT_OUT = frozenset({"project_id", "worktree", "archived_at", "origin_sha256", "going_back", "counted", "state"})
RUN_COLUMNS = tuple(column.name for column in tables.RUN.columns if column.name not in _RUN_LEFT_OUT)

_ORIGIN = sa.select(tables.RUN.c.origin_sha256).where(tables.RUN.c.id == sa.bindparam("id_"))
_NEW_DOCUMENT = insert_new(tables.DOCUMENT)
_NEW_RUN, _NEW_ATTEMPTS = sa.insert(tables.RUN), sa.insert(tables.ATTEMPT)


def columns_of(section: str) -> tuple[ColumnOf, ...]:
    """The columns of a section; of the run's own row for ``run``."""
    if section == "run":
        return tuple(_column(tables.RUN.c[name], frozenset()) for name in RUN_COLUMNS)
    section_table = _SECTIONS[section]
    return tuple(_column(column, section_table.as_json) for column in section_table.columns)


def row_of(section: str, values: Mapping[str, Any]) -> Row:
    """The column values as JSON; empty columns are left out."""
    as_json = _as_json(section)
    return {name: _json_value(value, is_json=name in as_json) for name, value in values.items() if value is not None}


def values_of(section: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The column values to write for the validated ``row``; JSON columns as canonical text."""
    as_json = _as_json(section)
    return {name: canonical_json(value) if name in as_json else value for name, value in row.items()}


class BundleRepository(Repository):
    """Export and import of whole runs."""

    _documents = RepositoryPart(DocumentRepository)

    def rows(self, section: str, run_id: RunId) -> Iterator[Row]:
        """The rows of a section of one run, in the order in which they were written. Not for ``documents``."""
        section_table = _SECTIONS[section]
        names = [column.name for column in section_table.columns]
        query: sa.Select[Any] = sa.select(*section_table.columns).order_by(*section_table.order)
        if section_table.table is tables.DECISION:
            query = query.join(tables.REQUEST, tables.REQUEST.c.id == tables.DECISION.c.request_id).where(
                tables.REQUEST.c.run_id == run_id
            )
        else:
            query = query.where(section_table.table.c.run_id == run_id)
        # A few at a time: a run's artifacts together may be too large to hold in memory twice.
        for row in self._connection.execute(query, execution_options={"yield_per": 100}):
            yield row_of(section, dict(zip(names, row, strict=True)))

    def origin_sha256(self, run_id: RunId) -> str | None:
        """The document that names a run's origin; None for a local run, and for an unknown one."""
        return self._connection.execute(_ORIGIN, {"id_": run_id}).scalar()

    def document_row(self, sha256: str) -> Row:
        """A stored document as a row of the section ``documents``. KeyError when there is none."""
        return {"sha256": sha256, "content": json.loads(self._documents.text(sha256))}

    def import_run(
        self, record: RunRecord, state: RunState, sections: Mapping[str, Iterable[dict[str, Any]]], origin: Row
    ) -> None:
        """Write an imported run. The caller has verified everything.

        ``sections``: column values from ``values_of``. Refuses ``conflict`` where another run has one of its ids.
        """
        at = self._clock()
        documents = ({**row, "created_at": at} for row in sections["documents"])
        self._in_parts(_NEW_DOCUMENT, documents, "documents")
        if record.origin_sha256 != self._documents.keep(origin):
            raise ValueError("an imported run names its origin")
        self._run(_NEW_RUN, row_from(record, tables.RUN) | codec.run_row(state))
        attempts = chain.from_iterable(state.attempts.values())
        self._in_parts(
            _NEW_ATTEMPTS, (codec.attempt_row(record.id, state, attempt) for attempt in attempts), "attempts"
        )
        for name, section in _SECTIONS.items():
            if name == "documents":
                continue
            owner = {"run_id": record.id, "project_id": record.project_id}
            here = {column: value for column, value in owner.items() if column in section.table.c}
            empty = {column.name: None for column in section.columns}
            try:
                self._in_parts(sa.insert(section.table), ({**empty, **row, **here} for row in sections[name]), name)
            except IntegrityError as error:
                raise Refused(
                    "conflict",
                    f"The bundle names something in /{name} that another run here has already: {error.orig}.",
                    "Import it into another database (WFE_DATABASE_URL).",
                    (Detail(pointer(name), str(error.orig)),),
                ) from None

    def _in_parts(self, statement: Any, rows: Iterable[dict[str, Any]], section: str) -> None:
        waiting = iter(rows)
        while part := list(islice(waiting, _AT_A_TIME.get(section, _MANY))):
            self._connection.execute(statement, part)


def _as_json(section: str) -> frozenset[str]:
    return _SECTIONS[section].as_json if section != "run" else frozenset()


def _column(column: sa.Column[Any], as_json: frozenset[str]) -> ColumnOf:
    members = getattr(column.type, "members", None)
    return ColumnOf(column.name, "json" if column.name in as_json else _kind(column), not column.nullable, members)


_KINDS: tuple[tuple[type, ColumnKind], ...] = (
    (UtcDateTime, "time"),
    (JsonText, "object"),
    (Word, "word"),
    (Number, "number"),
    (sa.Boolean, "flag"),
    (sa.Float, "float"),
    (sa.Integer, "integer"),
    (sa.LargeBinary, "bytes"),
)


def _kind(column: sa.Column[Any]) -> ColumnKind:
    if column.table is tables.STEP_RUN and isinstance(column.type, JsonText):
        return "json"  # a step may take and give any value
    for type_, kind in _KINDS:
        if isinstance(column.type, type_):
            return kind
    return "text"


def _json_value(value: Any, *, is_json: bool) -> Any:
    match value:
        case datetime():
            return instant(value).isoformat()
        case Enum():
            return value.value
        case bytes():
            return base64.b64encode(value).decode()
        case str() if is_json:
            return json.loads(value)
        case _:
            return value
