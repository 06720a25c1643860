"""Values are read without Pydantic as Pydantic reads them, or left to it."""

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
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from wfe_mcp.core.attempt_states import STATES, Failure
from wfe_mcp.core.model import Attempt, RunState, Submission
from wfe_mcp.core.spec import PhaseSpec, RunSpec
from wfe_mcp.store import serialization
from wfe_mcp.store.plain_values import Unread, of_fields, reader

FIXTURES = Path(__file__).parent / "fixtures"
KINDS: tuple[Any, ...] = (RunSpec, PhaseSpec, Submission, Failure, *STATES.values())
PARTS = [
    (kind, name)
    for kind in (RunState, Attempt)
    for name in get_type_hints(kind)
    if name in {each.name for each in fields(kind)} - {"spec", "attempts", "state", "submission"}
]
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
        "T",
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
    if kind is NoneType:
        return st.none()
    if kind is datetime:
        return st.sampled_from(
            ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000006+00:00", "2026-01-02T03:04:05+02:00"]
        )
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
        str: st.sampled_from(["", "a", "a.b[c]"]),
        int: st.integers(0, 3),
        bool: st.booleans(),
        float: st.sampled_from([0.5, 1, 60.0]),
    }
    return scalars[kind]


def same(kind: Any, value: Any) -> bool:
    """Whether ``value`` was read. What was read is what Pydantic reads, to the type of each part."""
    try:
        found = reader(kind)(json.loads(json.dumps(value)))
    except Unread:
        return False
    expected = adapter(kind).validate_json(json.dumps(value))
    assert (found, repr_of(found)) == (expected, repr_of(expected))
    return True


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def repr_of(value: object) -> str:
    """Its text, with one name for UTC: Pydantic has a class of its own for that."""
    return repr(value).replace("TzInfo(UTC)", "UTC").replace("TzInfo(0)", "UTC").replace("datetime.timezone.utc", "UTC")


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_read_is_what_pydantic_reads(kind: Any, data: st.DataObject) -> None:
    same(kind, data.draw(written(kind)))


@pytest.mark.parametrize(("kind", "name"), PARTS)
@given(data=st.data())
def test_each_field_of_a_run_and_an_attempt_is_read_as_pydantic_reads_it(
    kind: Any, name: str, data: st.DataObject
) -> None:
    hint = get_type_hints(kind)[name]
    value = data.draw(written(hint))
    try:
        expected: Any = adapter(hint).validate_json(json.dumps(value))
    except ValidationError:
        expected = Unread
    try:
        found: Any = of_fields(kind, (name,))({name: value})[name]
    except Unread:
        return
    assert (found, repr_of(found)) == (expected, repr_of(expected))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (RunSpec, {}),
        (RunSpec, []),
        (RunSpec, {"phases": {}}),
        (PhaseSpec, {"path": "a", "timeout_s": "1"}),
        (PhaseSpec, {"path": "a", "needs": "b"}),
        (PhaseSpec, {"path": "a", "served": 1}),
        (Failure, {"fail_kind": "unknown"}),
        (Failure, {"fail_kind": []}),
        (Mapping[str, int], []),
        (tuple[str, int], ["a"]),
        (datetime, "2026-01-02"),
        (datetime, "T"),
        (datetime, 1),
        (datetime, "2026-01-02T03:04:05+02:00"),
    ],
)
def test_what_is_not_exactly_as_its_type_says_is_left_to_pydantic(kind: Any, value: object) -> None:
    assert not same(kind, value)


@pytest.mark.parametrize("kind", [complex, str | int, Mapping[int, str], list[str], Attempt])
def test_an_unknown_type_is_left_to_pydantic(kind: Any) -> None:
    with pytest.raises(Unread):
        reader(kind)


def test_runs_of_earlier_versions_are_read_both_ways_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for packed in FIXTURES.glob("*.tar.gz"):
        with tarfile.open(packed) as archive:
            archive.extractall(tmp_path, filter="data")
    found = [row for file in sorted(tmp_path.rglob("*.db")) for row in _states(file)]
    assert found
    plain = [serialization.state_of(*row) for row in found]
    monkeypatch.setattr(serialization, "_SHORT", -1)
    by_pydantic = [serialization.state_of(*row) for row in found]
    assert [(each, repr_of(each)) for each in plain] == [(each, repr_of(each)) for each in by_pydantic]


def _states(file: Path) -> list[tuple[RunSpec, str, list[str]]]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
        runs = opened.execute(
            "SELECT run.id, document.content, run.state FROM run JOIN document ON document.sha256 = run.spec_sha256"
        ).fetchall()
        attempts = "SELECT state FROM attempt WHERE run_id = ? ORDER BY phase, attempt"
        return [
            (serialization.spec_of(spec), state, [row[0] for row in opened.execute(attempts, (run,))])
            for run, spec, state in runs
        ]
