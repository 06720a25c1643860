"""Test results from TAP: a test is a subtest where assertions are grouped, else one line of the plan.

    # adds                                  tape: a comment names the test, its assertions follow without a dash
    ok 1 should be equal
    not ok 2 should be equal                the test `adds` failed
        at: Test.<anonymous> (/x/test/a.js:12:5)      so `test/a.js:12` names it too

    ok 3 - adds                             others (prove, node, bats, TAP 14): the line is the test

Rules:
1. Only lines without indentation count; a subtest that is indented ends with a line of its own.
2. What is skipped or marked as TODO neither passes nor fails. A test fails where one of its assertions does.
"""

import re
from dataclasses import field

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.results import FailedTest, TestResults

_ASSERTION = re.compile(r"^(not )?ok +\d+\b( -)? *(.*)$")
_DIRECTIVE = re.compile(r"(?:^| )# ?(?:skip|todo)", re.IGNORECASE)
_COMMENT = re.compile(r"^# (?! )(.+)$")
_NO_NAME = re.compile(r"(?:Subtest:|Looks like|SKIP|TODO) |(?:tests|pass|fail|skip|todo)\s+\d+$|ok$", re.IGNORECASE)
_PLACE = re.compile(r"^\s+(?:at|location): (?:.*[\s()'\"])?([^\s()'\"]+?):(\d+)(?::\d+)?\)?'?$|^# +at (\S+) line (\d+)")


@dataclass(slots=True)
class _Test:
    """One test while its lines are read. ``places``: the file and line of each failed assertion."""

    name: str
    passed: int = 0
    failed: int = 0
    message: str = ""
    places: list[str] = field(default_factory=list[str])


def tap_results(text: str) -> TestResults:
    """The tests in ``text``; the counts are of tests, not of assertions."""
    tests = _tests(text)
    failing = tuple(_failing(test) for test in tests if test.failed)
    passing = tuple(test.name for test in tests if test.passed and not test.failed)
    skipped = sum(not (test.passed or test.failed) for test in tests)
    return TestResults(len(passing), len(failing), 0, skipped, failing, passing, counted_from="printed", runner="TAP")


def _tests(text: str) -> list[_Test]:
    tests: list[_Test] = []
    group: _Test | None = None
    for line in text.splitlines():
        if assertion := _ASSERTION.match(line):
            name = _DIRECTIVE.split(assertion[3])[0].strip()
            if assertion[2] or group is None:
                tests.append(_Test(name))
            elif tests[-1:] != [group]:
                tests.append(group)
            test, is_failed = tests[-1], assertion[1] is not None
            if not _DIRECTIVE.search(assertion[3]):
                test.failed, test.passed = test.failed + is_failed, test.passed + (not is_failed)
                test.message = test.message or (name if is_failed and test is group else "")
        elif (comment := _COMMENT.match(line)) and not _NO_NAME.match(comment[1]):
            group = _Test(comment[1].strip())
        elif tests and tests[-1].failed and (place := _PLACE.match(line)):
            tests[-1].places.append(f"{place[1] or place[3]}:{place[2] or place[4]}")
    return tests


def _failing(test: _Test) -> FailedTest:
    message = ", at ".join(filter(None, (test.message, next(iter(test.places), ""))))
    return FailedTest(test.name, message=message, places=tuple(test.places))
