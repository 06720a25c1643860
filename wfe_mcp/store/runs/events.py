"""The event log of a run, and replay."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, insert, select

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.events import DecisionSigned, Event
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.model import Assurance, By, Person, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store import serialization as codec
from wfe_mcp.store.integrity.record_seals import GENESIS, Facts, Link, link_hash, position
from wfe_mcp.store.layout.tables import EVENT, RUN
from wfe_mcp.store.records.runs import EventRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, columns_for, in_steps, row_from
from wfe_mcp.store.search.entries import of_event
from wfe_mcp.store.search.index import SearchNoteRepository

_COLUMNS = columns_for(EventRecord, EVENT)
_EVENTS = (
    select(*_COLUMNS)
    .where(EVENT.c.run_id == bindparam("run_id"), EVENT.c.seq > bindparam("after"))
    .order_by(EVENT.c.seq)
    .limit(bindparam("limit"))
)
_LOG = (
    select(EVENT.c.type, EVENT.c.payload)
    .where(EVENT.c.run_id == bindparam("run_id"), EVENT.c.seq <= bindparam("until"))
    .order_by(EVENT.c.seq)
)
_OF_TYPE = (
    select(*_COLUMNS)
    .where(EVENT.c.run_id == bindparam("run_id"), EVENT.c.type.in_(bindparam("types", expanding=True)))
    .order_by(EVENT.c.seq)
)
_LAST_JUDGED = (
    select(EVENT.c.payload)
    .where(EVENT.c.run_id == bindparam("run_id"), EVENT.c.type.in_(("GateJudged", "ApprovalGiven", "OpinionOverruled")))
    .order_by(EVENT.c.seq.desc())
    .limit(1)
)
_TAILS = select(RUN.c.id, RUN.c.last_seq, RUN.c.last_hash).where(RUN.c.id.in_(bindparam("ids", expanding=True)))
_HUMAN_TAILS = select(RUN.c.id, RUN.c.last_seq, RUN.c.last_hash).where(
    exists().where(EVENT.c.run_id == RUN.c.id, EVENT.c.assurance >= Assurance.HUMAN)
)
_BEGINS = select(EVENT.c.seq).where(
    EVENT.c.run_id == bindparam("run_id"), EVENT.c.hash.startswith(bindparam("begins"), autoescape=False)
)
_NEW = insert(EVENT)
_LAST = 2**62


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a chain: the number of its last event, and that event's hash."""

    seq: int = 0
    hash: str = GENESIS


class EventRepository(Repository):
    """The log."""

    _search_notes = RepositoryPart(SearchNoteRepository)

    def of_run(self, run_id: RunId, after: int = 0, limit: int = 1000) -> list[EventRecord]:
        """The events of a run after number ``after``, oldest first."""
        return self._all(event_record, _EVENTS, {"run_id": run_id, "after": after, "limit": limit})

    def log(self, run_id: RunId) -> Iterator[EventRecord]:
        """The whole log of a run, oldest first."""
        rows = self._connection.execute(_EVENTS, {"run_id": run_id, "after": 0, "limit": -1})
        return (event_record(*row) for row in rows)

    def of_types(self, run_id: RunId, *types: str) -> list[EventRecord]:
        """The events of these types, oldest first."""
        return self._all(event_record, _OF_TYPE, {"run_id": run_id, "types": types})

    def last_judged(self, run_id: RunId) -> tuple[PhasePath, int] | None:
        """The phase and the attempt of the newest verdict in the log; None before the first."""
        payload_text = self._connection.execute(_LAST_JUDGED, {"run_id": run_id}).scalar()
        if payload_text is None:
            return None
        payload: dict[str, Any] = json.loads(payload_text)
        return PhasePath(payload["phase"]), int(payload["attempt"])

    def has_hash(self, run_id: RunId, begins: str) -> bool:
        """True when the hash of an event of the run starts with ``begins``."""
        return self._connection.execute(_BEGINS, {"run_id": run_id, "begins": begins}).first() is not None

    def tails(self, run_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """The number and the hash of the last event of each run; unknown ids are left out."""
        tails: dict[str, tuple[int, str]] = {}
        for ids in in_steps(run_ids):
            rows = self._connection.execute(_TAILS, {"ids": list(ids)})
            tails |= {str(row.id): (int(row.last_seq), str(row.last_hash)) for row in rows}
        return tails

    def human_tails(self) -> dict[str, tuple[int, str]]:
        """The number and the hash of the last event of each run in which a person decided something."""
        return {str(row.id): (int(row.last_seq), str(row.last_hash)) for row in self._connection.execute(_HUMAN_TAILS)}

    def replay(self, run_id: RunId, until: int | None = None) -> RunState:
        """The state of a run, replayed from its log; with ``until``, as it was after that event."""
        return replay(self.core_events(run_id, until))

    def core_events(self, run_id: RunId, until: int | None = None) -> Iterator[Event]:
        """The events of a run as ``core`` events, oldest first."""
        rows = self._connection.execute(_LOG, {"run_id": run_id, "until": _LAST if until is None else until})
        return (codec.event_of(type_, payload) for type_, payload in rows)

    def links(
        self, run_id: str, tail: Tail, events: Sequence[Event], by: By, at: datetime, facts: Facts
    ) -> list[dict[str, Any]]:
        """The rows that continue the chain of a run after ``tail``; those of a person end with their signature."""
        rows, last = self._chain(run_id, tail, events, by, at)
        if isinstance(by, Person):
            signed = by.sign(position(facts, tail.seq, tail.hash, last.seq, last.hash) | {"run": run_id})
            if signed is not None:
                event = DecisionSigned(statement=signed.statement, signature=signed.signature)
                rows += self._chain(run_id, last, [event], by, at)[0]
        return rows

    @staticmethod
    def _chain(
        run_id: str, tail: Tail, events: Sequence[Event], by: By, at: datetime
    ) -> tuple[list[dict[str, Any]], Tail]:
        rows: list[dict[str, Any]] = []
        for event in events:
            link = Link(run_id, tail.seq + 1, type(event).__name__, at, by, codec.payload_of(event))
            hash_ = link_hash(tail.hash, link)
            place = {"run_id": run_id, "prev_hash": tail.hash, "hash": hash_}
            rows.append(place | row_from(link, EVENT) | row_from(by, EVENT))
            tail = Tail(link.seq, hash_)
        return rows, tail

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write the rows that ``links`` made."""
        self._run(_NEW, rows)
        for row in rows:
            is_indexed = row["type"] != "RunStarted"  # the template's text; a run's own is its title and inputs
            entries = of_event(row["seq"], row["type"], row["at"], json.loads(row["payload"])) if is_indexed else ()
            self._search_notes.note(row["run_id"], entries, events=1)


def event_record(*row: Any) -> EventRecord:
    """The record of a row whose last column is the payload's JSON text."""
    *columns, payload = row
    return EventRecord(*columns, payload=json.loads(payload))
