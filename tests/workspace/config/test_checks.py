"""What init proposes for a project, found without running anything of it, and written without touching what is there."""

import json
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.checks import CheckSettings, find_checks
from wfe_mcp.workspace.config.config_file import write_config


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, to be filled by ``install``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, exit_code: int = 0) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def venv(root: Path, *, pytest: bool, folder: str = ".venv") -> None:
    packages = root / folder / "lib/python3.12/site-packages"
    packages.mkdir(parents=True)
    install(root / folder / "bin", "python")
    if pytest:
        (packages / "pytest").mkdir()
        (packages / "pytest/__init__.py").touch()


def argv(root: Path, name: str = "test") -> list[str] | None:
    found = find_checks(root).get(name)
    return found.argv if found else None


def test_an_empty_folder_has_no_checks(root: Path, tools: Path) -> None:
    assert find_checks(root) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("pytest.ini", "[pytest]\n"),
        ("setup.cfg", "[metadata]\n\n[tool:pytest]\n"),
        ("tox.ini", "[pytest]\n"),
        ("conftest.py", ""),
        ("test_it.py", ""),
        ("it_test.py", ""),
        ("tests/test_it.py", ""),
        ("tests/unit/test_it.py", ""),
        ("tests/conftest.py", ""),
    ],
)
def test_pytest_is_proposed_where_it_is_used_and_installed(root: Path, tools: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)
    venv(root, pytest=True)
    found = find_checks(root)["test"]
    assert found.argv == [".venv/bin/python", "-m", "pytest", "-q", "--junit-xml=.wfe/report-test.xml"]
    assert found.junit == ".wfe/report-test.xml"
    assert found.writes == []


def test_unittest_is_proposed_where_pytest_is_not_installed(root: Path, tools: Path) -> None:
    venv(root, pytest=False, folder="venv")
    (root / "tests").mkdir()
    (root / "tests/test_it.py").touch()
    assert argv(root) == ["venv/bin/python", "-m", "unittest", "discover", "-s", "tests"]
    (root / "tests/__init__.py").touch()
    assert argv(root) == ["venv/bin/python", "-m", "unittest"]


def test_the_installed_python_is_asked_where_the_project_has_none(root: Path, tools: Path) -> None:
    (root / "test_it.py").touch()
    install(tools, "python3", exit_code=1)
    assert argv(root) == ["python3", "-m", "unittest"]
    install(tools, "python3", exit_code=0)
    assert argv(root) is not None
    assert "pytest" in (argv(root) or [])


@pytest.fixture
def bare_python(tools: Path) -> None:
    """A python3 on the PATH that has nothing installed."""
    (tools / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    (tools / "python3").chmod(0o755)


def test_a_module_of_the_project_is_not_taken_for_pytest(
    root: Path, bare_python: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "pytest.py").touch()
    (root / "test_it.py").touch()
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(root))
    assert argv(root) == ["python3", "-m", "unittest"]


@pytest.mark.parametrize("package", [True, False])
def test_a_proposed_check_finds_the_tests(root: Path, bare_python: None, package: bool) -> None:
    (root / "tests").mkdir()
    (root / "tests/test_it.py").write_text("import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")
    if package:
        (root / "tests/__init__.py").touch()
    done = subprocess.run(argv(root) or [], cwd=root, capture_output=True, text=True)
    assert "Ran 1 test" in done.stderr


def test_without_any_python_unittest_is_still_named(root: Path, tools: Path) -> None:
    (root / "test_it.py").touch()
    assert argv(root) == ["python3", "-m", "unittest"]


def test_a_python_that_cannot_start_has_no_pytest(root: Path, tools: Path) -> None:
    (root / "test_it.py").touch()
    (tools / "python3").write_bytes(b"\x00\x01 no program")
    (tools / "python3").chmod(0o755)
    assert argv(root) == ["python3", "-m", "unittest"]


def test_the_python_of_the_project_is_never_run(root: Path, tools: Path) -> None:
    venv(root, pytest=True)
    (root / ".venv/bin/python").write_text(f"#!/bin/sh\ntouch {root}/ran\n")
    (root / "test_it.py").touch()
    find_checks(root)
    assert not (root / "ran").exists()


def test_files_that_coverage_writes_do_not_count(root: Path, tools: Path) -> None:
    venv(root, pytest=True)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--cov=x'\n")
    assert ".coverage" in find_checks(root)["test"].writes


@pytest.mark.parametrize(("lock", "tool"), [("", "npm"), ("yarn.lock", "yarn"), ("pnpm-lock.yaml", "pnpm")])
def test_a_test_script_is_run_by_the_tool_whose_lock_file_is_there(
    root: Path, tools: Path, lock: str, tool: str
) -> None:
    (root / "package.json").write_text(json.dumps({"scripts": {"test": "jest"}}))
    if lock:
        (root / lock).touch()
    assert argv(root) == [tool, "test"]


@pytest.mark.parametrize(
    "package",
    [
        '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}',
        "{}",
        "[]",
        "{",
        '{"scripts": {"test": 1}}',
    ],
)
def test_a_package_without_tests_has_no_check(root: Path, tools: Path, package: str) -> None:
    (root / "package.json").write_text(package)
    assert argv(root) is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("Cargo.toml", "", ["cargo", "test"]),
        ("go.mod", "", ["go", "test", "./..."]),
        ("Makefile", "all:\n\ttrue\ntest: all\n\ttrue\n", ["make", "test"]),
        ("Makefile", "test := 1\n", None),
        ("pyproject.toml", "not toml =", None),
        ("pyproject.toml", "tool = 1", None),
    ],
)
def test_other_tool_chains_are_recognised(
    root: Path, tools: Path, name: str, content: str, expected: list[str] | None
) -> None:
    (root / name).write_text(content)
    assert argv(root) == expected


def test_further_tool_chains_get_names_of_their_own_and_make_only_stands_alone(root: Path, tools: Path) -> None:
    (root / "test_it.py").touch()
    (root / "go.mod").touch()
    (root / "Makefile").write_text("test:\n\tpytest\n")
    assert list(find_checks(root)) == ["test", "test_go"]


@pytest.mark.parametrize(
    ("tool", "file"),
    [
        ("bandit", "pyproject.toml"),
        ("semgrep", "x.rb"),
        ("pip-audit", "requirements.txt"),
        ("npm", "package-lock.json"),
    ],
)
def test_a_security_check_is_proposed_only_where_a_scanner_is_installed(
    root: Path, tools: Path, tool: str, file: str
) -> None:
    (root / file).touch()
    assert argv(root, "security") is None
    install(tools, tool)
    found = argv(root, "security")
    assert found is not None
    assert found[0] == tool


def test_a_new_configuration_is_complete_and_ignored_where_it_should_be(root: Path) -> None:
    written = write_config(root, {"test": CheckSettings(argv=["pytest", "-q"], timeout="5m")})
    assert written.added == ("test",)
    text = (root / ".wfe/config.toml").read_text()
    assert tomllib.loads(text) == {"checks": {"test": {"argv": ["pytest", "-q"], "timeout": "5m"}}}
    assert "wfe-mcp trust" in text
    assert "runs/" in (root / ".wfe/.gitignore").read_text()


@pytest.mark.parametrize("end", ["", "\n"])
def test_what_the_configuration_holds_is_never_changed(root: Path, end: str) -> None:
    (root / ".wfe").mkdir()
    before = "# mine\r\n[checks.test]\r\nargv = ['mine']  # keep" + end
    (root / ".wfe/config.toml").write_bytes(before.encode())
    (root / ".wfe/.gitignore").write_text("mine\n")
    proposed = {"test": CheckSettings(argv=["theirs"]), "lint": CheckSettings(argv=["lint"])}
    assert write_config(root, proposed).added == ("lint",)
    after = (root / ".wfe/config.toml").read_bytes()
    assert after.startswith(before.encode())
    assert tomllib.loads(after.decode())["checks"] == {"test": {"argv": ["mine"]}, "lint": {"argv": ["lint"]}}
    assert (root / ".wfe/.gitignore").read_text() == "mine\n"
    assert write_config(root, proposed).added == ()
    assert (root / ".wfe/config.toml").read_bytes() == after


def test_a_configuration_without_checks_is_written_once(root: Path) -> None:
    assert write_config(root, {}).added == ()
    before = (root / ".wfe/config.toml").read_bytes()
    assert write_config(root, {}).added == ()
    assert (root / ".wfe/config.toml").read_bytes() == before


@pytest.mark.parametrize("content", ["checks = {}", "checks = ", "checks = 1", "\udcff"])
def test_a_configuration_that_cannot_be_extended_is_left_as_it_is(root: Path, content: str) -> None:
    (root / ".wfe").mkdir()
    before = os.fsencode(content)
    (root / ".wfe/config.toml").write_bytes(before)
    with pytest.raises(Refused) as refused:
        write_config(root, {"test": CheckSettings(argv=["x"])})
    assert refused.value.code == "conflict"
    assert (root / ".wfe/config.toml").read_bytes() == before
