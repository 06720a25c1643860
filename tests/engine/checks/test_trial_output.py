"""What the output of a trial that fails says: a tool that is absent, and the lines that name the cause."""

from pathlib import Path

import pytest

from tests.engine.checks.test_trial import prints, tried


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("make: golangci-lint: No such file or directory", "\nmake: *** [Makefile:20: lint] Error 127"),
        ("error: Recipe `lint` failed on line 3 with exit code 127", ""),
    ],
)
def test_a_linter_that_a_task_cannot_start_reports_no_problems_of_the_code(root: Path, line: str, after: str) -> None:
    trial = tried(root, "lint", prints(line + after, 1))
    assert (trial.outcome, trial.message) == ("not_found", line)


def test_the_last_lines_of_maven_are_not_its_help(root: Path) -> None:
    reason = "[ERROR] Plugin a:b:1 could not be resolved -> [Help 1]"
    ends = "[ERROR] \n[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.\n"
    ends += "[ERROR] Re-run Maven using the -X switch to enable full debug logging.\n[ERROR]\n"
    ends += "[ERROR] For more information about the errors, read:\n[ERROR] [Help 1] http://cwiki.apache.org/x"
    assert tried(root, "test", prints(f"{reason}\n{ends}", 1)).tail == reason


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        (
            "usage: pytest [options]\npytest: error: unrecognized arguments: --nosuch\n  rootdir: /x",
            "exit code 4, and its output names no count of tests: pytest: error: unrecognized arguments: --nosuch",
        ),
        ("no tests ran in 0.01s\nERROR: not a path: [] /x", "no tests found: ERROR: not a path: [] /x"),
    ],
)
def test_a_test_check_that_is_called_wrong_says_the_error_that_it_printed(
    root: Path, printed: str, message: str
) -> None:
    assert tried(root, "test", prints(printed, 4)).message == message
