"""Statistics of phases by template: runs, attempts, passes, time, tokens, cost.

Per template and phase, over its tasks (``phase_timing.py``); medians and 90th percentiles, because one forgotten approval
says more than all others in a mean. Ended runs come from sums (``phase_sums.py``), open ones from their logs. docs/reference/stats.md defines each figure.
"""

from __future__ import annotations

import math
from dataclasses import field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus, RunId
from wfe_mcp.engine.statistics.phase_sums import PhaseTotals, Totals, add_run, completed_runs, count_ended, read_rows
from wfe_mcp.engine.statistics.phase_timing import WAITS, For
from wfe_mcp.engine.statistics.usage_sums import usage_by_key
from wfe_mcp.store.columns import first_whole_day
from wfe_mcp.store.records.calls import UsageRecord
from wfe_mcp.store.runs.phase_sums import NO_PHASE
from wfe_mcp.views.values.model import INLINE, view_model

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wfe_mcp.core.errors import Refused
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.runs.timeline import WhichRuns
    from wfe_mcp.views.runs.usage import UsageStats

_PAGE = 200
"""Logs that are read in one transaction."""


@view_model
class Spread:
    """How many values, their sum, median and 90th percentile (the value that nine of ten do not exceed), in seconds."""

    tasks: int
    total_s: float
    median_s: float
    p90_s: float


@view_model
class Rate:
    """How many of how many passed; ``rate`` is None of none."""

    passed: int
    of: int
    rate: float | None


@view_model
class PhaseStats:
    """The tasks of one phase of one template. ``working``: None where none was worked on."""

    template: str
    phase: str
    runs: int
    tasks: int
    attempts: int
    first_try: Rate
    in_the_end: Rate
    forced: int = 0
    working: Spread | None
    waiting: dict[For, Spread]
    tokens: int
    cost_usd: float


@view_model
class StatsView:
    """What models used, and the phases by template."""

    usage: UsageStats = field(metadata=INLINE)
    phases: tuple[PhaseStats, ...]
    warnings: tuple[str, ...] = ()


@view_model
class StatsList:
    """The phases by template; ``warnings``: the runs that are left out, as they cannot be read."""

    phases: tuple[PhaseStats, ...]
    warnings: tuple[str, ...] = ()


@view_model
class WeekView:
    """Today and the six days before it (UTC) at a glance: completed runs; of the runs that began since, phases, attempts and what models used.

    ``warnings``: the runs that are left out, since their record cannot be read.
    """

    finished: int
    phases: int
    attempts: int
    tokens: int
    cost_usd: float
    warnings: tuple[str, ...] = ()


def week(engine: Engine, *, everywhere: bool = False, among: Collection[str] | None = None) -> WeekView:
    """The figures of today and the six days before it (UTC), of one project, of all, or of those ``among`` these."""
    # Whole days, so that all of it comes from sums.
    since = datetime.combine(engine.clock().astimezone(UTC) - timedelta(days=6), time(), UTC)
    every = among if among is not None else (None if everywhere else engine.project_id,)
    damaged: dict[RunId, Refused] = {}
    lines = [
        line
        for project in every
        for line in phases(engine, since=since, everywhere=not project, project=project, damaged=damaged)
    ]
    return WeekView(
        finished=sum(completed_runs(engine, project, since) for project in every),
        phases=sum(line.tasks for line in lines),
        attempts=sum(line.attempts for line in lines),
        tokens=sum(line.tokens for line in lines),
        cost_usd=round(sum(line.cost_usd for line in lines), 6),
        warnings=tuple(refused.text for refused in damaged.values()),
    )


def phases(
    engine: Engine,
    *,
    template: str | None = None,
    since: datetime | None = None,
    everywhere: bool = False,
    project: str | None = None,
    run: RunId | None = None,
    damaged: dict[RunId, Refused] | None = None,
) -> tuple[PhaseStats, ...]:
    """A line for each template and phase that has begun, templates by name, phases as they began.

    Of the project of ``engine``, of all, or of another ``project``. ``damaged`` gets the runs that are left out, as they
    cannot be read.
    """
    damaged = {} if damaged is None else damaged
    whose = None if everywhere else project or engine.project_id
    which: WhichRuns = {"project_id": whose, "template": template, "since": since}
    totals: Totals = {}
    if run is None:
        count_ended(engine, everywhere=whose != engine.project_id)
    which["run_id"] = run
    with engine.store.read() as tx:
        ids = tx.phase_sums.runs_begun(**which) if run is not None else _fill_from_sums(tx, totals, which)
        left = _phases_left(engine, tx) if ids else {}
    for start in range(0, len(ids), _PAGE):
        # A transaction for each page: a long one would hold up those who write, where SQLite has no write-ahead log.
        with engine.store.read() as tx:
            page = tx.timelines.of_runs(ids[start : start + _PAGE], damaged)
        for line in page:
            add_run(totals, line, engine.clock(), left=left.get(line.run, ()))
    spent: dict[tuple[str, str], UsageRecord] = {}
    for key, more in usage_by_key(engine, "phase", which.get("project_id"), template, since, run).items():
        spent[key.template, key.phase] = spent.get((key.template, key.phase), UsageRecord()) + more
    return tuple(
        _line(*key, totals[key], spent.get(key, UsageRecord()))
        for key in sorted(totals, key=lambda key: key[0])
        if key[1] != NO_PHASE
    )


def _phases_left(engine: Engine, tx: Tx) -> dict[RunId, list[PhasePath]]:
    """The phases whose worker is gone, by run."""
    left: dict[RunId, list[PhasePath]] = {}
    for attempt in tx.runs.open_attempts((AttemptStatus.RUNNING,)):
        if engine.lease_is_lost(tx, attempt):
            left.setdefault(attempt.run_id, []).append(attempt.phase)
    return left


def _fill_from_sums(tx: Tx, totals: Totals, which: WhichRuns) -> list[RunId]:
    """Fill ``totals`` from the sums; the runs that those do not have.

    With ``since`` the sums are those of whole days. What began on a part of a day is read from the logs.
    """
    since, project, template = which.get("since"), which.get("project_id"), which.get("template")
    if since is None:
        read_rows(totals, tx.phase_sums.rows(project, template))
        return _uncounted_runs(tx, totals, project, template)
    day = first_whole_day(since)
    read_rows(totals, tx.phase_sums.rows(project, template, day))
    night = datetime.combine(day, time(), UTC)
    return [
        *tx.phase_sums.runs_begun(**{**which, "until": night}),
        *_uncounted_runs(tx, totals, project, template, night),
    ]


def _uncounted_runs(
    tx: Tx, totals: Totals, project: str | None, template: str | None, since: datetime | None = None
) -> list[RunId]:
    """The runs that the sums do not have to their end; what they have of them is taken out of ``totals``."""
    runs = tx.phase_sums.uncounted_runs(project, template, since)
    for run in runs:
        if run.counted and (line := tx.timelines.until(run.id, run.counted)) is not None:
            add_run(totals, line, line.at, -1)
    return [run.id for run in runs]


def spread(spent: Mapping[float, int], total_s: float) -> Spread:
    """The spread of tasks by their seconds."""
    ordered = sorted(spent.items())
    tasks = sum(spent.values())

    def quantile_at(place: int) -> float:
        for seconds, count in ordered:
            place -= count
            if place < 0:
                return seconds
        raise IndexError(place)

    middle = (quantile_at((tasks - 1) // 2) + quantile_at(tasks // 2)) / 2
    return Spread(
        tasks=tasks,
        total_s=round(total_s, 3),
        median_s=round(middle, 3),
        p90_s=round(quantile_at(math.ceil(0.9 * tasks) - 1), 3),
    )


def _line(template: str, phase: str, totals: PhaseTotals, used: UsageRecord) -> PhaseStats:
    by: dict[str, dict[float, int]] = {}
    total_s: dict[str, float] = {}
    for (to, bucket_s), (tasks, seconds) in totals.spent.items():
        if tasks:
            by.setdefault(to, {})[bucket_s] = tasks
            total_s[to] = total_s.get(to, 0.0) + seconds
    spreads = {to: spread(spent, total_s[to]) for to, spent in by.items()}
    return PhaseStats(
        template=template,
        phase=phase,
        runs=totals.runs,
        tasks=totals.tasks,
        attempts=totals.attempts,
        first_try=_rate(totals.passed_first, totals.judged),
        in_the_end=_rate(totals.passed, totals.over),
        forced=totals.forced,
        working=spreads.get("working"),
        waiting={whom: spreads[whom] for whom in WAITS if whom in spreads},
        tokens=used.input_tokens + used.output_tokens,
        cost_usd=round(used.cost_usd, 6),
    )


def _rate(passed: int, of: int) -> Rate:
    return Rate(passed=passed, of=of, rate=round(passed / of, 3) if of else None)
