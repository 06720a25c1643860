"""Verification: compares everything stored about a run with its event log.

events   numbered without a gap, each hash right, each naming the hash before it
tail     the run row names the last event
anchors  each event named by an anchor outside the database exists, with its hash
states   run row and attempt rows equal a replay of the events
course   each event is one that the rules of a run give there (``core/course.py``)
content  documents, context bundles and artifact revisions match their sha256, and the one that the log names
records  evidence, requests, decisions, … match their seals in the log (``integrity/record_seals.py``)
schema   the file has our tables, columns, indexes and triggers, and nothing else
origin   a fork starts with the state of its parent run at that event, where that run exists
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import Row, bindparam, select

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.course import course_of
from wfe_mcp.core.event import Event
from wfe_mcp.core.events import RunForked
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.forking import begins_as
from wfe_mcp.core.model import By, Origin, RunId, RunState
from wfe_mcp.core.undo import LogEntry
from wfe_mcp.store import serialization as codec
from wfe_mcp.store.integrity.record_seals import AnchoredEvent, Link, SealRepository, link_hash, unlike_anchors
from wfe_mcp.store.layout.tables import ATTEMPT, DOCUMENT, EVENT, REVISION, RUN
from wfe_mcp.store.records.runs import UNCAUSED, UNREADABLE
from wfe_mcp.store.repository import Repository, RepositoryPart
from wfe_mcp.store.runs.events import EventRepository, Tail
from wfe_mcp.store.schema.upgrade import differences

_EVENTS = select(EVENT).where(EVENT.c.run_id == bindparam("run_id")).order_by(EVENT.c.seq)
_RUN = select(RUN).where(RUN.c.id == bindparam("run_id"))
_ATTEMPTS = select(ATTEMPT).where(ATTEMPT.c.run_id == bindparam("run_id"))
_REVISIONS = select(REVISION.c.phase, REVISION.c.revision, REVISION.c.sha256, REVISION.c.content).where(
    REVISION.c.run_id == bindparam("run_id")
)
_DOCUMENTS = select(DOCUMENT.c.sha256, DOCUMENT.c.content).where(
    DOCUMENT.c.sha256.in_(bindparam("sha256s", expanding=True))
)

_NAMES_REVISIONS = {"RevisionSubmitted", "PhaseForced", "RunForked"}
_OTHER = "the content is not what its sha256 names"


class VerificationRepository(Repository):
    """The check that ``wfe-mcp verify`` makes."""

    _events = RepositoryPart(EventRepository)
    _seals = RepositoryPart(SealRepository)

    def problems(
        self,
        run_id: RunId,
        anchors: Sequence[AnchoredEvent] = (),
        used: RunState | None = None,
        rules_began: datetime | None = None,
    ) -> list[Discrepancy]:
        """Every difference between a run and its log; empty when it is intact.

        ``anchors``: its anchors outside the database, oldest first. ``used``: the state that the caller goes by, which may
        come from a cache of rows that were exchanged when they were read. ``rules_began``: since when its events are those
        of the present rules (``RULES_BEGAN``); None: they are not compared with them.
        """
        run = self._connection.execute(_RUN, {"run_id": run_id}).mappings().first()
        if run is None:
            since = anchors[-1].at if anchors else None
            return [Discrepancy("run_deleted", "run", f"there is no run '{run_id}'", since=since)]
        hashes: dict[int, str] = {}
        log = self._connection.execute(_EVENTS, {"run_id": run_id}).all()
        problems = [*_chain_faults(run_id, log, hashes)]
        tail = Tail(max(hashes, default=0), hashes.get(max(hashes, default=0), ""))
        if (run["last_seq"], run["last_hash"]) != (tail.seq, tail.hash):
            message = f"the run says that event {run['last_seq']} is the last, the log ends with {tail.seq}"
            problems.append(Discrepancy("tail_cut", "tail", message, seq=tail.seq, since=run["updated_at"]))
        problems += unlike_anchors(hashes, anchors)
        events = [(row.type, row.payload, row.at) for row in log]
        seals = self._seals.differences(run_id, events, is_imported=run["origin_sha256"] is not None)
        beside = (*self._content(run_id, dict(run), log), *seals, *self._unlike_origin(log))
        return [*problems, *self._states(run_id, dict(run), log, used, rules_began), *beside]

    def schema_problems(self) -> list[Discrepancy]:
        """Every difference between the database's schema and ours."""
        compare = differences
        if self._connection.dialect.name == "postgresql":
            from wfe_mcp.store.postgres.schema import differences as compare
        return [Discrepancy(code, where, message) for where, message, code in compare(self._connection)]

    def _states(
        self,
        run_id: RunId,
        run: dict[str, Any],
        log: Sequence[Row[Any]],
        used: RunState | None,
        rules_began: datetime | None,
    ) -> Iterator[Discrepancy]:
        try:
            events = [codec.event_of(entry.type, entry.payload) for entry in log]
            # An imported run was made elsewhere, perhaps by other rules.
            state, uncaused = _follow(log, events, None if run["origin_sha256"] else rules_began)
            wanted_run = codec.run_row(state)
            wanted = {
                (item.phase, item.number): codec.attempt_row(run_id, state, item)
                for tries in state.attempts.values()
                for item in tries
            }
        except Exception as error:  # a log that was tampered with can fail in any way
            yield Discrepancy("not_replayable", "event", f"the log cannot be replayed: {error!r}")
            return
        if used is not None and used != state:
            yield Discrepancy("state_edited", "run", "the state that was read is not the one the log leads to")
        yield from uncaused
        yield from _differences("run", "run", run, wanted_run)
        for row in self._connection.execute(_ATTEMPTS, {"run_id": run_id}).mappings():
            where = f"attempt {row['attempt']} of '{row['phase']}'"
            expected = wanted.pop((row["phase"], row["attempt"]), None)
            if expected is None:
                yield Discrepancy("state_edited", where, "the row is there, the log knows nothing of it")
            else:
                yield from _differences(where, "attempt", dict(row), expected)
        for phase, number in wanted:
            where = f"attempt {number} of '{phase}'"
            yield Discrepancy("state_edited", where, "the log knows it, the row is missing")

    def _unlike_origin(self, log: Sequence[Row[Any]]) -> Iterator[Discrepancy]:
        if not log or log[0].type != "RunForked":
            return
        first = log[0]
        try:
            event = codec.event_of(first.type, first.payload)
            assert isinstance(event, RunForked)
            origin = event.state.origin or Origin(RunId(""), 0, "")
            there = next(iter(self._events.of_run(origin.run, after=origin.seq - 1, limit=1)), None)
            if there is None and self._connection.execute(_RUN, {"run_id": origin.run}).first() is None and origin.seq:
                return  # deleted, pruned, or never here: the anchors show which
            same = there is not None and (there.seq, there.hash) == (origin.seq, origin.hash)
            same = (
                same
                and there is not None
                and begins_as(self._events.replay(origin.run, origin.seq), there.at, event, first.at)
            )
        except Exception as error:  # a log that was tampered with can fail in any way
            yield Discrepancy("origin_differs", "origin", f"it cannot be compared: {error!r}", seq=1)
            return
        if not same:
            message = f"run '{origin.run}' never stood so at its event {origin.seq}"
            yield Discrepancy("origin_differs", "origin", message, seq=1)

    def _content(self, run_id: RunId, run: dict[str, Any], log: Sequence[Row[Any]]) -> Iterator[Discrepancy]:
        named = {name: run[f"{name}_sha256"] for name in ("definition", "spec", "inputs", "frozen")}
        named |= {"origin": run["origin_sha256"]} if run["origin_sha256"] else {}
        documents = self._documents(named.values())
        for name, sha256 in named.items():
            if sha256 not in documents:
                yield Discrepancy("content_edited", f"document '{name}'", _OTHER)
        bundles = json.loads(documents.get(named["frozen"], "{}")).get("context", ())
        documents = self._documents(sha_and_size["sha256"] for sha_and_size in bundles)
        for bundle in bundles:
            if bundle["sha256"] not in documents:
                yield Discrepancy("content_edited", f"context bundle '{bundle['name']}'", _OTHER)
        revisions = _named_revisions(log)
        for row in self._connection.execute(_REVISIONS, {"run_id": run_id}):
            where = f"revision {row.revision} of '{row.phase}'"
            sha256, at = revisions.pop((row.phase, row.revision), (row.sha256, None))
            if sha256_hex(row.content) != row.sha256:
                yield Discrepancy("content_edited", where, _OTHER, since=at)
            elif row.sha256 != sha256:
                yield Discrepancy(
                    "content_edited",
                    where,
                    f"it has another sha256 than the log says: {row.sha256[:12]}, not {sha256[:12]}",
                    since=at,
                )
        for (phase, number), (_, at) in revisions.items():
            where = f"revision {number} of '{phase}'"
            yield Discrepancy("content_edited", where, "the log knows it, the row is missing", since=at)

    def _documents(self, sha256s: Iterable[str]) -> dict[str, str]:
        """The stored texts by their sha256, without what is missing or was changed."""
        wanted = list(sha256s)
        rows = self._connection.execute(_DOCUMENTS, {"sha256s": wanted}) if wanted else ()
        return {sha256: content for sha256, content in rows if sha256_hex(content) == sha256}


def _chain_faults(run_id: RunId, log: Sequence[Row[Any]], hashes: dict[int, str]) -> Iterator[Discrepancy]:
    """The faults of the chain; fills ``hashes`` with the hash of each event number."""
    before, since = Tail(), None
    for row in log:
        if row.seq != before.seq + 1:
            message = f"events {before.seq + 1} to {row.seq - 1} are missing"
            yield Discrepancy("event_missing", "event", message, seq=row.seq, since=since)
        elif row.prev_hash != before.hash:
            message = f"event {row.seq} does not continue event {before.seq}"
            yield Discrepancy("chain_broken", "event", message, seq=row.seq, since=since)
        by = By(row.actor, row.channel, row.assurance)
        if row.hash != link_hash(row.prev_hash, Link(run_id, row.seq, row.type, row.at, by, row.payload)):
            message = f"event {row.seq} ({row.type}) was changed after it was written"
            yield Discrepancy("event_edited", "event", message, seq=row.seq, since=since)
        before, since = Tail(row.seq, row.hash), row.at
        hashes[row.seq] = row.hash


def _follow(
    log: Sequence[Row[Any]], events: Sequence[Event], began: datetime | None
) -> tuple[RunState, list[Discrepancy]]:
    """The state that the log leads to, and its events since ``began`` that neither a legal command nor what was before them gives."""
    latest = list(accumulate((row.at for row in log), max))
    if began is None or not latest or latest[-1] < began:
        return replay(events), []
    entries = [
        LogEntry(row.seq, event, By(row.actor, row.channel, row.assurance), row.at)
        for row, event in zip(log, events, strict=True)
    ]
    since = {entry.seq for entry, at in zip(entries, latest, strict=True) if at >= began}
    course = course_of(entries)
    return course.state, [_uncaused_problem(entry) for entry in course.uncaused if entry.seq in since]


def _uncaused_problem(entry: LogEntry) -> Discrepancy:
    phase = getattr(entry.event, "phase", None)
    where = type(entry.event).__name__ + (f" of {phase}" if phase else "")
    return Discrepancy(
        UNCAUSED, where, "nothing in the run led to it, and no one could cause it there", seq=entry.seq, since=entry.at
    )


def _named_revisions(log: Sequence[Row[Any]]) -> dict[tuple[str, int], tuple[str, datetime]]:
    """The revisions that the log names, with their sha256 and since when."""
    named: dict[tuple[str, int], tuple[str, datetime]] = {}
    for row in log:
        if row.type not in _NAMES_REVISIONS:
            continue
        try:
            payload = json.loads(row.payload)
            for phase, number, sha256 in payload.get("revisions", ()):
                named[phase, number] = sha256, row.at
            if payload.get("revision") and payload.get("sha256"):
                named[payload["phase"], payload["revision"]] = payload["sha256"], row.at
        except UNREADABLE:  # the chain check has reported the event
            continue
    return named


def _differences(where: str, table: str, found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[Discrepancy]:
    for name, value in wanted.items():
        if name == "state":
            yield from _state_differences(where, table, found[name], value)
        elif found[name] != value:
            yield Discrepancy("state_edited", where, f"'{name}' is {found[name]!s}, the log says {value!s}")


def _state_differences(where: str, table: str, found: str, wanted: str) -> Iterator[Discrepancy]:
    try:  # the order in a mapping says nothing: that of a state is another one where it was read than where it is replayed
        same = json.loads(codec.normal(table, found)) == json.loads(wanted)
    except UNREADABLE:
        same = False
    if not same:
        yield Discrepancy("state_edited", where, "the stored state is not the one the log leads to")
