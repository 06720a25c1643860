"""Runs, their attempts and the steps that the server executes: creating, loading and saving a state change.

Rules:
1. A change is one transaction: run row, changed attempts and events together, or nothing.
2. ``save`` refuses when the run has changed since it was loaded (``revision``): no update is lost.
3. A state changes only by events; the log alone rebuilds it.
4. A change seals the records that its transaction wrote for the run, before its own events (``record_seals.py``).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, select, text, update

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.events import Event, RecordsKept, RunForked, RunStarted
from wfe_mcp.core.model import ENDED, AttemptStatus, By, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.core.states import reached_state
from wfe_mcp.store import serialization as codec
from wfe_mcp.store.integrity.record_seals import NO_FACTS, Facts, SealRepository, seal_of_run
from wfe_mcp.store.layout.tables import ATTEMPT, HOLD, IDEMPOTENCY, RUN, STEP_RUN
from wfe_mcp.store.projects import DocumentRepository
from wfe_mcp.store.records.runs import UNREADABLE, LoadedRun, NewRun, OpenAttempt, RunRecord, StepRecord, StepStatus
from wfe_mcp.store.repository import OURS, Repository, RepositoryPart, bound, columns_for, record_from, row_from
from wfe_mcp.store.runs.events import EventRepository, Tail
from wfe_mcp.store.runs.run_list import RunListRepository
from wfe_mcp.store.search.entries import of_run
from wfe_mcp.store.search.index import SearchNoteRepository

# A change at the time of the last one, by a coarse clock, gets a microsecond more (ADR 0017).
_COARSE = timedelta(seconds=1)
"""A clock that steps back less than this is coarse; a larger step back means that it was set."""
OPEN_ATTEMPTS = (AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING)

_THIS_RUN = RUN.c.id == bindparam("id_")
_LOAD = select(*columns_for(RunRecord, RUN), RUN.c.state).where(_THIS_RUN)
_LOAD_TO_CHANGE = _LOAD.with_for_update(key_share=True)
"""Where several transactions write at once; see ``Repository.lock_run``."""
_LOAD_ATTEMPTS = (
    select(ATTEMPT.c.state).where(ATTEMPT.c.run_id == bindparam("run_id")).order_by(ATTEMPT.c.phase, ATTEMPT.c.attempt)
)
_REVISION = select(RUN.c.revision).where(_THIS_RUN)
_REVISION_TO_CHANGE = _REVISION.with_for_update(key_share=True)
"""As ``_LOAD_TO_CHANGE``, for a run that the caller has loaded before."""
_NEW_RUN, _NEW_ATTEMPTS, _NEW_KEY = insert(RUN), insert(ATTEMPT), insert(IDEMPOTENCY)
# The keys of the values decide the columns these two set: every key that ends in "_" is in the condition.
_STEP = update(RUN).where(_THIS_RUN, RUN.c.revision == bindparam("expected_"))
_ATTEMPT_STEP = update(ATTEMPT).where(*bound(ATTEMPT, "run_id", "phase", "attempt"))
_PROJECTS = select(RUN.c.id, RUN.c.project_id).where(RUN.c.id.in_(bindparam("ids", expanding=True)))
_KEY = select(IDEMPOTENCY.c.args_sha256, IDEMPOTENCY.c.run_id).where(
    IDEMPOTENCY.c.project_id == bindparam("project_id"), IDEMPOTENCY.c.key == bindparam("key")
)
_OPEN = (
    select(*columns_for(OpenAttempt, ATTEMPT))
    .join(RUN, RUN.c.id == ATTEMPT.c.run_id)
    .where(ATTEMPT.c.status.in_(bindparam("statuses", expanding=True)), RUN.c.archived_at.is_(None), OURS)
    .order_by(ATTEMPT.c.run_id, ATTEMPT.c.phase)
)
# Sorts after every time, so that one index has the newest claims first and these apart.
_WITHOUT_LEASE = "~"
_CLAIMS_LOOKED_AT = 16
"""No claim replaces that of a live process, so only the newest claims need a check."""
_HOLDERS = (
    select(*columns_for(OpenAttempt, ATTEMPT))
    .select_from(HOLD)
    .join(RUN, RUN.c.id == HOLD.c.run_id)
    .join(
        ATTEMPT,
        and_(ATTEMPT.c.run_id == HOLD.c.run_id, ATTEMPT.c.phase == HOLD.c.phase, ATTEMPT.c.attempt == HOLD.c.attempt),
    )
    .where(
        HOLD.c.scope == bindparam("scope"),
        HOLD.c.name == bindparam("name"),
        HOLD.c.run_id != bindparam("besides"),
        RUN.c.status.not_in(ENDED),
    )
)
_HELD_WITHOUT_LEASE = _HOLDERS.where(HOLD.c.rank == _WITHOUT_LEASE).order_by(HOLD.c.run_id, HOLD.c.phase)
_NEWEST_CLAIMS = _HOLDERS.where(HOLD.c.rank < _WITHOUT_LEASE).order_by(HOLD.c.rank.desc()).limit(_CLAIMS_LOOKED_AT)
_ARCHIVE = update(RUN).where(_THIS_RUN).values(archived_at=bindparam("at"))


class RunRepository(RunListRepository):
    """Runs and their attempts."""

    _documents = RepositoryPart(DocumentRepository)
    _events = RepositoryPart(EventRepository)
    _seals = RepositoryPart(SealRepository)
    _search_notes = RepositoryPart(SearchNoteRepository)

    def create(
        self, new: NewRun, state: RunState, events: Sequence[Event], by: By, at: datetime, facts: Facts = NO_FACTS
    ) -> RunRecord:
        """Write a run that ``events`` brought to ``state``. Its definition must be stored already (``documents.keep``).

        ``facts``: what a person decided, for the statement that their key signs.
        """
        frozen_text = canonical_json(new.frozen)
        spec, inputs, frozen = self._documents.keep_texts(
            codec.spec_text(state.spec), canonical_json(new.inputs), frozen_text
        )
        self._caches.documents.keep(frozen, json.loads(frozen_text))  # the first status asks for it
        row = row_from(new, RUN) | codec.run_row(state)
        row |= {"spec_sha256": spec, "inputs_sha256": inputs, "frozen_sha256": frozen, "origin_sha256": None}
        first, *others = events
        if isinstance(first, RunStarted | RunForked):
            first = replace(first, records=(seal_of_run(row),))
        links = self._events.links(new.id, Tail(), (first, *others), by, at, facts)
        row |= {"revision": 1, "last_seq": links[-1]["seq"], "last_hash": links[-1]["hash"], "artifact_count": 0}
        ended_at = at if state.status in ENDED else None
        row |= {"created_at": at, "updated_at": at, "ended_at": ended_at, "archived_at": None}
        self._run(_NEW_RUN, row)
        record = record_from(RunRecord, row)
        attempts = chain.from_iterable(state.attempts.values())
        self._run(_NEW_ATTEMPTS, [codec.attempt_row(new.id, state, attempt) for attempt in attempts])
        self._events.add(links)
        noted = self._search_notes.note(new.id, of_run(record, new.inputs))
        noted.is_new, noted.project_id = True, new.project_id
        if new.idempotency_key is not None:
            key = {"project_id": new.project_id, "key": new.idempotency_key, "args_sha256": new.args_sha256}
            self._run(_NEW_KEY, {**key, "run_id": new.id, "created_at": at})
        self._caches.states.keep(f"{new.id}:{record.last_hash}", state)  # as ``save`` does: the next call asks for it
        return record

    def load(self, run_id: RunId, *, to_change: bool = True) -> LoadedRun | None:
        """The current run, or None when there is none. ``to_change``: no other transaction changes it until the end of this one.

        Refuses ``unavailable`` where its record cannot be read.
        """
        try:
            return self._load(run_id, to_change=to_change)
        except UNREADABLE as fault:
            raise self.damage_of(run_id, fault) from fault

    def _load(self, run_id: RunId, *, to_change: bool) -> LoadedRun | None:
        load = _LOAD_TO_CHANGE if to_change and self.shared.locks_rows else _LOAD
        row = self._connection.execute(load, {"id_": run_id}).first()
        if row is None:
            return None
        *values, run_state = row
        record = RunRecord(*values)

        def read() -> RunState:
            attempts = self._connection.execute(_LOAD_ATTEMPTS, {"run_id": run_id}).scalars().all()
            state = codec.state_of(self.spec(record.spec_sha256), run_state, attempts)
            _ = state.open_attempts  # each of its phases has one
            return state

        # By the hash of the last event, which no other state has.
        return LoadedRun(record, self._caches.states.get(f"{run_id}:{record.last_hash}", read))

    def projects(self, run_ids: Sequence[RunId]) -> dict[RunId, str]:
        """The project of each run, by the id of the run; unknown ids are left out."""
        rows = self._connection.execute(_PROJECTS, {"ids": list(dict.fromkeys(run_ids))}) if run_ids else ()
        return {RunId(row.id): str(row.project_id) for row in rows}

    def save(
        self, loaded: LoadedRun, after: RunState, events: Sequence[Event], by: By, at: datetime, facts: Facts = NO_FACTS
    ) -> LoadedRun:
        """Write the change that ``events`` made; the updated run. Refuses ``conflict`` when the run changed meanwhile.

        ``facts``: what a person decided, for the statement that their key signs.
        """
        before = loaded.record
        if not events and after != loaded.state:
            raise ValueError("a state changes by events only")
        # Before the change's own events: what they rely on is sealed when they are written.
        if records := self._seals.take(before.id):
            events = (RecordsKept(records=records), *events)
        if not events:
            return loaded
        if timedelta(0) <= before.updated_at - at < _COARSE:  # each change has its own timestamp: undo relies on it
            at = before.updated_at + timedelta(microseconds=1)
        links = self._events.links(before.id, Tail(before.last_seq, before.last_hash), events, by, at, facts)
        record = replace(
            before,
            status=after.status,
            iteration=after.iteration,
            auto=after.auto,
            tainted=after.tainted,
            reached=reached_state(after) or None,
            revision=before.revision + 1,
            last_seq=links[-1]["seq"],
            last_hash=links[-1]["hash"],
            updated_at=at,
            ended_at=at if after.status in ENDED else None,
        )
        step = {
            **codec.run_row(after),
            "id_": before.id,
            "expected_": before.revision,
            "revision": record.revision,
            "last_seq": record.last_seq,
            "last_hash": record.last_hash,
            "updated_at": record.updated_at,
            "ended_at": record.ended_at,
        }
        # The row has the revision that was read, or another process was faster.
        if self._run(_STEP, step) != 1:
            raise Refused(
                "conflict",
                f"Run '{before.id}' was changed by another process meanwhile.",
                "Ask for its status, then decide again.",
                run=before.id,
            )
        self._save_attempts(before.id, loaded.state, after)
        self._events.add(links)
        self._search_notes.note(before.id, ()).project_id = before.project_id
        return LoadedRun(record, self._caches.states.keep(f"{before.id}:{record.last_hash}", after))

    def revision(self, run_id: RunId) -> int:
        """The change counter of a run. 0 when there is no such run. In a transaction that writes, no other changes it until the end."""
        look = _REVISION_TO_CHANGE if self.shared.locks_rows else _REVISION
        return self._connection.execute(look, {"id_": run_id}).scalar() or 0

    def for_key(self, project_id: str, key: str, args_sha256: str) -> RunId | None:
        """The run created with this idempotency key. Refuses ``conflict`` when the key was used with other arguments."""
        self.alone("start", project_id, key)
        row = self._connection.execute(_KEY, {"project_id": project_id, "key": key}).first()
        if row is None:
            return None
        if row.args_sha256 != args_sha256:
            raise Refused(
                "conflict",
                f"The idempotency key '{key}' made run '{row.run_id}' from other arguments.",
                "Use a new key, or send the same arguments again.",
                run=row.run_id,
            )
        return RunId(row.run_id)

    def open_attempts(self, statuses: Sequence[AttemptStatus] = OPEN_ATTEMPTS) -> list[OpenAttempt]:
        """The attempts of all runs that are in one of ``statuses``; archived and imported runs are left out."""
        return self._all(OpenAttempt, _OPEN, {"statuses": list(statuses)})

    def holders(self, scope: str, name: str = "", *, besides: str = "") -> Iterator[OpenAttempt]:
        """The attempts of open runs, without those of the run ``besides``, that may hold a working tree or a lock.

        ``scope``: the tree's folder; for a lock its project, with the lock's ``name``. Holders without a lease
        (gates, loops) come first, then the newest claims.
        """
        self.alone("holders", scope, name)  # a caller that finds none takes it in this transaction
        for statement in (_HELD_WITHOUT_LEASE, _NEWEST_CLAIMS):
            values = {"scope": scope, "name": name, "besides": besides}
            yield from self._all(OpenAttempt, statement, values)

    def archive(self, run_id: RunId, at: datetime | None) -> None:
        """Archive a run (hide it from lists), or restore it (None); it stays readable."""
        self._run(_ARCHIVE, {"id_": run_id, "at": at})

    def spec(self, sha256: str) -> RunSpec:
        """The stored specification of runs. It is shared between transactions."""
        return self._caches.specs.get(sha256, lambda: codec.spec_of(self._documents.text(sha256)))

    def _save_attempts(self, run_id: str, before: RunState, after: RunState) -> None:
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for path in after.changed_since(before):
            known = {item.number: item for item in before.attempts.get(path, ())}
            for item in after.attempts[path]:
                old = known.get(item.number)
                if old is None:
                    new.append(codec.attempt_row(run_id, after, item))
                elif old is not item and old != item:
                    row = codec.attempt_row(run_id, after, item)
                    changed.append({**row, **{f"{name}_": row.pop(name) for name in ("run_id", "phase", "attempt")}})
        if changed:
            self._run(_ATTEMPT_STEP, changed)
        if new:
            self._run(_NEW_ATTEMPTS, new)


_SELECT = select(*columns_for(StepRecord, STEP_RUN))
_ORDER = (STEP_RUN.c.phase, STEP_RUN.c.attempt, STEP_RUN.c.position)
_OF_RUN = _SELECT.where(STEP_RUN.c.run_id == bindparam("run_id")).order_by(*_ORDER)
_OF_ATTEMPT = _OF_RUN.where(STEP_RUN.c.phase == bindparam("phase"), STEP_RUN.c.attempt == bindparam("attempt"))
_WITH_KEY = _OF_RUN.where(STEP_RUN.c.idempotency_key == bindparam("key"), STEP_RUN.c.status == StepStatus.DONE)
_DOING = (
    select(STEP_RUN.c.run_id)
    .join(RUN, RUN.c.id == STEP_RUN.c.run_id)
    .where(RUN.c.project_id == bindparam("project_id"), STEP_RUN.c.does.in_(bindparam("does", expanding=True)))
    .group_by(STEP_RUN.c.run_id)
    .order_by(func.max(STEP_RUN.c.started_at).desc(), text("max(run.rowid) DESC"))
    .limit(bindparam("most"))
)
_GONE = delete(STEP_RUN).where(*bound(STEP_RUN, "run_id", "phase", "attempt", "step"))
_NEW = insert(STEP_RUN)


class StepRepository(Repository):
    """The steps of attempts."""

    _seals = RepositoryPart(SealRepository)

    def save(self, step: StepRecord) -> None:
        """Write the current state of a step, replacing the earlier row."""
        key = {"run_id_": step.run_id, "phase_": step.phase, "attempt_": step.attempt, "step_": step.step}
        self._run(_GONE, key)
        self._run(_NEW, row_from(step, STEP_RUN))
        if step.finished_at is not None:
            this = (STEP_RUN.c.phase == step.phase, STEP_RUN.c.attempt == step.attempt, STEP_RUN.c.step == step.step)
            self._seals.keep("step", step.run_id, STEP_RUN.c.run_id == step.run_id, *this)

    def of_run(self, run_id: RunId, phase: PhasePath | None = None, attempt: int | None = None) -> list[StepRecord]:
        """The steps of an attempt in order; without an attempt, of the whole run."""
        if phase is None:
            return self._all(StepRecord, _OF_RUN, {"run_id": run_id})
        return self._all(StepRecord, _OF_ATTEMPT, {"run_id": run_id, "phase": phase, "attempt": attempt})

    def with_key(self, run_id: RunId, key: str) -> StepRecord | None:
        """The finished step of the run that has this idempotency key."""
        return self._first(StepRecord, _WITH_KEY, {"run_id": run_id, "key": key})

    def runs_doing(self, project_id: str, does: Sequence[str], most: int) -> list[RunId]:
        """The runs of the project with a step that does one of ``does``, the one that did so last first."""
        rows = self._connection.execute(_DOING, {"project_id": project_id, "does": list(does), "most": most})
        return [RunId(row.run_id) for row in rows]
