"""The registry of shipped schemas, and their examples."""

import json
import subprocess
import sys

import pytest
from jsonschema_rs import Draft202012Validator

from wfe_mcp.artifacts.registry import SHIPPED, check_schema, json_schema, model_of
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused

NAMES = SHIPPED


def test_every_artifact_of_the_design_has_a_schema() -> None:
    promised = """spec plan decision_list task_list change review role_report security_report eval file_bundle
                  markdown_doc milestone_plan release failing_test opinion verdict
                  blocker drift incident playbook"""
    assert set(NAMES) == {f"{name}@1" for name in promised.split()}


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_schema_is_complete_and_valid(name: str) -> None:
    schema = json_schema(name)
    first = schema["examples"][0]
    assert set(first) == set(schema["properties"])
    assert Draft202012Validator(schema).is_valid(first)
    assert validate(name, first).faults == ()
    assert validate(name, first).value == first


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_as_handed_out_is_small_closed_and_self_contained(name: str) -> None:
    schema = json_schema(name)
    text = json.dumps(schema, separators=(",", ":"))
    assert schema["type"] == "object" and schema["title"] == name and schema["additionalProperties"] is False
    assert "$ref" not in text and "$defs" not in text
    assert len(text) <= 3000
    assert check_schema(schema) == []


def test_a_schema_handed_out_is_the_callers_own_copy() -> None:
    json_schema("plan@1")["properties"].clear()
    assert json_schema("plan@1")["properties"]
    mine = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert json_schema(mine) == mine and json_schema(mine) is not mine


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Refused) as no:
        model_of("plam@1")
    assert no.value.code == "bad_argument"
    assert no.value.message == "There is no schema 'plam@1'."
    assert [detail.message for detail in no.value.details] == ["no schema is named 'plam@1'; did you mean 'plan@1'?"]
    assert [detail.message for detail in check_schema("xyz")] == ["no schema is named 'xyz'"]
    assert check_schema("review@1") == []


def test_an_inline_schema_that_cannot_be_used_is_refused_with_its_pointers() -> None:
    with pytest.raises(Refused) as no:
        json_schema({"type": "array"})
    assert no.value.code == "invalid_template"
    assert [detail.path for detail in no.value.details] == ["/type"]


@pytest.mark.parametrize("schema", [None, True, [], 7])
def test_a_schema_is_a_name_or_an_object(schema: object) -> None:
    (detail,) = check_schema(schema)
    assert detail.path == "" and "a name or a JSON Schema" in detail.message


def test_importing_the_package_loads_neither_pydantic_nor_the_schema_engine() -> None:
    code = """
import sys, wfe_mcp.artifacts, wfe_mcp.artifacts.registry, wfe_mcp.artifacts.validate, wfe_mcp.artifacts.validate
print(sorted({'pydantic', 'pydantic_core', 'jsonschema_rs'} & set(sys.modules)))
wfe_mcp.artifacts.validate.validate('plan@1', {})
print(sorted(name for name in sys.modules if name.startswith('wfe_mcp.artifacts.models.')), 'jsonschema_rs' in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer == "[]\n['wfe_mcp.artifacts.models.base', 'wfe_mcp.artifacts.models.plan'] False\n"
