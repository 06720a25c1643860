"""A run as of an earlier event of its log.

The state is replayed up to the event, so it is exact. Evidence, requests, steps and calls are rows with times: rows
written after the event are left out, and rows that ended since are shown as they were then.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import ENDED, AttemptStatus, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.caps import Spending
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import (
    EventRecord,
    LoadedRun,
    RequestRecord,
    RequestStatus,
    RevisionHead,
    RunRecord,
    StepRecord,
    StepStatus,
)

_NAMED = re.compile(r"(cp-)?([0-9]{1,15})")
_TAKEN = "CheckpointTaken"
_NEAR = 4
_NONE = "It has no checkpoints; name an event by its number."


@dataclass(frozen=True, slots=True)
class Moment:
    """A run right after ``event``. ``overview``: the run then, waiting for no one. ``of``: number of events it has now."""

    overview: Overview
    event: EventRecord
    of: int


def moment(engine: Engine, tx: Tx, run: str, at: str) -> Moment:
    """The run as it was after event ``at`` (``12``), or at a checkpoint (``cp-12``). Refuses ``bad_argument``."""
    now = engine.load(tx, run)
    event = event_named(tx, now.record, at)
    state = tx.events.replay(now.record.id, until=event.seq)
    loaded = LoadedRun(_record_then(tx, now.record, state, event), state)
    plan = engine.plans.of_run(tx, loaded.record)
    steps = tuple(_steps_then(tx.steps.of_run(loaded.record.id), event))
    context = tuple(tx.documents.load(loaded.record.frozen_sha256).get("context", ()))
    usage = tx.model_calls.usage(run_id=loaded.record.id, until=event.at)
    overview = Overview(
        loaded,
        plan,
        (),
        steps=steps,
        context=context,
        spending=Spending(usage, ()) if usage.calls else None,
        tools=tuple(
            total for total in tx.tool_calls.totals(loaded.record.id) if _was_over(state, total.phase, total.attempt)
        ),
    )
    return Moment(overview, event, now.record.last_seq)


def event_named(tx: Tx, record: RunRecord, at: str) -> EventRecord:
    """The event that ``at`` names, see ``moment``."""
    match = _NAMED.fullmatch(at)
    if match is None:
        raise Refused(
            "bad_argument",
            f"{at!r:.40} names no event of a run.",
            f"Give its number (1 to {record.last_seq}) or a checkpoint (as in cp-12): wfe-mcp log {record.id}",
        )
    seq = int(match[2])
    event = next(iter(tx.events.of_run(record.id, after=seq - 1, limit=1)), None) if seq else None
    if match[1] and (event is None or event.type != _TAKEN):
        events = sorted(tx.events.of_types(record.id, _TAKEN), key=lambda taken: abs(taken.seq - seq))[:_NEAR]
        near = ", ".join(f"cp-{number}" for number in sorted(event.seq for event in events))
        hint = f"The nearest: {near}. All of them: wfe-mcp checkpoints {record.id}" if near else _NONE
        raise Refused("bad_argument", f"Run '{record.id}' has no checkpoint cp-{seq}.", hint)
    if event is None:
        raise Refused(
            "bad_argument",
            f"Run '{record.id}' has no event {seq}.",
            f"Its events are 1 to {record.last_seq}: wfe-mcp log {record.id}",
        )
    return event


def is_event_name(at: str) -> bool:
    """True for what may name an event (``12``, ``cp-12``), whether there is one or not."""
    return _NAMED.fullmatch(at) is not None


def checkpoint_before(tx: Tx, run: RunId, event: EventRecord) -> EventRecord:
    """The last checkpoint with files at or before ``event``. Refuses ``unavailable`` where there is none."""
    events = [
        taken for taken in tx.events.of_types(run, _TAKEN) if taken.seq <= event.seq and taken.payload.get("commit")
    ]
    if not events:
        raise Refused(
            "unavailable",
            f"No files of run '{run}' were kept at or before event {event.seq}.",
            "Only its state was: leave out what asks for files. They are kept in git repositories, as checkpoints.",
        )
    return events[-1]


def revisions_then(tx: Tx, then: LoadedRun) -> list[RevisionHead]:
    """The revisions that the run had, oldest first. Numbers rise, so the newest one in the state is the limit."""
    newest = {path: max(attempt.revision for attempt in tries) for path, tries in then.state.attempts.items()}
    return [
        head for head in tx.artifacts.last_revisions(then.record.id, -1) if head.revision <= newest.get(head.phase, 0)
    ]


def requests_then(tx: Tx, then: LoadedRun) -> list[RequestRecord]:
    """The approval requests as of the last change of ``then``, oldest first."""
    at = then.record.updated_at
    requests = (approval for approval in tx.approvals.of_run(then.record.id) if approval.created_at <= at)
    return [
        replace(request, status=RequestStatus.OPEN, closed_at=None)
        if request.closed_at is not None and request.closed_at > at
        else request
        for request in requests
    ]


def _record_then(tx: Tx, record: RunRecord, state: RunState, event: EventRecord) -> RunRecord:
    return replace(
        record,
        status=state.status,
        iteration=state.iteration,
        auto=state.auto,
        tainted=state.tainted,
        last_seq=event.seq,
        last_hash=event.hash,
        updated_at=event.at,
        artifact_count=len(revisions_then(tx, LoadedRun(record, state))),
        ended_at=event.at if state.status in ENDED else None,
        archived_at=None,
    )


def _steps_then(rows: Iterable[StepRecord], event: EventRecord) -> Iterable[StepRecord]:
    for row in rows:
        begun = row.started_at or row.finished_at  # one that was left out never began
        if begun is None or begun > event.at:
            continue
        is_over = row.finished_at is not None and row.finished_at <= event.at
        yield row if is_over else replace(row, status=StepStatus.RUNNING, finished_at=None, error="", output=None)


def _was_over(state: RunState, phase: PhasePath, attempt: int) -> bool:
    """True when the attempt was over then, so its usage was final."""
    tries = state.attempts.get(phase, ())
    return attempt <= len(tries) and tries[attempt - 1].status is not AttemptStatus.RUNNING
