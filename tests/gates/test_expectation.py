"""What a template may expect of a check, and when that is met."""

from dataclasses import replace
from pathlib import Path

import pytest

from wfe_mcp.gates.expectation import Expectation, ObservedResult, proved_by_file, unmet
from wfe_mcp.gates.printed import results_printed
from wfe_mcp.gates.results import FailedTest, TestResults, below

TWO_FAIL = TestResults(5, 1, 1, 0, (FailedTest("a::x"), FailedTest("a::y", "error")))


@pytest.mark.parametrize(
    ("value", "expectation"),
    [
        ({}, Expectation(0)),
        ({"exit_code": None, "failing_tests": None}, Expectation(0)),
        ({"exit_code": 2}, Expectation(2)),
        ({"exit_code": "nonzero"}, Expectation("nonzero")),
        ({"failing_tests": "a::x"}, Expectation(None, ("a::x",))),
        ({"failing_tests": ["a::x"], "exit_code": 1}, Expectation(1, ("a::x",))),
        ({"failing_tests": 2}, Expectation(None, 2)),
        ({"failing_tests": "some"}, Expectation(None, "some")),
        ({"fails": "a::x"}, Expectation(None, fails=("a::x",))),
        ({"fails": ["a::x"], "exit_code": "nonzero"}, Expectation("nonzero", fails=("a::x",))),
        ({"passes": ["a::x"]}, Expectation(0, passes=("a::x",))),
    ],
)
def test_an_expectation_is_read(value: dict[str, object], expectation: Expectation) -> None:
    assert Expectation.of(value) == expectation


@pytest.mark.parametrize(
    "value",
    [
        {"exit_code": True},
        {"exit_code": "0"},
        {"failing_tests": True},
        {"failing_tests": -1},
        {"failing_tests": ""},
        {"failing_tests": ["a", 1]},
        {"failing_tests": [" "]},
        {"failing_tests": {}},
        {"fails": 1},
        {"passes": ["a", ""]},
        {"min_test": 3},
    ],
)
def test_an_expectation_that_is_meaningless_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expect\."):
        Expectation.of(value)


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ({"failing_tests": ["a::x", "a::y"]}, []),
        ({"failing_tests": "a::*"}, []),
        ({"failing_tests": 2}, []),
        ({"failing_tests": "some", "exit_code": 1}, []),
        ({"failing_tests": 3}, ["2 tests failed, expected at least 3"]),
        ({"failing_tests": ["a::x"]}, ["other tests fail too: a::y"]),
        ({"failing_tests": ["a::*", "b"]}, ["'b' is not among the failing tests"]),
        ({"failing_tests": [], "exit_code": 0}, ["exit 1, expected 0", "other tests fail too: a::x, a::y"]),
        ({"exit_code": "nonzero"}, []),
    ],
)
def test_each_reason_why_not_is_reported(value: dict[str, object], reasons: list[str]) -> None:
    assert [fault.reason for fault in unmet(Expectation.of(value), ObservedResult(1, TWO_FAIL))] == reasons


@pytest.mark.parametrize(
    ("value", "results", "reasons"),
    [
        ({}, TWO_FAIL, ["exit 0, but 2 tests failed in its report"]),
        ({"exit_code": 0, "min_tests": 1}, TWO_FAIL, ["exit 0, but 2 tests failed in its report"]),
        ({}, replace(TWO_FAIL, failed=3), ["exit 0, but 4 tests failed in its report"]),
        ({}, replace(TWO_FAIL, passing=("a::x",)), ["exit 0, but 1 test failed in its report"]),  # it was tried again
        ({}, replace(TWO_FAIL, counted_from="printed"), []),  # what tests print may look like a summary
        ({"fails": ["a::x"]}, TWO_FAIL, []),
        ({"failing_tests": 2, "exit_code": 0}, TWO_FAIL, []),
    ],
)
@pytest.mark.attack("a runner whose tests fail is made to end with exit code 0", "held", "T15")
def test_exit_0_with_tests_that_failed_is_no_pass(
    value: dict[str, object], results: TestResults, reasons: list[str]
) -> None:
    assert [fault.reason for fault in unmet(Expectation.of(value), ObservedResult(0, results))] == reasons


ONE_PASSES = replace(TWO_FAIL, passed=1, passing=("a::ok",))


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ({"fails": "a::x"}, []),
        ({"fails": ["a::x", "a::*"]}, []),
        ({"fails": "a::xx"}, ["'a::xx' is not among the failing tests (did you mean 'a::x'?)"]),
        ({"fails": "nothing/like/it"}, ["'nothing/like/it' is not among the failing tests"]),
        ({"fails": "a::ok"}, ["'a::ok' passes, but must fail"]),
        ({"fails": []}, ["expect.fails names no test"]),
        ({"passes": "a::ok", "exit_code": 1}, []),
        ({"passes": ["ok", "a::x"], "exit_code": 1}, ["'a::x' fails, but must pass"]),
        ({"passes": "a::*", "exit_code": 1}, ["'a::*' fails, but must pass"]),
        ({"passes": "a::oki", "exit_code": 1}, ["'a::oki' is not among the tests that passed (did you mean 'a::ok'?)"]),
        ({"passes": [], "exit_code": 1}, ["expect.passes names no test"]),
    ],
)
def test_a_named_test_must_be_among_those_that_failed_or_passed(value: dict[str, object], reasons: list[str]) -> None:
    assert [fault.reason for fault in unmet(Expectation.of(value), ObservedResult(1, ONE_PASSES))] == reasons


@pytest.mark.parametrize("key", ["fails", "passes"])
def test_a_wildcard_from_an_expression_names_no_test(key: str) -> None:
    expectation = Expectation.of({key: ["*"], "exit_code": 1}, frozenset({key}))
    (fault,) = unmet(expectation, ObservedResult(1, ONE_PASSES))
    assert "'*' is not among the" in fault.reason


@pytest.mark.parametrize(
    ("value", "results", "why"),
    [
        ({"fails": "a"}, None, "which tests ran is unknown"),
        ({"passes": "a"}, None, "which tests ran is unknown"),
        ({"fails": "a"}, TestResults(1, 2, 0, 0, (FailedTest("b"),)), "which tests failed is unknown"),
        ({"passes": "a"}, TestResults(3, 0, 0, 0), "which tests passed is unknown"),
    ],
)
def test_where_no_one_says_which_tests_they_were_the_gate_is_undecided(
    value: dict[str, object], results: TestResults | None, why: str
) -> None:
    (fault,) = unmet(Expectation.of({**value, "exit_code": 0}), ObservedResult(0, results))
    assert fault.is_unknowable and why in fault.reason


@pytest.mark.parametrize("test", ["t.py::X::test_dots", "t.X.test_dots", "test_dots (t.X.test_dots)"])
def test_the_nearest_id_is_the_runners_own(test: str) -> None:
    (fault,) = unmet(
        Expectation.of({"fails": "u.py::test_dot"}), ObservedResult(1, TestResults(0, 1, 0, 0, (FailedTest(test),)))
    )
    assert fault.reason == f"'u.py::test_dot' is not among the failing tests (did you mean {test!r}?)"


def test_a_named_test_that_could_not_be_loaded_shows_nothing() -> None:
    unloaded = FailedTest("tests/test_x.py::test_x", "error", "collection failure", is_unloaded=True)
    (fault,) = unmet(Expectation.of({"fails": "test_x"}), ObservedResult(1, TestResults(0, 0, 1, 0, (unloaded,))))
    assert (fault.reason, fault.is_unknowable) == ("'test_x' could not be loaded, so it shows nothing", False)


def test_what_is_expected_is_kept_with_the_evidence() -> None:
    assert Expectation.of({"failing_tests": ["a"]}).as_data() == {"exit_code": None, "failing_tests": ["a"]}
    assert Expectation.of({}).as_data() == {"exit_code": 0}
    named = Expectation.of({"fails": "a", "passes": ["b"]}).as_data()
    assert named == {"exit_code": None, "fails": ["a"], "passes": ["b"]}
    assert Expectation.of({"failing_tests": 1}).as_data() == {"exit_code": None, "failing_tests": 1}


UNLOADED = FailedTest("tests/test_x.py::test_x", "error", is_unloaded=True)


@pytest.mark.parametrize("failing", ["some", 1, "tests/test_x.py::test_x", "*"])
def test_a_file_of_tests_that_cannot_be_loaded_is_no_failing_test(failing: object) -> None:
    results = TestResults(passed=1, failed=0, errors=1, skipped=0, failing=(UNLOADED,))
    found = unmet(Expectation.of({"exit_code": "nonzero", "failing_tests": failing}), ObservedResult(1, results))
    assert [fault.reason for fault in found] == [
        (
            f"{failing!r} is not among the failing tests"
            if failing in ("*", UNLOADED.id)
            else "0 tests failed, expected at least 1"
        )
        + f"; not loaded, so not counted: {UNLOADED.id}"
    ]


DIED = "pytest ended while collecting: no test ran (exit 2)"


@pytest.mark.parametrize(
    "value",
    [
        {"failing_tests": "some"},
        {"failing_tests": 0},
        {"failing_tests": []},
        {"failing_tests": ["a"]},
        {"min_tests": 1},
        {"no_new_skips": True},
    ],
)
@pytest.mark.parametrize("results", [None, TestResults(0, 0, 0, 0), TestResults(0, 0, 1, 0, (UNLOADED,))])
def test_a_command_that_ended_before_its_tests_satisfies_nothing_that_needs_a_count(
    value: dict[str, object], results: TestResults | None
) -> None:
    found = unmet(Expectation.of({"exit_code": "nonzero"} | value), ObservedResult(2, results, no_test=DIED))
    assert [(fault.reason, fault.is_unknowable) for fault in found] == [(DIED, False)]


@pytest.mark.parametrize("exit_code", [None, "nonzero", 3])
def test_an_exit_code_is_no_count_of_failing_tests(exit_code: object) -> None:
    (fault,) = unmet(Expectation.of({"exit_code": exit_code, "failing_tests": "some"}), ObservedResult(3))
    assert fault.is_unknowable


def test_named_tests_cannot_be_judged_where_the_runner_names_none() -> None:
    (fault,) = unmet(
        Expectation.of({"failing_tests": ["a"]}), ObservedResult(1, TestResults(1, 1, 0, 0, runner="mocha"))
    )
    assert fault.is_unknowable and "mocha printed no names" in fault.reason


def test_no_test_fails_is_unknown_where_errors_have_no_names() -> None:
    results = results_printed("Tests run: 3, Failures: 0, Errors: 2, Skipped: 0\n", ["Maven"])
    (fault,) = unmet(Expectation.of({"failing_tests": []}), ObservedResult(1, results))
    assert fault.is_unknowable and "Maven printed no names" in fault.reason


def test_a_test_that_nextest_ended_or_a_signal_killed_is_one_of_the_others_that_fail() -> None:
    text = """
        FAIL [   0.255s] (1/4) pa tests::plain
     SIGSEGV [   0.282s] (2/4) pa tests::crash
   ABORT SIG 9 [   0.265s] (3/4) pa tests::killed
     TIMEOUT [   1.005s] pa tests::hangs
     Summary [   1.1s] 4 tests run: 0 passed, 3 failed, 1 timed out, 0 skipped
"""
    results = results_printed(text, ["cargo nextest"])
    (fault,) = unmet(Expectation.of({"failing_tests": ["tests::plain"]}), ObservedResult(100, results))
    assert fault.reason == "other tests fail too: tests::crash, tests::killed, tests::hangs"
    assert unmet(Expectation.of({"fails": ["tests::hangs"]}), ObservedResult(100, results)) == ()


RAN = TestResults(8, 0, 0, 2)


@pytest.mark.parametrize(
    ("value", "seen", "reasons"),
    [
        ({"min_tests": 8}, ObservedResult(0, RAN), []),
        ({"min_tests": 9}, ObservedResult(0, RAN), ["8 tests ran, expected at least 9"]),
        ({"no_new_skips": True}, ObservedResult(0, RAN, skipped_before=2), []),
        ({"no_new_skips": True}, ObservedResult(0, RAN), []),
        ({"no_new_skips": True}, ObservedResult(0, RAN, skipped_before=1), ["2 tests are skipped; before, 1 were"]),
        ({"coverage_floor": 80}, ObservedResult(0, coverage_percent=80.0), []),
        (
            {"coverage_floor": 80.5},
            ObservedResult(0, coverage_percent=80.25),
            ["line coverage is 80.25 %, expected at least 80.5 %"],
        ),
        ({"max_duration": "1m"}, ObservedResult(0, duration_s=60.0), []),
        ({"max_duration": "1m"}, ObservedResult(0, duration_s=61.04), ["it took 61.0 s, expected at most 60 s"]),
    ],
)
def test_what_a_check_shows_besides_its_exit_code(
    value: dict[str, object], seen: ObservedResult, reasons: list[str]
) -> None:
    assert [fault.reason for fault in unmet(Expectation.of(value), seen)] == reasons


@pytest.mark.parametrize("value", [{"min_tests": 1}, {"no_new_skips": True}, {"coverage_floor": 1}])
def test_what_no_one_counted_cannot_be_judged(value: dict[str, object]) -> None:
    (fault,) = unmet(Expectation.of(value), ObservedResult(0))
    assert fault.is_unknowable


def test_an_expectation_is_kept_with_the_evidence() -> None:
    value = {"min_tests": 3, "no_new_skips": True, "coverage_floor": 80, "max_duration": "2m"}
    kept = {"exit_code": 0, "min_tests": 3, "no_new_skips": True, "coverage_floor": 80, "max_duration_s": 120}
    assert Expectation.of(value).as_data() == kept


# -- names that an agent submits ------------------------------------------------------------------------------------

SHARED = "should be deeply equivalent"
TAP = """TAP version 13
# no moo
ok 1 should be deeply equivalent
ok 2 should be deeply equivalent
# one dash
ok 3 should be deeply equivalent
not ok 4 should be deeply equivalent
  ---
    operator: deepEqual
    at: Test.<anonymous> (/p/test/dash.js:14:5)
    stack: |-
      Error: should be deeply equivalent
          at Test.assert (/p/node_modules/tape/lib/test.js:548:48)
  ...
# later
ok 5 not yet # SKIP

1..5
# tests 5
# pass  4
# fail  1
"""
FIXED = TAP.replace("not ok 4", "ok 4").replace("# fail  1", "# ok")


def submitted(key: str, name: str, code: int, results: TestResults | None, output: str = "") -> list[str]:
    """The faults of a gate that expects ``name``, which an agent submitted."""
    expectation = Expectation.of({key: name, "exit_code": code}, frozenset({key}))
    return [fault.reason for fault in unmet(expectation, ObservedResult(code, results, output=lambda: output))]


def tap(text: str) -> TestResults:
    results = results_printed(text)
    assert results is not None
    return below(Path("/p"), results)


def test_a_test_of_tap_is_a_subtest_or_a_file_and_a_line() -> None:
    before, after = tap(TAP), tap(FIXED)
    assert (before.passed, before.failed, before.skipped, after.passed) == (1, 1, 1, 2)
    assert [(test.id, test.message) for test in before.failing] == [("one dash", f"{SHARED}, at test/dash.js:14")]
    for name in ("one dash", "test/dash.js:14"):
        assert submitted("fails", name, 1, before) == submitted("passes", name, 0, after) == []
    assert submitted("fails", "no moo", 1, before) == ["'no moo' passes, but must fail"]
    assert submitted("passes", "test/dash.js:14", 0, before) == ["'test/dash.js:14' fails, but must pass"]
    assert "is not among the failing tests" in submitted("fails", SHARED, 1, before)[0], "an assertion is no test"


def test_assertions_without_a_test_around_them_share_their_names_and_are_refused() -> None:
    text = "".join(line for line in TAP.splitlines(True) if not line.startswith("# "))
    assert submitted("fails", SHARED, 1, tap(text)) == [
        f"{SHARED!r} is vague: 3 tests of that name pass too; name it by 'test/dash.js:14'"
    ]
    nowhere = tap("ok 1 same\nnot ok 2 same\n")
    assert submitted("fails", "same", 1, nowhere) == [
        "'same' is vague: 1 test of that name passes too; give the test a name of its own"
    ]


def test_a_name_that_passing_tests_share_is_refused_with_the_ids_that_are_not() -> None:
    results = TestResults(1, 1, 0, 0, (FailedTest("a.test.js::sums > adds"),), ("b.test.js::words > adds",))
    assert submitted("fails", "adds", 1, results) == [
        "'adds' is vague: 1 test of that name passes too; name it by 'a.test.js::sums > adds'"
    ]
    assert submitted("fails", "a.test.js::sums > adds", 1, results) == []


def test_the_variants_of_a_parametrised_test_are_one_test() -> None:
    results = TestResults(1, 1, 0, 0, (FailedTest("t.py::test_x[1]"),), ("t.py::test_x[2]",))
    assert submitted("fails", "t.py::test_x", 1, results) == []
    other = replace(results, passing=("u.py::test_x[2]",))
    assert "'test_x' is vague" in submitted("fails", "test_x", 1, other)[0]


@pytest.mark.parametrize("results", [None, TestResults(1, 1, 0, 0)], ids=["not counted", "not named"])
def test_where_the_runner_names_no_test_its_file_proves_it(results: TestResults | None) -> None:
    output, file = "1 failing\n  at /p/test/sums.js:3:5", "test/sums.js"
    expected = "which tests failed is unknown: the check does not name them"
    assert submitted("fails", "adds", 1, results, output) == [
        f"{expected}; name the path of the test's file in place of 'adds'"
    ]
    assert submitted("fails", "test/other.js", 1, results, output) == [
        f"{expected}, and its output does not name the file 'test/other.js'"
    ]
    green = None if results is None else TestResults(2, 0, 0, 0)
    for name in (file, f"{file}:3"):
        assert submitted("fails", name, 1, results, output) == submitted("passes", name, 0, green) == []
        seen = ObservedResult(1, results, output=lambda: output)
        assert proved_by_file(Expectation.of({"fails": name}, frozenset({"fails"})), seen) == (name,)
    assert submitted("passes", file, 1, results) != [], "a check that fails passes no test"


@pytest.mark.parametrize("code", [-9, -11, 134, 137, 139, 3_221_225_477])
@pytest.mark.attack("a check that must fail is killed by a signal", "held", "T4")
def test_a_process_killed_by_a_signal_is_no_failing_check(code: int) -> None:
    (fault,) = unmet(Expectation.of({"exit_code": "nonzero"}), ObservedResult(code))
    assert "killed" in fault.reason
    assert unmet(Expectation.of({"exit_code": code}), ObservedResult(code)) == (), "named in the template, it is meant"


@pytest.mark.parametrize("code", [1, 2, 101, 127, 193, 255])
def test_an_ordinary_exit_code_is_a_failing_check(code: int) -> None:
    assert unmet(Expectation.of({"exit_code": "nonzero"}), ObservedResult(code)) == ()


@pytest.mark.attack("a killed runner prints the name of the test that had to fail", "held", "T4")
def test_a_killed_runner_proves_no_failing_test_by_its_file() -> None:
    expectation = Expectation.of({"fails": ["test/sums.js"]}, frozenset({"fails"}))
    assert unmet(expectation, ObservedResult(1, output=lambda: "test/sums.js failed")) == ()
    (fault,) = unmet(expectation, ObservedResult(-9, output=lambda: "test/sums.js failed"))
    assert "killed" in fault.reason


def test_the_file_submitted_beside_a_name_proves_it_where_the_runner_names_no_test() -> None:
    def left(file: str) -> list[str]:
        wanted = Expectation.of({"fails": "adds: 1.5 + 2"}, frozenset({"fails"}), file)
        assert proved_by_file(wanted, seen) == (file,)
        return [fault.reason for fault in unmet(wanted, seen)]

    seen = ObservedResult(1, None, output=lambda: " FAIL  adds\n  at /p/test/sums.js:3:5")
    assert left("test/sums.js") == []
    assert left("test/other.js")[0].endswith("its output does not name the file 'test/other.js'")
    named = ObservedResult(1, TestResults(1, 1, 0, 0, (FailedTest("subtracts"),), ("adds",)), output=seen.output)
    wanted = Expectation.of({"fails": "adds"}, frozenset({"fails"}), "test/sums.js")
    assert [fault.reason for fault in unmet(wanted, named)] == ["'adds' passes, but must fail"], "the names decide"
