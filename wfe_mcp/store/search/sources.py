"""Reads the rows that the search index covers."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Executable, bindparam, select

from wfe_mcp.core.model import RunId
from wfe_mcp.store.layout.tables import ATTACHMENT, DECISION, EVENT, EVIDENCE, OPINION, REQUEST, REVISION, RUN
from wfe_mcp.store.projects import DocumentRepository
from wfe_mcp.store.records.approvals import DecisionRecord
from wfe_mcp.store.records.attachments import AttachmentRecord
from wfe_mcp.store.records.opinions import OpinionRecord
from wfe_mcp.store.records.runs import EvidenceRecord, RevisionRecord, RunRecord
from wfe_mcp.store.repository import Part, Repository, columns_for
from wfe_mcp.store.search import entries as find_entries
from wfe_mcp.store.search.entries import SearchEntry
from wfe_mcp.store.search.index import NO_RUN

_RUN = select(*columns_for(RunRecord, RUN)).where(RUN.c.id == bindparam("run_id_"))
_DECISIONS = select(REQUEST.c.id, REQUEST.c.phase, REQUEST.c.attempt, *columns_for(DecisionRecord, DECISION)).join(
    REQUEST, REQUEST.c.id == DECISION.c.request_id
)
_EVENTS = select(EVENT.c.seq, EVENT.c.type, EVENT.c.at, EVENT.c.payload).where(EVENT.c.type != "RunStarted")
_OPINIONS = select(*columns_for(OpinionRecord, OPINION))
_OUTSIDE = _OPINIONS.where(OPINION.c.run_id.is_(None))
_EVIDENCE = select(*columns_for(EvidenceRecord, EVIDENCE))
_ATTACHMENTS = select(*columns_for(AttachmentRecord, ATTACHMENT))
_REVISIONS = select(REVISION.c.id, *columns_for(RevisionRecord, REVISION))

_OF_RUN: dict[str, Any] = {
    "revision": _REVISIONS.where(REVISION.c.run_id == bindparam("run_id_")),
    "event": _EVENTS.where(EVENT.c.run_id == bindparam("run_id_")),
    "decision": _DECISIONS.where(REQUEST.c.run_id == bindparam("run_id_")),
    "opinion": _OPINIONS.where(OPINION.c.run_id == bindparam("run_id_")),
    "evidence": _EVIDENCE.where(EVIDENCE.c.run_id == bindparam("run_id_"), EVIDENCE.c.kind == "command"),
    "attachment": _ATTACHMENTS.where(ATTACHMENT.c.run_id == bindparam("run_id_")),
}
_ONE: dict[str, Any] = {
    "revision": _REVISIONS.where(REVISION.c.id == bindparam("ref_")),
    "event": _OF_RUN["event"].where(EVENT.c.seq == bindparam("ref_")),
    "decision": _DECISIONS.where(REQUEST.c.id == bindparam("ref_")),
    "opinion": _OPINIONS.where(OPINION.c.id == bindparam("ref_")),
    "evidence": _EVIDENCE.where(EVIDENCE.c.id == bindparam("ref_")),
    "attachment": _ATTACHMENTS.where(ATTACHMENT.c.id == bindparam("ref_")),
}
"""How to read a source: the rows of a run, and a single row."""


class SearchSourceRepository(Repository):
    """Reads rows as search entries."""

    _documents = Part(DocumentRepository)

    def of_row(self, run_id: RunId, source: str, ref: str) -> Iterator[SearchEntry]:
        """The search entries of one row."""
        if source == "run":
            yield from self._entry_of_run(run_id)
            return
        values = {"run_id_": run_id, "ref_": int(ref) if source in {"revision", "event"} else ref}
        yield from _entries(source, self._rows(_ONE[source], values))

    def of_run(self, run_id: RunId) -> Iterator[SearchEntry]:
        """The search entries of all rows of a run; for ``NO_RUN``, of the opinions outside runs."""
        if run_id == NO_RUN:
            yield from (entry for _, entries in self.outside() for entry in entries)
            return
        yield from self._entry_of_run(run_id)
        for source, query in _OF_RUN.items():
            yield from _entries(source, self._rows(query, {"run_id_": run_id}))

    def _rows(self, query: Executable, values: dict[str, Any]) -> Iterable[Any]:
        return self._connection.execute(query, values)

    def outside(self) -> Iterator[tuple[str, list[SearchEntry]]]:
        """The search entries of opinions outside runs, by project."""
        for row in self._connection.execute(_OUTSIDE):
            opinion = OpinionRecord(*row)
            yield opinion.project_id, list(find_entries.of_opinion(opinion))

    def _entry_of_run(self, run_id: RunId) -> Iterator[SearchEntry]:
        record = self._first(RunRecord, _RUN, {"run_id_": run_id})
        if record is not None:
            yield from find_entries.of_run(record, json.loads(self._documents.text(record.inputs_sha256)))


def _entries(source: str, rows: Iterable[Any]) -> Iterator[SearchEntry]:
    for row in rows:
        match source:
            case "revision":
                yield from find_entries.of_revision(row[0], RevisionRecord(*row[1:]))
            case "event":
                yield from find_entries.of_event(row[0], row[1], row[2], json.loads(row[3]))
            case "decision":
                yield from find_entries.of_decision(row[0], row[1], row[2], DecisionRecord(*row[3:]))
            case "opinion":
                yield from find_entries.of_opinion(OpinionRecord(*row))
            case "attachment":
                yield from find_entries.of_attachment(AttachmentRecord(*row))
            case _:
                yield from find_entries.of_evidence(EvidenceRecord(*row))
