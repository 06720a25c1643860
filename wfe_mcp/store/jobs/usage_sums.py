"""Sums over the calls to models that have ended, for statistics, and which calls they have (``model_call.counted``).

Rules:
1. A call that has ended never changes, so its part follows from its row. Pruning alone takes its run away, and takes it out before.
2. A call is within or not: code that sets ``counted`` adds its part in the same transaction, code that empties it takes the part out.
3. Each call is within by its phase (over all days, and on the day its run began), by its role and model (over all days, and on the
   day it began), and by its day. Calls of imported runs are within by their phase alone: they were paid for elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, time
from typing import Any, Literal, NamedTuple

from sqlalchemy import BindParameter, Integer, bindparam, delete, func, literal_column, select, text, update

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath, declared_path
from wfe_mcp.store.columns import first_whole_day
from wfe_mcp.store.enums import ALL_DAYS
from wfe_mcp.store.jobs.model_calls import MADE_HERE, TOTALS
from wfe_mcp.store.layout.tables import MODEL_CALL, RUN, USAGE_SUM
from wfe_mcp.store.records.calls import CallStatus, UsageRecord
from wfe_mcp.store.repository import Repository, equal_where_given, in_steps, without_index

SumOf = Literal["phase", "model", "day"]


class UsageKey(NamedTuple):
    """What a sum is of. ``day``: on which the runs (of a phase) or the calls began, in UTC; ``ALL_DAYS``: on any."""

    of: str
    day: str
    project_id: str
    template: str
    phase: str = ""
    role: str = ""
    model: str = ""


UsageSums = Mapping[UsageKey, UsageRecord]
FIGURES = (
    *("calls", "failed", "unpriced", "requests", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "cost_usd"),
)
_CALL, _SUM = MODEL_CALL.c, USAGE_SUM.c
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_WITH_RUN = MODEL_CALL.outerjoin(RUN, RUN.c.id == _CALL.run_id)
_TEMPLATE = func.coalesce(RUN.c.template, "")
_PLACE = (
    *(_CALL.project_id, _TEMPLATE, _CALL.phase, _CALL.role, _CALL.model),
    *(func.date(_CALL.started_at), func.date(RUN.c.created_at), RUN.c.origin_sha256),
)
_PARTS = select(*_PLACE, *TOTALS).select_from(_WITH_RUN).where(_CALL.id.in_(_IDS)).group_by(*_PLACE)
_UNCOUNTED = _CALL.counted.is_(None)
_DUE = select(_CALL.id).where(_UNCOUNTED, _CALL.status.in_((CallStatus.DONE, CallStatus.FAILED)))
_MARK = update(MODEL_CALL).where(_CALL.id.in_(_IDS)).values(counted=bindparam("now_"))
_KEYS = UsageKey._fields
_COLUMNS = (*_KEYS, *FIGURES)
_ROWS = select(
    *(_SUM[name] for name in _KEYS),
    *(_SUM[field.name] if field.name in FIGURES else literal_column("0", Integer) for field in fields(UsageRecord)),
)
_ADD = text(
    f"INSERT INTO usage_sum ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "  # noqa: S608 - our names
    f"ON CONFLICT ({', '.join(_KEYS)}) DO UPDATE SET {', '.join(f'{name} = usage_sum.{name} + excluded.{name}' for name in FIGURES)}"
)
_EMPTY = delete(USAGE_SUM).where(*(_SUM[name] == bindparam(f"of_{name}") for name in _KEYS), _SUM.calls == 0)
_NOTHING = delete(USAGE_SUM).where(_SUM.project_id == bindparam("project"))
_NOT_WITHIN = (
    update(MODEL_CALL).where(_CALL.project_id == bindparam("project"), _CALL.counted.is_not(None)).values(counted=None)
)


class UsageSumRepository(Repository):
    """The sums, and the calls that they lack."""

    def count(self, project_id: str | None, limit: int) -> int:
        """Add some of the calls that have ended and are not within, of one project or of all; how many those were."""
        self.alone("usage_sums")
        due = _DUE.where(*equal_where_given(((_CALL.project_id, project_id),))).limit(limit)
        ids = list(self._connection.execute(due).scalars())
        self._change(ids, 1)
        return len(ids)

    def is_due(self, project_id: str | None) -> bool:
        """Whether ``count`` would find a call."""
        due = _DUE.where(*equal_where_given(((_CALL.project_id, project_id),))).limit(1)
        return self._connection.execute(due).first() is not None

    def take_out(self, run: RunId) -> None:
        """Take the calls of a run out of the sums."""
        self.alone("usage_sums")
        within = select(_CALL.id).where(_CALL.run_id == run, _CALL.counted.is_not(None))
        for ids in in_steps(self._connection.execute(within).scalars().all()):
            self._change(ids, -1)

    def clear(self, project: str) -> None:
        """Forget the sums of a project: they are added up again from the calls."""
        self.alone("usage_sums")
        self._run(_NOTHING, {"project": project})
        self._run(_NOT_WITHIN, {"project": project})

    def within(self, project: str) -> list[str]:
        """The calls of a project that the sums have."""
        query = select(_CALL.id).where(_CALL.project_id == project, _CALL.counted.is_not(None))
        return list(self._connection.execute(query).scalars())

    def uncounted_calls(
        self, of: SumOf, project_id: str | None = None, template: str | None = None, since: datetime | None = None
    ) -> list[str]:
        """The calls that ``rows`` lacks: those not within, and with ``since`` those of the day on which it is.

        ``since``: when the run began, for the sums of phases; else the call.
        """
        is_phase = of == "phase"
        begun = RUN.c.created_at if is_phase else _CALL.started_at
        # Those not within only by their index: SQLite would take a larger one.
        query = select(_CALL.id).select_from(MODEL_CALL.join(RUN, RUN.c.id == _CALL.run_id, isouter=not is_phase))
        query = query.where(*equal_where_given(((RUN.c.template, template),)), *(() if is_phase else (MADE_HERE,)))
        of_project = () if project_id is None else (without_index(_CALL.project_id) == project_id,)
        lacking = query.where(*of_project, _UNCOUNTED)
        if since is None:
            return list(self._connection.execute(lacking).scalars())
        night = datetime.combine(first_whole_day(since), time(), UTC)
        day = query.where(*equal_where_given(((RUN.c.project_id if is_phase else _CALL.project_id, project_id),)))
        day = day.where(begun >= since, begun < night)
        lacking = lacking.where(without_index(begun) >= night)
        return [call for few in (day, lacking) for call in self._connection.execute(few).scalars()]

    def of_run(self, run: RunId) -> list[str]:
        """All calls of a run."""
        return list(self._connection.execute(select(_CALL.id).where(_CALL.run_id == run)).scalars())

    def parts(self, ids: Sequence[str]) -> dict[UsageKey, UsageRecord]:
        """What these calls add, whether they are within or not; an open one only its reservation."""
        usage_by_key: dict[UsageKey, UsageRecord] = {}
        for row in self._connection.execute(_PARTS, {"ids": ids}) if ids else ():
            project, template, path, role, model, day, run_day, origin, *figures = tuple[Any, ...](row)
            keys: list[UsageKey] = []
            if run_day is not None:
                phase = declared_path(PhasePath(path)) if path else ""
                keys += [UsageKey("phase", some_day, project, template, phase) for some_day in (ALL_DAYS, str(run_day))]
            if origin is None:
                days = (ALL_DAYS, str(day))
                keys += [UsageKey("model", some_day, project, template, role=role, model=model) for some_day in days]
                keys += [UsageKey("day", str(day), project, template)]
            for key in keys:
                usage_by_key[key] = usage_by_key.get(key, UsageRecord()) + UsageRecord(*figures)
        return usage_by_key

    def rows(
        self, of: SumOf, project_id: str | None = None, template: str | None = None, begin: date | None = None
    ) -> dict[UsageKey, UsageRecord]:
        """The sums of the days from ``begin`` on, or over all of them."""
        days = _SUM.day == ALL_DAYS if begin is None else _SUM.day >= begin.isoformat()
        named = equal_where_given(((_SUM.project_id, project_id), (_SUM.template, template)))
        count = len(_KEYS)
        return {
            UsageKey(*row[:count]): UsageRecord(*row[count:])
            for row in self._connection.execute(_ROWS.where(_SUM.of == of, days, *named))
        }

    def _change(self, ids: Sequence[str], sign: int) -> None:
        """Add the parts of these calls, or with ``sign`` -1 take them out, and mark them so."""
        if not ids:
            return
        added = self.parts(ids)
        values = [
            key._asdict() | {name: sign * getattr(used, name) for name in FIGURES}
            for key, used in sorted(added.items())
        ]
        self._run(_ADD, values)
        if sign < 0:
            self._run(_EMPTY, [{f"of_{name}": value for name, value in key._asdict().items()} for key in added])
        self._run(_MARK, {"ids": ids, "now_": True if sign > 0 else None})
