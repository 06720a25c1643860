"""Test results from the printed output of a test runner, for checks without a report.

``PRINTED`` has one row per runner: the pattern of its summary, and of the lines that name tests. Where a runner prints
a summary per package, they are added up; else the last one counts, since a check may run several tools.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import field, replace

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.results import FailedTest, TestResults

Counts = tuple[int, int, int, int]
"""Passed, failed, errors, skipped."""

# Programs print lines of any length, also on purpose: where a pattern fails, it has read a line a few times at most.
_NEVER = re.compile(r"(?!)")
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class PrintedFormat:
    """How one runner prints its results. ``adds_up``: one summary per package or file."""

    summary: re.Pattern[str]
    counts: Callable[[re.Match[str]], Counts]
    failing: re.Pattern[str] = _NEVER
    """Group 1: the label of a failure or an error, or empty; group 2: the id; group 3, if there is one: its file and line."""
    passing: re.Pattern[str] = _NEVER
    """Group 1: the id."""
    unloaded: re.Pattern[str] = _NEVER
    """Matches the line of a failing test that stands for tests that could not be loaded."""
    adds_up: bool = False
    reads: Callable[[str], TestResults] | None = None
    """Reads the whole text, where lines depend on each other."""


def results_printed(text: str, runners: Iterable[str] | None = None) -> TestResults | None:
    """Counts and named tests of the last summary in ``text``, by one of ``runners`` (None: any).

    None when no summary is recognised.
    """
    names = PRINTED if runners is None else [name for name in runners if name in PRINTED]
    starts = [(match.start(), name) for name in names for match in PRINTED[name].summary.finditer(text)]
    if not starts:
        return None
    _, name = max(starts, key=lambda entry: entry[0])
    row = PRINTED[name]
    if row.reads is not None:
        return row.reads(text)
    summaries = [*row.summary.finditer(text)]
    counts = map(row.counts, summaries if row.adds_up else summaries[-1:])
    passed, failed, errors, skipped = map(sum, zip(*counts, strict=True))
    failing = {line.group(2): _failing(line, row) for line in row.failing.finditer(text)}
    passing = dict.fromkeys(line.group(1) for line in row.passing.finditer(text))
    return TestResults(
        passed, failed, errors, skipped, tuple(failing.values()), tuple(passing), counted_from="printed", runner=name
    )


def _failing(line: re.Match[str], row: PrintedFormat) -> FailedTest:
    test = line.group(2)
    # unittest: "test_x (pkg.mod.Case.test_x)", before 3.11 "test_x (pkg.mod.Case)".
    name, _, place = test.partition(" (")
    aliases = {name, place.rstrip(")"), f"{place.rstrip(')')}.{name}"} if place else set[str]()
    kind = "error" if line.group(1) == "ERROR" else "failure"
    test_failed = FailedTest(test, kind, aliases=frozenset(aliases), places=line.groups()[2:])
    return replace(test_failed, kind="error", is_unloaded=True) if row.unloaded.search(line.group()) else test_failed


def _words(text: str) -> dict[str, int]:
    """``{"failed": 1, "passed": 2}`` of "1 failed, 2 passed"; also of "failures=1, skipped=2" and "Failures: 1"."""
    count_by_word: dict[str, int] = {}
    for part in re.split("[,|]", text.rstrip(".")):  # each part is short: a pattern over all of it could take long
        if forward := re.fullmatch(r" *(\d{1,9}) ([a-z]+).{0,40}", part):
            count_by_word[forward[2]] = int(forward[1])
        elif backward := re.fullmatch(r" *([A-Za-z][A-Za-z ]{0,40})[=:] *(\d{1,9})", part):
            count_by_word[backward[1].lower()] = int(backward[2])
    return count_by_word


def _number(digits: str) -> int:
    """A printed count: Python reads no number of thousands of digits, and no program runs so many tests."""
    return int(digits[:_MOST_DIGITS])


def _pytest(match: re.Match[str]) -> Counts:
    words = _words(match.group(1))
    passed = words.get("passed", 0) + words.get("xpassed", 0)
    errors = words.get("error", 0) + words.get("errors", 0)
    return passed, words.get("failed", 0), errors, words.get("skipped", 0) + words.get("xfailed", 0)


def _unittest(match: re.Match[str]) -> Counts:
    """The summary's counts; no fewer passed than are named as passed, and no more than ran.

    Classes that skip themselves, each further failed part of one test and, in Python 3.12.1, all skipped tests are counted,
    yet are not among those that "Ran".
    """
    words = _words(match.group(2) or "")
    failed = words.get("failures", 0) + words.get("unexpected successes", 0)
    errors = words.get("errors", 0)
    skipped = words.get("skipped", 0) + words.get("expected failures", 0)
    ran = _number(match.group(1))
    named = len({line.group(1) for line in _UNITTEST_PASSING.finditer(match.string, 0, match.start())})
    return max(ran - failed - errors - skipped, min(ran, named)), failed, errors, skipped


def _numbers(match: re.Match[str]) -> Counts:
    """Named groups: ``total`` or ``passed``, and ``failed``, ``errors``, ``skipped``, each optional."""
    counts = {key: _number(value or "0") for key, value in match.groupdict().items()}
    failed, errors, skipped = (counts.get(key, 0) for key in ("failed", "errors", "skipped"))
    passed = counts["passed"] if "passed" in counts else max(0, counts["total"] - failed - errors - skipped)
    return passed, failed, errors, skipped


def _counts_in_list(match: re.Match[str]) -> Counts:
    """Of "1 failed, 2 passed, 1 skipped", in any order."""
    words = _words(match.group(1))
    skipped = sum(words.get(word, 0) for word in ("skipped", "todo", "pending"))
    return words.get("passed", 0), words.get("failed", 0), 0, skipped


def _phpunit(match: re.Match[str]) -> Counts:
    if match.group(1):
        return _number(match.group(1)), 0, 0, 0
    words = _words(match.group(2))
    errors, failed = words.get("errors", 0), words.get("failures", 0)
    skipped = words.get("skipped", 0) + words.get("incomplete", 0)
    return max(0, words.get("tests", 0) - errors - failed - skipped), failed, errors, skipped


def _exunit(match: re.Match[str]) -> Counts:
    words = _words(match.group(1))
    total = sum(words.get(word, 0) for word in ("doctest", "doctests", "property", "properties", "test", "tests"))
    failed, errors = words.get("failure", 0) + words.get("failures", 0), words.get("invalid", 0)
    skipped = words.get("skipped", 0) + words.get("excluded", 0)
    return max(0, total - failed - errors - skipped), failed, errors, skipped


def _tap_counts(match: re.Match[str]) -> Counts:
    words = {word: _number(number) for word, number in re.findall(r"(\w+) (\d+)", match.group(0))}
    return words.get("pass", 0), words.get("fail", 0), 0, words.get("skipped", 0) + words.get("todo", 0)


def _lines(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


_UNITTEST_PASSING = _lines(r"^(\w+ \([\w.]+\))(?:\n.*)? \.\.\. ok$")

_ASSERTION = re.compile(r"^(not )?ok +\d+\b( -)? *(.*)$")
_DIRECTIVE = re.compile(r"(?:^| )# ?(?:skip|todo)", re.IGNORECASE)
_COMMENT = re.compile(r"^# (?! )(.+)$")
_NO_NAME = re.compile(r"(?:Subtest:|Looks like|SKIP|TODO) |(?:tests|pass|fail|skip|todo)\s+\d+$|ok$", re.IGNORECASE)
_PLACE = re.compile(r"^\s+(?:at|location): (?:.*[\s()'\"])?([^\s()'\"]+?):(\d+)(?::\d+)?\)?'?$|^# +at (\S+) line (\d+)")


@dataclass(slots=True)
class _TapTest:
    """One test while its lines are read. ``places``: the file and line of each failed assertion."""

    name: str
    passed: int = 0
    failed: int = 0
    message: str = ""
    places: list[str] = field(default_factory=list[str])


def _tap_results(text: str) -> TestResults:
    """The tests in ``text`` of TAP: each is a subtest where assertions are grouped, else one line of the plan.

        # adds                                  tape: a comment names the test, its assertions follow without a dash
        ok 1 should be equal
        not ok 2 should be equal                the test `adds` failed
            at: Test.<anonymous> (/x/test/a.js:12:5)      so `test/a.js:12` names it too

        ok 3 - adds                             others (prove, node, bats, TAP 14): the line is the test

    Rules:
    1. Only lines without indentation count; a subtest that is indented ends with a line of its own.
    2. What is skipped or marked as TODO neither passes nor fails. A test fails where one of its assertions does.
    """
    tests = _tap_tests(text)
    failing = tuple(_failing_tap_test(test) for test in tests if test.failed)
    passing = tuple(test.name for test in tests if test.passed and not test.failed)
    skipped = sum(not (test.passed or test.failed) for test in tests)
    return TestResults(len(passing), len(failing), 0, skipped, failing, passing, counted_from="printed", runner="TAP")


def _tap_tests(text: str) -> list[_TapTest]:
    tests: list[_TapTest] = []
    group: _TapTest | None = None
    for line in text.splitlines():
        if assertion := _ASSERTION.match(line):
            name = _DIRECTIVE.split(assertion[3])[0].strip()
            if assertion[2] or group is None:
                tests.append(_TapTest(name))
            elif tests[-1:] != [group]:
                tests.append(group)
            test, is_failed = tests[-1], assertion[1] is not None
            if not _DIRECTIVE.search(assertion[3]):
                test.failed, test.passed = test.failed + is_failed, test.passed + (not is_failed)
                test.message = test.message or (name if is_failed and test is group else "")
        elif (comment := _COMMENT.match(line)) and not _NO_NAME.match(comment[1]):
            group = _TapTest(comment[1].strip())
        elif tests and tests[-1].failed and (place := _PLACE.match(line)):
            tests[-1].places.append(f"{place[1] or place[3]}:{place[2] or place[4]}")
    return tests


def _failing_tap_test(test: _TapTest) -> FailedTest:
    message = ", at ".join(filter(None, (test.message, next(iter(test.places), ""))))
    return FailedTest(test.name, message=message, places=tuple(test.places))


PRINTED: dict[str, PrintedFormat] = {
    "pytest": PrintedFormat(
        _lines(
            r"^=* ?((?:\d+ (?:failed|passed|skipped|errors?|xfailed|xpassed|deselected|warnings?)(?:, )?)+) in [\d.]+s"
        ),
        _pytest,
        _lines(r"^(FAILED|ERROR) ([^\s].*?)(?: - .*)?$"),
        _lines(r"^(?=\S+?::\S)(\S.*?) PASSED(?: +\[ *\d+%\])?$"),
        _lines(r"^ERROR (?:(?!::).)*(?: - .*)?$"),
    ),
    "unittest": PrintedFormat(
        _lines(r"^Ran (\d+) tests? in [\d.]+s\n+(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?"),
        _unittest,
        _lines(r"^(FAIL|ERROR|UNEXPECTED SUCCESS): (.+?)(?: \[[^][\n]*\])?$"),
        _UNITTEST_PASSING,
        re.compile(r"unittest\.loader\._FailedTest|: setUpModule \(|: setUpClass \("),
    ),
    "node:test": PrintedFormat(
        _lines(r"^[#ℹ] tests \d+\n(?:[#ℹ] \w+ [\d.]+\n?)+"), _tap_counts, _lines(r"^ *not ok() \d+ - (.+?)(?: # .*)?$")
    ),
    "jest": PrintedFormat(_lines(r"^Tests: +(?=\S)(.*\d total)$"), _counts_in_list, _lines(r"^()  ● (.+)$")),
    "vitest": PrintedFormat(_lines(r"^ +Tests  (.*) \(\d+\)$"), _counts_in_list, _lines(r"^() FAIL  (\S+ > .+)$")),
    "mocha": PrintedFormat(
        _lines(r"^ +(?P<passed>\d+) passing \(.*\)(?:\n +(?P<skipped>\d+) pending)?(?:\n +(?P<failed>\d+) failing)?"),
        _numbers,
    ),
    "playwright": PrintedFormat(
        _lines(
            # The tests below a count are indented further: no line is both, so that none is read twice.
            r"^(?: {1,3}(?P<failed>\d+) failed\n(?: {4}.*\n)*)?(?: {1,3}\d+ flaky\n(?: {4}.*\n)*)?(?: {1,3}(?P<skipped>\d+) skipped\n)?(?: {1,3}(?P<passed>\d+) passed \(.*\))$"
        ),
        _numbers,
    ),
    "go test": PrintedFormat(
        _lines(r"^ *--- (?:(?P<passed>PASS)|(?P<failed>FAIL)|(?P<skipped>SKIP)): \S+ \([\d.]+s\)$"),
        lambda match: (
            int(match["passed"] is not None),
            int(match["failed"] is not None),
            0,
            int(match["skipped"] is not None),
        ),
        _lines(r"^ *--- FAIL()?: (\S+) \([\d.]+s\)$"),
        _lines(r"^ *--- PASS: (\S+) \([\d.]+s\)$"),
        adds_up=True,
    ),
    "cargo test": PrintedFormat(
        _lines(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<skipped>\d+) ignored"),
        _numbers,
        _lines(r"^test() (\S.*?) \.\.\. FAILED$"),
        _lines(r"^test (\S.*?) \.\.\. ok$"),
        adds_up=True,
    ),
    "cargo nextest": PrintedFormat(
        _lines(
            r"^ +Summary \[.*\] \d+(?:/\d+)? tests? run: (?P<passed>\d+) passed(?: \(.*?\))?(?:, (?P<failed>\d+) failed)?(?:, (?P<errors>\d+) timed out)?(?:, (?P<skipped>\d+) skipped)?"
        ),
        _numbers,
        _lines(
            r"^ +(?:FAIL|LEAK-FAIL|XFAIL|TIMEOUT|ABORT|ABORT SIG \d+|SIG[A-Z]+)() \[[^\]]*\] (?:\(.*?\) )?\S+ (\S+)$"
        ),
        _lines(r"^ +PASS \[[^\]]*\] (?:\(.*?\) )?\S+ (\S+)$"),
    ),
    "Maven": PrintedFormat(
        _lines(
            r"^(?:\[\w+\] )?Tests run: (?P<total>\d+), Failures: (?P<failed>\d+), Errors: (?P<errors>\d+), Skipped: (?P<skipped>\d+)$"
        ),
        _numbers,
        adds_up=True,
    ),
    "Gradle": PrintedFormat(
        _lines(r"^(?P<total>\d+) tests? completed(?:, (?P<failed>\d+) failed)?(?:, (?P<skipped>\d+) skipped)?$"),
        _numbers,
        _lines(r"^()(\S+ > \S.*) FAILED$"),
        adds_up=True,
    ),
    "RSpec": PrintedFormat(
        _lines(r"^(?P<total>\d+) examples?, (?P<failed>\d+) failures?(?:, (?P<skipped>\d+) pending)?"),
        _numbers,
        _lines(r"^rspec() (\S+) # .*$"),
    ),
    "minitest": PrintedFormat(
        _lines(
            r"^(?P<total>\d+) (?:runs|tests), \d+ assertions, (?P<failed>\d+) failures, (?P<errors>\d+) errors, (?:\d+ pendings, \d+ omissions, \d+ notifications|(?P<skipped>\d+) skips)"
        ),
        _numbers,
        _lines(r"^ +\d+\) (?:Failure|Error)():\n([\w:]+#\w+)"),
        _lines(r"^([\w:]+#\w+) = [\d.]+ s = \.$"),
        adds_up=True,
    ),
    "PHPUnit": PrintedFormat(
        _lines(r"^(?:OK \((\d+) tests?, .*\)|(Tests: \d+, Assertions: \d+.*))$"),
        _phpunit,
        _lines(r"^\d+\) ()([\w\\]+::\w+)"),
    ),
    "dotnet test": PrintedFormat(
        _lines(
            r"^ *(?:Passed|Failed|Skipped)! +- Failed: +(?P<failed>\d+), Passed: +(?P<passed>\d+), Skipped: +(?P<skipped>\d+), Total:"
        ),
        _numbers,
        _lines(r"^ +Failed() (\S+) \[.*\]$"),
        _lines(r"^ +Passed (\S+) \[.*\]$"),
        adds_up=True,
    ),
    "ctest": PrintedFormat(
        _lines(r"^\d+% tests passed, (?P<failed>\d+) tests? failed out of (?P<total>\d+)$"),
        _numbers,
        _lines(r"^\t *\d+ - ()(\S+) \((?:Failed|Timeout|SEGFAULT|Not Run|.*)\)$"),
    ),
    "bats": PrintedFormat(
        _lines(r"^(?P<total>\d+) tests?, (?P<failed>\d+) failures?(?:, (?P<skipped>\d+) skipped)?"), _numbers
    ),
    "ExUnit": PrintedFormat(
        _lines(r"^((?:\d+ (?:doctests?|property|properties|tests?), )+\d+ failures?(?:, \d+ [a-z]+)*)$"),
        _exunit,
        _lines(r"^ +\d+\)() (?:doctest|property|test) (\S.* \(\S+\))\n +(\S+:\d+)$"),
        adds_up=True,
    ),
    "TAP": PrintedFormat(_lines(r"^(?:1\.\.\d+|(?:not )?ok +\d+\b)"), _numbers, reads=_tap_results),
}
