"""Comparison of two runs, and of the states before and after each event of a run.

    {run: {status, …}, phases: {PATH: {attempt, state, …}}, loops: {PATH: {open, failed, …}}}

What has its default is left out, but for the state. Of each phase the newest attempt is shown;
a difference names what an event changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, cast

from wfe_mcp.core.events import Event
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Attempt, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.statistics.phase_timing import WAITS, For
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import UsageRecord
from wfe_mcp.store.serialization import attempt_values
from wfe_mcp.views.history.graph import tasks_of_run
from wfe_mcp.views.runs.models import RunRow
from wfe_mcp.views.runs.run import attempt_view, run_row
from wfe_mcp.views.runs.usage import tokens_and_cost
from wfe_mcp.views.values.diff import ChangeJson, difference
from wfe_mcp.views.values.model import INLINE, view_model


@view_model
class RunSide:
    """A run as a whole. Its seconds from start to end are not the sum of those of its phases."""

    row: RunRow = field(metadata=INLINE)
    version: str
    total_s: float
    seconds: dict[For, float]
    tokens: int | None = None
    cost_usd: float | None = None


@view_model
class PhaseSide:
    """A phase in one run. ``gates``: the verdicts of its newest attempt; ``seconds``: its time by cause."""

    state: str
    attempts: int
    iteration: int
    seconds: dict[For, float] = field(default_factory=dict["For", float])
    gates: tuple[str, ...] = ()
    sha256: str = ""
    tokens: int | None = None
    cost_usd: float | None = None

    @property
    def result(self) -> tuple[object, ...]:
        """What makes two phases alike; times always differ."""
        return self.state, self.attempts, self.iteration, self.gates, self.sha256


@view_model
class NoPhase:
    """A phase that the run does not have."""

    sha256 = ""
    result = None


@view_model
class PhaseComparison:
    """A phase in both runs. ``artifact``: same, differs, or which run alone has one."""

    phase: str
    same: bool
    sides: tuple[PhaseSide | NoPhase, PhaseSide | NoPhase]
    artifact: str = ""


@view_model
class ComparisonView:
    """A run beside another one; ``template`` and ``inputs`` as differences."""

    runs: tuple[RunSide, RunSide]
    template: tuple[ChangeJson, ...]
    inputs: tuple[ChangeJson, ...]
    phases: tuple[PhaseComparison, ...]


def comparison(engine: Engine, overview: Overview, other: Overview) -> ComparisonView:
    """``other`` beside ``overview``."""
    with engine.store.read() as tx:
        first, second = _Side(engine, tx, overview), _Side(engine, tx, other)
        records = overview.loaded.record, other.loaded.record
        definitions = [tx.documents.load(record.definition_sha256) for record in records]
        inputs = [tx.documents.load(record.inputs_sha256) for record in records]
    paths = dict.fromkeys([*overview.loaded.state.attempts, *other.loaded.state.attempts])
    return ComparisonView(
        runs=(first.run(), second.run()),
        template=tuple(difference(*definitions)),
        inputs=tuple(difference(*inputs)),
        phases=tuple(_phase(path, first.phase(path), second.phase(path)) for path in paths),
    )


def _phase(path: PhasePath, first: PhaseSide | NoPhase, second: PhaseSide | NoPhase) -> PhaseComparison:
    hashes = first.sha256, second.sha256
    if not any(hashes):
        artifact = ""
    elif all(hashes):
        artifact = "same" if hashes[0] == hashes[1] else "differs"
    else:
        artifact = "only the first" if hashes[0] else "only the second"
    return PhaseComparison(phase=path, same=first.result == second.result, sides=(first, second), artifact=artifact)


class _Side:
    """One of the two runs."""

    def __init__(self, engine: Engine, tx: Tx, overview: Overview) -> None:
        record = overview.loaded.record
        self._overview = overview
        self._until = record.ended_at or engine.clock()
        self._seconds: dict[PhasePath, dict[For, float]] = {}
        for task in tasks_of_run(engine, tx, overview):
            _add(self._seconds.setdefault(task.path, {}), task.seconds)
        self._usage: dict[str, UsageRecord] = dict(tx.model_calls.usage_by("phase", run_id=record.id))
        self._total = tx.model_calls.usage(run_id=record.id)

    def run(self) -> RunSide:
        """The run as a whole."""
        record = self._overview.loaded.record
        spent: dict[For, float] = {}
        for seconds in self._seconds.values():
            _add(spent, seconds)
        tokens, cost_usd = tokens_and_cost(self._total)
        return RunSide(
            row=run_row(record, weakened_gates=len(find_weakened_gates(self._overview.loaded))),
            version=record.template_version,
            seconds=_round_times(spent),
            tokens=tokens,
            cost_usd=cost_usd,
            total_s=round(max(0.0, (self._until - record.created_at).total_seconds()), 3),
        )

    def phase(self, path: PhasePath) -> PhaseSide | NoPhase:
        """One phase with all its attempts."""
        tries = self._overview.loaded.state.attempts.get(path)
        if tries is None:
            return NoPhase()
        newest = tries[-1]
        worked = [attempt for attempt in tries if attempt.started_at is not None]
        tokens, cost_usd = tokens_and_cost(self._usage.get(path))
        return PhaseSide(
            state=str(newest.status),
            attempts=len(worked),
            iteration=newest.iteration,
            tokens=tokens,
            cost_usd=cost_usd,
            seconds=_round_times(self._seconds.get(path, {})),
            sha256=(newest.sha256 or "")[:12] if newest.revision else "",
            gates=tuple(
                f"{verdict.gate} {verdict.verdict}" for verdict in attempt_view(self._overview, newest).verdicts
            ),
        )


def _add(total: dict[For, float], more: Mapping[For, float]) -> None:
    for name, seconds in more.items():
        total[name] = total.get(name, 0.0) + seconds


def _round_times(spent: Mapping[For, float]) -> dict[For, float]:
    """The time spent, work first, then waiting by cause."""
    rounded: dict[For, float] = {name: round(spent.get(name, 0.0), 3) for name in ("working", *WAITS)}
    return {name: seconds for name, seconds in rounded.items() if seconds}


_ELSEWHERE = {"spec", "attempts", "loops", "derived"}
_CALLED = {"number": "attempt", "status": "state"}
_SHOWN_ALREADY = {"phase"}


def step_differences(events: Iterable[Event]) -> Iterator[tuple[RunState, list[dict[str, Any]]]]:
    """For each event: the state after it, and the difference that it made."""
    before = RunState()
    for event in events:
        after = evolve(before, event)
        yield after, changes_by(before, after)
        before = after


def changes_by(before: RunState, after: RunState) -> list[dict[str, Any]]:
    """How ``after`` differs from ``before``; costs what differs, not what there is."""
    paths = after.changed_since(before)
    loops = [path for path in {*before.loops, *after.loops} if before.loops.get(path) is not after.loops.get(path)]
    return difference(state_view(before, paths, loops), state_view(after, paths, loops))


def state_view(state: RunState, paths: Iterable[PhasePath], loops: Iterable[PhasePath]) -> dict[str, Any]:
    """The state of a run with these phases and loops of it."""
    return {
        "run": {item.name: _plain(getattr(state, item.name)) for item in fields(state) if item.name not in _ELSEWHERE},
        "phases": {path: _attempt(state.current(path)) for path in paths if path in state.attempts},
        "loops": {path: _fields(state.loops[path]) for path in sorted(loops) if path in state.loops},
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    blank = attempt_values(Attempt(attempt.phase, 0, 0))
    return {
        _CALLED.get(name, name): _plain(value)
        for name, value in attempt_values(attempt).items()
        if name not in _SHOWN_ALREADY and (value != blank[name] or name == "status")
    }


def _fields(value: Any) -> dict[str, Any]:
    return {item.name: _plain(part) for item in fields(value) if (part := getattr(value, item.name)) != _default(item)}


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return str(value)
        case datetime():
            return value.isoformat(timespec="seconds")
        case tuple():
            return [_plain(part) for part in cast("tuple[Any, ...]", value)]
        case Mapping():
            return {str(key): _plain(part) for key, part in cast("Mapping[Any, Any]", value).items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {key: _plain(part) for key, part in asdict(value).items()}
        case _:
            return value
