"""Model calls: what was called, what it used and what it cost.

Rules:
1. A row is written before the call (``begin``), with the most that it may use: concurrent calls see each other,
   and a call that was in flight at a crash is visible and counted.
2. A call is ``lost`` when its job's claim ends before it does; a late end replaces that.
3. Sums read only a range of an index: the calls of a run, of a project's day.
"""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, or_, select, update

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.layout.tables import MODEL_CALL, RUN
from wfe_mcp.store.records.calls import CallRecord, CallStatus, NewCall, UsageRecord, Used
from wfe_mcp.store.repository import Repository, columns_for, equal_where_given, is_of_ours, row_from

UsageBy = Literal["template", "phase", "role", "provider", "model", "purpose", "day"]

_CALL = MODEL_CALL.c
_OPEN = (CallStatus.STARTED, CallStatus.LOST)
_SELECT = select(*columns_for(CallRecord, MODEL_CALL))
_NEW = insert(MODEL_CALL)
# The keys of the values decide the columns that this sets.
_END = update(MODEL_CALL).where(_CALL.id == bindparam("id_"), _CALL.status.in_(_OPEN))
LOSE_CALLS = (
    update(MODEL_CALL)
    .where(_CALL.job_id == bindparam("job"), _CALL.status == CallStatus.STARTED)
    .values(status=CallStatus.LOST)
)
"""Marks the calls in flight of a job lost when its claim ends (``jobs.py``)."""

_CALLS_FROM = _SELECT.where(_CALL.run_id == bindparam("run_"), _CALL.started_at >= bindparam("since_")).order_by(
    _CALL.started_at, _CALL.id
)

_NEWEST_FIRST = select(_CALL.phase, _CALL.model).order_by(_CALL.phase, _CALL.started_at.desc(), _CALL.id.desc())


def _sum(value: Any, condition: ColumnElement[bool] | None = None) -> ColumnElement[Any]:
    return func.coalesce(func.sum(value if condition is None else case((condition, value), else_=0)), 0)


MADE_HERE = is_of_ours(_CALL.run_id)
_IS_OPEN = _CALL.status.in_(_OPEN)
_SUMS: dict[str, ColumnElement[Any]] = {
    "calls": func.count(_CALL.id),
    "in_flight": _sum(1, _CALL.status == CallStatus.STARTED),
    "failed": _sum(1, _CALL.status == CallStatus.FAILED),
    "lost": _sum(1, _CALL.status == CallStatus.LOST),
    "unpriced": _sum(1, and_(_CALL.cost_usd.is_(None), _CALL.input_tokens + _CALL.output_tokens > 0)),
    "reserved_tokens": _sum(_CALL.reserved_tokens, _IS_OPEN),
    "reserved_usd": _sum(func.coalesce(_CALL.reserved_usd, 0.0), _IS_OPEN),
}
TOTALS = [_SUMS[item.name] if item.name in _SUMS else _sum(_CALL[item.name]) for item in fields(UsageRecord)]
_OF_RUN = select(*TOTALS).where(_CALL.run_id == bindparam("run"))
_COUNT_OF_RUN = select(func.count(_CALL.id)).where(_CALL.run_id == bindparam("run"))
"""Both are built once: every answer about a run uses them, and most runs call no model."""

_GROUPS: dict[UsageBy, ColumnElement[Any]] = {
    "template": func.coalesce(RUN.c.template, ""),
    "phase": func.coalesce(_CALL.phase, ""),
    "role": _CALL.role,
    "provider": _CALL.provider,
    "model": _CALL.model,
    "purpose": _CALL.purpose,
    "day": func.date(_CALL.started_at),
}


class WhichCalls(TypedDict, total=False):
    """Calls of a run (or one phase), of a project, or of all; begun ``since`` … ``until``. None is as if it were absent.

    ``template``: only its runs. Calls of imported runs count only with their run: they were paid for elsewhere.
    """

    run_id: RunId | None
    phase: PhasePath | None
    attempt: int | None
    project_id: str | None
    since: datetime | None
    until: datetime | None
    template: str | None


def in_order(by: UsageBy, found: Iterable[tuple[str, UsageRecord]]) -> list[tuple[str, UsageRecord]]:
    """The most expensive first; days newest first."""
    if by == "day":
        return sorted(found, key=lambda line: line[0], reverse=True)
    return sorted(found, key=lambda line: (-line[1].spent_usd, -line[1].tokens, line[0]))


class ModelCallRepository(Repository):
    """Calls to models."""

    def begin(self, new: NewCall) -> str:
        """Record that a model is about to be called; the id of the call."""
        call_id = f"call-{self._new_id()}"
        nothing = row_from(Used(), MODEL_CALL) | {"finished_at": None, "fault": None}
        values = (
            row_from(new, MODEL_CALL)
            | nothing
            | {"id": call_id, "status": CallStatus.STARTED, "started_at": self._clock()}
        )
        self._run(_NEW, values)
        return call_id

    def end(self, call_id: str, used: Used, fault: str | None = None) -> bool:
        """Record that the call answered, or failed with ``fault``. False when its end is recorded already."""
        status = CallStatus.DONE if fault is None else CallStatus.FAILED
        values = {"id_": call_id, "status": status, "finished_at": self._clock(), "fault": fault}
        return self._run(_END, row_from(used, MODEL_CALL) | values) == 1

    def filter(
        self,
        run_id: RunId | None = None,
        phase: PhasePath | None = None,
        attempt: int | None = None,
        *,
        job_id: str | None = None,
        limit: int = 1000,
    ) -> list[CallRecord]:
        """Calls of a run, phase, attempt or job, newest first."""
        named = ((_CALL.run_id, run_id), (_CALL.phase, phase), (_CALL.attempt, attempt), (_CALL.job_id, job_id))
        query = _SELECT.where(*equal_where_given(named))
        return self._all(CallRecord, query.order_by(_CALL.started_at.desc(), _CALL.id.desc()).limit(limit))

    def newest_models(self, run_id: RunId) -> dict[str, str]:
        """Phase → the model of its newest call in a run."""
        if self._connection.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import distinct_on

            newest = _NEWEST_FIRST.where(_CALL.run_id == run_id).ext(distinct_on(_CALL.phase))
            cursor = self._connection.execute(newest)
            return {str(phase): str(model) for phase, model in cursor}
        # SQLite takes the other columns of a group from the row with the maximum.
        query = (
            select(_CALL.phase, _CALL.model, func.max(_CALL.started_at))
            .where(_CALL.run_id == run_id)
            .group_by(_CALL.phase)
        )
        return {str(phase): str(model) for phase, model, _ in self._connection.execute(query)}

    def usage(self, **which: Unpack[WhichCalls]) -> UsageRecord:
        """Total use of these calls."""
        if {name for name, value in which.items() if value is not None} == {"run_id"}:
            run = {"run": which.get("run_id")}
            if not self._connection.execute(_COUNT_OF_RUN, run).scalar_one():
                return UsageRecord()
            return UsageRecord(*self._connection.execute(_OF_RUN, run).one())
        query = select(*TOTALS).where(*_conditions(**which))
        return UsageRecord(*self._connection.execute(query).one())

    def usage_by(self, by: UsageBy, **which: Unpack[WhichCalls]) -> list[tuple[str, UsageRecord]]:
        """The same, one line for each template, phase, role, model or (UTC) day, ``in_order``."""
        key = _GROUPS[by].label("key_")
        query = select(key, *TOTALS).where(*_conditions(**which)).group_by(key)
        if by == "template":
            query = query.select_from(MODEL_CALL.outerjoin(RUN, RUN.c.id == _CALL.run_id))
        usage = [(str(row[0]), UsageRecord(*row[1:])) for row in self._connection.execute(query)]
        return in_order(by, usage)

    def started_since(self, provider: str, since: datetime) -> list[datetime]:
        """When the calls to ``provider`` after ``since`` began, oldest first, over all projects: they share one account."""
        query = select(_CALL.started_at).where(_CALL.provider == provider, _CALL.started_at > since, MADE_HERE)
        return [row[0] for row in self._connection.execute(query.order_by(_CALL.started_at))]

    def in_flight(self, provider: str, since: datetime) -> int:
        """Number of calls to ``provider`` in flight: for a job, or begun after ``since``."""
        is_made = (_CALL.provider == provider, _CALL.status == CallStatus.STARTED, MADE_HERE)
        query = select(func.count(_CALL.id)).where(*is_made, or_(_CALL.job_id.is_not(None), _CALL.started_at > since))
        return int(self._connection.execute(query).scalar_one())

    def since(self, run_id: RunId, since: datetime) -> list[CallRecord]:
        """The calls of a run that began at or after ``since``, oldest first."""
        return self._all(CallRecord, _CALLS_FROM, {"run_": run_id, "since_": since})


def _conditions(
    run_id: RunId | None = None,
    phase: PhasePath | None = None,
    attempt: int | None = None,
    project_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    template: str | None = None,
) -> list[ColumnElement[bool]]:
    conditions = equal_where_given(
        ((_CALL.run_id, run_id), (_CALL.phase, phase), (_CALL.attempt, attempt), (_CALL.project_id, project_id))
    )
    conditions += [] if run_id is not None else [MADE_HERE]
    conditions += [] if since is None else [_CALL.started_at >= since]
    conditions += [] if template is None else [_CALL.run_id.in_(select(RUN.c.id).where(RUN.c.template == template))]
    return conditions if until is None else [*conditions, _CALL.started_at <= until]
