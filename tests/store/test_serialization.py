"""Values of the core are read and written as Pydantic, a second reader and writer, reads and writes them."""

import json
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.events import EVENTS, FORMER_NAMES, ApprovalGiven, GateJudged, RunResumed, RunStarted
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, PhaseSpec, RunSpec
from wfe_mcp.store import serialization
from wfe_mcp.store.old_verdicts import with_outcome

FIXTURES = Path(__file__).parent / "fixtures"
WITH_ATTEMPTS = {"RolledBack", "RunForked"}
"""Their attempts are written flat; ``tests/core/test_attempt_states.py`` reads those back."""
INDEX: Any = {"index", "bodies"}
OTHERS = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        -1,
        1.5,
        2.0,
        "",
        "x",
        "1",
        "true",
        [],
        ["a"],
        {},
        {"a": 1},
        "2026-01-02",
        "2026-01-02T03:04:05Z",
    ]
)


def written(kind: Any) -> st.SearchStrategy[Any]:
    """JSON values for ``kind``, every second one with parts of other types."""
    return st.one_of(_written(kind, exact=True), _written(kind, exact=False))


@cache
def _part(kind: Any, *, exact: bool) -> st.SearchStrategy[Any]:
    values = _written(kind, exact=exact)
    return values if exact else st.one_of(values, values, values, OTHERS)


@cache
def _written(kind: Any, *, exact: bool) -> st.SearchStrategy[Any]:
    part = partial(_part, exact=exact)
    if isinstance(kind, NewType):
        return _written(kind.__supertype__, exact=exact)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return st.one_of([_written(each, exact=exact) for each in parts])
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple and parts[-1] is ...:
        return st.lists(part(parts[0]), max_size=2)
    if origin is tuple:
        return st.tuples(*(part(each) for each in parts)).map(list)
    if origin in {dict, Mapping}:
        return st.dictionaries(st.sampled_from(["a", "b"]), part(parts[1]), max_size=2)
    if kind is Any:
        return st.sampled_from(["a", 1, None, ["b"], {"c": True}])
    if kind is NoneType:
        return st.none()
    if kind is datetime:
        return st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000006Z"])
    if issubclass(kind, Enum):
        return st.sampled_from([each.value for each in kind])
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        named = {each.name: part(hints[each.name]) for each in fields(kind) if each.init}
        if not exact:
            return st.fixed_dictionaries({}, optional=named | {"unknown": st.just(1)})
        needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
        required = {name: named.pop(name) for name in list(named) if name in needed}
        return st.fixed_dictionaries(required, optional=named)
    scalars: dict[Any, st.SearchStrategy[Any]] = {
        str: st.sampled_from(["", "a", "a.b[c]", "ä\x7f\n"]),
        int: st.integers(0, 3),
        bool: st.booleans(),
        float: st.sampled_from([0.5, 1, 60.0]),
    }
    return scalars[kind]


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def repr_of(value: object) -> str:
    """Its text, with one name for UTC: Pydantic has a class of its own for that."""
    return repr(value).replace("TzInfo(0)", "UTC").replace("TzInfo(UTC)", "UTC").replace("datetime.timezone.utc", "UTC")


def canonical_of(kind: Any, value: object) -> str:
    """What Pydantic writes for it."""
    left_out: Any = {RunStarted: {"spec": INDEX}, RunSpec: INDEX}.get(kind)
    values = adapter(kind).dump_python(value, mode="json", exclude=left_out)
    if isinstance(value, GateJudged):
        values["verdict"]["kind"] = value.verdict.kind.value  # for processes of earlier versions
    if kind is ApprovalGiven:  # as before several people, or a grant, could approve
        values = {name: field for name, field in values.items() if field or name not in {"person", "grant"}}
    spec: dict[str, Any] = values if kind is RunSpec else values.get("spec") or {"phases": []}
    for gate in (gate for phase in spec["phases"] for gate in (*phase["gates_before"], *phase["gates"])):
        if gate["people"] == 1:
            del gate["people"]
    return canonical_json(values)


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - WITH_ATTEMPTS))
@given(data=st.data())
def test_an_event_is_read_and_written_as_by_pydantic(name: str, data: st.DataObject) -> None:
    payload = json.dumps(data.draw(_written(EVENTS[name], exact=True)))
    event = serialization.event_of(name, payload)
    expected = adapter(EVENTS[name]).validate_json(payload)
    assert (event, repr_of(event)) == (expected, repr_of(expected))
    assert serialization.payload_of(event) == canonical_of(EVENTS[name], expected)


def test_an_event_of_an_older_version_is_read_by_its_former_name() -> None:
    payload = '{"attempt":1,"fault":"","phase":"plan"}'

    assert set(FORMER_NAMES.values()) <= set(EVENTS)
    assert not set(FORMER_NAMES) & set(EVENTS)
    assert serialization.event_of("MendingEnded", payload) == serialization.event_of("RepairEnded", payload)


@given(data=st.data())
def test_a_specification_is_read_and_written_as_by_pydantic(data: st.DataObject) -> None:
    text = json.dumps(data.draw(_written(RunSpec, exact=True)))
    spec, expected = serialization.spec_of(text), adapter(RunSpec).validate_json(text)
    assert (spec, repr(spec), spec.index) == (expected, repr(expected), expected.index)
    assert serialization.spec_text(spec) == canonical_of(RunSpec, expected)


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - WITH_ATTEMPTS))
@given(data=st.data())
def test_what_is_read_from_an_odd_event_is_what_pydantic_reads(name: str, data: st.DataObject) -> None:
    payload = json.dumps(data.draw(written(EVENTS[name])))
    try:
        event = serialization.event_of(name, payload)
    except ValueError:
        return
    try:
        expected = adapter(EVENTS[name]).validate_json(payload)
    except ValidationError:
        raise AssertionError(f"Pydantic refuses {payload}") from None
    assert (event, repr_of(event)) == (expected, repr_of(expected))


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        "{}",
        '{"phase":"a"}',
        '{"phase":"a","attempt":"1","revision":1,"sha256":"x"}',
        '{"phase":"a","attempt":1,"revision":1,"sha256":null}',
        '{"phase":"a","attempt":1,"revision":1,"sha256":"x","edited":1}',
    ],
)
def test_a_payload_that_no_version_wrote_is_refused(payload: str) -> None:
    with pytest.raises(ValueError, match=r"RevisionSubmitted|JSON|truncated"):
        serialization.event_of("RevisionSubmitted", payload)


@pytest.mark.parametrize("payload", ["[]", "{}", '{"state":{}}', '{"state":[]}', '{"opened":{}}', '{"opened":[{}]}'])
@pytest.mark.parametrize("name", sorted(WITH_ATTEMPTS))
def test_a_payload_with_attempts_that_no_version_wrote_is_refused(name: str, payload: str) -> None:
    with pytest.raises(ValueError, match=r"[Oo]bject|Status"):
        serialization.event_of(name, payload)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status":"other"}', '{"status":"ready"}'])
def test_the_text_of_an_attempt_that_no_version_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"truncated|[Oo]bject|Status|field"):
        serialization.attempt_of(text)


def test_a_whole_number_in_a_field_of_seconds_or_dollars_is_written_as_a_float() -> None:
    spec = RunSpec((PhaseSpec(PhasePath("a"), timeout_s=60, on_fail=(FailRule("backoff", initial_s=2),)),), timeout_s=1)
    assert [
        part in serialization.spec_text(spec) for part in ('"timeout_s":60.0', '"initial_s":2.0', '"timeout_s":1.0')
    ]
    assert '"max_cost_usd":5.0' in serialization.payload_of(RunResumed(max_cost_usd=5))


def test_what_could_not_be_read_is_not_written() -> None:
    wrong: Any = "soon"
    with pytest.raises(ValueError, match="max_tokens"):
        serialization.payload_of(RunResumed(max_tokens=wrong))


def test_events_of_earlier_versions_are_read_as_by_pydantic(tmp_path: Path) -> None:
    events = _rows(tmp_path, "SELECT type, payload FROM event")
    assert {name for name, _ in events} > WITH_ATTEMPTS - {"RunForked"}
    for name, payload in events:
        event = serialization.event_of(name, payload)
        assert serialization.event_of(name, serialization.payload_of(event)) == event
        if name not in WITH_ATTEMPTS:
            values = json.loads(payload)
            if name == "GateJudged":
                values["verdict"] = with_outcome(values["verdict"])
            assert event == adapter(EVENTS[name]).validate_json(json.dumps(values))


@pytest.mark.parametrize("table", ["run", "attempt"])
def test_rows_of_earlier_versions_keep_their_values(table: str, tmp_path: Path) -> None:
    rows = _rows(tmp_path, f"SELECT status, state FROM {table}")
    assert len(rows) > 3
    for status, text in rows:
        normal = serialization.normal(table, text)
        assert serialization.normal(table, normal) == normal
        assert json.loads(normal)["status"] == json.loads(text)["status"] == status


def _rows(folder: Path, query: str) -> list[tuple[str, str]]:
    for packed in FIXTURES.glob("*.tar.gz"):
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
    found: list[tuple[str, str]] = []
    for file in sorted(folder.rglob("*.db")):
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            found += opened.execute(query).fetchall()
    return found
