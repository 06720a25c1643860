"""Schemas that could take exponential time are checked in a child process that ends at its limits."""

import json
import math
import sys
import threading
from typing import Any

import pytest

from wfe_mcp.artifacts import inline, isolated
from wfe_mcp.artifacts.registry import check_schema
from wfe_mcp.artifacts.validate import validate, validate_stored
from wfe_mcp.artifacts.weight import pattern_weight, weight_of
from wfe_mcp.core.errors import Refused

pytestmark = pytest.mark.usefixtures("measured_children")

Schema = dict[str, Any]


def branching(count: int, keyword: str = "anyOf") -> Schema:
    """Definitions, each of which names the next one twice: 2^count ways."""
    ways = {f"d{n}": {keyword: [{"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]}] * 2} for n in range(count)}
    for name, schema in ways.items():
        ways[name] = {keyword: [dict(each) for each in schema[keyword]]}
    return {
        "type": "object",
        "$defs": ways | {f"d{count}": {"type": "string"}},
        "properties": {"x": {"$ref": "#/$defs/d0"}},
    }


def exploding(count: int) -> Schema:
    """``branching`` whose last definition leads back to the first in two ways: its weight has no limit."""
    made = branching(count)
    back = [{"items": {"$ref": "#/$defs/d0"}}, {"items": {"$ref": "#/$defs/d0"}}]
    made["$defs"][f"d{count}"] = {"type": ["string", "array"], "anyOf": back}
    return made


def reported(schema: Schema, value: Any) -> list[str]:
    assert check_schema(schema) == []
    return [fault.path for fault in validate(schema, value).faults]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_twenty_branching_definitions_are_refused_unused(keyword: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(inline, "_compile_schema", None)
    (fault,) = check_schema(branching(20, keyword))
    assert "has 6,291,453 schemas in one place; at most 50,000 are allowed. Use fewer anyOf" in fault.message
    with pytest.raises(Refused) as no:
        validate(branching(20, keyword), {"x": 1})
    assert (no.value.code, no.value.details) == ("invalid_template", (fault,))


def test_branching_definitions_in_a_schema_that_is_never_applied_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "_compile_schema", None)
    hidden = json.loads(json.dumps(branching(20)).replace("#/$defs", "#/properties/y/contentSchema/$defs"))
    hidden["properties"]["y"] = {"contentSchema": {"$defs": hidden.pop("$defs")}}
    (fault,) = check_schema(hidden)
    assert "has 6,291,453 schemas in one place" in fault.message


def test_branches_that_lead_back_are_refused_when_their_check_reaches_a_limit() -> None:
    with pytest.raises(Refused) as no:
        reported(exploding(20), {"x": 1})
    assert no.value.code == "too_large"
    assert "needs more than" in no.value.message
    assert no.value.hint == "Use fewer anyOf, oneOf and allOf inside each other."


def test_a_large_value_without_faults_needs_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    items = {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string", "maxLength": 3}}}}
    assert reported(items, {"x": ["a"] * 90_000}) == []
    monkeypatch.setattr(isolated, "_WAIT_S", 0.001)
    assert reported(items, {"x": ["a"] * 90_000}) == []
    with pytest.raises(Refused, match="needs more than"):
        reported(items, {"x": ["too long"] * 90_000})


def test_the_child_answers_as_this_process_does() -> None:
    schema = branching(4)
    for value in ({"x": 1}, {"x": "text"}, {}):
        assert isolated.faults_in_child(schema, value) == inline.faults_here(schema, value)
    for wrong in ({"type": "object", "properties": {"a": {"type": "sting"}}}, {"type": "object", "pattern": "(?=a)"}):
        assert isolated.faults_in_child(wrong, None) == inline.schema_faults_here(wrong)


def test_what_a_child_checks_within_its_limits_is_answered() -> None:
    value_schema = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/v"}}, {"$ref": "#/$defs/o"}]
    }
    schema = {
        "type": "object",
        "$defs": {"v": value_schema, "o": {"type": "object", "additionalProperties": {"$ref": "#/$defs/v"}}},
        "properties": {"x": {"$ref": "#/$defs/v"}},
    }
    assert weight_of(schema) == math.inf

    assert reported(schema, {"x": ["a", {"b": "c"}]}) == []
    assert reported(schema, {"x": 3}) == ["/x"]


def test_ordinary_schemas_are_checked_without_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}}, "name": {"type": "string"}},
    }
    forms = {
        "type": "object",
        "properties": {f"k{n}": {"oneOf": [{"type": "string"}, {"type": "null"}]} for n in range(100)},
    }

    assert reported(tree, {"children": [{"children": []}, {"name": 1}]}) == ["/children/1/name"]
    assert reported(forms, {f"k{n}": "text" for n in range(100)}) == []


def test_a_child_that_the_machine_does_not_let_run_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_WAIT_S", 0.001)
    with pytest.raises(Refused, match=r"needs more than 0\.001 seconds"):
        reported(exploding(20), {"x": 1})


def test_large_patterns_of_a_schema_are_compiled_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    large = {"type": "object", "properties": {f"k{n}": {"pattern": r"(a{100}){100}"} for n in range(10)}}
    assert check_schema(large) == []

    monkeypatch.setattr(isolated, "_WAIT_S", 0.001)
    (fault,) = check_schema({**large, "title": "another text, so that the answer is not known"})
    assert "needs more than 0.001 seconds" in fault.message


WEIGHTS: list[tuple[str, Schema, float]] = [
    ("one", {}, 1),
    ("inside each other", {"properties": {"a": {"items": {}}, "b": True}, "allOf": [{}, {}]}, 5),
    (
        "named twice",
        {"allOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}], "$defs": {"x": {"items": {}}}},
        7,
    ),
    ("apart", {"properties": {"a": {"items": {}}, "b": {}}, "patternProperties": {"c": {}}}, 1 + 2 + 1 + 1),
    ("unused", {"$defs": {"x": {"allOf": [{}] * 50}}}, 1),
    ("an anchor", {"items": {"$ref": "#x"}, "$defs": {"y": {"$anchor": "x"}}}, 3),
    ("in a list", {"items": {"$ref": "#/prefixItems/0"}, "prefixItems": [{"type": "string"}]}, 3),
    ("nowhere", {"items": {"$ref": "#/a/b"}, "a": 3, "allOf": [{"$ref": "#/prefixItems/x"}, {"$ref": "#none"}]}, 4),
    ("patterns", {"pattern": "abc", "patternProperties": {"^a{10}$": {}}}, 1 + 3 + 70 + 1),
    ("a choice", {"enum": [1, 2, 3]}, 4),
    ("a list of folders", {"properties": {"a": {"items": {"$ref": "#"}}, "b": {"items": {"$ref": "#"}}}}, 5),
    ("itself", {"$ref": "#"}, 1),
    ("two ways back", {"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}, math.inf),
    ("overlapping patterns", {"properties": {"a": {"$ref": "#"}}, "patternProperties": {"a": {"$ref": "#"}}}, math.inf),
    ("dynamic", {"items": {"$dynamicRef": "#x"}}, math.inf),
    ("an anchor at two places", {"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}, math.inf),
    (
        "in what is never applied there",
        {"items": {"$ref": "#/contentSchema/$defs/x"}, "contentSchema": {"$defs": {"x": {"allOf": [{}, {}]}}}},
        1 + 1 + 3,
    ),
]


@pytest.mark.parametrize(("schema", "weight"), [row[1:] for row in WEIGHTS], ids=[row[0] for row in WEIGHTS])
def test_the_weight_is_the_number_of_schemas_after_unfolding(schema: Schema, weight: float) -> None:
    assert weight_of(schema) == weight


def test_deep_schemas_and_long_chains_are_weighed_without_recursion() -> None:
    chain = {f"d{n}": {"items": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(5_000)}

    assert weight_of({"$ref": "#/$defs/d0", "$defs": {**chain, "d5000": {}}}) == 2 * 5_000 + 2


def test_the_weight_of_a_pattern_multiplies_its_repetitions() -> None:
    assert [pattern_weight(text) for text in ("", "abc", "a{3}", "(a{2,5}){10,}", "a{0}")] == [1, 3, 12, 13 * 50, 4]


def test_a_value_that_no_one_can_send_again_has_the_limit_as_its_fault() -> None:
    (fault,) = validate_stored(exploding(20), {"x": 1}).faults
    assert "needs more than" in fault.message and "Use fewer anyOf" in fault.message
    assert validate_stored(branching(4), {"x": "text"}).ok


def test_a_check_is_abandoned_when_the_process_ends_its_children() -> None:
    answers: list[object] = []

    def check() -> None:
        try:
            isolated.faults_in_child(exploding(20), {"x": {"never": "seen"}})
        except isolated.CheckAbandoned as abandoned:
            answers.append(abandoned)

    thread = threading.Thread(target=check)
    thread.start()
    while not isolated._children:  # pyright: ignore[reportPrivateUsage]
        assert thread.is_alive(), answers
    isolated.end_children()
    thread.join(60)
    assert [type(answer) for answer in answers] == [isolated.CheckAbandoned]
