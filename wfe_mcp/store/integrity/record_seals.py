"""The hash chain of events, and seals for the records outside the log.

    evidence, a request, its answer, … ──► the row ──► its id and sha256 in a ``RecordsKept`` of the same transaction

Rules:
1. A record is sealed again whenever it changes; the last seal counts.
2. A run's own row is sealed by its first event: what it is about, which no later event changes (``_RUN_SEALED``).
3. Rows are hashed as SQLite stores them, on PostgreSQL too, so that no decoding can hide a difference. The hash leaves out NULLs, so that
   a column added later does not change earlier seals. It also leaves out a row's location (its project, its number in
   a table of all runs, the folder on this machine): a run may move.
4. Opinions and model calls may be written before the run change that uses them: that change seals them.

    hash = sha256(previous hash + canonical JSON of {actor, assurance, at, channel, payload, run, seq, type})

The first event continues GENESIS. The run is in the hash, so that rows cannot move between runs; ``at`` is ISO 8601 in
UTC. Only an anchor reveals a rewritten chain: a (seq, hash) kept outside the database.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, column, literal_column, select

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import By, KeptRecord, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import word_set
from wfe_mcp.store.columns import JsonText, instant
from wfe_mcp.store.layout import tables
from wfe_mcp.store.records.calls import CallStatus
from wfe_mcp.store.records.runs import UNREADABLE
from wfe_mcp.store.repository import Repository, TransactionContext

_MOST_FIELDS = 40
"""A JSON value with more keys is one field: it is a tool's answer, and its keys belong to no schema."""


_EARLIER: ColumnElement[Any] = literal_column(
    "(SELECT sum(1) FROM refused_submission other WHERE other.run_id = refused_submission.run_id "
    "AND other.phase = refused_submission.phase AND other.attempt = refused_submission.attempt "
    "AND other.id <= refused_submission.id)"
)
_NTH = _EARLIER.label("nth")
"""The refused draft's number within its attempt: the table's own number counts all runs, and a run may move."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of record. ``key``: its columns that make the id. ``every``: each record of a run must have a seal."""

    table: Table
    key: tuple[str, ...] = ("id",)
    every: bool = True
    has_fields: bool = True
    left_out: frozenset[str] = frozenset({"project_id"})

    def of_run(self) -> ColumnElement[bool]:
        """The records of the run ``run_id``."""
        if self.table is tables.DECISION:
            requests = select(tables.REQUEST.c.id).where(tables.REQUEST.c.run_id == bindparam("run_id"))
            return tables.DECISION.c.request_id.in_(requests)
        return (tables.RUN.c.id if self.table is tables.RUN else self.table.c.run_id) == bindparam("run_id")

    def rows(self) -> Select[Any]:
        """All columns, as SQLite holds them."""
        columns: list[ColumnElement[Any]] = [column(item.name) for item in self.table.columns]
        columns += [_NTH] if self.table is tables.REFUSED_SUBMISSION else []
        return select(*columns).select_from(self.table)


_RUN_SEALED = word_set(
    """
    template template_version template_sha256 definition_sha256 spec_sha256 inputs_sha256 frozen_sha256 title driver
    triggered_by external_id
    """
)
SHOWN = "shown"
"""What a person saw of a decision: a document, sealed with the decision. It stays on the machine where they decided."""

KINDS: Mapping[str, _Kind] = {
    "run": _Kind(tables.RUN, every=False, left_out=frozenset(tables.RUN.c.keys()) - _RUN_SEALED),
    "evidence": _Kind(tables.EVIDENCE),
    "request": _Kind(tables.REQUEST),
    "decision": _Kind(tables.DECISION, ("request_id",)),
    "attachment": _Kind(tables.ATTACHMENT),
    "refused_submission": _Kind(
        tables.REFUSED_SUBMISSION, ("phase", "attempt", "nth"), left_out=frozenset({"id", "nth"})
    ),
    "step": _Kind(tables.STEP_RUN, ("phase", "attempt", "step"), every=False),  # sealed once it has ended
    "opinion": _Kind(tables.OPINION, every=False),  # sealed when a gate relies on it
    "model_call": _Kind(  # sealed once its job has ended
        tables.MODEL_CALL, every=False, has_fields=False, left_out=frozenset({"project_id", "counted"})
    ),
    "tool_call": _Kind(tables.TOOL_CALL, every=False, has_fields=False),
    SHOWN: _Kind(tables.DOCUMENT, ("sha256",), every=False, has_fields=False, left_out=frozenset({"created_at"})),
}
"""The sealed kinds of records, by their name in ``RecordsKept``."""

_ROWS = {kind: of.rows() for kind, of in KINDS.items()}

_OF_RUN = {kind: _ROWS[kind].where(of.of_run()) for kind, of in KINDS.items() if of.table is not tables.DOCUMENT}
"""Made once: to make a statement costs more than to run it."""

_SEALING = ("RunStarted", "RunForked", "RecordsKept")
_KEPT = (
    select(tables.EVENT.c.type, tables.EVENT.c.payload, tables.EVENT.c.at)
    .where(tables.EVENT.c.run_id == bindparam("run_id"), tables.EVENT.c.type.in_(_SEALING))
    .order_by(tables.EVENT.c.seq)
)


class SealRepository(Repository):
    """The seals of records."""

    def __init__(self, shared: TransactionContext) -> None:
        super().__init__(shared)
        self._unnamed: dict[str, dict[tuple[str, str], KeptRecord]] = {}

    def keep_opinions(self, run_id: RunId, ids: Iterable[str]) -> None:
        """A gate of the run relies on these opinions, whenever they were given."""
        for id_ in ids:
            self.keep("opinion", run_id, tables.OPINION.c.id == id_)

    def keep_calls(self, run_id: RunId, phase: PhasePath | None, attempt: int | None, job_id: str) -> None:
        """Seal the model calls and tool calls of a job that has ended."""
        ended = tables.MODEL_CALL.c.status.in_((CallStatus.DONE, CallStatus.FAILED))
        self.keep("model_call", run_id, tables.MODEL_CALL.c.job_id == job_id, ended)
        of_attempt = (
            tables.TOOL_CALL.c.run_id == run_id,
            tables.TOOL_CALL.c.phase == phase,
            tables.TOOL_CALL.c.attempt == attempt,
        )
        self.keep(
            "tool_call", run_id, *of_attempt, tables.TOOL_CALL.c.job_id == job_id, tables.TOOL_CALL.c.ok.is_not(None)
        )

    def has_unnamed(self, run_id: str) -> bool:
        """True while records of the run wait for the event that seals them."""
        return bool(self._unnamed.get(run_id))

    def take(self, run_id: str) -> tuple[KeptRecord, ...]:
        """The records that the next event seals; clears the waiting list."""
        return tuple(self._unnamed.pop(run_id, {}).values())

    def keep_shown(self, run_id: RunId, sha256: str) -> None:
        """Seal the document ``sha256``: what a person saw before they decided."""
        self.keep(SHOWN, run_id, tables.DOCUMENT.c.sha256 == sha256)

    def shown_hashes(self, run_id: RunId) -> set[str]:
        """The sha256 of everything that a person saw of the decisions of a run, as its log says."""
        sealing = self._connection.execute(_KEPT, {"run_id": run_id})
        log = ((str(type_), str(payload), at) for type_, payload, at in sealing)
        return {id_ for kind, id_ in _sealed_records(log)[1] if kind == SHOWN}

    def keep(self, kind: str, run_id: str, *where: ColumnElement[bool]) -> None:
        """Seal the rows that ``where`` finds with the next event of the run."""
        for row in self._read(_ROWS[kind].where(*where)):
            kept = _seal_of(kind, row)
            self._unnamed.setdefault(run_id, {})[kind, kept.id] = kept

    def differences(
        self, run_id: str, log: Iterable[tuple[str, str, datetime]], *, is_imported: bool
    ) -> Iterator[Discrepancy]:
        """The records of a run that differ from their seals. ``log``: type, payload and time of its events."""
        names_all, named = _sealed_records(entry for entry in log if entry[0] in _SEALING)
        for kind, of in KINDS.items():
            if kind == SHOWN and is_imported:
                continue
            wanted = {id_: record for (what, id_), record in named.items() if what == kind}
            if not wanted and not (names_all and of.every):
                continue
            rows = self._rows_of(kind, run_id, wanted)
            for id_, (kept, at) in wanted.items():
                yield from _differences(kept, rows.get(id_), at)
            if names_all and of.every:
                for id_ in rows.keys() - wanted.keys():
                    message = "the row is there, the log knows nothing of it"
                    yield Discrepancy("record_added", f"{_word(kind)} {id_}", message)

    def _rows_of(self, kind: str, run_id: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The rows of a run by their ids, and the rows in ``ids`` even where another run owns them."""
        of = KINDS[kind]
        owned = self._read(_OF_RUN[kind], run_id=run_id) if kind in _OF_RUN else ()
        rows = {_id(of, row): row for row in owned}
        for id_ in set(ids) - rows.keys() if len(of.key) == 1 else ():
            rows |= {_id(of, row): row for row in self._read(_ROWS[kind].where(of.table.c[of.key[0]] == id_))}
        return rows

    def _read(self, query: Select[Any], **values: str) -> Iterator[dict[str, Any]]:
        cursor = self._connection.execute(query, values)
        names = [str(name) for name in cursor.keys()]  # noqa: SIM118 - of a result, not of a dict
        for row in cursor:
            yield dict(zip(names, map(_as_stored, row), strict=True))


def _as_stored(value: Any) -> Any:
    """``value`` as SQLite holds it: PostgreSQL has times and flags of its own, and a seal is the same on both."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    return int(value) if isinstance(value, bool) else value


def _sealed_records(
    log: Iterable[tuple[str, str, datetime]],
) -> tuple[bool, dict[tuple[str, str], tuple[KeptRecord, datetime]]]:
    """Whether the log seals every record, and the last seal of each."""
    names_all, named = False, dict[tuple[str, str], tuple[KeptRecord, datetime]]()
    for type_, payload, at in log:
        try:
            content = json.loads(payload)
            if type_ == "RunStarted":
                names_all = bool(content.get("names_records"))
            elif type_ == "RunForked":
                names_all = True
            for record in content.get("records", ()):
                kept = KeptRecord(record["kind"], record["id"], record["sha256"], record["fields"])
                named[kept.kind, kept.id] = kept, at
        except UNREADABLE:  # the chain check has reported the event
            continue
    return names_all, named


def seal_of_run(row: Mapping[str, Any]) -> KeptRecord:
    """The seal of a new run's own row."""
    return _seal_of("run", row)


def _seal_of(kind: str, row: Mapping[str, Any]) -> KeptRecord:
    of = KINDS[kind]
    return KeptRecord(kind, _id(of, row), _sha256(_sealed_values(of, row)), _fields(of, row) if of.has_fields else {})


def _id(of: _Kind, row: Mapping[str, Any]) -> str:
    return "/".join(str(row[name]) for name in of.key)


def _sealed_values(of: _Kind, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without the columns that only locate it."""
    values = {name: value for name, value in row.items() if name not in of.left_out}
    path = values.get("log_path")
    return values if path is None else values | {"log_path": _below_project(str(path))}


def _below_project(path: str) -> str:
    """The path from ``.wfe`` on, with forward slashes."""
    path = path.replace("\\", "/")
    return path[path.rfind("/.wfe/") + 1 :]


def _sha256(row: Mapping[str, Any]) -> str:
    return sha256_hex(
        json.dumps({name: _plain(value) for name, value in row.items() if value is not None}, sort_keys=True)
    )


def _plain(value: Any) -> Any:
    return sha256_hex(value) if isinstance(value, bytes) else value


def _fields(of: _Kind, row: Mapping[str, Any]) -> dict[str, str]:
    """The first characters of each value's sha256; a JSON object has one entry per key."""
    values: dict[str, Any] = {}
    for name, value in _sealed_values(of, row).items():
        inner = _object(value) if isinstance(of.table.c[name].type, JsonText) else None
        if inner is None:
            values[name] = value
        else:
            values |= {f"{name}.{key}": item for key, item in inner.items()}
    # Eight characters only name what changed; the sha256 of the whole row is the proof.
    return {name: _sha256({"": value})[:8] for name, value in values.items() if value is not None}


def _object(value: object) -> dict[str, Any] | None:
    """``value`` parsed as a JSON object; None for anything else, and for an object with too many keys."""
    try:
        read = json.loads(value) if isinstance(value, str) else None
    except UNREADABLE:
        return None
    return read if isinstance(read, dict) and len(read) <= _MOST_FIELDS else None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON


def _differences(record: KeptRecord, row: Mapping[str, Any] | None, since: datetime) -> Iterator[Discrepancy]:
    where = f"{_word(record.kind)} {record.id}"
    if row is None:
        yield Discrepancy("record_missing", where, "the log knows it, the row is missing", since=since)
    elif _sha256(_sealed_values(KINDS[record.kind], row)) != record.sha256:
        now = _fields(KINDS[record.kind], row)
        names = [
            name for name in {**record.fields, **now} if record.fields and record.fields.get(name) != now.get(name)
        ]
        what = ", ".join(repr(name) for name in names) or "the row"
        message = f"{what} {'was' if len(names) < 2 else 'were'} changed after it was written"
        yield Discrepancy("record_edited", where, message, since=since)


def _word(kind: str) -> str:
    return kind.replace("_", " ")


GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Link:
    """The hashed fields of one event. ``payload`` is canonical JSON text."""

    run: str
    seq: int
    type: str
    at: datetime
    by: By
    payload: str


@dataclass(frozen=True, slots=True)
class AnchoredEvent:
    """An anchor outside the database: event ``seq`` had this hash at ``at``."""

    seq: int
    hash: str
    at: datetime


def link_hash(prev_hash: str, link: Link) -> str:
    """The hash of ``link`` after ``prev_hash``."""
    # Concatenated: the payload is canonical text already, and a specification is large. The keys are in order.
    text = (
        f'{{"actor":{_text(link.by.actor)},"assurance":{int(link.by.assurance)},'
        f'"at":"{instant(link.at).isoformat()}","channel":"{link.by.channel.value}","payload":{link.payload},'
        f'"run":{_text(link.run)},"seq":{link.seq},"type":"{link.type}"}}'
    )
    return sha256_hex(prev_hash + text)


Facts = Mapping[str, object]
"""What a person decided, as part of the statement that their key signs."""
NO_FACTS: Facts = {}


def position(facts: Facts, seq: int, hash_: str, last_seq: int, last_hash: str) -> dict[str, object]:
    """``facts`` with the log's position and hash before the decision (``request``) and after it (``log``)."""
    request: dict[str, object] = {"id": facts.get("request", ""), "seq": seq, "hash": hash_}
    return {**facts, "request": request, "log": {"seq": last_seq, "hash": last_hash}}


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def unlike_anchors(hashes: dict[int, str], anchors: Sequence[AnchoredEvent]) -> list[Discrepancy]:
    """The first event that differs from its anchor. ``hashes``: the existing events' hashes, by number.

    An anchor of a log without events names none.
    """
    known = {0: GENESIS} | hashes
    wrong = [anchor for anchor in anchors if known.get(anchor.seq) != anchor.hash]
    if not wrong:
        return []
    last = max(hashes, default=0)
    first = min(wrong, key=lambda anchor: anchor.seq)
    if first.seq > last:
        message = f"event {first.seq} was anchored, the log ends with {last}"
        return [Discrepancy("tail_cut", "anchor", message, seq=first.seq, since=first.at)]
    message = f"event {first.seq} is not the one that was anchored"
    return [Discrepancy("chain_rewritten", "anchor", message, seq=first.seq, since=first.at)]
