"""The count of a check's tests, and why no test ran.

the report of this execution  →  else, where the runner was not asked for one, the printed results
                              →  a count of no test, or none of a recognised runner: why no test ran
"""

import re
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.check import Execution
from wfe_mcp.gates.printed import results_printed
from wfe_mcp.gates.remedies import failed_before_tests
from wfe_mcp.gates.results import TestResults, below
from wfe_mcp.gates.runners import Runner
from wfe_mcp.jobs.output import plain_text

_UNKNOWN_RUNNER_BYTES = 1_000_000
"""How much of the output of an unknown program is searched, from its end, for the summary of some runner."""

_NOT_STARTED = {126: "because its program cannot be executed", 127: "because a program was not found"}
_CAUSES = (
    (
        r"ModuleNotFoundError|No module named|Cannot find (?:module|package)|[Cc]annot load such file|ERR_MODULE_NOT_FOUND|no required module provides",
        "a module is missing",
    ),
    (r"SyntaxError|ParseError|[Ss]yntax error", "there is a syntax error"),
)
"""Causes that look alike for many runners: a pattern in the output, and what it means."""


@dataclass(frozen=True, slots=True)
class Count:
    """The results of the tests; None: unknown. ``no_test``: why no test ran, as a sentence without a full stop.

    ``failed_script``: the script of package.json that failed before them.
    """

    tests: TestResults | None = None
    no_test: str = ""
    failed_script: str = ""


def count_of(plan: Execution, reported: TestResults | None, exit_code: int | None, log: Path) -> Count:
    """The count of one execution. ``reported``: the results in its report; ``exit_code`` None: it was ended from here."""
    runner = plan.runner
    output = log.read_bytes()
    if runner is None:
        output = output[-_UNKNOWN_RUNNER_BYTES:]
    text = plain_text(output)
    tests = reported
    if tests is None and not (plan.tests and plan.tests.is_asked):
        printed = results_printed(text, None if runner is None else (runner.prints or (runner.name,)))
        tests = printed and below(plan.cwd, printed)
    if exit_code is None or (tests is not None and (tests.ran or (tests.skipped and not tests.unloaded))):
        return Count(tests)
    if exit_code and (script := failed_before_tests(plan.argv, plan.cwd, text)):
        return Count(tests, f"{script} failed before the tests: no test ran (exit {exit_code})", script)
    name = tests.runner if tests and tests.runner else runner.name if runner else ""
    deaths = (*_NOT_STARTED.items(), *(runner.deaths if runner else ()))
    why = next((why for sign, why in deaths if _is_seen(sign, exit_code, text)), "")
    if tests is None and exit_code not in _NOT_STARTED and (runner is None or not (exit_code or why or runner.files)):
        return Count()
    why = why or _usual(runner, exit_code, is_counted=tests is not None)
    cause = next((f", {why}" for sign, why in _CAUSES if _is_seen(sign, exit_code, text)), "")
    return Count(tests, f"{name or 'the command'} ended {why}: no test ran (exit {exit_code}{cause})")


def _usual(runner: Runner | None, exit_code: int, *, is_counted: bool) -> str:
    if exit_code:
        return "before its tests"
    if runner and runner.files and not is_counted:  # it writes them whenever a test runs
        return f"without writing {runner.files[0]}"
    return "without finding tests"


def _is_seen(sign: str | int, exit_code: int, text: str) -> bool:
    return sign == exit_code if isinstance(sign, int) else re.search(sign, text) is not None
