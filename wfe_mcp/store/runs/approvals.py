"""Approval requests and decisions.

Rules:
1. The same (run, phase, attempt, stage, gate, sha256, tree, target) is one request, however often it is made.
2. A request takes one decision, while it is open and not expired. Anything else is refused as ``stale_revision``.
3. A request for other bytes, another tree or another target voids the one before it.
"""

from datetime import datetime

from sqlalchemy import bindparam, desc, func, insert, select, update

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.integrity.record_seals import SealRepository
from wfe_mcp.store.layout.tables import DECISION, REQUEST, RUN
from wfe_mcp.store.records.runs import DecisionRecord, NewRequest, RequestRecord, RequestStatus
from wfe_mcp.store.repository import (
    OURS,
    Repository,
    RepositoryPart,
    bound,
    columns_for,
    equal_where_given,
    record_from,
    row_from,
)
from wfe_mcp.store.search.entries import of_decision
from wfe_mcp.store.search.index import SearchNoteRepository

_SELECT = select(*columns_for(RequestRecord, REQUEST))
_OF_ATTEMPT = bound(REQUEST, "run_id", "phase", "attempt")
_IS_OPEN = REQUEST.c.status == RequestStatus.OPEN
_OPEN_OF_ATTEMPT = _SELECT.where(*_OF_ATTEMPT, _IS_OPEN).order_by(desc(REQUEST.c.created_at)).limit(1)
_ALL_OPEN = select(REQUEST.c.id).where(*_OF_ATTEMPT, _IS_OPEN)
_ASKED = select(func.count()).select_from(REQUEST).where(*_OF_ATTEMPT)
_BY_ID = _SELECT.where(REQUEST.c.id == bindparam("id_"))
_LOCKED = _BY_ID.with_for_update()
_OPEN = (
    _SELECT.join(RUN, RUN.c.id == REQUEST.c.run_id).where(_IS_OPEN, OURS).order_by(REQUEST.c.created_at, REQUEST.c.id)
)
_OF_RUN = _SELECT.where(REQUEST.c.run_id == bindparam("run_id_")).order_by(REQUEST.c.created_at, REQUEST.c.id)
_NEW, _NEW_DECISION = insert(REQUEST), insert(DECISION)
_VOID = update(REQUEST).where(*_OF_ATTEMPT, _IS_OPEN).values(status=RequestStatus.VOID, closed_at=bindparam("at_"))
_CLOSE = (
    update(REQUEST)
    .where(REQUEST.c.id == bindparam("id_"), _IS_OPEN)
    .values(status=bindparam("status_"), closed_at=bindparam("at_"))
)
_DECISION = select(*columns_for(DecisionRecord, DECISION)).where(DECISION.c.request_id == bindparam("id_"))


class ApprovalRepository(Repository):
    """Requests and decisions."""

    _seals = RepositoryPart(SealRepository)
    _search_notes = RepositoryPart(SearchNoteRepository)

    def request(self, new: NewRequest, at: datetime) -> RequestRecord:
        """The open request with this key, created if there is none. An expired request is replaced."""
        self.lock_run(new.run_id)
        attempt = {"run_id_": new.run_id, "phase_": new.phase, "attempt_": new.attempt}
        open_request = self._first(RequestRecord, _OPEN_OF_ATTEMPT, attempt)
        if open_request is not None and _key(open_request) == _key(new) and not _is_expired(open_request, at):
            return open_request
        if open_request is not None:
            self.void(new.run_id, new.phase, new.attempt, at)
        # Part of the id: what is asked again, after it expired or was void, is another request.
        number = self._connection.execute(_ASKED, attempt).scalar_one()
        row = row_from(new, REQUEST) | {"id": f"rq-{sha256_of([*_key(new), number])[:16]}", "data": dict(new.data)}
        row |= {"status": RequestStatus.OPEN, "created_at": at, "closed_at": None}
        self._run(_NEW, row)
        new_request = record_from(RequestRecord, row)
        self._seals.keep("request", new_request.run_id, REQUEST.c.id == new_request.id)
        return new_request

    def open_request(self, run_id: RunId, phase: PhasePath, attempt: int) -> RequestRecord | None:
        """The request without a decision, expired or not."""
        key = {"run_id_": run_id, "phase_": phase, "attempt_": attempt}
        return self._first(RequestRecord, _OPEN_OF_ATTEMPT, key)

    def get(self, request_id: str) -> RequestRecord | None:
        """A request in any status."""
        return self._first(RequestRecord, _BY_ID, {"id_": request_id})

    def open_requests(self, project_id: str | None = None, run_id: RunId | None = None) -> list[RequestRecord]:
        """All open requests of a project, of a run, or of all; oldest first."""
        named = ((RUN.c.project_id, project_id), (REQUEST.c.run_id, run_id))
        return self._all(RequestRecord, _OPEN.where(*equal_where_given(named)))

    def of_run(self, run_id: RunId) -> list[RequestRecord]:
        """Every request of a run in any status, oldest first."""
        return self._all(RequestRecord, _OF_RUN, {"run_id_": run_id})

    def void(self, run_id: RunId, phase: PhasePath, attempt: int, at: datetime) -> int:
        """Close the open requests of an attempt without a decision; their number."""
        key = {"run_id_": run_id, "phase_": phase, "attempt_": attempt}
        open_requests = self._connection.execute(_ALL_OPEN, key).scalars().all()
        if open_requests:
            self._run(_VOID, {**key, "at_": at})
            self._seals.keep("request", run_id, REQUEST.c.id.in_(open_requests))
        return len(open_requests)

    def decide(self, request_id: str, decision: DecisionRecord) -> RequestRecord:
        """Record the one decision on a request; the updated request. Refuses ``stale_revision``."""
        # On PostgreSQL the row is locked: of two who decide at once the second finds it closed.
        request = self._first(RequestRecord, _LOCKED if self.shared.locks_rows else _BY_ID, {"id_": request_id})
        if request is None or request.status is not RequestStatus.OPEN or _is_expired(request, decision.at):
            raise Refused(
                "stale_revision",
                f"The request '{request_id}' takes no answer: {_why(request)}.",
                "Look at the open request of the phase and decide on that one.",
                run=request.run_id if request else None,
                phase=request.phase if request else None,
            )
        status = RequestStatus.APPROVED if decision.approved else RequestStatus.REJECTED
        self._run(_CLOSE, {"id_": request_id, "status_": status, "at_": decision.at})
        self._run(_NEW_DECISION, {"request_id": request_id, **row_from(decision, DECISION)})
        self._seals.keep("request", request.run_id, REQUEST.c.id == request_id)
        self._seals.keep("decision", request.run_id, DECISION.c.request_id == request_id)
        self._search_notes.note(request.run_id, of_decision(request_id, request.phase, request.attempt, decision))
        closed = self.get(request_id)
        assert closed is not None  # it was read above, in this transaction
        return closed

    def take_answer(self, request: RequestRecord, decision: DecisionRecord) -> None:
        """Store another run's request, as ``request`` of this run, with its decision."""
        self._run(_NEW, row_from(request, REQUEST))
        self._run(_NEW_DECISION, {"request_id": request.id, **row_from(decision, DECISION)})
        self._seals.keep("request", request.run_id, REQUEST.c.id == request.id)
        self._seals.keep("decision", request.run_id, DECISION.c.request_id == request.id)
        self._search_notes.leave(request.run_id)

    def decision(self, request_id: str) -> DecisionRecord | None:
        """The decision on a request."""
        return self._first(DecisionRecord, _DECISION, {"id_": request_id})


def _key(request: NewRequest | RequestRecord) -> tuple[object, ...]:
    return (
        request.run_id,
        request.phase,
        request.attempt,
        request.stage,
        request.gate,
        request.sha256,
        request.tree,
        *([target] if (target := request.data.get("target")) else []),
    )


def _is_expired(request: RequestRecord, at: datetime) -> bool:
    return request.expires_at is not None and request.expires_at <= at


def _why(request: RequestRecord | None) -> str:
    if request is None:
        return "there is none with this id"
    if request.status is RequestStatus.OPEN:
        return "it has expired"
    return "the revision it asked about is closed" if request.status is RequestStatus.VOID else "it was answered"
