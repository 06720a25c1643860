"""Sums of the phases of ended runs: what statistics read instead of every log.

    run ends ──► due ──► a reader of statistics adds its tasks to the sums ──► counted ──► pruned: taken out
                  ▲                                                              │
                  └────── its log continues: it is reopened, or ends again ──────┘

Rules:
1. The part of a run follows from its log up to an event, so it is taken out again exactly: ``run.counted`` says which event.
2. Nothing is added where runs end: no call waits for it. Logs are read and computed before the transaction that writes.
3. Statistics never wait for the sums: what they lack is read from the logs, and a log that cannot be read is left out of them.
4. A time is kept in the bucket of its three leading digits, and exactly in the total.
5. A change of what ``tasks_of`` finds needs a migration that empties the sums.
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import field
from datetime import date, datetime

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.statistics.phase_timing import tasks_of
from wfe_mcp.engine.statistics.usage_sums import count_calls
from wfe_mcp.store import Tx
from wfe_mcp.store.enums import ALL_DAYS
from wfe_mcp.store.runs.phase_sums import COUNTS, NO_PHASE, DueRun, PhaseSumRow
from wfe_mcp.store.runs.timeline import Timeline

_PASSED = {"completed"}
_FINISHED = {"completed", "forced", "failed"}
_ENDS = ("RunCompleted", "RunCancelled")
_A_STEP = 50
"""Runs that are counted in one transaction."""
_MOST_S = 1.0
"""How long a reader counts, as after an upgrade with many runs."""
_UNREADABLE = (Refused, LookupError, ValueError, TypeError, AttributeError)
"""What a damaged log raises; ``verify`` names it."""


class _GoneError(LookupError):
    """The run was pruned."""


@dataclass(slots=True)
class PhaseTotals:
    """The tasks of one phase, added up.

    ``spent``: by what their time went to and the bucket of its seconds, how many tasks those are and their seconds together.
    """

    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    judged: int = 0
    passed_first: int = 0
    over: int = 0
    passed: int = 0
    forced: int = 0
    spent: dict[tuple[str, float], tuple[int, float]] = field(
        default_factory=dict[tuple[str, float], tuple[int, float]]
    )

    def spend(self, to: str, bucket_s: float, tasks: int, total_s: float) -> None:
        """Add tasks to a bucket."""
        before = self.spent.get((to, bucket_s), (0, 0.0))
        self.spent[to, bucket_s] = before[0] + tasks, before[1] + total_s


Totals = dict[tuple[str, str], PhaseTotals]
"""By template and phase."""


def add_run(totals: Totals, line: Timeline, now: datetime, sign: int = 1, left: Iterable[str] = ()) -> None:
    """Add the tasks of one run; with ``sign`` -1 take them out again. ``left``: its phases whose worker is gone."""
    paths = set[PhasePath]()
    for task in tasks_of(line.events, line.spec, now, left):
        sums = totals.setdefault((line.template, task.phase), PhaseTotals())
        sums.runs += sign * (task.phase not in paths)
        paths.add(task.phase)
        sums.tasks += sign
        sums.attempts += sign * len(task.tries)
        sums.judged += sign * (task.first in _FINISHED)
        sums.passed_first += sign * (task.first in _PASSED)
        sums.over += sign * (task.last in _FINISHED)
        sums.passed += sign * (task.last in _PASSED)
        sums.forced += sign * (task.last == "forced")
        for to, seconds in task.seconds.items():
            if seconds > 0:
                sums.spend(to, bucket(seconds), sign, sign * seconds)


def bucket(seconds: float) -> float:
    """``seconds`` with three significant digits."""
    return float(f"{seconds:.3g}")


def read_rows(totals: Totals, rows: Iterable[PhaseSumRow]) -> None:
    """Add what the sums have."""
    for row in rows:
        sums = totals.setdefault((row.template, row.phase), PhaseTotals())
        if row.spent:
            sums.spend(row.spent, row.bucket_s, row.tasks, row.total_s)
        else:
            for name in COUNTS:
                setattr(sums, name, getattr(sums, name) + getattr(row, name))


def count_ended(engine: Engine, *, everywhere: bool = False, most_s: float = _MOST_S) -> None:
    """Bring the sums up to date, some runs and calls in each transaction: what stops it leaves the rest to the next reader."""
    until = time.monotonic() + most_s
    unreadable: set[RunId] = set()
    project = None if everywhere else engine.project_id
    try:
        while any([_count_some(engine, project, unreadable), count_calls(engine, project)]):
            if time.monotonic() > until:
                break
    except Refused as refused:
        if refused.code != "unavailable":  # another process writes for long, or this one may not
            raise


def _count_some(engine: Engine, project: str | None, unreadable: set[RunId]) -> bool:
    """Count a step; False when none is left but those that are ``unreadable``, to which it adds."""
    with engine.store.read() as tx:
        runs = tx.phase_sums.due(project, _A_STEP + len(unreadable))
        due = [run for run in runs if run.id not in unreadable]
        read = [(run, _logs(tx, run)) for run in due]
    changes = [(run, _change(lines)) for run, lines in read]
    unreadable |= {run.id for run, change in changes if change is None}
    added: dict[tuple[str, str], Totals] = {}
    if any(change is not None for _, change in changes):
        with engine.store.tx() as tx:
            for run, change in changes:
                if change is not None and tx.phase_sums.mark(run, run.last_seq if run.has_ended else None):
                    for day, part in change.items():
                        _merge(added.setdefault((run.project_id, day), {}), part)
            _write(tx, added)
    return bool(due)


def take_out(tx: Tx, project: str, run: RunId) -> None:
    """Take a run out of the sums, before it is removed; where its log cannot be read, ``verify`` names what stays."""
    counted = tx.phase_sums.last_counted_event(run)
    if counted:
        with suppress(*_UNREADABLE):
            change = _change([(_until(tx, run, counted), -1)]) or {}
            _write(tx, {(project, day): part for day, part in change.items()})


def completed_runs(engine: Engine, project: str | None, since: datetime) -> int:
    """How many runs were completed since the beginning of a day (UTC)."""
    with engine.store.read() as tx:
        count = tx.phase_sums.count_ended(project, since.date(), _ENDS[0])
        for run in tx.phase_sums.uncounted_runs(project):
            count += run.completed_at is not None and run.completed_at >= since
            line = tx.timelines.until(run.id, run.counted) if run.counted else None
            count -= line is not None and _end(line) == _ENDS[0] and (line.last_at or line.at) >= since
    return count


def differences(engine: Engine) -> list[str]:
    """The phases of this project, as ``template/phase``, whose sums are not those of the logs that they have."""
    with engine.store.read() as tx:
        kept: tuple[Totals, Totals] = ({}, {})
        read_rows(kept[0], tx.phase_sums.rows(engine.project_id))
        read_rows(kept[1], tx.phase_sums.rows(engine.project_id, begin=date.min))
        within = tx.phase_sums.within(engine.project_id)
    totals: Totals = {}
    for start in range(0, len(within), _A_STEP):
        # Logs are only added to: later transactions find the same ones up to these events.
        with engine.store.read() as tx:
            for run, counted in within[start : start + _A_STEP]:
                try:
                    _merge(totals, _part(_until(tx, run, counted)))
                except _GoneError:  # pruned meanwhile, so the sums have changed too
                    return []
                except _UNREADABLE:
                    continue
    return sorted(
        {
            "/".join(filter(None, key))
            for sums in kept
            for key in {*sums, *totals}
            if not _is_same(sums.get(key), totals.get(key))
        }
    )


def _is_same(totals: PhaseTotals | None, other: PhaseTotals | None) -> bool:
    totals, other = totals or PhaseTotals(), other or PhaseTotals()
    if any(getattr(totals, name) != getattr(other, name) for name in COUNTS):
        return False
    places = {*totals.spent, *other.spent}
    pairs = [(totals.spent.get(place, (0, 0.0)), other.spent.get(place, (0, 0.0))) for place in places]
    # Sums of seconds are added in another order.
    return all(
        this[0] == that[0] and math.isclose(this[1], that[1], rel_tol=1e-6, abs_tol=0.01) for this, that in pairs
    )


def _logs(tx: Tx, run: DueRun) -> list[tuple[Timeline, int]]:
    """What is taken out of the sums (-1), and what is added (1); empty where it cannot be read.

    When that is read does not matter: the times of a run that has ended are fixed.
    """
    ends = [(run.counted, -1), (run.last_seq if run.has_ended else 0, 1)]
    try:
        return [(_until(tx, run.id, seq), sign) for seq, sign in ends if seq]
    except _UNREADABLE:
        return []


def _change(lines: list[tuple[Timeline, int]]) -> dict[str, Totals] | None:
    """What a run changes in the sums, by their day; None where that is unknown."""
    changed: dict[str, Totals] = {}
    try:
        for line, sign in lines:
            for key, totals in _part(line, sign).items():
                at = line.last_at or line.at if key[1] == NO_PHASE else line.at
                for day in (ALL_DAYS, at.date().isoformat()):
                    _merge(changed.setdefault(day, {}), {key: totals})
    except _UNREADABLE:
        return None
    return changed or None


def _until(tx: Tx, run: RunId, seq: int) -> Timeline:
    line = tx.timelines.until(run, seq)
    if line is None:
        raise _GoneError(run)
    return line


def _part(line: Timeline, sign: int = 1) -> Totals:
    part: Totals = {}
    add_run(part, line, line.at, sign)
    if end := _end(line):
        part.setdefault((line.template, NO_PHASE), PhaseTotals()).spend(end, 0.0, sign, 0.0)
    return part


def _end(line: Timeline) -> str:
    """The event that ended a run that has ended."""
    return next((event.type for event in reversed(line.events) if event.type in _ENDS), "")


def _merge(into: Totals, part: Totals) -> None:
    for (template, phase), totals in part.items():
        read_rows(into, _rows(template, phase, totals))


def _write(tx: Tx, added: dict[tuple[str, str], Totals]) -> None:
    for (project, day), totals in added.items():
        places = {phase: place for place, (_, phase) in enumerate(totals)}
        rows = (row for (template, phase), total in totals.items() for row in _rows(template, phase, total))
        tx.phase_sums.add(project, day, places, rows)


def _rows(template: str, phase: str, totals: PhaseTotals) -> Iterator[PhaseSumRow]:
    yield PhaseSumRow(
        template,
        phase,
        runs=totals.runs,
        tasks=totals.tasks,
        attempts=totals.attempts,
        judged=totals.judged,
        passed_first=totals.passed_first,
        over=totals.over,
        passed=totals.passed,
        forced=totals.forced,
    )
    for (to, bucket_s), (tasks, total_s) in totals.spent.items():
        yield PhaseSumRow(template, phase, to, bucket_s, tasks=tasks, total_s=total_s)
