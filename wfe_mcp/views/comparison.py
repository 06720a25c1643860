"""Comparison of two runs: inputs, phases, time, usage and artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.views.diff import difference
from wfe_mcp.views.phase_timing import WAITS, For, tasks_of
from wfe_mcp.views.runs import attempt_view, run_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.calls import UsageRecord

__all__ = ["comparison"]

_SAME = ("state", "attempts", "iteration", "gates", "sha256")
"""What makes two phases alike; times always differ."""


def comparison(engine: Engine, one: Overview, two: Overview) -> dict[str, Any]:
    """``two`` beside ``one``: ``runs`` [2], ``template`` and ``inputs`` as differences, ``phases`` with both sides.

    Of each phase: its state, attempts, iteration, the verdicts of its newest attempt, time by cause, tokens, cost, and
    the artifact by its sha256. ``artifact`` says same, differs, or which run alone has one.
    """
    with engine.store.read() as tx:
        sides = [_Side(engine, tx, found) for found in (one, two)]
        told = {name: [_of(tx, found, name) for found in (one, two)] for name in ("definition", "inputs")}
    paths = dict.fromkeys([*one.loaded.state.attempts, *two.loaded.state.attempts])
    phases = [_phase(path, [side.phase(path) for side in sides]) for path in paths]
    return {
        "runs": [side.run() for side in sides],
        "template": difference(*told["definition"]),
        "inputs": difference(*told["inputs"]),
        "phases": phases,
    }


def _of(tx: Tx, found: Overview, name: str) -> Any:
    return tx.document(getattr(found.loaded.record, f"{name}_sha256"))


def _phase(path: PhasePath, sides: list[dict[str, Any]]) -> dict[str, Any]:
    made = [side.get("sha256") for side in sides]
    if not any(made):
        artifact = ""
    elif all(made):
        artifact = "same" if made[0] == made[1] else "differs"
    else:
        artifact = "only the first" if made[0] else "only the second"
    same = all(sides[0].get(key) == sides[1].get(key) for key in _SAME)
    return {"phase": path, "same": same, "sides": sides} | ({"artifact": artifact} if artifact else {})


class _Side:
    """One of the two runs."""

    def __init__(self, engine: Engine, tx: Tx, found: Overview) -> None:
        record = found.loaded.record
        self._found = found
        self._until = record.ended_at or engine.clock()
        self._seconds: dict[PhasePath, dict[For, float]] = {}
        for line in tx.timelines(run_id=record.id):
            for task in tasks_of(line.events, line.spec, self._until):
                _add(self._seconds.setdefault(task.path, {}), task.seconds)
        self._usage: dict[str, UsageRecord] = dict(tx.usage_by("phase", run_id=record.id))
        self._total = tx.usage(run_id=record.id)

    def run(self) -> dict[str, Any]:
        """The run as a whole. Its seconds from start to end are not the sum of those of its phases."""
        record = self._found.loaded.record
        spent: dict[For, float] = {}
        for each in self._seconds.values():
            _add(spent, each)
        took = {"total_s": round((self._until - record.created_at).total_seconds(), 3), "seconds": _told(spent)}
        version = {"version": record.template_version}
        return run_row(record) | version | took | _used(self._total)

    def phase(self, path: PhasePath) -> dict[str, Any]:
        """One phase with all its attempts; empty where the run has no such phase."""
        tries = self._found.loaded.state.attempts.get(path)
        if tries is None:
            return {}
        newest = tries[-1]
        gates = [f"{each['gate']} {each['verdict']}" for each in attempt_view(self._found, newest).get("verdicts", [])]
        worked = [each for each in tries if each.status is not AttemptStatus.SKIPPED and each.started_at is not None]
        view: dict[str, Any] = {"state": str(newest.status), "attempts": len(worked), "iteration": newest.iteration}
        used = self._usage.get(path)
        optional = {
            "seconds": _told(self._seconds.get(path, {})),
            "gates": gates,
            "sha256": (newest.sha256 or "")[:12] if newest.revision else "",
        }
        return view | {key: value for key, value in optional.items() if value} | ({} if used is None else _used(used))


def _used(usage: UsageRecord) -> dict[str, Any]:
    return {"tokens": usage.tokens, "cost_usd": round(usage.cost_usd, 6)} if usage.calls else {}


def _add(total: dict[For, float], more: Mapping[For, float]) -> None:
    for name, seconds in more.items():
        total[name] = total.get(name, 0.0) + seconds


def _told(spent: Mapping[For, float]) -> dict[str, float]:
    """The time spent, work first, then waiting by cause."""
    rounded = {name: round(spent.get(name, 0.0), 3) for name in ("working", *WAITS)}
    return {name: seconds for name, seconds in rounded.items() if seconds}
