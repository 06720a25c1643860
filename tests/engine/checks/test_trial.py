"""Trials of found checks: what counts as working, with real programs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from wfe_mcp.engine.checks.shell_environment import looks_secret
from wfe_mcp.engine.checks.trial import Trial, not_tried, try_checks, unignored_environments
from wfe_mcp.jobs.environment import ALWAYS
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.discovery.check_table import Kind
from wfe_mcp.workspace.discovery.found_checks import FoundCheck

FINDINGS = frozenset({1})


def prints(text: str, exit_code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({exit_code})"]


def found(kind: Kind, argv: list[str], name: str = "") -> FoundCheck:
    return FoundCheck(
        name or kind, kind, CheckSettings(argv=argv), FINDINGS if kind in {"lint", "types"} else frozenset()
    )


def tried(root: Path, kind: Kind, argv: list[str]) -> Trial:
    environ = {name: os.environ[name] for name in ALWAYS if name in os.environ}  # no variable that a check lacks
    (trial,) = try_checks(root, [found(kind, argv)], environ)
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
    "uncounted and red": (prints("boom", 3), "failed", "exit code 3, and its output names no count of tests"),
    "counted as none": (prints("0 passed in 0.1s", 3), "failed", "exit code 3: no test ran"),
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


def test_the_last_lines_of_a_check_that_does_not_work_are_no_blank_ones(root: Path) -> None:
    trial = tried(root, "test", prints("20 tests passed\n\n \n\n\nindex.d.ts: not assignable\n\n", 1))
    assert trial.tail == "20 tests passed\nindex.d.ts: not assignable"


def test_real_pytest_is_counted_and_its_collection_errors_are_no_tests(root: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"]
    (root / "test_a.py").write_text("def test_a(): pass\ndef test_b(): assert 0\n")
    assert tried(root, "test", argv).message.startswith("1 of 2 tests fails now")
    (root / "test_a.py").write_text("import nothing_of_this_name\n")
    trial = tried(root, "test", argv)
    assert (trial.outcome, trial.message) == ("not_found", "No module named 'nothing_of_this_name'")
    (root / "test_a.py").write_text("def test_a(:\n")
    assert tried(root, "test", argv).message == "exit code 2: no test ran: SyntaxError: invalid syntax"


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


def test_an_environment_is_brought_before_git_ignores_it(repository: Path) -> None:
    (repository / ".gitignore").unlink()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", repository / ".venv"], check=True)
    (repository / ".venv" / ".gitignore").unlink(missing_ok=True)  # Python 3.13 writes one
    trial = placed(repository, NEEDS_FILE.format(".venv/pyvenv.cfg"))
    assert trial.place == "a checkout that brings .venv: the same 2 passed"
    assert unignored_environments(repository, [trial.check]) == [".venv/"]
    (repository / ".gitignore").write_text(".venv/\n")
    assert unignored_environments(repository, [trial.check]) == []
    assert trial.check.settings.bring == [".venv"], "the check needs no other settings now"


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


# -- what only the user's shell has ---------------------------------------------------------------------------------

NEEDS = "import os, sys; sys.exit(0 if all(os.environ.get(name) for name in sys.argv[1:]) else 'rustup: no toolchain')"
SHELL = {f"OTHER_{number}": "x" for number in range(40)} | {"RUSTUP_HOME": "/opt/rust", "TOOL_DIR": "/opt/tool"}


def in_shell(root: Path, *needs: str, runs: Path | None = None, configured: bool = False, **more: str) -> Trial:
    """The trial of a check that works only with the variables ``needs``. ``runs``: gets a line for each run."""
    count = f"open({str(runs)!r}, 'a').write('run\\n'); " if runs else ""
    check = FoundCheck(
        "build", "build", CheckSettings(argv=[sys.executable, "-c", count + NEEDS, *needs]), is_configured=configured
    )
    (trial,) = try_checks(root, [check], SHELL | more)
    return trial


def test_a_check_that_passes_in_the_shell_only_gets_the_variable_that_it_needs_by_name(
    root: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    trial = in_shell(root, "RUSTUP_HOME", runs=runs)
    assert (trial.outcome, trial.needs, trial.check.settings.env) == ("passed", ("RUSTUP_HOME",), ["RUSTUP_HOME"])
    assert trial.message.endswith(", with RUSTUP_HOME")
    assert "/opt/rust" not in repr(trial), "a name, never a value"
    assert len(runs.read_text().splitlines()) <= 10, "found by halving 42 names"


def test_a_check_that_fails_only_until_a_run_in_the_shell_has_prepared_it_gets_no_variable(root: Path) -> None:
    prepare = (
        "import os, pathlib, sys\nready = pathlib.Path('ready')\n"
        "ready.touch() if 'WANTED' in os.environ else None\nsys.exit(not ready.exists())"
    )
    check = found("build", [sys.executable, "-c", prepare])
    (trial,) = try_checks(root, [check], {"WANTED": "x", "OTHER": "y"})
    assert (trial.outcome, trial.needs, trial.check.settings.env) == ("passed", (), [])
    assert "after a first run with all variables of your shell" in trial.message


def test_all_variables_that_a_check_needs_are_found_and_a_secret_only_where_nothing_else_will_do(root: Path) -> None:
    both = in_shell(root, "RUSTUP_HOME", "TOOL_DIR", "A_TOKEN", A_TOKEN="canary")
    assert both.check.settings.env == ["A_TOKEN", "RUSTUP_HOME", "TOOL_DIR"]
    either = "import os, sys; sys.exit(not ({'A_TOKEN', 'TOOL_DIR'} & set(os.environ)))"
    check = found("build", [sys.executable, "-c", either])
    assert next(try_checks(root, [check], SHELL | {"A_TOKEN": "canary"})).needs == ("TOOL_DIR",)


def test_a_check_that_fails_in_the_shell_too_keeps_its_own_reason(root: Path) -> None:
    trial = in_shell(root, "NOWHERE")
    assert (trial.outcome, trial.message, trial.needs, trial.check.settings.env) == ("failed", "exit code 1", (), [])


def test_failing_tests_that_pass_in_the_shell_get_its_variable(root: Path) -> None:
    argv = [
        sys.executable,
        "-c",
        "import os; ok = 'TOOL_DIR' in os.environ; print('2 passed in 0.1s' if ok else '1 failed, 1 passed in 0.1s'); raise SystemExit(not ok)",
    ]
    (trial,) = try_checks(root, [found("test", argv)], SHELL)
    assert (trial.outcome, trial.needs, trial.tests) == ("passed", ("TOOL_DIR",), 2)


def test_a_configured_check_is_not_changed_but_its_line_is_proposed(root: Path) -> None:
    trial = in_shell(root, "RUSTUP_HOME", configured=True)
    assert (trial.works, trial.check.settings.env) == (False, [])
    assert trial.message == (
        "exit code 1; it passes with RUSTUP_HOME of your shell: "
        'set env = ["RUSTUP_HOME"] in [checks.build], then run wfe-mcp trust'
    )


def test_without_time_to_find_the_names_the_trial_says_that_the_shell_has_them(root: Path) -> None:
    times = iter([0.0, 0.0, 1.0, 400.0])
    check = found("build", [sys.executable, "-c", NEEDS, "RUSTUP_HOME"])
    (trial,) = try_checks(root, [check], SHELL, clock=lambda: next(times))
    assert (trial.works, trial.needs) == (False, ())
    assert "passes with all variables of your shell" in trial.message


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("NPM_TOKEN", "", True),
        ("API_KEY", "", True),
        ("PGPASSWORD", "", True),
        ("DATABASE_URL", "postgres://app:pw@db/x", True),
        ("DATABASE_URL", "postgres://db/x", False),
        ("KEYBOARD", "", False),
        ("PWD", "/home", False),
    ],
)
def test_variables_that_look_like_secrets_are_known(name: str, value: str, is_secret: bool) -> None:
    assert looks_secret(name, value) == is_secret


# -- what is missing, and the command that installs it --------------------------------------------------------------


def test_what_is_missing_is_named_with_the_command_that_installs_it(root: Path) -> None:
    (root / "package.json").write_text('{"devDependencies": {"nyc": "*"}}')
    (root / "package-lock.json").touch()
    message = tried(root, "test", prints("sh: 1: nyc: not found", 127)).message
    assert message == "sh: 1: nyc: not found; node_modules is missing: run `npm ci`"
    message = tried(root, "test", [".venv/bin/python", "-m", "pytest"]).message
    venv = "python -m venv .venv && .venv/Scripts" if sys.platform == "win32" else "python3 -m venv .venv && .venv/bin"
    assert message.endswith(f"; the virtual environment .venv is missing: run `{venv}/python -m pip install pytest`")


def test_what_only_a_checkout_lacks_is_named_without_a_command_that_installs_it(repository: Path) -> None:
    (repository / "pyproject.toml").touch()
    (repository / "local.py").touch()
    (repository / ".gitignore").write_text("local.py\n__pycache__/\n")
    trial = placed(repository, "import local\n" + PYTEST)
    assert (trial.works, trial.check.settings.where) == (True, "worktree")
    assert trial.place == "the worktree: in a checkout, No module named 'local'"


def test_the_last_lines_of_a_check_have_no_colours(root: Path) -> None:
    assert tried(root, "build", prints("\x1b[31m\x1b[1m1 error\x1b[0m", 1)).tail == "1 error"


def test_a_lint_script_that_fails_before_the_tests_is_named(root: Path) -> None:
    (root / "package.json").write_text('{"scripts": {"pretest": "npm run lint", "lint": "eslint .", "test": "tape"}}')
    header = "> x@1.0.0 pretest\n> npm run lint\n\n> x@1.0.0 lint\n> eslint .\n\n1:1 error no-var"
    assert tried(root, "test", prints(header, 1)).message.endswith("; `pretest` (npm run lint) failed before the tests")
