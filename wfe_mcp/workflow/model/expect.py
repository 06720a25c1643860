"""The model of what a check must show."""

from typing import Annotated, cast

from wfe_mcp.workflow.model.base import Duration, Shape, Text, choice, optional


def _is_exit_code(value: object) -> bool:
    return value == "nonzero" or (isinstance(value, int) and not isinstance(value, bool))


def _is_failing_tests(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(entry, str) and entry.strip() for entry in cast("list[object]", value))
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_test_names(value: object) -> bool:
    names = cast("list[object]", value) if isinstance(value, list) else [value]
    return all(isinstance(name, str) and name.strip() for name in names)


_TEST_NAMES = choice(
    "must be the id of a test, a list of ids, or one expression that gives them",
    _are_test_names,
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}},
        ]
    },
)


class Expect(Shape):
    """The required result of a check."""

    effect = "gates"

    exit_code: Annotated[
        int | str | None,
        *choice(
            'must be a number or "nonzero"',
            _is_exit_code,
            {"anyOf": [{"type": "integer"}, {"const": "nonzero"}]},
        ),
    ] = optional(
        None, 'A number or `"nonzero"`. Default: 0; any exit code where `fails` or `failing_tests` is given.', example=0
    )
    fails: Annotated[str | tuple[Text, ...] | None, *_TEST_NAMES] = optional(
        None,
        "Ids or globs of tests; each must be among the failing tests. Other tests may fail too. In a name "
        "from an expression, `*` is an ordinary character.",
        example="${artifacts.change.tests}",
    )
    passes: Annotated[str | tuple[Text, ...] | None, *_TEST_NAMES] = optional(
        None,
        "Ids or globs of tests; each must be among the tests that passed. In a name from an expression, `*` "
        "is an ordinary character.",
        example=["tests/test_calc.py::test_add"],
    )
    failing_tests: Annotated[
        int | str | tuple[Text, ...] | None,
        *choice(
            'must be a number of tests, a list of test ids, "some", or one expression that gives the list',
            _is_failing_tests,
            {
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}},
                ]
            },
        ),
    ] = optional(
        None,
        'Tests that must fail: at least this number, the ones with these ids or globs and no others, or `"some"`.',
        example=["tests/test_calc.py::test_add"],
    )
    min_tests: int | None = optional(
        None, "At least this many tests must have run; skipped ones did not.", example=1, ge=1
    )
    no_new_skips: bool = optional(
        False,
        "No more tests are skipped than when this check last passed before the run, else first ran in it; "
        "without an earlier result, that is noted.",
        example=True,
    )
    coverage_floor: float | None = optional(None, "Least line coverage in percent.", example=80, ge=0, le=100)
    max_duration: Duration | None = optional(None, "The check may take at most this long.", example="5m")


def names_tests(failing: object) -> bool:
    """Whether a value of ``failing_tests`` names the tests, rather than their number."""
    return isinstance(failing, tuple) or (isinstance(failing, str) and failing != "some")
