"""Expressions have values, errors are errors, and values are never expressions."""

import pytest
from hypothesis import given, strategies as st

from wfe_mcp.workflow.expressions import ExpressionError, Expressions, TextPart, as_text, scan, source_of
from wfe_mcp.workflow.load import parse

ROOTS: dict[str, object] = {
    "inputs": {"goal": "ship it", "count": 3, "flag": True, "none": None, "tags": ["a", "é"]},
    "artifacts": {"plan": {"steps": [{"id": "S-1", "n": 1.5}]}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${inputs.count}", 3),
        ("${inputs.flag}", True),
        ("${inputs.none}", None),
        ("${inputs.tags}", ["a", "é"]),
        ("${artifacts.plan.steps[0]}", {"id": "S-1", "n": 1.5}),
        ("n=${inputs.count}!", "n=3!"),
        ("${inputs.goal} ${inputs.tags}", 'ship it ["a","é"]'),
        ("costs $5 and $${inputs.goal}", "costs $5 and ${inputs.goal}"),
        ("${'}' + inputs.goal}", "}ship it"),
        ("${{'a': 1}.a}", 1),
        ("${r'\\d}' + R\"}\"}", "\\d}}"),
        ("${'''a'}''' + 'b'}", "a'}b"),
        ("${'it\\'s }'}", "it's }"),
        ("${has(inputs.nope)}", False),
        ("${has(artifacts.plan) && size(artifacts.plan.steps) == 1}", True),
        ("${inputs.count < 3.5}", True),
        ("a${inputs.count}b${inputs.count}", "a3b3"),
        ("$", "$"),
    ],
)
def test_a_text_has_a_value(text: str, value: object) -> None:
    assert Expressions().evaluate(text, ROOTS) == value


def test_the_pieces_of_a_text_know_where_they_stand() -> None:
    assert scan("a $${b ${c} d") == (TextPart("a ${b ", False, 0), TextPart("c", True, 7), TextPart(" d", False, 11))
    assert source_of("${a}") == "a"
    assert source_of("${a} ") is None


@pytest.mark.requirement("B-15")
@pytest.mark.parametrize("evil", ["${inputs.goal}", "$${inputs.goal}", "'} + inputs.goal + '", "${1/0}"])
def test_what_a_tool_or_an_issue_says_is_never_evaluated(evil: str) -> None:
    expressions = Expressions()
    roots = {**ROOTS, "vars": {"issue": {"title": evil}}}

    assert expressions.evaluate("${vars.issue.title}", roots) == evil
    assert expressions.evaluate("Fix: ${vars.issue.title}", roots) == f"Fix: {evil}"
    assert expressions.evaluate_json({"t": ["${vars.issue.title}", 1]}, roots) == {"t": [evil, 1]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${inputs.nope}", "nope"),
        ("${1 / 0}", "divide by zero"),
        ("${[1][5]}", "there is no element 5; the list has 1, and the first is 0"),
        ("${inputs.goal.x}", "a value that is no object has no keys"),
        ("${inputs.goal && true}", "'&&' does not take these values"),
        ("${inputs.goal ? 1 : 2}", "what stands before '?' must be true or false"),
        ("${size(1)}", "'size' does not take (int)"),
        ("${inputs.goal + 1}", "'+' does not take (string, int64)"),
        ("${nobody.knows}", "undeclared reference to 'nobody.knows'"),
        ("${1 +}", "the expression ends too early"),
        ("${inputs.goal", "closing brace is missing"),
        ("${'open}", "closing brace is missing"),
        ("${timestamp('2020-01-01T00:00:00Z')}", "not JSON"),
        ("${{1: 2}}", "not JSON"),
        ("${b'x'}", "not JSON"),
        ("${1e300 * 1e300}", "not JSON"),
        ("${[1e300 * 1e300]}", "not JSON"),
    ],
)
def test_what_has_no_value_is_an_error_and_never_false(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as answer:
        Expressions().evaluate(text, ROOTS)

    assert words in answer.value.reason
    assert str(answer.value) == f"${{{answer.value.text}}} cannot be evaluated: {answer.value.reason}"


@pytest.mark.parametrize("root", [2**70, "lone " + chr(0xD800)], ids=["a huge number", "a lone surrogate"])
def test_a_value_that_the_expression_language_cannot_hold_is_an_error(root: object) -> None:
    with pytest.raises(ExpressionError):
        Expressions().evaluate("${inputs.x}", {"inputs": {"x": root}})


def test_a_rule_beside_a_huge_number_says_which_number_it_is_and_what_to_do() -> None:
    with pytest.raises(ExpressionError) as answer:
        Expressions().evaluate("${inputs.x == 1}", {"inputs": {"x": 1, "y": 2**70}})

    assert answer.value.reason == (
        "a value that it reads holds 1180591620717411303424; an expression takes whole numbers of 64 bits, so write it as text"
    )


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@given(PLAIN, st.sampled_from(["inputs", "inputs.a", " inputs.a.b ", "inputs.a.in", "item.a", "phase"]))
def test_a_path_has_the_value_that_it_has_in_the_expression_language(value: object, path: str) -> None:
    def answered(text: str) -> object:
        try:
            return as_text([Expressions().evaluate(text, {"inputs": {"a": value}, "phase": value, "nobody": value})])
        except ExpressionError:
            return ExpressionError

    assert answered(f"${{{path}}}") == answered(f"${{({path})}}")


def test_a_comprehension_that_never_ends_is_stopped() -> None:
    many = {"inputs": {"x": list(range(300))}}

    with pytest.raises(ExpressionError, match="Iteration budget exceeded"):
        Expressions().evaluate("${inputs.x.map(a, inputs.x.map(b, a + b)).size()}", many)


def test_a_condition_is_true_or_false_and_nothing_else() -> None:
    expressions = Expressions()

    assert expressions.is_true("${inputs.count > 2}", ROOTS)
    assert not expressions.is_true("${inputs.count > 3}", ROOTS)
    with pytest.raises(ExpressionError, match="a condition must be true or false, not a number"):
        expressions.is_true("${inputs.count}", ROOTS)
    with pytest.raises(ExpressionError, match="not text"):
        expressions.is_true("yes", ROOTS)


def test_a_root_that_is_not_given_is_empty() -> None:
    assert Expressions().evaluate("${has(vars.pr)}", {}) is False


def test_the_names_of_loop_items_are_roots(design: dict[str, object]) -> None:
    expressions = Expressions.of(parse(design))

    assert expressions.evaluate("Do ${step.title}", {"step": {"title": "it"}}) == "Do it"


def test_an_expression_is_compiled_once_and_used_with_other_values() -> None:
    expressions = Expressions()

    assert [expressions.evaluate("${inputs.x}", {"inputs": {"x": n}}) for n in (1, 2)] == [1, 2]


def test_json_without_texts_stays_as_it_is() -> None:
    value = {"a": [1, None, True, {"b": 2.5}]}

    assert Expressions().evaluate_json(value, {}) == value
