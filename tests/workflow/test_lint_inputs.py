"""Lint of the inputs of a template, and of prompts that name them in the way of another tool."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import lint

Document = dict[str, Any]


def warned(plain: Document) -> list[tuple[str, str]]:
    report = lint(plain)
    assert report.ok
    return [(detail.path, detail.message) for detail in report.warnings]


def test_a_default_that_does_not_fit_its_schema_is_worth_a_warning(plain: Document) -> None:
    count: Document = {"type": "integer", "minimum": 1, "default": 0}
    several: Document = {"$ref": "#/$defs/several", "default": ["a", 1]}
    plain["inputs"]["$defs"] = {"several": {"type": "array", "items": {"type": "string"}}}
    plain["inputs"]["properties"] |= {"count": count, "several": several, "any": True}

    assert warned(plain) == [
        (
            "/inputs/properties/count/default",
            "a start without 'count' is refused: its default must be at least 1, found 0",
        ),
        (
            "/inputs/properties/several/default/1",
            "a start without 'several' is refused: its default must be text, found a number",
        ),
    ]
    assert warned(plain | {"inputs": {"type": "object", "properties": {"goal": {"default": 5}}}}) == []


def test_a_default_that_cannot_be_judged_alone_is_left_to_the_start(plain: Document) -> None:
    plain["inputs"]["properties"] |= {"other": {"$ref": "#/properties/goal", "default": 5}}

    assert warned(plain) == []


@pytest.mark.parametrize("types", [[], ["string", "string"]])
def test_a_list_of_types_that_is_empty_or_names_one_twice_says_so(plain: Document, types: list[str]) -> None:
    plain["inputs"]["properties"] |= {"count": {"type": types}}

    (error,) = lint(plain).errors
    assert error.path == "/inputs/properties/count/type"
    assert error.message.endswith("a list of types is not empty and names each once")


def test_a_prompt_whose_expression_never_ends_is_reported_once(plain: Document) -> None:
    plain["phases"][0]["prompt"] = "Plan ${inputs.goal and {inputs.goal}"

    report = lint(plain)
    assert [error.path for error in report.errors] == ["/phases/0/prompt"]
    assert report.warnings == ()


def test_a_required_input_that_is_no_property_is_worth_a_warning(plain: Document) -> None:
    plain["inputs"]["required"] = ["gaol"]

    assert warned(plain) == [
        ("/inputs/required/0", "'gaol' is required, and is none of the properties; did you mean 'goal'?")
    ]


def test_inputs_without_their_root_say_what_it_is(plain: Document) -> None:
    plain["inputs"] = {"goal": {"type": "string"}}
    plain["phases"][0]["prompt"] = "Plan it."

    (error,) = lint(plain).errors
    assert error.path == "/inputs/type"
    assert error.message.endswith('the root needs "type": "object", and "properties" with the inputs')


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("Plan {{ inputs.goal }}.", "{{ inputs.goal }}"),
        ("Plan {inputs.goal}.", "{inputs.goal}"),
        ("Plan $inputs.goal.", "$inputs.goal"),
        ("Plan ${inputs.goal} for $5, {inputs} and {{ goal }}.", ""),
        ("Write $${inputs.goal} and $$inputs.goal.", ""),
        ("Plan ${ {'a': inputs.goal}.a } and the file inputs.goal", ""),
    ],
)
def test_an_expression_of_another_tool_is_worth_a_warning(plain: Document, prompt: str, written: str) -> None:
    plain["phases"][0]["prompt"] = prompt

    message = f"{written!r} is sent as it is written; an expression is ${{inputs.goal}}"
    assert warned(plain) == ([("/phases/0/prompt", message)] if written else [])
