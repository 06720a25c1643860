"""A check runs in the project, and what it shows decides."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tests.gates.conftest import Project
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workspace.config.checks import CheckSettings, FrozenCheck

PY = sys.executable


def judge(project: Project, check: FrozenCheck | None, **expect: object) -> Judgement:
    judgement = run_check(
        check, name="test", root=project.root, evidence_dir=project.root / ".wfe/runs/r/build/1/evidence", expect=expect
    )
    assert canonical_json(judgement.data)  # evidence can be stored
    assert len(judgement.message) <= 4_000
    return judgement


def script(project: Project, code: str, **more: Any) -> FrozenCheck:
    project.write("check.py", code)
    return frozen((PY, "check.py"), **more)


def frozen(argv: tuple[str, ...], **more: Any) -> FrozenCheck:
    return FrozenCheck.model_validate({"name": "test", "argv": argv, "timeout_s": 60.0, **more})


def under(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    return cast("dict[str, Any]", data[key])


def test_a_check_that_exits_zero_passes_with_its_evidence(project: Project) -> None:
    judgement = judge(project, script(project, "print('all good')"))
    assert (judgement.kind, judgement.evidence_kind) == (VerdictKind.PASS, "command")
    assert judgement.data["exit_code"] == 0 and judgement.data["duration_s"] > 0
    log = Path(judgement.log_path or "")
    assert log.read_text().strip() == "all good"
    assert under(judgement.data, "output")["sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    assert under(judgement.data, "head")["after"] == project.git("rev-parse", "HEAD")
    tree = under(judgement.data, "tree")
    assert tree["before"] == tree["after"] and tree["changed"] == []


def test_a_failing_check_says_what_happened_and_what_to_do(project: Project) -> None:
    judgement = judge(project, script(project, "print('x' * 9000); print('the cause'); raise SystemExit(3)"))
    assert judgement.kind is VerdictKind.FAIL
    assert "exit 3, expected 0" in judgement.message
    assert "the cause" in judgement.message
    assert "Next: fix the code" in judgement.message


def test_failing_pytest_tests_are_named_without_any_configuration(project: Project) -> None:
    project.write("tests/test_calc.py", "def test_fine(): pass\ndef test_bad():\n    assert 1 == 2, 'off by one'\n")
    judgement = judge(
        project, frozen((PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"))
    )
    assert judgement.kind is VerdictKind.FAIL
    assert "tests/test_calc.py::test_bad" in judgement.message and "off by one" in judgement.message
    tests = under(judgement.data, "tests")
    assert (tests["passed"], tests["failed"], tests["counted_from"]) == (1, 1, "reporter")
    assert judgement.data["argv"] != judgement.data["argv_run"]
    assert any("--junitxml=" in word for word in judgement.data["argv_run"])
    assert "junit" in under(judgement.data, "reports_sha256")


def test_pytest_that_finds_no_tests_is_explained(project: Project) -> None:
    judgement = judge(
        project, frozen((PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"))
    )
    assert judgement.kind is VerdictKind.FAIL and "pytest ended without finding tests: no test ran" in judgement.message


def test_a_unittest_run_is_counted_from_its_output(project: Project) -> None:
    code = (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n    def test_b(self): self.fail()\n"
    )
    project.write("test_it.py", code)
    judgement = judge(project, frozen((PY, "-m", "unittest")), failing_tests=["test_b"])
    assert judgement.kind is VerdictKind.PASS
    tests = under(judgement.data, "tests")
    assert (tests["passed"], tests["failed"], tests["counted_from"]) == (1, 1, "printed")


def test_a_check_that_must_fail_passes_when_it_does(project: Project) -> None:
    assert judge(project, script(project, "raise SystemExit(7)"), exit_code="nonzero").kind is VerdictKind.PASS
    refused = judge(project, script(project, "pass"), exit_code="nonzero")
    assert refused.kind is VerdictKind.FAIL and "requires a failure" in refused.message
    assert "make the tests show the bug" in refused.message


def test_a_check_may_have_to_exit_with_a_certain_number(project: Project) -> None:
    assert judge(project, script(project, "raise SystemExit(4)"), exit_code=4).kind is VerdictKind.PASS
    assert judge(project, script(project, "raise SystemExit(3)"), exit_code=4).kind is VerdictKind.FAIL


def test_the_named_tests_must_be_the_ones_that_fail(project: Project) -> None:
    project.write("test_it.py", "def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): assert 0\n")
    check = frozen((PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"))
    refused = judge(project, check, exit_code="nonzero", failing_tests=["test_it.py::test_a", "test_it.py::test_b"])
    assert refused.kind is VerdictKind.FAIL
    assert "'test_it.py::test_b' is not among the failing tests" in refused.message
    assert "other tests fail too: test_it.py::test_c" in refused.message


def test_the_test_that_must_fail_may_have_others_beside_it(project: Project) -> None:
    project.write("test_it.py", "def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): assert 0\n")
    check = frozen((PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"))
    shown = judge(project, check, exit_code="nonzero", fails="test_it.py::test_a")
    assert shown.kind is VerdictKind.PASS and "; failed as named: test_it.py::test_a" in shown.message
    refused = judge(project, check, exit_code="nonzero", fails="test_it.py::test_aa")
    assert refused.kind is VerdictKind.FAIL
    assert (
        "'test_it.py::test_aa' is not among the failing tests (did you mean 'test_it.py::test_a' or" in refused.message
    )
    assert "name each by the id the runner prints" in refused.message


def test_a_named_test_must_have_run_and_passed(project: Project) -> None:
    project.write("test_it.py", "import pytest\ndef test_a(): pass\n@pytest.mark.skip\ndef test_b(): pass\n")
    check = frozen((PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"))
    assert "; passed as named: test_it.py::test_a" in judge(project, check, passes="test_it.py::test_a").message
    for name in ("test_it.py::test_b", "test_it.py::test_gone"):
        refused = judge(project, check, passes=[name])
        assert refused.kind is VerdictKind.FAIL and f"{name!r} is not among the tests that passed" in refused.message


def test_a_summary_that_names_no_passing_test_proves_none(project: Project) -> None:
    judgement = judge(project, script(project, "print('Ran 1 test in 0.1s\\n\\nOK')"), passes="test_a")
    assert judgement.kind is VerdictKind.ERROR
    assert "which tests passed is unknown" in judgement.message and "JUnit reporter" in judgement.message


def test_failing_tests_that_no_one_counted_cannot_be_judged(project: Project) -> None:
    judgement = judge(project, script(project, "raise SystemExit(1)"), failing_tests=["a"])
    assert judgement.kind is VerdictKind.ERROR and "`junit`" in judgement.message


def test_an_expectation_that_makes_no_sense_is_an_error_of_the_gate(project: Project) -> None:
    judgement = judge(project, script(project, "pass"), exit_code="zero")
    assert judgement.kind is VerdictKind.ERROR and "expect.exit_code" in judgement.message


def test_a_check_that_takes_too_long_fails_with_what_it_said(project: Project) -> None:
    check = script(project, "import time; print('waiting for godot', flush=True); time.sleep(600)", timeout_s=1.0)
    judgement = judge(project, check, exit_code="nonzero")
    assert judgement.kind is VerdictKind.FAIL
    assert "reached its timeout of 1 s" in judgement.message and "godot" in judgement.message
    assert judgement.data["timed_out"] is True and judgement.data["exit_code"] is None


def test_a_silent_failure_says_that_it_was_silent(project: Project) -> None:
    assert "It printed no output." in judge(project, script(project, "raise SystemExit(1)")).message


def test_the_last_lines_of_a_long_output_begin_with_a_whole_line(project: Project) -> None:
    text = "for line in range(500): print('line', line, 'of them')\nraise SystemExit(1)"
    first = judge(project, script(project, text)).message.partition("its output:\n")[2].partition("\n")[0]
    assert re.fullmatch(r"line \d+ of them", first)


def test_a_missing_check_fails_or_is_noted_as_the_template_says(project: Project) -> None:
    place = {"name": "lint", "root": project.root, "evidence_dir": project.root / ".wfe"}
    refused = run_check(None, **place)  # type: ignore[arg-type]
    assert refused.kind is VerdictKind.FAIL and "wfe-mcp init" in refused.message
    noted = run_check(None, **place, if_missing="note")  # type: ignore[arg-type]
    assert noted.kind is VerdictKind.PASS and noted.data["missing"] is True


def test_a_program_that_is_not_installed_counts_as_missing(project: Project) -> None:
    judgement = judge(project, frozen(("no-such-scanner",)))
    assert judgement.kind is VerdictKind.FAIL and "no-such-scanner" in judgement.message


def test_a_check_never_runs_outside_the_project(project: Project) -> None:
    judgement = judge(project, frozen((PY, "-c", "pass"), cwd="../.."))
    assert judgement.kind is VerdictKind.ERROR and "outside the project" in judgement.message


@pytest.mark.requirement("B-20")
def test_only_the_frozen_command_runs_whatever_the_project_says_now(project: Project) -> None:
    check = CheckSettings(argv=[PY, "-c", "raise SystemExit(1)"]).frozen("test")
    project.write(".wfe/config.toml", '[checks.test]\nargv = ["true"]\n')
    project.write("pytest.ini", "[pytest]\naddopts = --exitfirst\n")
    judgement = judge(project, check, exit_code=0)
    assert judgement.kind is VerdictKind.FAIL
    assert judgement.data["argv_run"] == [PY, "-c", "raise SystemExit(1)"]


def test_paths_that_a_check_changes_are_named(project: Project) -> None:
    check = script(project, "open('src/calc.py', 'a').write('# touched')")
    project.commit("Add a check")
    judgement = judge(project, check)
    tree = under(judgement.data, "tree")
    assert tree["before"] != tree["after"] and tree["changed"] == ["src/calc.py"]


def test_what_a_check_may_write_does_not_count_as_a_change(project: Project) -> None:
    code = (
        "import os; os.makedirs('out', exist_ok=True); open('out/x', 'w').write('1'); open('cov.json', 'w').write('{}')"
    )
    check = script(project, code, writes=("out/**",), coverage="cov.json")
    tree = under(judge(project, check).data, "tree")
    assert tree["before"] == tree["after"]


JUNIT = "<testsuite><testcase name='a'/><testcase name='b'><failure message='no'/></testcase></testsuite>"


def test_configured_reports_are_read_and_kept(project: Project) -> None:
    bandit: dict[str, Any] = {
        "metrics": {},
        "results": [{"issue_severity": "HIGH", "issue_text": "shell", "filename": "src/calc.py"}],
    }
    code = (
        f"open('j.xml', 'w').write({JUNIT!r})\n"
        "open('c.json', 'w').write('{\"totals\": {\"percent_covered\": 91.5}}')\n"
        f"open('s.json', 'w').write({json.dumps(bandit)!r})\n"
    )
    check = script(project, code, junit="j.xml", coverage="c.json", sarif="s.json")
    judgement = judge(project, check)
    assert judgement.data["coverage_percent"] == 91.5
    assert under(judgement.data, "tests")["failed"] == 1
    assert under(judgement.data, "security")["totals"]["high"] == 1
    assert judgement.data["notes"] == []
    kept = sorted(path.name for path in Path(judgement.log_path or "").parent.iterdir())
    assert kept == ["test-1.coverage.json", "test-1.junit.xml", "test-1.log", "test-1.sarif.json"]


def test_reports_are_named_from_the_project_wherever_the_check_runs(project: Project) -> None:
    project.write("app/check.py", f"open('../j.xml', 'w').write({JUNIT!r})")
    check = frozen((PY, "check.py"), cwd="app", junit="j.xml")
    judgement = judge(project, check)
    assert under(judgement.data, "tests")["passed"] == 1
    tree = under(judgement.data, "tree")
    assert tree["before"] == tree["after"]


def test_a_report_that_the_check_did_not_write_does_not_count(project: Project) -> None:
    project.write("j.xml", JUNIT)
    check = script(project, "pass", junit="j.xml", coverage="none.json")
    judgement = judge(project, check)
    assert judgement.data["tests"] is None
    old, absent = judgement.data["notes"]
    assert "is older than this execution" in old and "did not write" in absent


def test_the_evidence_has_the_beginning_of_an_id_of_megabytes(project: Project) -> None:
    report = "'<testsuite><testcase name=\"' + 'x' * 5_000_000 + '\"><failure/></testcase></testsuite>'"
    judgement = judge(project, script(project, f"open('j.xml', 'w').write({report})", junit="j.xml"))
    assert under(judgement.data, "tests")["failed"] == 1
    assert len(json.dumps(judgement.data)) < 20_000


@pytest.mark.parametrize(
    "content",
    [
        "'LF:' + '9' * 5000",
        "'LF:1\\nLH:' + '9' * 4000",
        "'{\"totals\": {\"percent_covered\": ' + '9' * 400 + '}}'",
        "'<coverage line-rate=\"nan\"/>'",
    ],
)
def test_a_report_with_a_number_that_none_can_be_does_not_count(project: Project, content: str) -> None:
    check = script(project, f"open('cov', 'w').write({content})", coverage="cov")
    judgement = judge(project, check, coverage_floor=1)
    assert judgement.kind is VerdictKind.ERROR
    assert [note.startswith("The coverage report does not count: ") for note in judgement.data["notes"]] == [True]


def test_a_report_that_is_a_link_or_too_large_does_not_count(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfe_mcp.gates.reports.MAX_REPORT_BYTES", 20)
    outside = project.root.parent / "secret.xml"
    code = f"import os; os.symlink({str(outside)!r}, 'j.xml'); open({str(outside)!r}, 'w').write('<testsuite/>' * 9)"
    check = script(project, code, junit="j.xml", coverage=str(outside))
    judgement = judge(project, check)
    link, large = judgement.data["notes"]
    assert "did not write" in link and "more than 20" in large


def test_a_report_outside_the_project_must_be_named_in_full(project: Project) -> None:
    code = f"open('../j.xml', 'w').write({JUNIT!r})"
    judgement = judge(project, script(project, code, junit="../j.xml"))
    assert judgement.data["tests"] is None
    assert "'..' leaves its folder" in judgement.data["notes"][0]


def test_a_scanner_may_print_its_report(project: Project) -> None:
    npm = {"metadata": {}, "vulnerabilities": {"x": {"severity": "high", "via": [{"title": "bad"}]}}}
    check = script(project, f"print('npm warn'); print({json.dumps(npm)!r}); raise SystemExit(1)", sarif="-")
    judgement = judge(project, check)
    assert judgement.kind is VerdictKind.FAIL
    assert under(judgement.data, "security")["findings"][0]["title"] == "x: bad"


def test_evidence_of_an_earlier_execution_stays(project: Project) -> None:
    check = script(project, "print('once')")
    first, second = judge(project, check), judge(project, check)
    assert first.log_path != second.log_path
    assert Path(first.log_path or "").exists() and Path(second.log_path or "").exists()


def test_a_check_runs_in_a_folder_without_git(tmp_path: Path) -> None:
    judgement = judge(Project(tmp_path), frozen((PY, "-c", "pass")))
    assert judgement.kind is VerdictKind.PASS
    assert under(judgement.data, "tree") == {"before": None, "after": None, "changed": []}


def test_a_check_sees_only_the_variables_it_names(project: Project) -> None:
    code = "import os, sys; sys.exit(('NAMED' in os.environ) + 2 * ('OTHER' in os.environ))"
    check = script(project, code, env=("NAMED",))
    judgement = run_check(
        check, name="test", root=project.root, evidence_dir=project.root / ".wfe", environ={"NAMED": "1", "OTHER": "2"}
    )
    assert judgement.data["exit_code"] == 1


def test_enough_tests_coverage_and_speed_are_asked_of_what_the_check_showed(project: Project) -> None:
    code = (
        "import json, pathlib\n"
        'pathlib.Path(\'r.xml\').write_text(\'<testsuite tests="2"><testcase classname="a" name="b"/>'
        '<testcase classname="a" name="c"/></testsuite>\')\n'
        "pathlib.Path('c.json').write_text(json.dumps({'totals': {'percent_covered': 75.5}}))\n"
    )
    check = script(project, code, junit="r.xml", coverage="c.json")
    assert judge(project, check, min_tests=2, coverage_floor=75, max_duration="1m").kind is VerdictKind.PASS
    no = judge(project, check, min_tests=3, coverage_floor=80, max_duration="1ms")
    assert no.kind is VerdictKind.FAIL
    assert "2 tests ran, expected at least 3" in no.message
    assert "line coverage is 75.5 %, expected at least 80 %" in no.message
    assert "expected at most 0.001 s" in no.message
    assert (no.data["passed"], under(no.data, "expect")["min_tests"]) == (False, 3)


def test_coverage_that_no_one_measured_cannot_be_judged(project: Project) -> None:
    judgement = judge(project, script(project, "pass"), coverage_floor=50)
    assert judgement.kind is VerdictKind.ERROR
    assert "as `junit` or `coverage`" in judgement.message


@pytest.mark.skipif(sys.platform == "win32", reason="a file has no time of change there that no program can set")
@pytest.mark.attack("change a file while a check runs, and change it back", "held", "T15")
def test_a_file_that_is_changed_and_changed_back_while_the_check_runs_is_named(project: Project) -> None:
    """The check judged bytes that no one can name: the tree is the same before and after."""
    project.write("money.py", "RATE = 1\n")
    swap = (
        "import os, pathlib\nfile = pathlib.Path('money.py')\nfacts = file.stat()\n"
        "file.write_text('RATE = 2\\n')\nprint(file.read_text())\nfile.write_text('RATE = 1\\n')\n"
        "os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))\n"
    )
    tree = under(judge(project, script(project, swap)).data, "tree")
    assert tree["before"] == tree["after"]
    assert tree["changed"] == ["money.py"]


def test_what_a_check_may_write_is_not_named_when_it_is_written_again(project: Project) -> None:
    project.write("out.txt", "1")
    check = script(project, "open('out.txt', 'w').write('1')", writes=["out.txt"])
    assert under(judge(project, check).data, "tree")["changed"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="a shim without an extension is no program there")
@pytest.mark.attack("put another program on the PATH of a check", "detected", "T15")
def test_evidence_names_the_program_that_ran_and_not_the_one_that_was_meant(project: Project, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    shim = shims / "runtests"
    shim.write_text("#!/bin/sh\nexit 0\n")
    shim.chmod(0o755)
    judgement = run_check(
        frozen(("runtests",), env=["TOKEN"]),
        name="test",
        root=project.root,
        evidence_dir=project.root / ".wfe/e",
        environ={"PATH": f"{shims}:/usr/bin:/bin", "TOKEN": "canary", "OTHER": "x"},
    )
    digest = hashlib.sha256(shim.read_bytes()).hexdigest()
    assert judgement.data["program"] == {"path": str(shim.resolve()), "sha256": digest}
    assert judgement.data["variables"] == ["PATH", "PYTHONDONTWRITEBYTECODE", "TOKEN"]
    assert "canary" not in json.dumps(judgement.data)


def test_a_program_is_named_by_the_folder_of_the_check(project: Project) -> None:
    file = project.root / ("sub/run.cmd" if sys.platform == "win32" else "sub/run")
    project.write(f"sub/{file.name}", "" if sys.platform == "win32" else "#!/bin/sh\nexit 0\n").chmod(0o755)
    program = under(judge(project, frozen(("./run",), cwd="sub")).data, "program")
    assert program.get("real", program["path"]) == str(file.resolve())
    assert judge(project, frozen(("./absent",), cwd="sub")).kind is VerdictKind.FAIL
