"""What calls to models used: the sums of calls that have ended, and the rows of the others.

The rules of ``phase_sums.py`` hold here too: a reader adds what has ended meanwhile, and reads from rows what the sums lack.
"""

from __future__ import annotations

import math
from dataclasses import astuple
from datetime import date, datetime
from typing import TYPE_CHECKING

from wfe_mcp.store.columns import first_whole_day
from wfe_mcp.store.enums import ALL_DAYS
from wfe_mcp.store.records.calls import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.jobs.usage_sums import SumOf, UsageKey, UsageSums

_A_STEP = 250
"""Calls that are counted or read in one transaction."""


def usage_by_key(
    engine: Engine,
    of: SumOf,
    project: str | None,
    template: str | None,
    since: datetime | None,
    run: RunId | None = None,
) -> dict[UsageKey, UsageRecord]:
    """The use of calls by phase; or by role and model, and by day. With ``since`` all are by day.

    ``run``: only its calls, all from rows.
    """
    begin = None if since is None else first_whole_day(since)
    with engine.store.read() as tx:  # one moment: no call is in the sums and among those that they lack
        total = {} if run else tx.usage_sums.rows(of, project, template, begin)
        if of == "model":
            total |= tx.usage_sums.rows("day", project, template, begin or date.min)
        left = tx.usage_sums.of_run(run) if run else tx.usage_sums.uncounted_calls(of, project, template, since)
    for part in _parts(engine, left):
        _add(
            total,
            {
                key: usage
                for key, usage in part.items()
                if (key.of == of and (key.day == ALL_DAYS) is (since is None)) or (key.of == "day" and of == "model")
            },
        )
    return total


def count_calls(engine: Engine, project: str | None) -> bool:
    """Add some calls that have ended to the sums; False when none is left."""
    with engine.store.read() as tx:
        if not tx.usage_sums.is_due(project):
            return False
    with engine.store.tx() as tx:
        return tx.usage_sums.count(project, _A_STEP) == _A_STEP


def usage_differences(engine: Engine) -> list[str]:
    """The sums of this project, by phase, model or day, that are not those of the calls that they have."""
    with engine.store.read() as tx:
        kept = {
            key: used
            for of in ("phase", "model", "day")
            for begin in (None, date.min)
            for key, used in tx.usage_sums.rows(of, engine.project_id, begin=begin).items()
        }
        within = tx.usage_sums.within(engine.project_id)
    actual: dict[UsageKey, UsageRecord] = {}
    for part in _parts(engine, within):
        _add(actual, part)
    with engine.store.read() as tx:
        if not {*within} <= {
            *tx.usage_sums.within(engine.project_id)
        }:  # pruned meanwhile, so the sums have changed too
            return []
    return sorted({_name(key) for key in {*kept, *actual} if not _is_same(kept.get(key), actual.get(key))})


def _parts(engine: Engine, calls: Sequence[str]) -> Iterator[UsageSums]:
    for start in range(0, len(calls), _A_STEP):
        with engine.store.read() as tx:
            yield tx.usage_sums.parts(calls[start : start + _A_STEP])


def _add(into: dict[UsageKey, UsageRecord], part: UsageSums) -> None:
    for key, more in part.items():
        into[key] = into.get(key, UsageRecord()) + more


def _name(key: UsageKey) -> str:
    return {"phase": f"{key.template}/{key.phase}", "day": key.day}.get(key.of, key.model)


def _is_same(usage: UsageRecord | None, other: UsageRecord | None) -> bool:
    """Sums of costs are added in another order."""
    these, those = astuple(usage or UsageRecord()), astuple(other or UsageRecord())
    return all(math.isclose(this, that, rel_tol=1e-6, abs_tol=1e-6) for this, that in zip(these, those, strict=True))
