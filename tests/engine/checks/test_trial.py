"""Trials of found checks: what counts as working, with real programs."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from wfe_mcp.engine.checks.trial import Trial, not_tried, try_checks
from wfe_mcp.workspace.config.check_table import Kind
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.config.found_checks import FoundCheck

FINDINGS = frozenset({1})


def prints(text: str, exit_code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({exit_code})"]


def found(kind: Kind, argv: list[str], name: str = "") -> FoundCheck:
    return FoundCheck(
        name or kind, kind, CheckSettings(argv=argv), FINDINGS if kind in {"lint", "types"} else frozenset()
    )


def tried(root: Path, kind: Kind, argv: list[str]) -> Trial:
    (trial,) = try_checks(root, [found(kind, argv)])
    return trial


CARGO = "running 1 test\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured\n"
TESTS = {
    "green": (prints("2 passed in 0.1s"), "passed", "2 tests in "),
    "red": (prints("3 failed, 37 passed in 0.1s", 1), "red", "3 of 40 tests fail now, "),
    "one red": (prints("1 failed, 1 passed in 0.1s", 1), "red", "1 of 2 tests fails now, "),
    "errors of fixtures": (
        prints("ERROR test_a.py::test_x - x\n1 passed, 1 error in 0.1s", 1),
        "red",
        "1 of 2 tests fails",
    ),
    "none of pytest": (prints("no tests ran in 0.01s", 5), "no_tests", "no tests found"),
    "none of unittest": (prints("Ran 0 tests in 0.000s\n\nOK"), "no_tests", "no tests found"),
    "all skipped": (prints("2 skipped in 0.1s"), "no_tests", "no tests found"),
    "none of node": (prints("# tests 0\n# pass 0\n# fail 0"), "no_tests", "no tests found"),
    "none of go": (prints("?   \tx\t[no test files]"), "no_tests", "no tests found"),
    "none of jest": (prints("No tests found, exiting with code 1", 1), "no_tests", "no tests found"),
    "go, some folders without": (prints("?   \tx\t[no test files]\nok  \tx/y\t0.01s"), "passed", ""),
    "go, red": (prints("--- FAIL: TestX (0.00s)\nFAIL\tx/y\t0.002s\nFAIL", 1), "red", "1 of 1 test fails now, "),
    "cargo, library, then documentation": (
        prints(CARGO.format("ok", 3, 0) + CARGO.format("ok", 0, 0)),
        "passed",
        "3 tests in ",
    ),
    "cargo, red": (prints(CARGO.format("FAILED", 1, 2), 101), "red", "2 of 3 tests fail now"),
    "cargo, none": (prints(CARGO.format("ok", 0, 0)), "no_tests", "no tests found"),
    "uncounted": (prints("everything is fine"), "passed", "tests not counted"),
    "uncounted and red": (prints("boom", 3), "failed", "exit code 3: no test ran"),
    "green and still not 0": (prints("2 passed in 0.1s", 1), "failed", "exit code 1"),
    "crash before tests": (
        prints("E   ModuleNotFoundError: No module named 'requests'\n1 error in 0.1s", 2),
        "not_found",
        "No module named 'requests'",
    ),
    "missing runner": (prints("/usr/bin/python3: No module named pytest", 1), "not_found", "No module named pytest"),
    "missing program": (["no-such-program-here", "x"], "not_found", "no-such-program-here is not installed"),
}


@pytest.mark.parametrize(("argv", "outcome", "message"), TESTS.values(), ids=TESTS)
def test_a_test_check_works_when_tests_ran(root: Path, argv: list[str], outcome: str, message: str) -> None:
    trial = tried(root, "test", argv)
    assert trial.outcome == outcome, trial
    assert message in trial.message
    assert trial.works == (outcome in {"passed", "red"})


TOOLS = {
    "fine": (prints("fine"), "passed", ""),
    "findings": (prints("x.py:1: bad", 1), "red", "reports problems now (exit code 1)"),
    "wrong usage": (prints("no such option", 2), "failed", "exit code 2"),
    "missing in a script": (prints("sh: 1: eslint: not found", 1), "not_found", "sh: 1: eslint: not found"),
    "missing without a word": (prints("", 127), "not_found", "exit code 127: its program is missing"),
    "missing subcommand": (prints("error: no such command: `clippy`", 101), "not_found", "no such command: `clippy`"),
}


@pytest.mark.parametrize(("argv", "outcome", "message"), TOOLS.values(), ids=TOOLS)
def test_a_linter_that_finds_something_works(root: Path, argv: list[str], outcome: str, message: str) -> None:
    trial = tried(root, "lint", argv)
    assert (trial.outcome, message in trial.message) == (outcome, True), trial


def test_a_build_that_fails_does_not_work_and_shows_its_last_lines(root: Path) -> None:
    trial = tried(root, "build", prints("\n".join(f"line {number}" for number in range(9)), 1))
    assert (trial.outcome, trial.tail) == ("failed", "line 4\nline 5\nline 6\nline 7\nline 8")


def test_real_pytest_is_counted_and_its_collection_errors_are_no_tests(root: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"]
    (root / "test_a.py").write_text("def test_a(): pass\ndef test_b(): assert 0\n")
    assert tried(root, "test", argv).message.startswith("1 of 2 tests fails now")
    (root / "test_a.py").write_text("import nothing_of_this_name\n")
    trial = tried(root, "test", argv)
    assert (trial.outcome, trial.message) == ("not_found", "No module named 'nothing_of_this_name'")
    (root / "test_a.py").write_text("def test_a(:\n")
    assert tried(root, "test", argv).message == "exit code 2: no test ran"


def test_a_check_that_reaches_its_limit_is_ended_and_does_not_work(root: Path) -> None:
    forever = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    (trial,) = try_checks(root, [found("test", forever)], limit_s=0.2)
    assert (trial.outcome, trial.message) == ("timed_out", "ended after 0.2 s, the limit of a trial")


def test_once_the_time_of_all_is_over_the_rest_does_not_run(root: Path) -> None:
    times = iter([0.0, 0.0, 400.0])
    checks = [found("lint", prints("x")), found("types", [*prints("x"), "ran"])]
    first, second = try_checks(root, checks, clock=lambda: next(times))
    assert (first.outcome, second.outcome) == ("passed", "timed_out")
    assert second.message == "not run: the trials of all checks reached 5 min"


def test_a_trial_sees_the_scrubbed_environment_of_a_gate(root: Path) -> None:
    show = "import json, os, pathlib; pathlib.Path('env.json').write_text(json.dumps(dict(os.environ)))"
    environ = {"PATH": "/bin", "SECRET_KEY": "canary", "HOME": str(root)}
    assert next(try_checks(root, [found("build", [sys.executable, "-c", show])], environ)).works
    seen = json.loads((root / "env.json").read_text())
    assert "SECRET_KEY" not in seen and seen["PYTHONDONTWRITEBYTECODE"] == "1"


def test_a_scanner_finds_the_folder_of_its_report(root: Path) -> None:
    report = ".wfe/report-security.json"
    argv = [sys.executable, "-c", f"import pathlib; pathlib.Path({report!r}).write_text('{{}}')"]
    check = FoundCheck("security", "security", CheckSettings(argv=argv, sarif=report), FINDINGS)
    assert next(try_checks(root, [check])).outcome == "passed"
    assert "report-*" in (root / ".wfe/.gitignore").read_text()


def test_a_folder_outside_the_project_is_no_place_for_a_check(root: Path) -> None:
    (root / "out").symlink_to(root.parent, target_is_directory=True)
    check = FoundCheck("test", "test", CheckSettings(argv=prints("x"), cwd="out"))
    trial = next(try_checks(root, [check]))
    assert (trial.outcome, "outside the project" in trial.message) == ("not_found", True)


def test_a_folder_that_is_gone_is_named(root: Path) -> None:
    check = FoundCheck("test", "test", CheckSettings(argv=prints("x"), cwd="gone"))
    assert "does not exist" in next(try_checks(root, [check])).message


def test_checks_that_were_not_tried_may_be_stored(root: Path) -> None:
    (trial,) = not_tried([found("test", prints("x"))])
    assert (trial.works, trial.tests) == (True, None)


# -- where a test check will run -------------------------------------------------------------------------------------

PYTEST = "def test_it():\n    pass\n"
NEEDS_FILE = (
    "import pathlib\n\n\ndef test_it():\n    assert pathlib.Path({0!r}).exists()\n\n\ndef test_other():\n    pass\n"
)
SKIPS_WITHOUT = """import pathlib
import pytest

def test_it():
    pass

@pytest.mark.skipif(not pathlib.Path('local.txt').exists(), reason='no local.txt')
def test_other():
    pass
"""


@pytest.fixture
def repository(root: Path) -> Path:
    """A git repository that ignores ``.venv``, ``node_modules`` and ``local.txt``."""
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / ".gitignore").write_text(".venv\nnode_modules\nlocal.txt\n__pycache__\n")
    return root


def placed(root: Path, text: str, *, cwd: str = "", limits_at: Iterable[float] = ()) -> Trial:
    """The trial of pytest on one file of tests. ``limits_at``: what the clock says, call by call."""
    (root / cwd).mkdir(exist_ok=True)
    (root / cwd / "test_it.py").write_text(text)
    settings = {
        "argv": [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"]
    } | ({"cwd": cwd} if cwd else {})
    check = FoundCheck("test", "test", CheckSettings.model_validate(settings))
    times = iter(limits_at)
    (trial,) = try_checks(root, [check], clock=lambda: next(times)) if limits_at else try_checks(root, [check])
    return trial


def test_a_test_check_runs_in_a_checkout_where_the_same_tests_pass_there(repository: Path) -> None:
    trial = placed(repository, PYTEST)
    assert (trial.outcome, trial.place) == ("passed", "a checkout: the same 1 passed")
    assert trial.check.settings.model_dump(exclude_unset=True).keys() == {"argv", "where"}
    assert trial.check.settings.where == "checkout"


def test_the_same_failing_tests_prove_a_checkout_too(repository: Path) -> None:
    trial = placed(repository, NEEDS_FILE.format("nowhere"))
    assert (trial.outcome, trial.place) == ("red", "a checkout: the same 1 passed, 1 failed (exit code 1)")


@pytest.mark.parametrize(("cwd", "bring"), [("", [".venv"]), ("web", [".venv", "web/node_modules"])])
def test_a_checkout_brings_the_environments_that_git_ignores(repository: Path, cwd: str, bring: list[str]) -> None:
    for each in (".venv", *bring):
        (repository / each).mkdir(parents=True, exist_ok=True)
        (repository / each / "inside").touch()
    (repository / "vendor").mkdir()
    (repository / "vendor" / "tracked").touch()
    needed = (Path(bring[-1]) / "inside").relative_to(cwd or ".").as_posix()
    trial = placed(repository, NEEDS_FILE.format(needed), cwd=cwd)
    assert trial.place == f"a checkout that brings {', '.join(bring)}: the same 2 passed"
    assert trial.check.settings.bring == bring, "what git tracks is part of the tree"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (NEEDS_FILE.format("local.txt"), "the worktree: in a checkout 1 passed, 1 failed (exit code 1), here 2 passed"),
        (SKIPS_WITHOUT, "the worktree: in a checkout 1 passed, 1 skipped, here 2 passed"),
        ("open('local.txt').close()\n" + PYTEST, "the worktree: in a checkout, exit code 2"),
    ],
    ids=["fails there", "skips there", "crashes there"],
)
def test_tests_that_need_a_file_that_git_ignores_stay_in_the_worktree(repository: Path, text: str, place: str) -> None:
    (repository / "local.txt").touch()
    trial = placed(repository, text)
    assert (trial.works, trial.check.settings.where) == (True, "worktree")
    assert trial.place.startswith(place)


def test_without_a_repository_or_counts_a_checkout_is_not_tried(root: Path, repository: Path, tmp_path: Path) -> None:
    assert tried(repository, "test", prints("everything is fine")).place == (
        "the worktree: its tests are not counted, so a checkout cannot be compared"
    )
    plain = tmp_path / "plain"
    plain.mkdir()
    assert placed(plain, PYTEST).place == "the worktree: a checkout needs git and a repository"
    assert tried(repository, "build", prints("fine")).place == "", "only tests are tried in a checkout"


def test_a_checkout_is_tried_only_while_the_trials_have_time_left(repository: Path) -> None:
    trial = placed(repository, PYTEST, limits_at=(0.0, 0.0, 301.0))
    assert (trial.outcome, trial.check.settings.where) == ("passed", "worktree")
    assert trial.place == "the worktree: the trials of all checks reached their limit before a checkout was tried"
