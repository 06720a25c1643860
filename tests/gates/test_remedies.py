"""What is missing is named with the command that installs it, and so is a script that fails before the tests."""

import json
import sys
from pathlib import Path

import pytest

from tests.gates.conftest import Project
from tests.gates.test_command import PY, frozen, judge, script
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.remedies import remedy

MOCHA = '{"scripts": {"test": "mocha"}, "devDependencies": {"mocha": "*"}}'
NO_NYC, NO_MODULE = "sh: 1: nyc: not found", "No module named 'attrs'"
ENVIRONMENT = ""
MISSING: dict[str, tuple[str, dict[str, str], str]] = {
    "npm, locked": (
        NO_NYC,
        {"package.json": MOCHA, "package-lock.json": "{}"},
        "node_modules is missing: run `npm ci`",
    ),
    "npm": (NO_NYC, {"package.json": MOCHA}, "node_modules is missing: run `npm install`"),
    "pnpm": (NO_NYC, {"package.json": MOCHA, "pnpm-lock.yaml": ""}, "node_modules is missing: run `pnpm install`"),
    "yarn": (NO_NYC, {"package.json": MOCHA, "yarn.lock": ""}, "node_modules is missing: run `yarn install`"),
    "installed": (NO_NYC, {"package.json": MOCHA, "node_modules/mocha/x": ""}, ""),
    "plug'n'play": (NO_NYC, {"package.json": MOCHA, ".pnp.cjs": ""}, ""),
    "uv": (NO_MODULE, {"uv.lock": ""}, "the Python module attrs is missing: run `uv sync`"),
    "poetry": (NO_MODULE, {"poetry.lock": ""}, "run `poetry install`"),
    "pip": (
        NO_MODULE,
        {"requirements.txt": "", "venv/x": ""},
        "run `venv/BIN/python -m pip install -r requirements.txt`",
    ),
    "package": (NO_MODULE, {"setup.py": ""}, "run `PYTHON -m venv .venv && .venv/BIN/python -m pip install -e .`"),
    "tool": ("No module named pytest", {".venv/x": ""}, "run `.venv/BIN/python -m pip install pytest`"),
    "unknown module": (NO_MODULE, {}, ""),
    "environment": (
        ENVIRONMENT,
        {"uv.lock": ""},
        "the virtual environment .venv is missing: run `uv sync`",
    ),
    "bare environment": (ENVIRONMENT, {}, "run `PYTHON -m venv .venv && .venv/BIN/python -m pip install pytest`"),
    "Hex": (
        "Could not find Hex, which is needed to build dependency :mime\nShall I install Hex?",
        {},
        "run `mix local.hex --force`",
    ),
    "Elixir": (
        "Unchecked dependencies for environment test:\n* mime (Hex package)\n  the dependency is not available",
        {},
        "run `mix deps.get`",
    ),
    "toolchain": (
        "error: rustup could not choose a version of cargo to run",
        {},
        "run `rustup default stable`",
    ),
    "this toolchain": (
        "error: toolchain '1.70' is not installed",
        {},
        "run `rustup toolchain install 1.70`",
    ),
    "go": ("x.go:3:8: missing go.sum entry for module", {}, "run `go mod download`"),
}


def with_programs(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Nothing but these programs is on PATH."""
    folder.mkdir()
    for name in names:
        program = folder / (f"{name}.exe" if sys.platform == "win32" else name)
        program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))


def here(command: str, python: str = "python3") -> str:
    """``command`` as this system has it: the Python of Windows has no three in its name."""
    folder, python = ("Scripts", "python") if sys.platform == "win32" else ("bin", python)
    return command.replace("BIN", folder).replace("PYTHON", python)


NO_MANAGER: dict[str, tuple[str, dict[str, str], str]] = {
    "no environment": (
        ENVIRONMENT,
        {"uv.lock": "", "pyproject.toml": ""},
        "PYTHON -m venv .venv && .venv/BIN/python -m pip install -e . pytest",
    ),
    "module": (NO_MODULE, {"uv.lock": "", "pyproject.toml": "", ".venv/x": ""}, ".venv/BIN/python -m pip install -e ."),
    "no environment, another module": (
        "No module named 'unidecode'",
        {"setup.py": ""},
        "PYTHON -m venv .venv && .venv/BIN/python -m pip install -e . pytest",
    ),
    "environment, another module": (
        "No module named 'unidecode'",
        {"setup.py": "", ".venv/x": ""},
        ".venv/BIN/python -m pip install -e .",
    ),
    "requirements": (
        NO_MODULE,
        {"poetry.lock": "", "requirements.txt": ""},
        "PYTHON -m venv .venv && .venv/BIN/python -m pip install -r requirements.txt",
    ),
}


@pytest.mark.parametrize("python", ["python3", "python"])
@pytest.mark.parametrize(("output", "files", "expected"), NO_MANAGER.values(), ids=NO_MANAGER)
def test_where_the_manager_is_not_installed_pip_does_it(
    tmp_path: Path,
    output: str,
    files: dict[str, str],
    expected: str,
    python: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_programs(tmp_path.parent / f"{tmp_path.name}-bin", monkeypatch, python)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    argv = {ENVIRONMENT: [".venv/bin/python", "-m", "pytest"], NO_MODULE: ["check"]}.get(
        output, ["python3", "-m", "pytest"]
    )
    expected = here(expected, python)
    assert remedy(argv, None, tmp_path, output).endswith(f"run `{expected}`")


@pytest.mark.parametrize(("output", "files", "expected"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, output: str, files: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_programs(tmp_path.parent / f"{tmp_path.name}-bin", monkeypatch, "uv", "poetry", "python3")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    argv = [".venv/bin/python", "-m", "pytest"] if output == ENVIRONMENT else ["check"]
    found = remedy(argv, None, tmp_path, output)
    expected = here(expected)
    assert found.endswith(expected) and bool(found) == bool(expected), found


def test_a_tool_of_composer_is_installed_with_composer(tmp_path: Path) -> None:
    (tmp_path / "composer.json").touch()
    argv = ["vendor/bin/phpstan", "analyse"]
    assert remedy(argv, None, tmp_path, "") == "vendor is missing: run `composer install`"
    (tmp_path / "vendor").mkdir()
    assert not remedy(argv, None, tmp_path, "")


PACKAGE = {
    "scripts": {"pretest": "npm run lint", "lint": "eslint .", "test": "tape test"},
    "devDependencies": {"tape": "5"},
}
HEADERS = "> x@1.0.0 pretest\n> npm run lint\n\n> x@1.0.0 lint\n> eslint .\n\ntest/a.js 3:1 error Unexpected var no-var"


@pytest.mark.parametrize("expect", [{"exit_code": "nonzero", "fails": "adds"}, {"min_tests": 1}])
def test_a_lint_script_before_the_tests_is_named_and_is_no_failing_test(
    project: Project, expect: dict[str, object]
) -> None:
    project.write("package.json", json.dumps(PACKAGE))
    project.write("node_modules/tape/x", "")
    judgement = judge(project, script(project, f"print({HEADERS!r}); raise SystemExit(1)"), **expect)
    assert judgement.kind is VerdictKind.FAIL, "the agent can repair it: no person is needed"
    assert "`pretest` (npm run lint) failed before the tests: no test ran (exit 1)" in judgement.message
    assert "no-var" in judgement.message and "junit" not in judgement.message
    assert judgement.message.endswith("Next: fix what `pretest` (npm run lint) reports: the tests run only after it.")


def test_a_missing_node_modules_is_named_with_the_command_that_installs_it(project: Project) -> None:
    project.write("package.json", json.dumps(PACKAGE))
    project.write("package-lock.json", "{}")
    judgement = judge(project, script(project, "print('sh: 1: nyc: not found'); raise SystemExit(127)"))
    assert (
        "Next: node_modules is missing: run `npm ci` (ask the user where that is not yours to do)" in judgement.message
    )


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_a_missing_module_is_named_wherever_the_check_runs(project: Project, where: str) -> None:
    project.write("pyproject.toml", "")
    judgement = judge(project, script(project, "import nothing_of_this_name", where=where))
    assert judgement.kind is VerdictKind.FAIL, "the agent can repair it"
    assert "ModuleNotFoundError: No module named 'nothing_of_this_name'" in judgement.message
    assert "Next: the Python module nothing_of_this_name is missing: run `" in judgement.message


def test_what_npm_says_of_its_own_releases_is_in_the_evidence_and_in_no_excerpt(project: Project) -> None:
    notices = "npm notice\\nnpm notice New major version of npm available! 10.8.2 -> 11.4.1\\nnpm notice"
    judgement = judge(project, script(project, f"print('the cause\\n{notices}'); raise SystemExit(1)"))
    assert "the cause" in judgement.message and "npm notice" not in judgement.message
    assert "New major version" in Path(judgement.log_path or "").read_text()
    assert "New major version" in judgement.data["output"]["tail"]


def test_words_in_the_output_of_tests_that_ran_advise_nothing(project: Project) -> None:
    project.write("package.json", json.dumps(PACKAGE))
    text = "AssertionError: 'sh: 1: nyc: not found'\n1 failed, 1 passed in 0.1s"
    judgement = judge(project, script(project, f"print({text!r}); raise SystemExit(1)"))
    assert "npm" not in judgement.message.partition("Next:")[2]


@pytest.mark.parametrize(
    ("test", "note"),
    [
        ("test_new.py::quite_another", " (no test of 'test_new.py' ran)"),
        ("elsewhere/test_it.py::quite_another", ""),
        ("quite_another", ""),
    ],
)
@pytest.mark.parametrize("named", ["fails", "passes"])
def test_a_file_of_which_no_test_ran_is_named(project: Project, named: str, test: str, note: str) -> None:
    project.write("test_it.py", "def test_a(): pass\n")
    project.write("test_new.py", "def quite_another(): assert 0\n")
    check = frozen((PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider", "test_it.py"))
    judgement = judge(project, check, **{named: test})
    among = {"fails": "the failing tests", "passes": "the tests that passed"}[named]
    assert f"{test!r} is not among {among}{note}, 1 passed" in judgement.message
