"""Statistics of phases by template: runs, attempts, passes, time, tokens, cost.

Per template and phase, over its tasks (``phase_timing.py``); medians and 90th percentiles, because one forgotten approval
says
more than all others in a mean. docs/reference/stats.md defines each figure.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.paths import PhasePath, declared
from wfe_mcp.views.phase_timing import WAITS, For, PhaseTiming, tasks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.kernel.engine import Engine

__all__ = ["phases", "spread"]

_PASSED = {"completed"}
_OVER = {"completed", "forced", "failed"}


def phases(
    engine: Engine, *, template: str | None = None, since: datetime | None = None, everywhere: bool = False,
    run: RunId | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """A line for each template and phase that has begun, templates by name, phases as they began."""
    project = None if everywhere else engine.project_id
    found: dict[tuple[str, PhasePath], list[PhaseTiming]] = {}
    runs: dict[tuple[str, PhasePath], set[str]] = {}
    now = engine.clock()
    with engine.store.read() as tx:
        for line in tx.timelines(project, template, since, run):
            for task in tasks_of(line.events, line.spec, now):
                found.setdefault((line.template, task.phase), []).append(task)
                runs.setdefault((line.template, task.phase), set()).add(line.run)
        used = tx.usage_of_phases(project, template, since, run)
    spent: dict[tuple[str, PhasePath], tuple[int, float]] = {}
    for name, path, tokens, cost in used:
        key = (name, declared(PhasePath(path)))
        before = spent.get(key, (0, 0.0))
        spent[key] = before[0] + tokens, before[1] + cost
    return [
        _line(key[0], key[1], len(runs[key]), found[key], spent.get(key))
        for key in sorted(found, key=lambda key: key[0])
    ]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """How many values, their sum, median and 90th percentile (the value that nine of ten do not exceed), in seconds."""
    ordered = sorted(values)
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    return {"tasks": len(ordered), "total_s": round(sum(ordered), 3), "median_s": round(median(ordered), 3),
            "p90_s": round(p90, 3)}  # fmt: skip


def _line(
    template: str, phase: str, runs: int, tasks: list[PhaseTiming], spent: tuple[int, float] | None
) -> dict[str, Any]:
    judged = [task for task in tasks if task.first in _OVER]
    over = [task for task in tasks if task.last in _OVER]
    line: dict[str, Any] = {
        "template": template, "phase": phase, "runs": runs, "tasks": len(tasks),
        "attempts": sum(len(task.tries) for task in tasks),
        "first_try": _rate(task.first in _PASSED for task in judged),
        "in_the_end": _rate(task.last in _PASSED for task in over),
    }  # fmt: skip
    forced = sum(task.last == "forced" for task in over)
    line |= {"forced": forced} if forced else {}
    line["working"] = _spread_of(tasks, "working")
    waiting = {whom: _spread_of(tasks, whom) for whom in WAITS}
    line["waiting"] = {whom: found for whom, found in waiting.items() if found is not None}
    tokens, cost = spent or (0, 0.0)
    return line | {"tokens": tokens, "cost_usd": round(cost, 6)}


def _rate(passed: Iterable[bool]) -> dict[str, Any]:
    known = list(passed)
    return {"passed": sum(known), "of": len(known), "rate": round(sum(known) / len(known), 3) if known else None}


def _spread_of(tasks: Iterable[PhaseTiming], to: For) -> dict[str, Any] | None:
    values = [seconds for task in tasks if (seconds := task.seconds.get(to, 0.0)) > 0]
    return spread(values) if values else None
