"""Gates with their expressions filled in."""

from typing import Any

import pytest

from wfe_mcp.workflow.expressions import ExpressionError, Expressions, fill_shape
from wfe_mcp.workflow.load import parse

Document = dict[str, Any]
ROOTS: dict[str, object] = {"inputs": {"goal": "T-1", "tests": ["a::b", "c::d"], "n": 3, "files": ["x", "y"]}}


def gate(plain: Document, **keys: object) -> Any:
    plain["phases"][0]["gates"] = [keys]
    return parse(plain).phases[0].gates[0]


def test_texts_have_values_and_a_list_in_a_list_becomes_its_entries(plain: Document) -> None:
    git = gate(plain, kind="git", message="${inputs.goal}: done", clean=True)
    files = gate(plain, kind="files", exist=["a", "${inputs.files}", "${inputs.goal}.md"])

    assert fill_shape(git, ROOTS, Expressions()).message == "T-1: done"
    assert fill_shape(files, ROOTS, Expressions()).exist == ("a", "x", "y", "T-1.md")


@pytest.mark.parametrize(
    ("failing", "value"),
    [("${inputs.tests}", ("a::b", "c::d")), (["${inputs.tests[0]}"], ("a::b",)), ("${inputs.n}", 3), ("some", "some")],
)
def test_expectations_have_values_of_their_type(plain: Document, failing: object, value: object) -> None:
    command = gate(plain, kind="command", check="test", expect={"failing_tests": failing})

    assert fill_shape(command, ROOTS, Expressions()).expect.failing_tests == value


def test_conditions_stay_for_who_judges_them(plain: Document) -> None:
    condition = gate(plain, kind="expr", **{"assert": "${inputs.n > 2}"})

    assert fill_shape(condition, ROOTS, Expressions()) == condition


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"kind": "git", "message": "${inputs.n}"}, "must be text, not a number"),
        ({"kind": "files", "exist": ["a", "${inputs.n}"]}, "must be text, not a number"),
        ({"kind": "command", "check": "t", "expect": {"failing_tests": "${inputs}"}}, "a list of test ids"),
        ({"kind": "git", "message": "${inputs.nope}"}, "nope"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(plain: Document, keys: Document, words: str) -> None:
    with pytest.raises(ExpressionError) as answer:
        fill_shape(gate(plain, **keys), ROOTS, Expressions())

    assert words in answer.value.reason
