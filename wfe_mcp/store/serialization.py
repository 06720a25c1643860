"""Serialization of ``core`` values to text and rows, and back.

Rules:
1. Round trips are exact: ``state_of(rows_of(state)) == state``.
2. Event payloads are canonical JSON (the chain hashes them); states are plain JSON.
3. A field that an older row lacks takes its default: new fields of the core need no migration. A key that no field has is
   ignored, and a value of another type than its field is refused (ValueError), never converted.
4. An attempt is written flat: one value per name, whatever its status can have. Values that an older row has beyond its
   status are dropped.

msgspec reads and writes the dataclasses of ``core`` as they are (``docs/adr/0036-one-reader-of-a-state.md``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import datetime
from functools import cache
from math import floor
from operator import attrgetter
from typing import Any, Required, TypedDict, TypeVar, get_type_hints

from msgspec import MsgspecError, json, to_builtins

from wfe_mcp.artifacts.typed import value_of
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import STATES, AttemptStatus
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.model import Attempt, RunState, Submission, Verdict
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.rollback_events import OF_THE_PROCESS
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.core.states import reached_state
from wfe_mcp.core.units import words
from wfe_mcp.store.old_verdicts import with_outcome, with_outcomes

T = TypeVar("T")

_APART: Mapping[type, frozenset[str]] = {
    RunSpec: frozenset({"index", "bodies"}),  # it builds these itself
    RunState: frozenset({"spec", "attempts", "derived"}),
    Attempt: frozenset({"state", "submission"}),
    e.RunStarted: frozenset({"spec"}),
    e.RunForked: frozenset({"state"}),
    e.RolledBack: frozenset({"opened"}),
}
"""Fields that are read and written apart from the others of their type."""
_NEWER = ("anew", "blockers")
"""Fields of a run that its row has only where they are not empty: rows of older versions have none."""
_SAME = words(
    """
    phase number iteration before status stage gate gates_before_passed holder lease_until started_at deadline
    not_before revision sha256 tree tree_at_start head_at_start tree_changes invalid verdicts asked feedback reason
    fail_kind human_only held when entered fail_rule recovery recoveries locks next_rule judged forced role restores
    asked_tree approved_tree prompt
    """
)
_FLAT: Mapping[str, str] = {"mending": "repair"} | {name: name for name in _SAME}
"""Stored name → property of ``Attempt``."""
_flat_values = attrgetter(*_FLAT.values())


class _Forked(TypedDict):
    state: dict[str, Any]


class _ForkedState(TypedDict):
    spec: RunSpec
    attempts: dict[PhasePath, list[dict[str, Any]]]


class _WithOpened(TypedDict):
    opened: list[dict[str, Any]]


class _WithVerdict(TypedDict):
    verdict: dict[str, Any]


class _WithVerdicts(TypedDict, total=False):
    verdicts: list[dict[str, Any]]


def spec_text(spec: RunSpec) -> str:
    """The specification as canonical JSON."""
    return canonical_json(_plain(spec))


def spec_of(text: str) -> RunSpec:
    """The specification that ``spec_text`` wrote."""
    return _read(_load_json(text), RunSpec)


_SLACK_S = 0.25
"""A change is recorded a moment later than it was decided where the clock is coarse (``RunRepository.save``)."""


def signed_form(event: e.Event, at: datetime) -> str:
    """What ``event`` records, by its type and a sha256, whenever that is: its times are whole seconds from ``at``, when it was recorded."""
    values: dict[str, Any] = _load_json(payload_of(event))
    if isinstance(event, e.RollbackBegan):
        values = {name: value for name, value in values.items() if name not in OF_THE_PROCESS}
    for field in fields(event):
        if isinstance(moment := getattr(event, field.name), datetime):
            values[field.name] = floor((moment - at).total_seconds() + _SLACK_S)
    return f"{type(event).__name__} {sha256_hex(canonical_json(values).encode())}"


def payload_of(event: e.Event) -> str:
    """An event as canonical JSON, without its type."""
    values = _plain(event)
    match event:
        case e.RunStarted():
            values["spec"] = _plain(event.spec)
        case e.RunForked(state=state):
            attempts = {path: _plain_attempts(attempt) for path, attempt in state.attempts.items()}
            values["state"] = {**_plain(state), "spec": _plain(state.spec), "attempts": attempts}
        case e.RolledBack():
            values["opened"] = _plain_attempts(event.opened)
        case e.GateJudged():
            values["verdict"]["kind"] = event.verdict.kind.value
        case e.ApprovalGiven():
            values = {name: value for name, value in values.items() if value or name not in {"person", "grant"}}
        case _:
            pass
    return canonical_json(values)


def event_of(type_: str, payload: str) -> e.Event:
    """The event that ``payload_of`` wrote. ValueError for anything that no version of wfe-mcp wrote."""
    name = e.FORMER_NAMES.get(type_, type_)
    if name not in e.EVENTS:
        raise ValueError(f"no event is called {type_!r}")
    kind, values = e.EVENTS[name], _load_json(payload)
    if kind is e.RunForked:
        state = _read(values, _Forked)["state"]
        parts = _read(state, _ForkedState)
        attempts = {path: tuple(map(_attempt, rows)) for path, rows in parts["attempts"].items()}
        forked = RunState(**_own(RunState, state), spec=parts["spec"], attempts=attempts)
        return e.RunForked(**_own(kind, values), state=forked)
    if kind is e.RolledBack:
        opened = _read(values, _WithOpened)["opened"]
        return e.RolledBack(**_own(kind, values), opened=tuple(map(_attempt, opened)))
    if kind is e.GateJudged:
        values["verdict"] = with_outcome(_read(values, _WithVerdict)["verdict"])
    return _read(values, kind)


def run_row(state: RunState) -> dict[str, Any]:
    """The columns of a run that follow from its state."""
    return {
        "status": state.status,
        "iteration": state.iteration,
        "auto": state.auto,
        "tainted": state.tainted,
        "reached": reached_state(state) or None,
        "going_back": None if state.going_back is None else state.going_back.to,
        "state": _run_text(state),
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
        "state": _text(attempt_values(attempt)),
    }


def attempt_of(text: str) -> Attempt:
    """The attempt whose row has this state text."""
    return _attempt(_read(_load_json(text), dict[str, Any]))


def normal(column: str, text: str) -> str:
    """The state text of a ``run`` or ``attempt`` row as this version would write it."""
    if column == "run":
        return _run_text(RunState(**_own(RunState, _load_json(text))))
    return _text(attempt_values(attempt_of(text)))


def state_of(spec: RunSpec, run_state: str, attempt_states: Iterable[str]) -> RunState:
    """The state whose run row and attempt rows (per phase in order of their numbers) hold these texts."""
    attempts_by_phase: dict[PhasePath, list[Attempt]] = {}
    for attempt in map(attempt_of, attempt_states):
        attempts_by_phase.setdefault(attempt.phase, []).append(attempt)
    declared = [phase.path for phase in spec.phases if phase.path in attempts_by_phase]
    attempts = {path: tuple(attempts_by_phase[path]) for path in dict.fromkeys([*declared, *attempts_by_phase])}
    return RunState(**_own(RunState, _load_json(run_state)), spec=spec, attempts=attempts)


def attempt_values(attempt: Attempt) -> dict[str, object]:
    """The values of an attempt by their stored names."""
    values: dict[str, object] = dict(zip(_FLAT, _flat_values(attempt), strict=True))
    if attempt.approvals:
        values["approvals"] = attempt.approvals
    if attempt.handed:
        values["handed"] = attempt.handed
    return values | {"verdicts": [_verdict_values(verdict) for verdict in attempt.verdicts]}


def _verdict_values(verdict: Verdict) -> dict[str, object]:
    """The values of a verdict; an older process that has the file open still reads its kind."""
    values: dict[str, object] = {field.name: getattr(verdict, field.name) for field in fields(verdict)}
    return values | {"kind": verdict.kind}


def _run_text(state: RunState) -> str:
    values = _plain(state)
    return _text({name: value for name, value in values.items() if value or name not in _NEWER})


def _text(values: dict[str, Any]) -> str:
    return json.encode(values).decode()


def _plain(value: RunSpec | RunState | e.Event) -> dict[str, Any]:
    """The values of its own fields as JSON has them.

    They are read back first: 60 in a field of type float is written as 60.0, and nothing is written that cannot be read.
    """
    kind = type(value)
    own = to_builtins({field.name: getattr(value, field.name) for field in _own_fields(kind)})
    plain: dict[str, Any] = to_builtins(_own(kind, own))
    if kind is RunSpec:  # as before gates could ask for several people
        for gate in (gate for phase in plain["phases"] for gate in (*phase["gates_before"], *phase["gates"])):
            if gate["people"] == 1:
                del gate["people"]
    return plain


def _plain_attempts(attempts: Iterable[Attempt]) -> list[Any]:
    return [to_builtins(attempt_values(attempt)) for attempt in attempts]


def _attempt(flat: dict[str, Any]) -> Attempt:
    """The attempt with these stored values; each part takes its own."""
    flat = with_outcomes({**flat, **_read(flat, _WithVerdicts)})
    state = _read(_parts(flat), STATES[AttemptStatus(flat.get("status"))])
    return Attempt(**_own(Attempt, flat), state=state, submission=_read(flat, Submission))


def _parts(flat: dict[str, Any]) -> dict[str, Any]:
    human = "user" if flat.get("human_only") else flat.get("mending") or "rules"
    return {
        **flat,
        "claim": flat if flat.get("holder") is not None else None,
        "failure": {**flat, "then": human} if flat.get("fail_kind") is not None else None,
    }


def _load_json(text: str) -> Any:
    try:
        return json.decode(text)
    except MsgspecError as error:
        raise ValueError(str(error)) from error


def _read(plain: object, kind: type[T]) -> T:
    """The value of ``kind`` that JSON has as ``plain``."""
    try:
        return value_of(plain, kind)
    except MsgspecError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _own(kind: type[RunSpec | RunState | Attempt | e.Event], plain: object) -> dict[str, Any]:
    """The values of the own fields of ``kind`` that JSON has as ``plain``, by name; those without one are left out."""
    return _read(plain, _row_of(kind))


@cache
def _row_of(kind: type[RunSpec | RunState | Attempt | e.Event]) -> Any:
    """A type with the own fields of ``kind`` alone. msgspec cannot read the union of the states of an attempt."""
    hints = get_type_hints(kind)
    own = {
        field.name: Required[hints[field.name]] if _is_required(field) else hints[field.name]
        for field in _own_fields(kind)
    }
    make_type: Any = TypedDict  # its fields are known only when it runs
    return make_type(kind.__name__, own, total=False)


@cache
def _own_fields(kind: type[RunSpec | RunState | Attempt | e.Event]) -> tuple[Field[Any], ...]:
    return tuple(field for field in fields(kind) if field.name not in _APART.get(kind, ()))


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
