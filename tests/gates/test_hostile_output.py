"""What a check prints or reports in order to keep the server busy: it is read in time and memory that its size explains."""

import re
from pathlib import Path

import pytest

from wfe_mcp.gates.json_reports import parse_rspec
from wfe_mcp.gates.printed import results_printed
from wfe_mcp.gates.remedies import failed_before_tests, remedy
from wfe_mcp.gates.runners import RUNNERS

MANY = 200_000


def test_many_lines_that_each_may_begin_a_summary_are_read_in_linear_time() -> None:
    results = results_printed("     1 failed\n" * 40_000 + "  3 passed (1.1s)\n")
    assert results is not None and results.passed == 3


@pytest.mark.parametrize(
    "text",
    ["Ran {} tests in 1s\n\nOK\n", "{} examples, 1 failures", "# tests 1\n# pass {}\n", "OK ({} tests, 1 assertions)"],
)
def test_a_printed_count_of_thousands_of_digits_is_read(text: str) -> None:
    results = results_printed(text.replace("{}", "9" * 5_000))
    assert results is not None and results.passed > 1_000_000


def test_a_number_of_errors_that_no_memory_holds_is_cut() -> None:
    results = parse_rspec(b'{"examples": [], "summary": {"errors_outside_of_examples_count": 100000000000000}}')
    assert results.errors == 1_000


@pytest.mark.parametrize(
    "text",
    [
        "a:" + ":" * MANY + "\n1 passed in 0.1s",
        "Tests: " + "1" * MANY + "\nTests: " + " " * MANY + "\nTests: 3 total",
        "FAIL: a" + " [" * MANY + "\nRan 1 test in 0.1s\n\nOK",
        "test_a (x)\n" * 1_000 + "Ran 1 test in 0.1s\n\nOK\n" * (MANY // 10),
        "not ok 1 a\n  at: " + "x:" * MANY + "\n  at: " + "(x " * MANY + "\n1..1",
        "  1) test a" + " (a" * MANY + "\n1 test, 0 failures",
        "not ok 1 a\n" + "  at: f (a.js:1:2)\n" * (MANY // 2) + "1..1",
    ],
    ids=["pytest", "jest", "unittest", "summaries", "TAP", "ExUnit", "places"],
)
def test_a_line_that_is_made_to_be_read_again_and_again_is_read_in_linear_time(text: str) -> None:
    assert results_printed(text) is not None


@pytest.mark.parametrize(
    "text", [":compile" * MANY, "Task " + "compile" * MANY, "Could not find " * MANY, "> " + "@" * MANY]
)
def test_why_no_test_ran_is_looked_for_in_linear_time(text: str, tmp_path: Path) -> None:
    signs = [sign for runner in RUNNERS for sign, _ in runner.deaths if isinstance(sign, str)]
    assert not [sign for sign in signs if re.search(sign, text)]
    assert (failed_before_tests(["make"], tmp_path, text), remedy(["make"], None, tmp_path, text)) == ("", "")


def test_a_task_of_gradle_that_does_not_compile_is_known_by_any_of_its_names() -> None:
    gradle = next(runner for runner in RUNNERS if runner.name == "Gradle")
    for line in ("> Task :app:compileDebugJava FAILED", ":compileJava FAILED", "> Task :recompile:all FAILED"):
        assert re.search(str(gradle.deaths[0][0]), line), line
