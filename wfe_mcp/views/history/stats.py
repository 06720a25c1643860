"""Statistics of phases by template: runs, attempts, passes, time, tokens, cost.

Per template and phase, over its tasks (``phase_timing.py``); medians and 90th percentiles, because one forgotten approval
says
more than all others in a mean. docs/reference/stats.md defines each figure.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import field
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.core.paths import PhasePath, declared
from wfe_mcp.views.history.timing import WAITS, For, tasks_of
from wfe_mcp.views.values.model import INLINE, view_model

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.runs.timeline import Timeline, WhichRuns
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


@dataclass(slots=True)
class _Sums:
    """The tasks of one phase, added up. ``seconds``: of each task, eight bytes each, by what its time went to."""

    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    judged: int = 0
    passed_first: int = 0
    over: int = 0
    passed: int = 0
    forced: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: dict[For, MutableSequence[float]] = field(default_factory=dict["For", "MutableSequence[float]"])


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
    which: WhichRuns = {
        "project_id": None if everywhere else engine.project_id,
        "template": template,
        "since": since,
        "run_id": run,
    }
    sums: dict[tuple[str, PhasePath], _Sums] = {}
    after: Timeline | None = None
    while True:
        # A transaction for each page: a long one would hold up those who write, where SQLite has no write-ahead log.
        with engine.store.read() as tx:
            page = tx.timelines.page(after, **which)
        if not page:
            break
        after = page[-1]
        for line in page:
            _add(sums, line, engine.clock())
    with engine.store.read() as tx:
        used = tx.timelines.usage_of_phases(**which)
    for name, path, tokens, cost in used:
        key = (name, declared(PhasePath(path)))
        if key in sums:
            sums[key].tokens += tokens
            sums[key].cost_usd += cost
    return tuple(_line(key[0], key[1], sums[key]) for key in sorted(sums, key=lambda key: key[0]))


def _add(sums: dict[tuple[str, PhasePath], _Sums], line: Timeline, now: datetime) -> None:
    """Add the tasks of one run."""
    seen = set[PhasePath]()
    for task in tasks_of(line.events, line.spec, now):
        found = sums.setdefault((line.template, task.phase), _Sums())
        found.runs += task.phase not in seen
        seen.add(task.phase)
        found.tasks += 1
        found.attempts += len(task.tries)
        found.judged += task.first in _FINISHED
        found.passed_first += task.first in _PASSED
        found.over += task.last in _FINISHED
        found.passed += task.last in _PASSED
        found.forced += task.last == "forced"
        for to, seconds in task.seconds.items():
            if seconds > 0:
                found.seconds.setdefault(to, array("d")).append(seconds)


def spread(values: Sequence[float]) -> Spread:
    """The spread of some seconds."""
    ordered = sorted(values)
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    return Spread(
        tasks=len(ordered), total_s=round(sum(ordered), 3), median_s=round(median(ordered), 3), p90_s=round(p90, 3)
    )


def _line(template: str, phase: str, sums: _Sums) -> PhaseStats:
    return PhaseStats(
        template=template,
        phase=phase,
        runs=sums.runs,
        tasks=sums.tasks,
        attempts=sums.attempts,
        first_try=_rate(sums.passed_first, sums.judged),
        in_the_end=_rate(sums.passed, sums.over),
        forced=sums.forced,
        working=spread(sums.seconds["working"]) if "working" in sums.seconds else None,
        waiting={whom: spread(sums.seconds[whom]) for whom in WAITS if whom in sums.seconds},
        tokens=sums.tokens,
        cost_usd=round(sums.cost_usd, 6),
    )


def _rate(passed: int, of: int) -> Rate:
    return Rate(passed=passed, of=of, rate=round(passed / of, 3) if of else None)
