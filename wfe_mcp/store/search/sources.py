"""Reads the rows that the search index covers."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Executable, and_, bindparam, func, select

from wfe_mcp.core.items import Item, load_item, number_of, with_values
from wfe_mcp.core.model import RunId
from wfe_mcp.store.layout import tables
from wfe_mcp.store.projects import DocumentRepository
from wfe_mcp.store.records.calls import OpinionRecord
from wfe_mcp.store.records.runs import AttachmentRecord, DecisionRecord, EvidenceRecord, ItemRow, RevisionRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, columns_for
from wfe_mcp.store.search import entries as find_entries
from wfe_mcp.store.search.entries import ITEMS, SearchEntry
from wfe_mcp.store.search.index import NO_RUN

# Its time as its first event has it: no time or status of a damaged row is read.
_NAMES = (tables.RUN.c[name] for name in ("id", "title", "template", "external_id", "triggered_by", "inputs_sha256"))
_RUN = (
    select(*_NAMES, func.coalesce(tables.EVENT.c.at, tables.RUN.c.created_at).label("created_at"))
    .outerjoin(tables.EVENT, and_(tables.EVENT.c.run_id == tables.RUN.c.id, tables.EVENT.c.seq == 1))
    .where(tables.RUN.c.id == bindparam("run_id_"))
)
_DECISIONS = select(
    tables.REQUEST.c.id, tables.REQUEST.c.phase, tables.REQUEST.c.attempt, *columns_for(DecisionRecord, tables.DECISION)
).join(tables.REQUEST, tables.REQUEST.c.id == tables.DECISION.c.request_id)
_EVENTS = select(tables.EVENT.c.seq, tables.EVENT.c.type, tables.EVENT.c.at, tables.EVENT.c.payload).where(
    tables.EVENT.c.type != "RunStarted"
)
_FAILURES = _EVENTS.where(
    tables.EVENT.c.run_id == bindparam("run_id_"),
    tables.EVENT.c.seq < bindparam("ref_"),
    tables.EVENT.c.type.in_(("GateJudged", "AttemptFailed")),
).order_by(tables.EVENT.c.seq.desc())
_OF_ATTEMPT, _OF_RUN_ENDED = ("AttemptFailed", "AttemptOpened", "WentTo"), ("RunBlocked", "RunFailed", "RunPaused")
"""Events that repeat the text of a failure before them."""
_OPINIONS = select(*columns_for(OpinionRecord, tables.OPINION))
_OUTSIDE = _OPINIONS.where(tables.OPINION.c.run_id.is_(None))
_EVIDENCE = select(*columns_for(EvidenceRecord, tables.EVIDENCE))
_ATTACHMENTS = select(*columns_for(AttachmentRecord, tables.ATTACHMENT))
_ITEMS = select(*columns_for(ItemRow, tables.ITEM)).order_by(tables.ITEM.c.changed_at)
_ITEM_EVENTS = (
    select(tables.ITEM_EVENT.c.seq, tables.ITEM_EVENT.c.at, tables.ITEM_EVENT.c.payload)
    .where(
        tables.ITEM_EVENT.c.project_id == bindparam("project_id_"), tables.ITEM_EVENT.c.number == bindparam("number_")
    )
    .where(tables.ITEM_EVENT.c.seq <= bindparam("seq_"))
    .order_by(tables.ITEM_EVENT.c.seq)
)
_REVISIONS = select(tables.REVISION.c.id, *columns_for(RevisionRecord, tables.REVISION))

_OF_RUN: dict[str, Any] = {
    "revision": _REVISIONS.where(tables.REVISION.c.run_id == bindparam("run_id_")),
    "event": _EVENTS.where(tables.EVENT.c.run_id == bindparam("run_id_")),
    "decision": _DECISIONS.where(tables.REQUEST.c.run_id == bindparam("run_id_")),
    "opinion": _OPINIONS.where(tables.OPINION.c.run_id == bindparam("run_id_")),
    "evidence": _EVIDENCE.where(tables.EVIDENCE.c.run_id == bindparam("run_id_"), tables.EVIDENCE.c.kind == "command"),
    "attachment": _ATTACHMENTS.where(tables.ATTACHMENT.c.run_id == bindparam("run_id_")),
}
_ONE: dict[str, Any] = {
    "revision": _REVISIONS.where(tables.REVISION.c.id == bindparam("ref_")),
    "event": _OF_RUN["event"].where(tables.EVENT.c.seq == bindparam("ref_")),
    "decision": _DECISIONS.where(tables.REQUEST.c.id == bindparam("ref_")),
    "opinion": _OPINIONS.where(tables.OPINION.c.id == bindparam("ref_")),
    "evidence": _EVIDENCE.where(tables.EVIDENCE.c.id == bindparam("ref_")),
    "attachment": _ATTACHMENTS.where(tables.ATTACHMENT.c.id == bindparam("ref_")),
}
"""How to read a source: the rows of a run, and a single row."""


class SearchSourceRepository(Repository):
    """Reads rows as search entries."""

    _documents = RepositoryPart(DocumentRepository)

    def of_row(self, run_id: RunId, source: str, ref: str) -> Iterator[SearchEntry]:
        """The search entries of one row."""
        if source == "run":
            yield from self._entry_of_run(run_id)
            return
        if source == ITEMS:
            yield from self._item_at(ref)
            return
        values = {"run_id_": run_id, "ref_": int(ref) if source in {"revision", "event"} else ref}
        yield from _entries(source, self._rows(_ONE[source], values))

    def is_repeated(self, run_id: RunId, seq: int, entry: SearchEntry) -> bool:
        """True when ``entry``, event ``seq``, only repeats what a verdict or a failure before it says."""
        of_run = entry.title.startswith(_OF_RUN_ENDED)
        if not of_run and not entry.title.startswith(_OF_ATTEMPT):
            return False
        new = {words for _, words in entry.texts}
        for before in _entries("event", self._rows(_FAILURES, {"run_id_": run_id, "ref_": seq})):
            new -= {words for _, words in before.texts}
            if of_run:  # it has the failure behind the name of its phase
                endings = tuple(f": {words}" for _, words in before.texts)
                new = {words for words in new if not words.endswith(endings)}
            if not new:
                return True
        return False

    def of_run(self, run_id: RunId) -> Iterator[SearchEntry]:
        """The search entries of all rows of a run; for ``NO_RUN``, of what is in no run."""
        if run_id == NO_RUN:
            yield from (entry for _, entries in self.outside() for entry in entries)
            return
        yield from self._entry_of_run(run_id)
        for source, query in _OF_RUN.items():
            yield from _entries(source, self._rows(query, {"run_id_": run_id}))

    def _rows(self, query: Executable, values: dict[str, Any]) -> Iterable[Any]:
        return self._connection.execute(query, values)

    def outside(self) -> Iterator[tuple[str, list[SearchEntry]]]:
        """The search entries of what is in no run, by project."""
        for row in self._connection.execute(_ITEMS):
            yield row.project_id, [find_entries.of_item_row(ItemRow(*row))]
        for row in self._connection.execute(_OUTSIDE):
            opinion = OpinionRecord(*row)
            yield opinion.project_id, list(find_entries.of_opinion(opinion))

    def _item_at(self, ref: str) -> Iterator[SearchEntry]:
        """The entry of a work item as it was after one event, by the ``ref`` of that entry."""
        project_id, name, seq = ref.rsplit("/", 2)
        key = {"project_id_": project_id, "number_": number_of(name), "seq_": int(seq)}
        item: Item | None = None
        for at_seq, at, payload in self._connection.execute(_ITEM_EVENTS, key):
            values = json.loads(payload)
            item = load_item(name, values) if item is None else with_values(item, values)
            if at_seq == int(seq):
                yield find_entries.of_item(project_id, item, at_seq, at)

    def _entry_of_run(self, run_id: RunId) -> Iterator[SearchEntry]:
        for row in self._rows(_RUN, {"run_id_": run_id}):
            yield from find_entries.of_run(row, json.loads(self._documents.text(row.inputs_sha256)))


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
