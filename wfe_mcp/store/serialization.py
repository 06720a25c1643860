"""Serialization of ``core`` values to text and rows, and back.

Rules:
1. Round trips are exact: ``state_of(rows_of(state)) == state``.
2. Event payloads are canonical JSON (the chain hashes them); states are plain JSON.
3. A field that an older row lacks takes its default: new fields of the core need no migration.
4. What is short is read by ``plain_values``: a status needs no Pydantic then. Pydantic reads the rest ten times faster, and
   all that ``plain_values`` leaves unread.
5. An attempt is written flat: one value per name, whatever its status can have. Values that an older row has beyond its
   status are dropped.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field, fields, make_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from wfe_mcp.core.attempt_states import STATES
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.events import EVENTS, Event, GateJudged, RolledBack, RunForked, RunStarted
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Submission, Verdict
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.store.old_verdicts import with_outcome, with_outcomes
from wfe_mcp.store.plain_values import Unread, of_fields, reader

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from wfe_mcp.core.paths import PhasePath

T = TypeVar("T")

_ADAPTERS: dict[type, "TypeAdapter[Any]"] = {}
_SHORT = 50_000
"""Characters of a text, and
"""
_FEW = 50
"""attempts of a run, that are read without Pydantic, which takes 0.1 s to load."""

_ELSEWHERE = {"spec", "attempts", "state", "submission"}
"""Of a run and of an attempt: stored apart, or read apart."""
_INDEX = {"index", "bodies"}
"""RunSpec builds these itself."""
_LEFT_OUT: dict[type[Event], Any] = {
    RunStarted: {"spec": _INDEX},
    RunForked: {"state": {"spec": _INDEX, "attempts": True}},
    RolledBack: {"opened": True},
}
_FLAT: Mapping[str, str] = {"mending": "repair"} | {
    name: name
    for name in (
        "phase",
        "number",
        "iteration",
        "before",
        "status",
        "stage",
        "gate",
        "gates_before_passed",
        "holder",
        "lease_until",
        "started_at",
        "deadline",
        "not_before",
        "revision",
        "sha256",
        "tree",
        "tree_at_start",
        "head_at_start",
        "tree_changes",
        "invalid",
        "verdicts",
        "asked",
        "feedback",
        "reason",
        "fail_kind",
        "human_only",
        "held",
        "when",
        "entered",
        "fail_rule",
        "recovery",
        "recoveries",
        "locks",
        "next_rule",
        "judged",
        "forced",
        "role",
        "restores",
        "asked_tree",
        "approved_tree",
        "prompt",
    )
}
"""Stored name → property of ``Attempt``."""


def spec_text(spec: RunSpec) -> str:
    """The specification as canonical JSON."""
    return canonical_json(_adapter(RunSpec).dump_python(spec, mode="json", exclude=_INDEX))


def spec_of(text: str) -> RunSpec:
    """The specification that ``spec_text`` wrote."""
    with suppress(Unread):
        return reader(RunSpec)(_short(text))
    return _adapter(RunSpec).validate_json(text)


def payload_of(event: Event) -> str:
    """An event as canonical JSON, without its type."""
    from pydantic_core import to_jsonable_python  # loaded with the adapter

    values = _adapter(type(event)).dump_python(event, mode="json", exclude=_LEFT_OUT.get(type(event)))
    if isinstance(event, GateJudged):
        values["verdict"]["kind"] = event.verdict.kind.value
    elif isinstance(event, RolledBack):
        values["opened"] = [to_jsonable_python(attempt_values(one)) for one in event.opened]
    elif isinstance(event, RunForked):
        tries = event.state.attempts.items()
        values["state"]["attempts"] = {
            path: [to_jsonable_python(attempt_values(one)) for one in each] for path, each in tries
        }
    return canonical_json(values)


def event_of(type_: str, payload: str) -> Event:
    """The event that ``payload_of`` wrote. ValueError for anything that no version of wfe-mcp wrote."""
    if type_ not in EVENTS:
        raise ValueError(f"no event is called {type_!r}")
    adapter = _adapter(EVENTS[type_])
    if EVENTS[type_] not in {GateJudged, RolledBack, RunForked}:
        return adapter.validate_json(payload)
    from pydantic_core import from_json  # loaded with the adapter

    values = from_json(payload)
    if EVENTS[type_] is GateJudged:
        values["verdict"] = with_outcome(values["verdict"])
    elif EVENTS[type_] is RolledBack:
        values["opened"] = [_attempt(one) for one in values["opened"]]
    else:
        tries = values["state"]["attempts"].items()
        values["state"]["attempts"] = {path: [_attempt(one) for one in each] for path, each in tries}
    return adapter.validate_python(values)


def run_row(state: RunState) -> dict[str, Any]:
    """The columns of a run that follow from its state."""
    return {
        "status": state.status,
        "iteration": state.iteration,
        "auto": state.auto,
        "tainted": state.tainted,
        "reached": state.reached or None,
        "going_back": None if state.going_back is None else state.going_back.to,
        "state": _adapter(RunState)
        .dump_json(
            state, exclude={"spec", "attempts"} | {name for name in ("anew", "blockers") if not getattr(state, name)}
        )
        .decode(),
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
        "repair": attempt.repair or None,
        "state": _text(attempt),
    }


def attempt_of(text: str) -> Attempt:
    """The attempt whose row has this state text."""
    from pydantic_core import from_json  # 20 ms; loaded with the adapters

    return _attempt(from_json(text))


def normal(column: str, text: str) -> str:
    """The state text of a ``run`` or ``attempt`` row as this version would write it."""
    if column == "run":
        return str(run_row(_adapter(RunState).validate_json(text))["state"])
    return _text(attempt_of(text))


def state_of(spec: RunSpec, run_state: str, attempt_states: Iterable[str]) -> RunState:
    """The state whose run row and attempt rows (per phase in order of their numbers) hold these texts."""
    found: dict[PhasePath, tuple[Attempt, ...]] = {}
    for number, text in enumerate(attempt_states):
        attempt = _plain_attempt(text) if number < _FEW else None
        attempt = attempt or attempt_of(text)
        found[attempt.phase] = (*found.get(attempt.phase, ()), attempt)
    declared = {phase.path: found.pop(phase.path) for phase in spec.phases if phase.path in found}
    attempts: Mapping[PhasePath, tuple[Attempt, ...]] = {**declared, **found}
    try:
        values: dict[str, Any] = of_fields(RunState, _own_fields(RunState))(_short(run_state))
    except Unread:
        values = _adapter(_row_of(RunState)).validate_json(run_state).__dict__
    return RunState(**values, spec=spec, attempts=attempts)


def attempt_values(attempt: Attempt) -> dict[str, object]:
    """The values of an attempt by their stored names."""
    values: dict[str, object] = {name: getattr(attempt, of) for name, of in _FLAT.items()}
    return values | {"verdicts": [_verdict_values(one) for one in attempt.verdicts]}


def _verdict_values(verdict: Verdict) -> dict[str, object]:
    """The values of a verdict; an older process that has the file open still reads its kind."""
    return {each.name: getattr(verdict, each.name) for each in fields(verdict)} | {"kind": verdict.kind}


def _text(attempt: Attempt) -> str:
    from pydantic_core import to_json  # 20 ms, and a status writes nothing

    return to_json(attempt_values(attempt)).decode()


def _short(text: str) -> Any:
    """The JSON value of a short text. Raises ``Unread`` for another one."""
    if len(text) > _SHORT:
        raise Unread
    try:
        return json.loads(text)
    except ValueError:
        raise Unread from None


def _plain_attempt(text: str) -> Attempt | None:
    """The attempt whose row has this state text; None where Pydantic has to read it."""
    try:
        flat = with_outcomes(_short(text))
        parts = _parts(flat)
        state, submission = reader(STATES[AttemptStatus(flat["status"])])(parts), reader(Submission)(flat)
        return Attempt(**of_fields(Attempt, _own_fields(Attempt))(flat), state=state, submission=submission)
    except (Unread, ValueError, KeyError, TypeError, AttributeError):
        return None


def _attempt(flat: dict[str, Any]) -> Attempt:
    """The attempt with these stored values; each part takes its own."""
    flat = with_outcomes(flat)
    state = _adapter(STATES[AttemptStatus(flat["status"])]).validate_python(_parts(flat))
    submission = _adapter(Submission).validate_python(flat)
    values: dict[str, Any] = _adapter(_row_of(Attempt)).validate_python(flat).__dict__
    return Attempt(**values, state=state, submission=submission)


def _parts(flat: dict[str, Any]) -> dict[str, Any]:
    human = "user" if flat.get("human_only") else flat.get("mending") or "rules"
    return {
        **flat,
        "claim": flat if flat.get("holder") is not None else None,
        "failure": {**flat, "then": human} if flat.get("fail_kind") is not None else None,
    }


@cache
def _own_fields(kind: type[RunState] | type[Attempt]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind) if each.name not in _ELSEWHERE)


@cache
def _row_of(kind: type[RunState] | type[Attempt]) -> Any:
    """A class with the fields that a row of ``kind`` has itself: Pydantic takes a third of the time to learn it."""
    here = [each for each in fields(kind) if each.name in _own_fields(kind)]
    kept = [(each.name, each.type, field(default=each.default, default_factory=each.default_factory)) for each in here]  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType] - its overloads want either default
    return make_dataclass(kind.__name__, kept)


def _adapter(kind: type[T]) -> "TypeAdapter[T]":
    """Built on first use: all of them at once would cost every start about 20 ms."""
    found = _ADAPTERS.get(kind)
    if found is None:
        from pydantic import TypeAdapter  # 0.1 s, which a status does without

        found = _ADAPTERS[kind] = TypeAdapter(kind)
    return found
