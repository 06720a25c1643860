"""Test results from the printed output of a test runner, for checks without a report.

``_RUNNERS`` has one row per runner: the pattern of its summary, and of a failing test. The last summary in the output
counts, since a check may run several tools.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wfe_mcp.gates.results import FailedTest, TestResults


@dataclass(frozen=True, slots=True)
class _Runner:
    summary: re.Pattern[str]
    counts: Callable[[re.Match[str]], tuple[int, int, int, int]]
    failing: re.Pattern[str]
    """Group 1: the label of a failure or an error, or empty; group 2: the id."""
    passing: re.Pattern[str] | None = None
    """Group 1: the id of a test that passed. None: the output does not name them."""


def results_printed(text: str) -> TestResults | None:
    """Counts and failing tests of the last summary in ``text``; None when no runner is recognised."""
    found = [(match.start(), runner, match) for runner in _RUNNERS for match in runner.summary.finditer(text)]
    if not found:
        return None
    _, runner, match = max(found, key=lambda entry: entry[0])
    passed, failed, errors, skipped = runner.counts(match)
    failing = {line.group(2): _failing(line) for line in runner.failing.finditer(text)}
    passing = dict.fromkeys(line.group(1) for line in runner.passing.finditer(text)) if runner.passing else ()
    return TestResults(
        passed, failed, errors, skipped, tuple(failing.values()), source="output", passing=tuple(passing)
    )


def _failing(line: re.Match[str]) -> FailedTest:
    kind: Literal["failure", "error"] = "error" if line.group(1) == "ERROR" else "failure"
    test = line.group(2)
    # unittest: "test_x (pkg.mod.Case.test_x)", before 3.11 "test_x (pkg.mod.Case)".
    name, _, place = test.partition(" (")
    aliases = {name, place.rstrip(")"), f"{place.rstrip(')')}.{name}"} if place else set[str]()
    return FailedTest(test, kind, aliases=frozenset(aliases))


def _words(text: str) -> dict[str, int]:
    """``{"failed": 1, "passed": 2}`` of "1 failed, 2 passed"; also of "failures=1, skipped=2"."""
    forward = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", text)}
    backward = {word: int(number) for word, number in re.findall(r"([a-z][a-z ]*)=(\d+)", text)}
    return forward | backward


def _pytest(match: re.Match[str]) -> tuple[int, int, int, int]:
    words = _words(match.group(1))
    passed = words.get("passed", 0) + words.get("xpassed", 0)
    errors = words.get("error", 0) + words.get("errors", 0)
    return passed, words.get("failed", 0), errors, words.get("skipped", 0) + words.get("xfailed", 0)


def _unittest(match: re.Match[str]) -> tuple[int, int, int, int]:
    words = _words(match.group(2) or "")
    failed = words.get("failures", 0) + words.get("unexpected successes", 0)
    errors = words.get("errors", 0)
    skipped = words.get("skipped", 0) + words.get("expected failures", 0)
    return max(0, int(match.group(1)) - failed - errors - skipped), failed, errors, skipped


def _cargo(match: re.Match[str]) -> tuple[int, int, int, int]:
    return int(match.group(1)), int(match.group(2)), 0, int(match.group(3))


def _tap(match: re.Match[str]) -> tuple[int, int, int, int]:
    words = {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", match.group(0))}
    return words.get("pass", 0), words.get("fail", 0), 0, words.get("skipped", 0) + words.get("todo", 0)


_RUNNERS = (
    _Runner(
        re.compile(r"^=* ?((?:\d+ (?:failed|passed|skipped|errors?|xfailed|xpassed|deselected|warnings?)(?:, )?)+) in [\d.]+s", re.MULTILINE),
        _pytest,
        re.compile(r"^(FAILED|ERROR) ([^\s].*?)(?: - .*)?$", re.MULTILINE),
    ),
    _Runner(
        re.compile(r"^Ran (\d+) tests? in [\d.]+s\n+(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?", re.MULTILINE),
        _unittest,
        re.compile(r"^(FAIL|ERROR|UNEXPECTED SUCCESS): (.+?)(?: \[.*\])?$", re.MULTILINE),
        re.compile(r"^(\w+ \([\w.]+\))(?:\n.*)? \.\.\. ok$", re.MULTILINE),
    ),
    _Runner(
        re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE),
        _cargo,
        re.compile(r"^test() (\S+) \.\.\. FAILED$", re.MULTILINE),
        re.compile(r"^test (\S+) \.\.\. ok$", re.MULTILINE),
    ),
    _Runner(
        re.compile(r"^[#ℹ] tests \d+\n(?:[#ℹ] \w+ [\d.]+\n?)+", re.MULTILINE),
        _tap,
        re.compile(r"^ *not ok() \d+ - (.+?)(?: # .*)?$", re.MULTILINE),
    ),
)  # fmt: skip
