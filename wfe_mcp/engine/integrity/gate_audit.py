"""Audit of gates: runs whose gates were weaker at their start than what the user had trusted.

    recorded      each weakened gate names a file and bytes that the user trusted when the run started
    unrecorded    the run's gates equal its template's, apart from what it recorded
    the phases    and the limits are those of the run's definition, apart from who works on a phase
    conditions    when, until and next have the answers that the log gives, evaluated again in the state before them
    the template  is shipped, installed, or was trusted when the run started

Runs from before gates were recorded are not judged; a later one that lacks the record is a fault.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from wfe_mcp.core import events as e
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.event import Event
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import Assurance, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import COMPLETE, RunSpec
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine, own_key
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.templates.catalogue import installed_definition, trust_keys
from wfe_mcp.engine.templates.effective_gates import changed_gates, find_weakened_gates
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RULES_BEGAN, UNCAUSED, LoadedRun, SettingEvent
from wfe_mcp.store.settings import trusted_bytes, withdraw

CODE = "gates_weakened"


def weaker_gates(
    engine: Engine, tx: Tx, run: RunId, changes: Sequence[SettingEvent], since: datetime | None
) -> list[Discrepancy]:
    """The gates of ``run`` that were weaker than what was trusted.

    ``changes``: what counts of the log of settings; once signing began, trust that a person signed (``decision_audit``).
    ``since``: see ``says_gates``, of the runs before.
    """
    loaded = _load_judged_run(engine, tx, run)
    try:
        return [] if loaded is None else [*_of_run(engine, tx, loaded, changes, since)]
    except (Refused, KeyError, ValueError):  # what is not readable was named already
        return []


def says_gates(engine: Engine, tx: Tx, runs: Iterable[RunId]) -> datetime | None:
    """When the first of ``runs`` was made that says how its gates differ from its template's: those after it all must."""
    for run in runs:
        loaded = _load_judged_run(engine, tx, run)
        if loaded is not None and loaded.state.gates is not None:
            return loaded.record.created_at
    return None


def _load_judged_run(engine: Engine, tx: Tx, run: RunId) -> LoadedRun | None:
    """The run; None for an imported one, which was judged where it was made, and for one that cannot be read."""
    try:
        loaded = engine.load(tx, run)
    except Exception:  # rows that were tampered with can fail in any way; the log has named them
        return None
    return loaded if loaded.record.origin_sha256 is None else None


def _of_run(
    engine: Engine, tx: Tx, loaded: LoadedRun, changes: Sequence[SettingEvent], since: datetime | None
) -> Iterator[Discrepancy]:
    record, state = loaded.record, loaded.state
    if state.gates is None:
        if since is not None and since < record.created_at:
            yield _fault(loaded, "gates", "the run does not say how its gates differ from its template's")
        return
    is_forked = (
        state.origin is not None and next(iter(tx.events.of_run(record.id, limit=1))).assurance >= Assurance.HUMAN
    )
    trusted = _TrustedBytes(engine.project_id, changes, record.created_at, ever=is_forked)
    for gate in find_weakened_gates(loaded):
        keys = () if not gate.key else (gate.source, own_key(Path(gate.source)))
        if not any(trusted.holds(key, gate.sha256) for key in keys):
            why = f"weaker than what you trusted: {gate.sentence}; these bytes were not trusted when the run started"
            yield _fault(loaded, f"{gate.gate} gate of {gate.phase or 'every phase'}", why)
    effective = engine.plans.of_run(tx, record)
    spec = {phase.path: (phase.gates_before, phase.gates) for phase in effective.spec.phases}
    for phase in state.spec.phases:
        if spec.get(phase.path) != (phase.gates_before, phase.gates):
            yield _fault(loaded, f"gates of {phase.path}", "the run's gates are not those of its frozen definition")
    yield from _unlike_phases(tx, loaded, effective, changes)
    template = _template(engine, tx, loaded, effective)
    if template is None or not _is_known(tx, loaded, trusted):
        yield _fault(loaded, f"template {record.template}", "the run's template was not trusted when it started")
        return
    recorded = {(gate.phase, gate.gate, gate.what) for gate in state.gates}
    for gate in changed_gates(template, effective):
        if gate.weakens and (gate.phase, gate.gate, gate.what) not in recorded:
            why = f"weaker than in the template, and the run does not say why: {gate.sentence}"
            yield _fault(loaded, f"{gate.gate} gate of {gate.phase}", why)


def _unlike_phases(
    tx: Tx, loaded: LoadedRun, effective: CompiledTemplate, changes: Sequence[SettingEvent]
) -> Iterator[Discrepancy]:
    """Where the run began with other phases or limits than its frozen definition has, but for who works on a phase.

    Not judged: runs of before the present rules, and forks, which begin as their origin.
    """
    from wfe_mcp.engine.runs.frozen import without_jumps

    began = next((event.at for event in changes if (event.type, event.name) == RULES_BEGAN), None)
    if began is None or loaded.record.created_at < began or loaded.state.origin is not None:
        return
    inputs = tx.documents.load(loaded.record.inputs_sha256)
    spec, wanted = loaded.state.spec, without_jumps(effective.spec, effective, inputs)
    here, there = (
        {phase.path: replace(phase, served=False, exclusive=False, gates=(), gates_before=()) for phase in side.phases}
        for side in (spec, wanted)
    )
    for path in {**there, **here}:
        if here.get(path) != there.get(path):
            yield _fault(loaded, f"phase {path}", "the run does not have it as its frozen definition does")
    if _limits_of(spec) != _limits_of(wanted):
        yield _fault(loaded, "limits", "those of the run are not those of its frozen definition")


def _limits_of(spec: RunSpec) -> RunSpec:
    """All but its phases. Its states by name: the stored definition is canonical JSON, whose keys have an order of their own."""
    return replace(spec, phases=(), states=tuple(sorted(spec.states, key=lambda state: state.name)))


class _TrustedBytes:
    """What the user trusted at ``until``, by the log of settings: bytes trusted earlier count while they still did.

    ``ever``: what they had trusted once counts too; a person may fork a run that began with it.
    """

    def __init__(self, project: str, changes: Sequence[SettingEvent], until: datetime, *, ever: bool) -> None:
        hashes: dict[str, set[str]] = {}
        for event in changes:
            if event.at <= until and event.type == "TrustGiven" and event.assurance >= Assurance.HUMAN:
                hashes.setdefault(event.name, set()).add(event.value_sha256 or "")
            elif event.at <= until and event.type == "TrustWithdrawn" and not ever:
                withdraw(hashes, event.name, event.value_sha256)
        self._given = [(*json.loads(name), values) for name, values in hashes.items()]
        self._project = project

    def holds(self, key: str, sha256: str) -> bool:
        """True when these bytes were trusted: in this project, or for the user's own file in any."""
        if key.startswith("own:"):
            return any(name == key and sha256 in values for _, name, values in self._given)
        return sha256 in trusted_bytes({name: values for of, name, values in self._given if of == self._project}, key)


def _template(engine: Engine, tx: Tx, loaded: LoadedRun, effective: CompiledTemplate) -> CompiledTemplate | None:
    """The template that the run was started from, with the templates that the run embedded; None when it is not kept."""
    from wfe_mcp.workflow.flows import whole

    try:
        definition = tx.documents.load(loaded.record.template_sha256)
    except Refused as refused:
        if refused.code != "unavailable":
            raise
        return None
    embedded = dict(_embedded_definitions(effective.definition))
    return engine.plans.compile(whole(definition, lambda name: embedded[name]).definition)


def _embedded_definitions(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """The embedded definitions, by the name that the flow or rule gives."""
    if isinstance(value, dict):
        table: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON
        if isinstance(table.get("definition"), dict) and isinstance(table.get("template"), str):
            yield table["template"], table["definition"]
        for inner in table.values():
            yield from _embedded_definitions(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType] - JSON
            yield from _embedded_definitions(inner)  # pyright: ignore[reportUnknownArgumentType] - JSON


def _is_known(tx: Tx, loaded: LoadedRun, trusted: _TrustedBytes) -> bool:
    """True when the template was trusted, or is the installed one. One that another version had cannot be compared."""
    from wfe_mcp.workflow.load import digest

    record = loaded.record
    if any(trusted.holds(key, record.template_sha256) for key in trust_keys(record.template, record.template_version)):
        return True
    installed = installed_definition(record.template)
    if installed is None:
        return False
    sha256 = digest(installed)
    return record.template_sha256 == sha256 or tx.documents.load(record.frozen_sha256).get("installed") != sha256


def _fault(loaded: LoadedRun, where: str, message: str) -> Discrepancy:
    return Discrepancy(CODE, where, message, loaded.record.id, 1, loaded.record.created_at)


# conditions


@dataclass(frozen=True, slots=True)
class _Answered:
    """A condition and the value that the log says it had. ``item``: the pass that it is about."""

    text: str
    value: bool
    own: bool = False
    item: str = ""


def unlike_answers(engine: Engine, tx: Tx, run: RunId, began: datetime | None) -> Iterator[Discrepancy]:
    """The answers since ``began`` that a condition of the run does not have. Those of imported runs are not judged."""
    try:
        loaded = engine.load(tx, run)
        spec = loaded.state.spec
        asks = any(phase.when or phase.next or phase.loop for phase in spec.phases)
        if began is None or not asks or loaded.record.origin_sha256 is not None:
            return
        state = RunState()
        for row, event in zip(tx.events.log(run), tx.events.core_events(run), strict=True):
            answered = _answer_in(state, event)
            if answered is not None and row.at >= began and _is_unlike(engine, tx, loaded, state, event, answered):
                what = f"the condition {answered.text!r:.80} was not {str(answered.value).lower()} there"
                phase = getattr(event, "phase", "")
                yield Discrepancy(UNCAUSED, f"{row.type} of {phase}", what, run, row.seq, row.at)
            state = evolve(state, event)
    except Exception:  # rows that were tampered with can fail in any way; the log has named them
        return


def _answer_in(state: RunState, event: Event) -> _Answered | None:
    match event:
        case e.WhenAnswered(phase=path, value=value) if (when := state.phase(path).when) is not None:
            return _Answered(when, value)
        case e.LoopFinished(phase=path) if (until := _until(state, path)) is not None:
            return _Answered(until, value=True, item=state.loops[path].keys[-1])
        case e.NextJudged(phase=path, rule=number):
            rule = state.phase(path).next[number]
            if rule.condition is None or rule.goto == COMPLETE:
                return None
            return _Answered(rule.condition, value=False, own=True)
        case _:
            return None


def _until(state: RunState, path: PhasePath) -> str | None:
    loop = state.phase(path).loop
    return None if loop is None else loop.until


def _is_unlike(engine: Engine, tx: Tx, loaded: LoadedRun, state: RunState, event: Event, answered: _Answered) -> bool:
    from wfe_mcp.engine.artifacts.expression_scope import roots
    from wfe_mcp.engine.kernel.run_change import RunChange

    path: PhasePath = getattr(event, "phase")  # noqa: B009 - each of them has one
    then = LoadedRun(loaded.record, state)
    change = RunChange(engine, tx, then, engine.plans.of_run(tx, loaded.record), SYSTEM, loaded.record.updated_at)
    try:
        seen = roots(change, state.current(path), answered.text, own=answered.own, item=answered.item)
        return change.plan.expressions.is_true(answered.text, seen) is not answered.value
    except Exception:  # it cannot be evaluated any more
        return False
