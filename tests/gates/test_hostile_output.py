"""What a check prints or reports in order to keep the server busy: it is read in time and memory that its size explains."""

import pytest

from wfe_mcp.gates.json_reports import parse_rspec
from wfe_mcp.gates.printed import results_printed


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
