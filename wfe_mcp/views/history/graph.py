"""A run as a picture: its phases as a graph, its time as bars, its attempts as lineage. The dashboard draws them."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.paths import PhasePath, declared_path, item_of, name_of, seen_from
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.spec import PhaseSpec
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.statistics.phase_timing import For, PhaseTiming, tasks_of
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import UsageRecord
from wfe_mcp.views.reports.report import decisions_of
from wfe_mcp.views.runs.requests import DecisionLine
from wfe_mcp.views.runs.run import loop_progress
from wfe_mcp.views.runs.usage import tokens_and_cost
from wfe_mcp.views.runs.verdicts import hidden_end, verdict_word
from wfe_mcp.views.values.model import view_model, view_of


@view_model
class GateMark:
    """A gate of a phase in the order gates run: pass, fail, skipped, warning, error, awaiting, running or ``not run``."""

    gate: str
    state: str
    weakened: bool = False


@view_model
class NodeView:
    """A phase of the graph. ``needs``: the phases it begins after; ``parent``: the loop around it.

    ``weakened``: a gate asks for less than that of the template, or was taken out. ``tokens``, ``cost_usd`` and ``model`` are None
    where no call was reported. ``working_s``: without waiting. ``left``: its worker is gone, and it waits for the next.
    """

    phase: str
    name: str
    kind: str
    state: str
    attempt: int
    needs: tuple[str, ...]
    gates: tuple[GateMark, ...]
    parent: str = ""
    item: str = ""
    items: str = ""
    weakened: bool = False
    forced: bool = False
    held: bool = False
    left: bool = False
    role: str = ""
    reason: str = ""
    started_at: str = ""
    working_s: float = 0
    tokens: int | None = None
    cost_usd: float | None = None
    model: str | None = None


@view_model
class GraphView:
    """The phases of a run in declared order, those of a loop after it."""

    nodes: tuple[NodeView, ...]


@view_model
class StretchView:
    """What the time of a task went to, from … until. ``failed``: in an attempt that failed."""

    what: For
    since: str
    until: str
    attempt: int
    failed: bool = False


@view_model
class TaskView:
    """A phase until it was over. ``seconds``: its time by cause."""

    phase: str
    outcome: str
    attempts: int
    stretches: tuple[StretchView, ...]
    seconds: dict[For, float]
    tokens: int | None = None
    cost_usd: float | None = None


@view_model
class TimelineView:
    """The time of a run. ``until``: its end, or now."""

    since: str
    until: str
    is_over: bool
    tasks: tuple[TaskView, ...]


@view_model
class AttemptLine:
    """One attempt. ``restores``: the attempt that a rollback restored as this one; ``feedback``: what it was given.

    ``ended``: how it ended, rejected or failed, where ``state`` is what became of it after that. ``decisions``: what was decided
    on it, by people or a standing grant.
    """

    phase: str
    attempt: int
    iteration: int
    state: str
    is_newest: bool
    ended: str = ""
    reason: str = ""
    started_at: str = ""
    revision: int = 0
    sha256: str = ""
    artifact: str = ""
    restores: int = 0
    recovery: str = ""
    forced: bool = False
    feedback: tuple[str, ...] = ()
    decisions: tuple[DecisionLine, ...] = ()


@view_model
class LineageView:
    """Every attempt of a run, by phase in declared order, oldest first. None is ever overwritten."""

    attempts: tuple[AttemptLine, ...]


def graph_view(engine: Engine, overview: Overview) -> GraphView:
    """The phases of a run, those that are not open yet too."""
    state = overview.loaded.state
    with engine.store.read() as tx:
        usage = dict(tx.model_calls.usage_by("phase", run_id=overview.loaded.record.id))
        models = tx.model_calls.newest_models(overview.loaded.record.id)
        worked = {str(task.path): task.seconds.get("working", 0.0) for task in tasks_of_run(engine, tx, overview)}
    weak = {(gate.phase, gate.gate) for gate in find_weakened_gates(overview.loaded)}
    weak_phases = {phase for phase, _ in weak}  # also those whose gate is gone and has no mark
    nodes: list[NodeView] = []
    for path, spec in _paths(overview):
        attempt = (state.attempts.get(path) or (Attempt(path, 0, 0),))[-1]  # a phase that is not open yet is pending
        gates = tuple(_gates(overview, spec, attempt, weak))
        loop = state.loops.get(path)
        item = None if path == spec.path else item_of(path)
        tokens, cost_usd = tokens_and_cost(usage.get(path))
        nodes.append(
            view_of(
                NodeView,
                attempt,
                name=name_of(path),
                kind="loop" if spec.loop is not None else spec.kind,
                gates=gates,
                state=str(attempt.status),
                reason=for_person(attempt.reason),
                attempt=attempt.number,
                needs=tuple(seen_from(path, need) for need in spec.needs),
                parent=spec.parent or "" if item is None else item[0],
                item="" if item is None else item[1],
                items=loop_progress(loop) if loop is not None and not (spec.loop and spec.loop.flow) else "",
                left=overview.is_left(attempt),
                weakened=declared_path(path) in weak_phases or any(gate.weakened for gate in gates),
                tokens=tokens,
                cost_usd=cost_usd,
                model=models.get(path),
                working_s=round(worked.get(path, 0.0), 1),
            )
        )
    return GraphView(nodes=tuple(nodes))


def timeline_view(engine: Engine, overview: Overview) -> TimelineView:
    """What the time of a run went to, phase by phase; work apart from waiting."""
    record = overview.loaded.record
    until = record.ended_at or engine.clock()  # before the tasks: what is open ends no earlier
    with engine.store.read() as tx:
        tasks = tasks_of_run(engine, tx, overview)
        usage = dict(tx.model_calls.usage_by("phase", run_id=record.id))
    return TimelineView(
        since=_exact(record.created_at),
        until=_exact(until),
        is_over=record.ended_at is not None,
        tasks=tuple(_task(task, usage.get(task.path)) for task in tasks),
    )


def lineage_view(engine: Engine, overview: Overview) -> LineageView:
    """Every attempt of a run."""
    state = overview.loaded.state
    with engine.store.read() as tx:
        decisions = decisions_of(tx, overview)
    return LineageView(
        attempts=tuple(
            view_of(
                AttemptLine,
                attempt,
                attempt=attempt.number,
                state=str(attempt.status),
                reason=for_person(attempt.reason),
                is_newest=attempt is state.attempts[path][-1],
                ended=hidden_end(attempt),
                sha256=(attempt.sha256 or "")[:12] if attempt.revision else "",
                artifact=overview.plan.artifact_name(path) or "",
                feedback=tuple(feedback.message for feedback in attempt.feedback),
                decisions=tuple(line for line in decisions if (line.phase, line.attempt) == (path, attempt.number)),
            )
            for path, _ in _paths(overview)
            for attempt in state.attempts.get(path, ())
        )
    )


def _paths(overview: Overview) -> Iterator[tuple[PhasePath, PhaseSpec]]:
    """Every phase of the run, in declared order: in the open items of its loop, or once as the template declares it."""
    opened: dict[PhasePath, list[PhasePath]] = {}
    for path in overview.loaded.state.attempts:
        opened.setdefault(declared_path(path), []).append(path)
    for spec in overview.loaded.state.spec.phases:
        for path in opened.get(spec.path, [spec.path]):
            yield path, spec


def _gates(
    overview: Overview, spec: PhaseSpec, attempt: Attempt, weak: Iterable[tuple[str, str]]
) -> Iterator[GateMark]:
    """The gates before the work, then those after it."""
    judged = {(verdict.stage, verdict.gate): verdict_word(verdict.outcome) for verdict in attempt.verdicts}
    now = (attempt.stage or Stage.AFTER, attempt.gate) if current_gate(overview.loaded.state, attempt) else None
    for stage, gates in ((Stage.BEFORE, spec.gates_before), (Stage.AFTER, spec.gates)):
        for number, gate in enumerate(gates):
            place = (stage, number)
            state = judged.get(place) or (_WAITS.get(attempt.status, "not run") if place == now else "not run")
            is_weak = (declared_path(spec.path), gate.kind) in weak or ("", gate.kind) in weak
            yield GateMark(gate=gate.kind, state=state, weakened=is_weak)


_WAITS = {AttemptStatus.AWAITING: "awaiting", AttemptStatus.GATING: "running"}


def _task(task: PhaseTiming, usage: UsageRecord | None) -> TaskView:
    tokens, cost_usd = tokens_and_cost(usage)
    return TaskView(
        phase=task.path,
        outcome=task.last,
        attempts=len(task.tries),
        tokens=tokens,
        cost_usd=cost_usd,
        seconds={name: round(seconds, 3) for name, seconds in task.seconds.items()},
        stretches=tuple(
            StretchView(
                what=stretch.to,
                since=_exact(stretch.since),
                until=_exact(stretch.until),
                attempt=stretch.attempt,
                failed=stretch.to == "working" and task.tries.get(stretch.attempt) == "failed",
            )
            for stretch in task.stretches
        ),
    )


def tasks_of_run(engine: Engine, tx: Tx, overview: Overview) -> list[PhaseTiming]:
    """The started tasks of a run, until its end or now."""
    record = overview.loaded.record
    until = record.ended_at or engine.clock()
    left = [attempt.phase for attempt in overview.loaded.state.moving_attempts if overview.is_left(attempt)]
    return [
        task for line in tx.timelines.filter(run_id=record.id) for task in tasks_of(line.events, line.spec, until, left)
    ]


def _exact(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
