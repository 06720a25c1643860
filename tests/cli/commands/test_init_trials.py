"""What init says of the checks that it tried, and what it stores of them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.commands.test_init import config, posix, python_project
from tests.cli.scene import PIN, Said, Terminal

NEEDS_MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

SNAPSHOTS = Path(__file__).parent.parent / "snapshots" / "init"


WRITE = os.environ.get("WFE_WRITE_SNAPSHOTS")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An empty PATH. ``tools(ruff="echo fine; exit 1")`` puts programs on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(**programs: str) -> None:
        for name, text in programs.items():
            file = folder / name
            file.write_text(f"#!/bin/sh\n{text}\n")
            file.chmod(0o755)

    return put


def same(name: str, cli: Terminal, answer: Said) -> None:
    """Standard output, then standard error, are as the snapshot says."""
    text = f"{answer.out}--- standard error, exit code {answer.code} ---\n{answer.err}".replace(
        str(cli.root), "PROJECT"
    )
    text = re.sub(r"sha256 [0-9a-f]{12}", "sha256 000000000000", re.sub(r"\b[\d.]+ s\b", "0.5 s", text))
    file = SNAPSHOTS / f"{name}.txt"
    if WRITE:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def pytest_like(summary: str, passed: int, failed: int = 0) -> str:
    """A shell script that answers as pytest does: it writes the report that it is asked for, and prints ``summary``."""
    cases = [f'<testcase classname="t" name="t{n}"/>' for n in range(passed)]
    cases += [f'<testcase classname="t" name="f{n}"><failure message="no"/></testcase>' for n in range(failed)]
    report = f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
    return (
        'case "$1" in -c) exit 0;; esac\n'
        f'for each; do case "$each" in --junitxml=*) echo \'{report}\' > "${{each#*=}}";; esac; done\n'
        f'echo "{summary}"; exit {1 if failed else 0}'
    )


GREEN = pytest_like("2 passed in 0.10s", 2)


RED = pytest_like("3 failed, 37 passed in 0.10s", 37, 3)


@posix
def test_checks_that_work_are_stored_as_tried(empty: Terminal, tools: Callable[..., None]) -> None:
    tools(python3=GREEN, ruff="echo All checks passed!")
    python_project(empty)
    (empty.root / "ruff.toml").touch()
    answer = empty("init", "--yes", pin=PIN)
    same("all-work", empty, answer)


@posix
def test_tests_that_pass_in_a_checkout_are_stored_to_run_there_and_init_says_so(empty: Terminal) -> None:
    empty.git("init", "-q")
    python_project(empty)
    (empty.root / ".gitignore").write_text(".venv\n__pycache__\n")
    (empty.root / ".venv").mkdir()
    (empty.root / ".venv" / "settings").touch()
    answer = empty("init", "--yes", pin=PIN)
    assert "  test runs in a checkout that brings .venv: the same 1 passed\n" in answer.out
    check = tomllib.loads(config(empty))["checks"]["test"]
    assert (check["where"], check["bring"]) == ("checkout", [".venv"])
    assert empty.json("config", "show").data["settings"]["checks.test.where"] == "checkout"
    again = empty("init", "--yes", pin=PIN)
    assert (again.code, "nothing to add" in again.out) == (0, True)


@posix
def test_a_virtual_environment_that_git_does_not_ignore_is_named_once_with_the_line_to_add(empty: Terminal) -> None:
    empty.git("init", "-q")
    python_project(empty)
    (empty.root / ".gitignore").write_text("__pycache__\n")
    (empty.root / ".venv").mkdir()
    (empty.root / ".venv" / "pyvenv.cfg").touch()
    answer = empty("init", "--yes", pin=PIN)
    assert answer.out.count(".venv/ is not ignored by git") == 1
    assert "\n  To ignore it, add this line to .gitignore: .venv/\n" in answer.out
    assert tomllib.loads(config(empty))["checks"]["test"]["bring"] == [".venv"]
    with (empty.root / ".gitignore").open("a") as file:
        file.write(".venv/\n")
    assert empty.json("init", "--yes", pin=PIN).data["not_ignored"] == []


@posix
def test_a_red_test_suite_and_findings_of_a_linter_are_stored_and_said(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    tools(python3=RED, ruff="echo 'slug.py:1: unused import'; exit 1")
    python_project(empty)
    (empty.root / "ruff.toml").touch()
    same("red", empty, empty("init", "--yes", pin=PIN))
    assert "[checks.test]" in config(empty) and "[checks.lint]" in config(empty)


@posix
def test_what_does_not_work_is_left_out_with_its_reason_and_the_lines_to_add(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    tools(
        python3='case "$1" in -c) exit 0;; esac; echo "no tests ran in 0.01s"; exit 5',
        mypy="echo 'mypy: bad configuration'; echo 'line 3'; exit 2",
        npm='echo "sh: 1: vite: not found"; exit 127',
    )
    python_project(empty)
    (empty.root / "pyproject.toml").write_text("[tool.ruff]\n[tool.mypy]\n")
    (empty.root / "web").mkdir()
    (empty.root / "web" / "package.json").write_text('{"scripts": {"build": "vite build"}}')
    same("none-works", empty, empty("init", "--yes", pin=PIN))
    assert "checks" not in config(empty)
    again = empty("init", "--yes")
    assert (again.code, "nothing to add. No check works here." in again.out) == (0, True), "nothing to add needs no PIN"


@posix
def test_a_program_that_is_missing_is_to_be_installed_before_init_runs_again(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    tools(python3="exit 1")
    python_project(empty)
    (empty.root / "pyproject.toml").write_text("[project]\nname = 'it'\n")
    (empty.root / "uv.lock").touch()
    answer = empty("init", "--yes", pin=PIN)
    assert "uv is not installed; left out" in answer.out
    assert answer.err.endswith("Next: install uv, then: wfe-mcp init\n")
    assert "; fix: install uv, then: wfe-mcp init\n" in empty("doctor").out


@posix
def test_doctor_says_how_the_last_trial_ended_and_init_tries_what_did_not_work_again(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    broken, works = ("echo 'bad configuration'; exit 2", "echo 'All checks passed!'")
    tools(ruff=broken)
    (empty.root / "pyproject.toml").write_text("[tool.ruff]\n")
    empty("init", "--yes", pin=PIN)
    assert "checks" not in config(empty)
    (empty.root / ".wfe/config.toml").write_text('[checks.lint]\nargv = ["ruff", "check", "."]\n')
    answer = empty("doctor")
    assert answer.code == 1
    assert (
        "check lint" in answer.out
        and "it did not work (tried 20" in answer.out
        and "bad configuration" not in config(empty)
    )

    tools(ruff=works)
    assert empty("init", "--yes", pin=PIN).code == 0
    assert "it did not work" not in (answer := empty("doctor")).out
    assert "ruff found; tried 20" in answer.out


@posix
def test_without_a_trial_everything_found_is_stored_and_init_says_so(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    tools(python3='case "$1" in -c) exit 0;; esac; : > ran')
    python_project(empty)
    same("no-trial", empty, empty("init", "--yes", "--no-trial", pin=PIN))
    assert not (empty.root / "ran").exists()
    assert "[checks.test]" in config(empty)


@posix
def test_at_a_terminal_the_trial_is_asked_for_before_anything_runs(
    empty: Terminal, tools: Callable[..., None], answering: Callable[..., None]
) -> None:
    tools(python3=GREEN, ruff="exit 0")
    python_project(empty)
    (empty.root / "ruff.toml").touch()
    answering("y", "y", pins=(PIN, PIN))
    same("at-a-terminal", empty, empty("init"))


@posix
@pytest.mark.parametrize(("answers", "pins"), [(("y", "n"), ()), (("y", "y"), ("", "", ""))])
def test_an_init_that_ends_before_it_writes_leaves_nothing(
    empty: Terminal,
    tools: Callable[..., None],
    answering: Callable[..., None],
    answers: tuple[str, ...],
    pins: tuple[str, ...],
) -> None:
    tools(python3=GREEN, semgrep='for each; do out="$each"; done; echo "{}" > "$out"')
    python_project(empty)
    before = sorted(empty.root.rglob("*"))
    answering(*answers, pins=pins)
    answer = empty("init")
    assert answer.code == 1
    assert "othing changed" in answer.err
    assert sorted(empty.root.rglob("*")) == before


@posix
def test_a_user_who_declines_the_trial_may_still_store_the_checks(
    empty: Terminal, tools: Callable[..., None], answering: Callable[..., None]
) -> None:
    tools(python3='case "$1" in -c) exit 0;; esac; : > ran')
    python_project(empty)
    answering("n", "y", pins=(PIN, PIN))
    same("declined", empty, empty("init"))
    assert not (empty.root / "ran").exists()


@posix
def test_a_repair_that_the_trial_knows_is_the_next_step(empty: Terminal, tools: Callable[..., None]) -> None:
    tools(npm='echo "sh: 1: vitest: not found"; exit 127')
    (empty.root / "package.json").write_text('{"scripts": {"test": "vitest"}, "devDependencies": {"vitest": "1"}}')
    assert empty("init", "--yes", pin=PIN).err.endswith("Next: run `npm install`, then: wfe-mcp init\n")


@posix
def test_where_only_packages_have_tests_init_ends_with_how_one_becomes_the_check_of_the_templates(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    tools(python3=GREEN)
    for package in ("api", "web"):
        (empty.root / package).mkdir()
        (empty.root / package / "test_it.py").touch()
        (empty.root / package / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    answer = empty("init", "--yes", pin=PIN)
    assert "Not ready: there is no check test (there is test-api, test-web), and compound and " in answer.out
    step = "rename one of them in .wfe/config.toml: [checks.test-api] -> [checks.test], then: wfe-mcp trust"
    assert answer.err == f"Next: {step}\n"
    (empty.root / ".wfe/config.toml").write_text(config(empty).replace("[checks.test-api]", "[checks.test]"))
    assert empty("trust", "--yes", pin=PIN).code == 0
    assert "Not ready" not in empty("init", "--yes", pin=PIN).out


def test_without_any_check_init_says_that_the_project_is_not_ready(empty: Terminal) -> None:
    same("nothing-found", empty, empty("init", "--yes", pin=PIN))


@posix
def test_the_document_of_json_has_the_trials_and_the_commands_are_on_standard_error(
    empty: Terminal, tools: Callable[..., None]
) -> None:
    tools(python3=GREEN, go="echo '?   x [no test files]'")
    python_project(empty)
    (empty.root / "api").mkdir()
    (empty.root / "api" / "go.mod").touch()
    document = empty.json("init", "--yes", pin=PIN)
    assert "  test-api: go test ./... (in api)   (api/go.mod)\n" in document.err
    found = {each["check"]: each for each in document.data["trials"]}
    assert {name: each["outcome"] for name, each in found.items()} == {
        "test": "passed",
        "test-api": "no_tests",
        "build": "passed",
        "lint": "passed",
    }
    assert found["test-api"]["add"] == '[checks.test-api]\nargv = ["go", "test", "./..."]\ncwd = "api"'
    assert found["build"]["cwd"] == "api"
    assert (found["test"]["where"], found["test"]["bring"]) == ("worktree", [])
    assert found["test"]["place"] == "the worktree: a checkout needs git and a repository"


@posix
@NEEDS_MAKE
def test_files_that_a_trial_changed_are_named(empty: Terminal) -> None:
    empty.git("init", "-q")
    (empty.root / "Makefile").write_text("build:\n\t@for n in 1 2 3 4 5 6; do echo x > made-$$n; done\n")
    answer = empty("init", "--yes", pin=PIN)
    assert "! build changed 6 files: made-1, made-2, made-3, made-4, made-5 …" in answer.out
    assert empty.json("init", "--yes", pin=PIN).code == 0


def test_folders_beyond_the_limit_are_named(empty: Terminal) -> None:
    for number in range(14):
        folder = empty.root / f"p{number:02}"
        folder.mkdir()
        (folder / "package.json").write_text("{}")
    answer = empty("init", "--yes", pin=PIN)
    assert "3 more folders not searched: p11, p12, p13; add their checks to the file." in answer.out


@posix
@NEEDS_MAKE
def test_project_code_that_edits_the_configuration_during_its_trial_is_not_trusted(cli: Terminal) -> None:
    file = cli.root / ".wfe" / "config.toml"
    evil = file.read_text() + "auto = false\n"
    (cli.root / "evil.toml").write_text(evil)
    (cli.root / "Makefile").write_text("build:\n\tcp evil.toml .wfe/config.toml\n")
    assert cli.json("init", "--yes", pin=PIN).refusal == "stale_revision"
    assert file.read_text() == evil
    assert cli.json("config", "show").data["untrusted"]


def test_a_configuration_that_cannot_be_extended_is_refused_before_anything_runs(empty: Terminal) -> None:
    (empty.root / ".wfe").mkdir()
    (empty.root / ".wfe" / "config.toml").write_text("checks = {}\n")
    (empty.root / "test_it.py").write_text("open('ran', 'w')\n")
    assert empty.json("init", "--yes", pin=PIN).refusal == "conflict"
    assert not (empty.root / "ran").exists()


@posix
@NEEDS_MAKE
def test_killed_in_the_middle_of_a_trial_init_leaves_no_half_configuration(empty: Terminal, tmp_path: Path) -> None:
    begun, hold = tmp_path / "begun", tmp_path / "hold"
    os.mkfifo(begun)
    os.mkfifo(hold)
    # one line, which make does not print: it would end on the pipe of the killed process before it waits
    (empty.root / "Makefile").write_text(f"test:\n\t@echo x > {begun}; cat {hold}\n")
    with started_init(empty) as process:
        begun.read_text()  # the trial runs
        process.kill()
        process.wait(timeout=60)
    hold.write_text("")  # ends what the trial had started
    assert config(empty) == ""
    (empty.root / "Makefile").write_text("test:\n\techo 'Ran 1 test in 0.1s'; echo; echo OK\n")
    assert empty.json("init", "--yes", pin=PIN).data["added"] == ["test"]


@contextmanager
def started_init(cli: Terminal) -> Generator[subprocess.Popen[bytes]]:
    """``wfe-mcp init --yes`` in a process of its own."""
    words = [sys.executable, "-m", "wfe_mcp", "init", "--yes", "--pin-fd", "0"]
    with subprocess.Popen(
        words, cwd=cli.root, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        process.stdin.write(PIN.encode())
        process.stdin.close()
        yield process
