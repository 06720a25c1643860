"""Each recognised runner, red, green, without tests, crashing and with a dependency missing: its verdict and its count.

Runners that can be had here run for real; each also plays back a recording of a real run (``record_runners.py``), that of
dotnet was written manually.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.gates.record_runners import prepare, recording_of
from tests.gates.runner_projects import CASES, PROJECTS
from tests.gates.runner_results import EXPECTED, LIVE
from tests.packages import has_program
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.gates.printed import results_printed
from wfe_mcp.gates.results import is_named
from wfe_mcp.jobs.child import MAX_OUTPUT_BYTES, ChildResult, run_child
from wfe_mcp.workspace.config.checks import FrozenCheck

Counts = tuple[int, int, int, int]
"""Passed, failed, errors, skipped."""

PACKAGE = Path(__file__).parents[2]
RED, GREEN = (1, 1, 0, 1), (2, 0, 0, 1)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of each runner's name, so that a recording is played back on each machine: the evidence names its file."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in {project.argv[0] for project in PROJECTS.values()}:
        (programs / (f"{name}.exe" if sys.platform == "win32" else name)).touch(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)


def judge(argv: Sequence[str], root: Path, run: Any = run_child, **expect: object) -> Judgement:
    check = FrozenCheck(name="test", argv=tuple(argv), timeout_s=120)
    return run_check(check, name="test", root=root, evidence_dir=root.parent / "evidence", expect=expect, run=run)


def played_back(recording: Mapping[str, Any], root: Path) -> Any:
    """A child that does what was recorded: writes the same files and output, and ends with the same code."""

    def run(argv: Sequence[str], *, log_path: Path, env: Mapping[str, str], **_: Any) -> ChildResult:
        evidence = log_path.parent

        def real(text: str) -> str:
            text = text.replace("file://{package}", PACKAGE.as_uri()).replace("{package}", PACKAGE.as_posix())
            return text.replace("{evidence}", evidence.as_posix()).replace("{root}", root.as_posix())

        words = [real(word) for word in recording["argv"]]
        assert list(argv) == words, "the command is no longer the recorded one: record it anew"
        assert {name: env[name] for name in recording["env"] if name != "NODE_OPTIONS"} == {
            name: real(value) for name, value in recording["env"].items() if name != "NODE_OPTIONS"
        }
        for name, content in recording["files"].items():
            path = Path(real(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(real(content), encoding="utf-8")
        output = real(recording["output"]).encode()
        log_path.write_bytes(output)
        tail = output.decode()[-65_536:]
        return ChildResult(recording["exit_code"], False, False, 0.1, tail, "0" * 64, len(output), log_path)

    return run


def counts(judgement: Judgement) -> Counts | None:
    tests = judgement.data["tests"]
    return tests and tuple(tests[key] for key in ("passed", "failed", "errors", "skipped"))


def check_case(runner: str, case: str, argv: Sequence[str], root: Path, run: Any = run_child) -> None:
    """The verdict of ``failing_tests: some``, the counts and their source, for one case of one runner."""
    PROJECTS[runner].write(root, case)
    judgement = judge(argv, root, run, failing_tests="some")
    expected = EXPECTED[runner]
    if case in {"red", "green"}:
        assert counts(judgement) == (RED if case == "red" else GREEN), judgement.message
        assert judgement.data["tests"]["counted_from"] == expected["from"]
        assert judgement.data["tests"]["runner"] == runner
        assert (judgement.kind is VerdictKind.PASS) == (case == "red"), judgement.message
        named = [each["id"] for each in judgement.data["tests"]["failing"]]
        assert named == ([expected["bad"]] if case == "red" else [])
    else:
        assert judgement.kind is VerdictKind.FAIL, judgement.message
        assert expected[case] in judgement.message, judgement.message
        assert "no test ran" in judgement.message


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("runner", sorted(set(PROJECTS) - {"pytest", "unittest"}))
def test_a_recorded_run_has_its_verdict_and_count(runner: str, case: str, tmp_path: Path, stand_ins: None) -> None:
    root = tmp_path / "project"
    root.mkdir()
    recording = json.loads(recording_of(runner).read_text(encoding="utf-8"))["cases"][case]
    check_case(runner, case, PROJECTS[runner].argv, root, played_back(recording, root))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("runner", LIVE)
def test_a_real_run_has_its_verdict_and_count(
    runner: str, case: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    live, root = LIVE[runner], tmp_path / "project"
    own = {"pytest", "python", *(["deno"] if live.needs == "npm" else [])}
    needed = {PROJECTS[runner].argv[0], *(command[0] for command in PROJECTS[runner].before)} - own
    if absent := sorted(program for program in needed if not has_program(program)):
        pytest.skip(f"{', '.join(absent)} is not installed")
    root.mkdir()
    if live.needs:
        request.getfixturevalue(live.needs)(root)
    prepare(runner, case, root)
    check_case(runner, case, live.argv, root)


def test_a_unittest_run_in_which_classes_skip_themselves_has_its_verdict(tmp_path: Path) -> None:
    skipping = "class {}(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls): cls.skipTest(cls(), 'no')\n    def test(self): pass\n"
    passing = "class Calc(unittest.TestCase):\n    def test_adds(self): pass\n"
    (tmp_path / "test_calc.py").write_text(f"import unittest\n{skipping.format('A')}{skipping.format('B')}{passing}")
    judgement = judge(LIVE["unittest"].argv, tmp_path)
    assert judgement.kind is VerdictKind.PASS, judgement.message
    assert counts(judgement) == (1, 0, 0, 2)


def test_a_report_that_is_written_after_its_runner_has_ended_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bats does not wait for the process that writes its report. Here that one asks for the date, and gets it last."""
    if shutil.which("bats") is None or not Path("/proc/self/stat").exists():
        pytest.skip("bats is not installed, or there is no /proc")
    root, programs = tmp_path / "project", tmp_path / "programs"
    root.mkdir()
    programs.mkdir()
    (programs / "date").write_text(
        "#!/bin/sh\nread -r _ _ _ _ _ leader _ </proc/self/stat\n"
        'if [ "$1" = -u ]; then while [ -e /proc/"$leader" ]; do :; done; sleep 2; fi\n'
        f'exec {shutil.which("date")} "$@"\n'
    )
    (programs / "date").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    check_case("bats", "red", PROJECTS["bats"].argv, root)


def test_node_behind_npm_is_counted_by_its_reporter(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    root = tmp_path / "a project"
    root.mkdir()
    PROJECTS["node:test"].write(root, "red")
    (root / "package.json").write_text('{"scripts": {"test": "node --test calc.test.mjs"}}')
    judgement = judge(("npm", "test"), root, failing_tests=["calc.test.mjs::suite > bad"])
    assert judgement.kind is VerdictKind.PASS, judgement.message
    assert (counts(judgement), judgement.data["tests"]["counted_from"]) == (RED, "reporter")


@pytest.mark.parametrize(
    "named", ["bad", "suite > bad", "suite bad", "calc.test.mjs::bad", "calc.test.mjs::suite > bad"]
)
def test_a_test_of_node_is_named_in_any_usual_way(named: str, tmp_path: Path, stand_ins: None) -> None:
    root = tmp_path / "project"
    root.mkdir()
    recording = json.loads(recording_of("node:test").read_text(encoding="utf-8"))["cases"]["red"]
    judgement = judge(("node", "--test"), root, played_back(recording, root), failing_tests=[named])
    assert judgement.kind is VerdictKind.PASS, judgement.message


def test_a_runner_that_wrote_no_report_is_not_counted_by_what_it_printed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "conftest.py").write_text("import os\nprint('3 failed in 0.1s', flush=True)\nos._exit(1)\n")
    judgement = judge((*LIVE["pytest"].argv, "-s"), root, failing_tests="some")
    assert "3 failed in 0.1s" in judgement.message
    assert judgement.kind is VerdictKind.FAIL and judgement.data["tests"] is None
    assert "pytest ended before its tests: no test ran (exit 1)" in judgement.message


def test_text_that_looks_like_a_result_is_marked_as_printed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "check.py").write_text("print('3 failed in 0.1s')\n")
    judgement = judge((sys.executable, "check.py"), root, failing_tests="some")
    assert judgement.data["tests"]["counted_from"] == "printed"
    assert "counted from printed text, which the program could print itself" in judgement.message


@pytest.mark.parametrize(("code", "why"), [(127, "a program was not found"), (126, "its program cannot be executed")])
def test_a_program_that_a_script_did_not_find_ran_no_test(code: int, why: str, tmp_path: Path) -> None:
    judgement = judge((sys.executable, "-c", f"raise SystemExit({code})"), tmp_path, failing_tests="some")
    assert judgement.kind is VerdictKind.FAIL
    assert f"the command ended because {why}: no test ran (exit {code})" in judgement.message


def test_go_prints_its_last_lines_as_a_person_reads_them(tmp_path: Path, stand_ins: None) -> None:
    recording = json.loads(recording_of("go test").read_text(encoding="utf-8"))["cases"]["red"]
    judgement = judge(PROJECTS["go test"].argv, tmp_path, played_back(recording, tmp_path))
    assert "--- FAIL: TestBad" in judgement.message and '"Action"' not in judgement.message


def test_output_of_go_that_was_cut_is_not_counted(tmp_path: Path, stand_ins: None) -> None:
    recording = json.loads(recording_of("go test").read_text(encoding="utf-8"))["cases"]["green"]

    def run(*args: Any, **more: Any) -> ChildResult:
        return replace(played_back(recording, tmp_path)(*args, **more), output_bytes=MAX_OUTPUT_BYTES + 1)

    judgement = judge(PROJECTS["go test"].argv, tmp_path, run, min_tests=1)
    assert judgement.kind is VerdictKind.ERROR
    assert "too long to be kept whole" in judgement.data["notes"][0]


def test_reports_of_an_earlier_run_are_not_added_up(tmp_path: Path, stand_ins: None) -> None:
    root = tmp_path / "project"
    root.mkdir()
    recording = json.loads(recording_of("Maven").read_text(encoding="utf-8"))["cases"]
    assert counts(judge(PROJECTS["Maven"].argv, root, played_back(recording["green"], root))) == GREEN
    (root / "target/surefire-reports/TEST-Old.xml").write_text("<testsuite><testcase name='old'/></testsuite>")
    again = played_back(recording["red"], root)
    assert counts(judge(PROJECTS["Maven"].argv, root, again)) == RED
    nothing = played_back(recording["none"], root)
    assert judge(PROJECTS["Maven"].argv, root, nothing).data["tests"] is None


def test_exunit_counts_doctests_and_properties_of_each_application_and_names_failures_with_their_line() -> None:
    failure = "  1) doctest Shop.total/1 (2) (ShopTest)\n     test/shop_test.exs:3\n"
    first = "2 doctests, 1 property, 4 tests, 1 failure, 1 excluded, 1 invalid, 1 skipped\n"
    results = results_printed(f"==> a\n{failure}{first}==> b\n1 test, 0 failures\n", ["ExUnit"])
    assert results is not None
    assert (results.passed, results.failed, results.errors, results.skipped) == (4, 1, 1, 2)
    (failed,) = results.failing
    for name in ("Shop.total/1 (2) (ShopTest)", "test/shop_test.exs:3"):
        assert is_named(name, failed, exact=True), name
