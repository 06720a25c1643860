"""Generated values satisfy their JSON Schema."""

from typing import Any

import pytest

from wfe_mcp.artifacts.registry import SHIPPED, json_schema
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.testing.values import value_at, value_for


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_schema_accepts_its_value(name: str):
    assert validate(name, value_for(json_schema(name))).faults == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_schema_accepts_a_value_made_without_its_example(name: str):
    schema = {key: part for key, part in json_schema(name).items() if key != "examples"}

    # as a plain schema: that the totals of a report agree with its list is a rule no schema states
    assert validate(schema, value_for(schema)).faults == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 30, "maxLength": 31},
        {"type": "string", "pattern": "^[A-Z]-[0-9]$"},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 3, "multipleOf": 5},
        {"type": "number", "exclusiveMinimum": 2},
        {"type": "integer", "exclusiveMaximum": 0},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
        {"type": "array", "prefixItems": [{"type": "null"}, {"const": 4}]},
        {"type": ["integer", "null"], "minimum": 7},
        {"enum": ["pass", "fail"]},
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "minimum": 2},
        {"allOf": [{"required": ["a"], "properties": {"a": {"type": "string"}}}, {"required": ["b"]}]},
        {"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}},
        {"type": "object", "minProperties": 1, "properties": {"a": {"type": "string"}}},
    ],
)
def test_what_a_schema_requires_is_in_the_value(schema: dict[str, Any]):
    whole = {"type": "object", "required": ["it"], "properties": {"it": schema}, "$defs": schema.get("$defs", {})}

    assert validate(whole, value_for(whole)).faults == ()


def test_the_example_of_a_place_wins_over_everything_else():
    schema: dict[str, Any] = {"type": "string", "examples": ["mine"], "default": "other", "enum": ["other", "mine"]}

    assert value_for(schema) == "mine"


def test_optional_keys_stay_away():
    assert value_for({"type": "object", "properties": {"note": {"type": "string"}}}) == {}


def test_a_schema_that_requires_itself_without_end_is_no_endless_loop():
    schema: dict[str, Any] = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}}

    with pytest.raises(ValueError, match="without an end"):
        value_for(schema)


def test_a_pointer_names_keys_with_slashes_and_places_in_lists():
    assert value_at({"a/b": [{"~": 1}]}, "/a~1b/0/~0") == 1
