"""What test runners report, in files and on the terminal."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wfe_mcp.gates.json_reports import parse_go, parse_jest, parse_mocha, parse_node, parse_playwright, parse_rspec
from wfe_mcp.gates.markup import UnreadableReport
from wfe_mcp.gates.printed import results_printed
from wfe_mcp.gates.results import FailedTest, TestResults, is_named, merge_results, named_in, origin, spellings
from wfe_mcp.gates.runners import fill_paths
from wfe_mcp.gates.xml_reports import parse_junit, parse_trx

PYTEST_XUNIT1 = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="99">
<testcase classname="tests.test_a" name="test_fine" file="tests/test_a.py" line="1" time="0.001" />
<testcase classname="tests.test_a.TestX" name="test_y[a-b]" file="tests/test_a.py" line="4" time="0.001">
  <failure message="assert 1 == 2&#10;more">def test_y(): ...</failure></testcase>
<testcase classname="tests.test_a" name="test_setup" file="tests/test_a.py"><error message="failed on setup" /></testcase>
<testcase classname="tests.test_a" name="test_later" file="tests/test_a.py"><skipped message="later" /></testcase>
</testsuite></testsuites>"""


def test_a_junit_report_is_counted_by_its_cases_not_by_its_claims() -> None:
    results = parse_junit(PYTEST_XUNIT1)
    assert (results.passed, results.failed, results.errors, results.skipped) == (1, 1, 1, 1)


def test_failing_tests_have_the_id_that_their_runner_takes() -> None:
    first, second = parse_junit(PYTEST_XUNIT1).failing
    assert (first.id, first.kind, first.message) == (
        "tests/test_a.py::TestX::test_y[a-b]",
        "failure",
        "assert 1 == 2",
    )
    assert (second.id, second.kind) == ("tests/test_a.py::test_setup", "error")


def test_a_test_whose_fixture_does_not_exist_shows_nothing() -> None:
    content = (
        b"<testsuite><testcase classname='t' name='test_a' file='t.py'><error message='failed on setup with \"...\"'>file t.py, line 1"
        b"\nE       fixture 'no_such' not found</error></testcase><testcase classname='t' name='test_b' file='t.py'>"
        b"<error message='failed on setup with \"AssertionError: 3\"'>E  AssertionError</error></testcase></testsuite>"
    )
    missing, raised = parse_junit(content).failing
    assert (missing.is_unloaded, raised.is_unloaded) == (True, False)


def test_a_nested_suite_without_files_names_tests_by_class() -> None:
    content = (
        b"<testsuites><testsuite><testsuite><testcase classname='com.x.CalcTest' name='adds'><failure>boom\nat x"
        b"</failure></testcase><testcase name='alone'><error/></testcase></testsuite></testsuite></testsuites>"
    )
    adds, alone = parse_junit(content).failing
    assert (adds.id, adds.message, alone.id) == ("com.x.CalcTest::adds", "boom", "alone")


def test_a_file_that_says_nothing_of_the_class_still_names_the_test() -> None:
    content = (
        b"<testsuite><testcase classname='suite' name='works' file='src/a.test.js'><failure/></testcase></testsuite>"
    )
    assert parse_junit(content).failing[0].id == "src/a.test.js::works"


@pytest.mark.parametrize(
    "pattern",
    [
        "tests/test_a.py::TestX::test_y[a-b]",
        "tests/test_a.py::TestX::test_y",
        "tests/test_a.py::*",
        "*test_y*",
        "tests.test_a.TestX.test_y[a-b]",
        "test_y",
        "tests*::TestX::*[a-b]",
    ],
)
def test_a_test_is_named_in_any_usual_way(pattern: str) -> None:
    assert is_named(pattern, parse_junit(PYTEST_XUNIT1).failing[0])


@pytest.mark.parametrize("pattern", ["test", "tests/test_b.py::*", "*test_z*", "tests/test_a.py", "*nope*x", "a*a"])
def test_another_test_is_not_named(pattern: str) -> None:
    assert not is_named(pattern, parse_junit(PYTEST_XUNIT1).failing[0])


def test_a_report_names_the_tests_that_passed() -> None:
    assert parse_junit(PYTEST_XUNIT1).passing == ("tests/test_a.py::test_fine",)


@pytest.mark.parametrize(
    ("test", "names"),
    [
        (
            "tests/test_a.py::TestX::test_y[a-b]",
            ["tests/test_a.py::TestX::test_y", "test_a.py::TestX::test_y", "tests.test_a.TestX::test_y[a-b]"],
        ),
        ("tests.test_a.TestX::test_y", ["tests/test_a.py::TestX::test_y", "tests.test_a.TestX.test_y", "test_y"]),
        (
            "test_y (tests.test_a.TestX.test_y)",
            ["tests.test_a.TestX.test_y", "tests/test_a.py::TestX::test_y", "test_y"],
        ),
        ("test_y (tests.test_a.TestX)", ["tests.test_a.TestX.test_y", "test_y"]),
        ("/src/test/slug.test.js::dots become dashes", ["test/slug.test.js::dots become dashes", "dots become dashes"]),
        ("slug::tests::dots_become_dashes", ["tests::dots_become_dashes", "dots_become_dashes"]),
        ("example.com/slug::TestDots", ["TestDots"]),
        ("renders (twice) quickly", ["renders (twice) quickly"]),
        ("alone", ["alone", "a*e"]),
    ],
)
def test_a_test_that_passed_is_named_in_any_usual_way(test: str, names: list[str]) -> None:
    assert [name for name in names if named_in(name, ["other::test", test]) != [test]] == []


@pytest.mark.parametrize(
    ("name", "test", "is_it"),
    [
        ("tests/test_a.py::TestX::test_y", "test_y (test_a.TestX.test_y)", True),
        ("web/src/a.test.ts::adds", "src/a.test.ts::adds", True),
        ("web/src/a.test.ts::adds", "a.test.ts::adds", True),
        ("web/src/a.test.ts::adds", "app/src/a.test.ts::adds", False),
        ("web/src/a.test.ts::adds", "adds", False),
        ("tests/test_a.py::TestX::test_y", "test_y (test_b.TestX.test_y)", False),
    ],
)
def test_a_name_may_begin_above_the_folder_that_the_runner_works_in(name: str, test: str, is_it: bool) -> None:
    assert bool(named_in(name, [test])) is is_it
    assert is_named(name, FailedTest(test), exact=True) is is_it


def test_an_exact_name_has_no_wildcard() -> None:
    ids = ["a::x", "a::*"]
    assert (named_in("*", ids), named_in("*", ids, exact=True)) == (ids, ["a::*"])
    failing = FailedTest("a::x")
    assert is_named("a::x", failing, exact=True) and not is_named("a::*", failing, exact=True)


def test_an_id_of_many_parts_is_taken_apart_only_so_far() -> None:
    assert len(spellings("::".join(["a"] * 10_000))) < 100
    assert len(spellings("/".join(["a"] * 10_000) + "::x")) < 100


def test_a_pattern_needs_room_for_all_its_parts() -> None:
    assert not is_named("aba*ba", FailedTest("aba"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html/>", "root element is <html>"),
        (b"<testsuite>", "not well-formed XML"),
        (b"", "not well-formed XML"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite>&b;</testsuite>', "document type"),
        (b"<testsuite>" * 70, "nested more than"),
        (b'<?xml version="1.0" encoding="klingon"?><testsuite/>', "unknown encoding: klingon"),
        (b'<?xml version="1.0" encoding="utf-7"?><testsuite/>', "multi-byte encodings are not supported"),
    ],
)
def test_a_hostile_or_foreign_report_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableReport, match=why):
        parse_junit(content)


def test_a_doctype_alone_is_allowed_and_never_fetched() -> None:
    content = b'<!DOCTYPE testsuite SYSTEM "http://127.0.0.1:9/x.dtd"><testsuite><testcase name="a"/></testsuite>'
    assert parse_junit(content).passed == 1


UNITTEST = """
======================================================================
FAIL: test_sum (tests.test_calc.Sums.test_sum)
----------------------------------------------------------------------
AssertionError: 3 != 4
======================================================================
ERROR: test_old (tests.test_calc.Sums)
----------------------------------------------------------------------
Ran 7 tests in 0.003s

FAILED (failures=1, errors=1, skipped=2, expected failures=1)
"""


def test_a_unittest_summary_is_read_from_the_output() -> None:
    results = results_printed(UNITTEST)
    assert results is not None and results.counted_from == "printed"
    assert (results.passed, results.failed, results.errors, results.skipped) == (2, 1, 1, 3)
    fails, errs = results.failing
    assert is_named("tests.test_calc.Sums.test_sum", fails) and is_named("test_sum", fails)
    assert errs.kind == "error" and is_named("tests.test_calc.Sums.test_old", errs)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Ran 3 tests in 0.1s\n\nOK\n", (3, 0, 0, 0)),
        ("Ran 3 tests in 0.1s\n\nOK (skipped=1)\n", (2, 0, 0, 1)),
        ("...F\nFAILED tests/test_a.py::test_x - assert 0\n1 failed, 3 passed, 1 skipped in 0.12s\n", (3, 1, 0, 1)),
        ("==== 2 passed, 1 xpassed, 1 xfailed, 1 warning in 61.12s (0:01:01) ====\n", (3, 0, 0, 1)),
        ("ERROR tests/test_a.py\n===== 1 error in 0.10s =====\n", (0, 0, 1, 0)),
        ("test a::b ... FAILED\ntest result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured\n", (3, 1, 0, 2)),
        ("not ok 1 - adds\n# tests 3\n# suites 0\n# pass 2\n# fail 1\n# skipped 0\n", (2, 1, 0, 0)),
    ],
)
def test_summaries_of_usual_runners_are_read(text: str, counts: tuple[int, int, int, int]) -> None:
    results = results_printed(text)
    assert results is not None
    assert (results.passed, results.failed, results.errors, results.skipped) == counts


@pytest.mark.parametrize(
    ("text", "runner", "counts"),
    [
        ("Tests:       1 failed, 1 skipped, 2 passed, 4 total\n", "jest", (2, 1, 0, 1)),
        ("      Tests  1 failed | 2 passed | 1 skipped (4)\n", "vitest", (2, 1, 0, 1)),
        ("\n  2 passing (4ms)\n  1 pending\n  3 failing\n", "mocha", (2, 3, 0, 1)),
        ("  1 failed\n    a.spec.js:1:1 > x\n  1 skipped\n  2 passed (1.1s)\n", "playwright", (2, 1, 0, 1)),
        ("--- FAIL: TestA (0.00s)\n--- PASS: TestB (0.00s)\n--- SKIP: TestC (0.00s)\nFAIL\n", "go test", (1, 1, 0, 1)),
        ("     Summary [   0.011s] 3 tests run: 2 passed, 1 failed, 1 skipped\n", "cargo nextest", (2, 1, 0, 1)),
        ("[ERROR] Tests run: 5, Failures: 1, Errors: 1, Skipped: 1\n", "Maven", (2, 1, 1, 1)),
        (
            "Tests run: 1, Failures: 0, Errors: 0, Skipped: 0\nTests run: 2, Failures: 1, Errors: 0, Skipped: 0\n",
            "Maven",
            (2, 1, 0, 0),
        ),
        ("4 tests completed, 1 failed, 1 skipped\n", "Gradle", (2, 1, 0, 1)),
        ("4 examples, 1 failure, 1 pending\n", "RSpec", (2, 1, 0, 1)),
        ("5 runs, 4 assertions, 1 failures, 1 errors, 1 skips\n", "minitest", (2, 1, 1, 1)),
        ("OK (3 tests, 4 assertions)\n", "PHPUnit", (3, 0, 0, 0)),
        ("Tests: 5, Assertions: 4, Errors: 1, Failures: 1, Skipped: 1.\n", "PHPUnit", (2, 1, 1, 1)),
        ("Failed!  - Failed:     1, Passed:     2, Skipped:     1, Total:     4\n", "dotnet test", (2, 1, 0, 1)),
        ("50% tests passed, 1 tests failed out of 2\n", "ctest", (1, 1, 0, 0)),
        ("3 tests, 1 failure, 1 skipped\n", "bats", (1, 1, 0, 1)),
        ("1..4\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP x\nnot ok 4 - c # TODO y\n", "TAP", (1, 1, 0, 2)),
        ("1..0\n", "TAP", (0, 0, 0, 0)),
    ],
)
def test_the_printed_results_of_each_runner_are_read(text: str, runner: str, counts: tuple[int, int, int, int]) -> None:
    for rows in (None, (runner,)):
        results = results_printed(text, rows)
        assert results is not None and results.runner == runner
        assert (results.passed, results.failed, results.errors, results.skipped) == counts


def test_summaries_per_package_are_added_up() -> None:
    line = "test a::b ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n"
    results = results_printed(line + line.replace("a::b", "c") + "test result: ok. 0 passed; 0 failed; 0 ignored\n")
    assert results is not None and (results.passed, results.passing) == (2, ("a::b", "c"))


def test_tests_that_passed_are_named_where_the_runner_prints_them() -> None:
    text = "test_a (t.T.test_a)\nSays so. ... ok\ntest_b (t.T.test_b) ... ok\nRan 2 tests in 0.1s\n\nOK\n"
    results = results_printed(text)
    assert results is not None and results.passing == ("test_a (t.T.test_a)", "test_b (t.T.test_b)")


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (
            "setUpClass (t.A) ... skipped 'no'\nsetUpClass (t.B) ... skipped 'no'\ntest_c (t.C.test_c) ... ok\n\n"
            "Ran 1 test in 0.1s\n\nOK (skipped=2)\n",
            (1, 0, 0, 2),
        ),
        (
            "test_a (t.T.test_a) ... ok\ntest_b (t.T.test_b) ... skipped 'later'\n\n"
            "Ran 1 test in 0.1s\n\nOK (skipped=1)\n",
            (1, 0, 0, 1),
        ),
        (
            "test_a (t.T.test_a) ... ok\ntest_b (t.T.test_b) ... \n  test_b (t.T.test_b) (i=0) ... FAIL\n\n"
            "Ran 2 tests in 0.1s\n\nFAILED (failures=3)\n",
            (1, 3, 0, 0),
        ),
        (
            "test_a (t.T.test_a) ... ok\ntest_a (t.T.test_a) ... ok\ntest_b (t.T.test_b) ... ok\n"
            "Ran 1 test in 0.1s\n\nFAILED (errors=1)\n",
            (1, 0, 1, 0),
        ),
    ],
    ids=["skipped classes", "Python 3.12.1 counts no skipped test", "parts of one test", "never more than ran"],
)
def test_a_unittest_that_is_named_as_passed_counts_whatever_else_the_summary_takes_off(
    text: str, counts: tuple[int, int, int, int]
) -> None:
    results = results_printed(text)
    assert results is not None
    assert (results.passed, results.failed, results.errors, results.skipped) == counts


def test_what_go_prints_for_a_package_is_no_tap() -> None:
    assert results_printed("ok  \texample.com/calc\t0.005s\n") is None


def test_a_long_line_of_output_is_read_in_linear_time() -> None:
    text = "Tests: 1, Assertions: 1" + "a" * 500_000 + "\n1 passed" + ", 1 passed" * 100_000
    assert results_printed(text) is not None


TRX = b"""<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
<UnitTestResult testName="Calc.Adds" outcome="Passed"/><UnitTestResult testName="Calc.Later" outcome="NotExecuted"/>
<UnitTestResult testName="Calc.Bad" outcome="Failed"><Output><ErrorInfo><Message>1 is not 2
at x</Message></ErrorInfo></Output></UnitTestResult></Results></TestRun>"""


def test_the_report_of_dotnet_is_read() -> None:
    results = parse_trx(TRX)
    assert (results.passed, results.failed, results.skipped, results.passing) == (1, 1, 1, ("Calc.Adds",))
    assert (results.failing[0].id, results.failing[0].message) == ("Calc.Bad", "1 is not 2")
    with pytest.raises(UnreadableReport, match="not <TestRun>"):
        parse_trx(b"<testsuite/>")


@pytest.mark.parametrize("parse", [parse_jest, parse_mocha, parse_playwright, parse_rspec, parse_go, parse_node])
@pytest.mark.parametrize("content", [b"{", b"3", b'"x"'])
def test_json_of_another_kind_is_refused(parse: Callable[[bytes], TestResults], content: bytes) -> None:
    with pytest.raises(UnreadableReport):
        parse(content)


def test_suites_that_are_nested_to_exhaust_the_reader_are_refused() -> None:
    content = '{"suites": [' * 400 + "]}" * 400
    with pytest.raises(UnreadableReport, match="nested more than"):
        parse_playwright(content.encode())


def test_lines_among_the_events_of_go_that_are_no_event_are_left_out() -> None:
    event = '{"Action": "pass", "Package": "p", "Test": "TestA"}'
    results = parse_go(f'# p\n{{"not json\n{{"other": 1}}\n{event}\n'.encode())
    assert (results.passed, results.failed, results.errors, results.skipped) == (1, 0, 0, 0)


def test_the_parts_of_a_run_are_added_up() -> None:
    one = TestResults(1, 1, 0, 0, (FailedTest("a"),), ("b",))
    assert merge_results([one, TestResults(2, 0, 1, 3)]) == TestResults(3, 1, 1, 3, (FailedTest("a"),), ("b",))


@pytest.mark.parametrize(
    ("tests", "answer"),
    [
        ({"counted_from": "report"}, "a report file of this run"),
        ({"counted_from": "reporter", "runner": "jest"}, "the reporter of jest"),
        ({"counted_from": "printed"}, "printed text, which the program could print itself"),
        ({"source": "junit"}, "a report file of this run"),
        ({"source": "output"}, "printed text, which the program could print itself"),
        ({}, ""),
    ],
)
def test_evidence_says_where_a_count_comes_from_also_old_evidence(tests: dict[str, str], answer: str) -> None:
    assert origin(tests) == answer


def test_junit_of_node_names_a_file_in_place_of_its_tests() -> None:
    case = "<testcase name='/p/a.test.mjs' classname='test'>{}</testcase>"
    good, bad = case.format(""), case.format("<failure message='test failed'/>")
    results = parse_junit(f"<testsuites>{good}{bad}</testsuites>".encode())
    assert (results.passed, results.errors, results.ran, len(results.unloaded)) == (0, 1, 0, 1)


def test_failing_tests_on_the_terminal_keep_their_names() -> None:
    results = results_printed("FAILED tests/test_a.py::test_x[a b] - assert 0\n1 failed in 0.12s\n")
    assert results is not None and [test.id for test in results.failing] == ["tests/test_a.py::test_x[a b]"]


def test_the_last_summary_counts() -> None:
    results = results_printed("Ran 3 tests in 0.1s\n\nOK\n\n2 passed in 0.1s\n")
    assert results is not None and results.passed == 2


def test_output_without_a_summary_says_nothing() -> None:
    assert results_printed("make: nothing to be done") is None


@pytest.mark.parametrize(
    "name", ["adds", "sums adds", "sums > adds", "a/sums.test.js::adds", "a/sums.test.js::sums adds"]
)
def test_a_test_of_a_suite_is_named_by_itself_too_whether_it_fails_or_passes(name: str) -> None:
    test = "a/sums.test.js::sums > adds"
    assert is_named(name, FailedTest(test))
    assert named_in(name, [test, "a/sums.test.js::sums > subtracts"]) == [test]


def test_the_reporter_for_mocha_writes_by_what_every_version_of_mocha_gives_a_reporter(tmp_path: Path) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    report = tmp_path / "report.json"
    script = """
        const runner = new (require('events'))();
        const test = (suite, title) => ({ title, file: '/p/test.js', fullTitle: () => `${suite} ${title}` });
        require(process.argv[1])(runner, { reporterOptions: { output: process.argv[2] } });
        runner.emit('pass', test('', 'adds'));
        runner.emit('fail', test('suite', 'bad'), new Error('1 == 2'));
        runner.emit('fail', test('suite', '"before all" hook'), undefined);
        runner.emit('pending', test('suite', 'later'));
        runner.emit('end');
    """
    subprocess.run([node, "-e", script, fill_paths("{mocha_reporter}", report), str(report)], check=True)
    found = parse_mocha(report.read_bytes())
    assert (found.passed, found.failed, found.errors, found.skipped) == (1, 1, 1, 1)
