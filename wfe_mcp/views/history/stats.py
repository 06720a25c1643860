"""Statistics of phases by template: runs, attempts, passes, time, tokens, cost.

Per template and phase, over its tasks (``phase_timing.py``); medians and 90th percentiles, because one forgotten approval
says
more than all others in a mean. docs/reference/stats.md defines each figure.
"""

from __future__ import annotations

import math
from dataclasses import field
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.core.paths import PhasePath, declared
from wfe_mcp.views.history.timing import WAITS, For, PhaseTiming, tasks_of
from wfe_mcp.views.values.model import INLINE, view_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.runs.usage import UsageStats

_PASSED = {"completed"}
_FINISHED = {"completed", "forced", "failed"}
_MOST_RUNS = 1_000
"""Of so many of the newest completed runs, those of the week are counted."""


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


@view_model
class StatsList:
    """The phases by template."""

    phases: tuple[PhaseStats, ...]


@view_model
class WeekView:
    """The last seven days at a glance: completed runs; of the runs that began since, phases, attempts and what models used."""

    finished: int
    phases: int
    attempts: int
    tokens: int
    cost_usd: float


def week(engine: Engine, *, everywhere: bool = False) -> WeekView:
    """The figures of the last seven days, of one project or of all."""
    since = engine.clock() - timedelta(days=7)
    lines = phases(engine, since=since, everywhere=everywhere)
    with engine.store.read() as tx:
        project = None if everywhere else engine.project_id
        done = tx.runs.page(project, status=(RunStatus.COMPLETED,), limit=_MOST_RUNS).runs
    return WeekView(
        finished=sum(each.ended_at is not None and each.ended_at >= since for each in done),
        phases=sum(each.tasks for each in lines),
        attempts=sum(each.attempts for each in lines),
        tokens=sum(each.tokens for each in lines),
        cost_usd=round(sum(each.cost_usd for each in lines), 6),
    )


def phases(
    engine: Engine,
    *,
    template: str | None = None,
    since: datetime | None = None,
    everywhere: bool = False,
    run: RunId | None = None,
) -> tuple[PhaseStats, ...]:
    """A line for each template and phase that has begun, templates by name, phases as they began."""
    project = None if everywhere else engine.project_id
    found: dict[tuple[str, PhasePath], list[PhaseTiming]] = {}
    runs: dict[tuple[str, PhasePath], set[str]] = {}
    now = engine.clock()
    with engine.store.read() as tx:
        for line in tx.timelines.filter(project_id=project, template=template, since=since, run_id=run):
            for task in tasks_of(line.events, line.spec, now):
                found.setdefault((line.template, task.phase), []).append(task)
                runs.setdefault((line.template, task.phase), set()).add(line.run)
        used = tx.timelines.usage_of_phases(project_id=project, template=template, since=since, run_id=run)
    spent: dict[tuple[str, PhasePath], tuple[int, float]] = {}
    for name, path, tokens, cost in used:
        key = (name, declared(PhasePath(path)))
        before = spent.get(key, (0, 0.0))
        spent[key] = before[0] + tokens, before[1] + cost
    return tuple(
        _line(key[0], key[1], len(runs[key]), found[key], spent.get(key))
        for key in sorted(found, key=lambda key: key[0])
    )


def spread(values: Sequence[float]) -> Spread:
    """The spread of some seconds."""
    ordered = sorted(values)
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    return Spread(
        tasks=len(ordered), total_s=round(sum(ordered), 3), median_s=round(median(ordered), 3), p90_s=round(p90, 3)
    )


def _line(
    template: str, phase: str, runs: int, tasks: list[PhaseTiming], spent: tuple[int, float] | None
) -> PhaseStats:
    judged = [task for task in tasks if task.first in _FINISHED]
    over = [task for task in tasks if task.last in _FINISHED]
    tokens, cost = spent or (0, 0.0)
    return PhaseStats(
        template=template,
        phase=phase,
        runs=runs,
        tasks=len(tasks),
        attempts=sum(len(task.tries) for task in tasks),
        first_try=_rate(task.first in _PASSED for task in judged),
        in_the_end=_rate(task.last in _PASSED for task in over),
        forced=sum(task.last == "forced" for task in over),
        working=_spread_of(tasks, "working"),
        waiting={whom: found for whom in WAITS if (found := _spread_of(tasks, whom)) is not None},
        tokens=tokens,
        cost_usd=round(cost, 6),
    )


def _rate(passed: Iterable[bool]) -> Rate:
    known = list(passed)
    return Rate(passed=sum(known), of=len(known), rate=round(sum(known) / len(known), 3) if known else None)


def _spread_of(tasks: Iterable[PhaseTiming], to: For) -> Spread | None:
    values = [seconds for task in tasks if (seconds := task.seconds.get(to, 0.0)) > 0]
    return spread(values) if values else None
