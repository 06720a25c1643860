"""Serialization of ``core`` values to text and rows, and back.

Rules:
1. Round trips are exact: ``state_of(rows_of(state)) == state``.
2. Event payloads are canonical JSON (the chain hashes them); states are plain JSON.
3. A field that an older row lacks takes its default: new fields of the core need no migration.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.events import EVENTS, Event, RunForked, RunStarted
from wfe_mcp.core.model import Attempt, RunState
from wfe_mcp.core.spec import PhasePath, RunSpec

__all__ = [
    "attempt_of",
    "attempt_row",
    "event_of",
    "normal",
    "payload_of",
    "run_row",
    "spec_of",
    "spec_text",
    "state_of",
]

T = TypeVar("T")

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}

_INDEX = {"index", "bodies"}
"""RunSpec builds these itself."""
_LEFT_OUT: dict[type[Event], Any] = {RunStarted: {"spec": _INDEX}, RunForked: {"state": {"spec": _INDEX}}}


def spec_text(spec: RunSpec) -> str:
    """The specification as canonical JSON."""
    return canonical_json(_adapter(RunSpec).dump_python(spec, mode="json", exclude=_INDEX))


def spec_of(text: str) -> RunSpec:
    """The specification that ``spec_text`` wrote."""
    return _adapter(RunSpec).validate_json(text)


def payload_of(event: Event) -> str:
    """An event as canonical JSON, without its type."""
    return canonical_json(_adapter(type(event)).dump_python(event, mode="json", exclude=_LEFT_OUT.get(type(event))))


def event_of(type_: str, payload: str) -> Event:
    """The event that ``payload_of`` wrote. ValueError for anything that no version of wfe-mcp wrote."""
    if type_ not in EVENTS:
        raise ValueError(f"no event is called {type_!r}")
    return _adapter(EVENTS[type_]).validate_json(payload)


def run_row(state: RunState) -> dict[str, Any]:
    """The columns of a run that follow from its state."""
    return {
        "status": state.status,
        "iteration": state.iteration,
        "auto": state.auto,
        "tainted": state.tainted,
        "state": _adapter(RunState).dump_json(state, exclude={"spec", "attempts"}).decode(),
    }


def attempt_row(run_id: str, state: RunState, attempt: Attempt) -> dict[str, Any]:
    """The row of an attempt."""
    return {
        "run_id": run_id,
        "phase": attempt.phase,
        "attempt": attempt.number,
        "iteration": attempt.iteration,
        "status": attempt.status,
        "stage": attempt.stage,
        "holder": attempt.holder,
        "exclusive": state.phase(attempt.phase).exclusive,
        "lease_until": attempt.lease_until,
        "deadline": attempt.deadline,
        "not_before": attempt.not_before,
        "state": _adapter(Attempt).dump_json(attempt).decode(),
    }


def attempt_of(text: str) -> Attempt:
    """The attempt whose row has this state text."""
    return _adapter(Attempt).validate_json(text)


def normal(column: str, text: str) -> str:
    """The state text of a ``run`` or ``attempt`` row as this version would write it."""
    if column == "run":
        return str(run_row(_adapter(RunState).validate_json(text))["state"])
    return _adapter(Attempt).dump_json(_adapter(Attempt).validate_json(text)).decode()


def state_of(spec: RunSpec, run_state: str, attempt_states: Iterable[str]) -> RunState:
    """The state whose run row and attempt rows (per phase in order of their numbers) hold these texts."""
    found: dict[PhasePath, tuple[Attempt, ...]] = {}
    read = _adapter(Attempt).validate_json
    for text in attempt_states:
        attempt = read(text)
        found[attempt.phase] = (*found.get(attempt.phase, ()), attempt)
    declared = {phase.path: found.pop(phase.path) for phase in spec.phases if phase.path in found}
    attempts: Mapping[PhasePath, tuple[Attempt, ...]] = {**declared, **found}
    return replace(_adapter(RunState).validate_json(run_state), spec=spec, attempts=attempts)


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Built on first use: all of them at once would cost every start about 20 ms."""
    found = _ADAPTERS.get(kind)
    if found is None:
        found = _ADAPTERS[kind] = TypeAdapter(kind)
    return found
