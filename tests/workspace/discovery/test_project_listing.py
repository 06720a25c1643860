"""The listing of a project on disk: nothing of it runs, and what git ignores or no one wrote is left out."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspace.conftest import Git
from wfe_mcp.workspace.discovery import project_listing
from wfe_mcp.workspace.discovery.found_checks import find_checks
from wfe_mcp.workspace.discovery.project_listing import Folder, list_project, table


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def install(file: Path, text: str = "#!/bin/sh\nexit 0\n") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, to be filled by ``install``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def argv(root: Path, name: str = "test") -> list[str] | None:
    return next((each.settings.argv for each in find_checks(root).checks if each.name == name), None)


def test_folders_of_dependencies_and_products_and_hidden_ones_are_left_out(root: Path) -> None:
    write(root, "a.py", "src/b.py", "node_modules/x/package.json", ".cache/c", "target/d", "one/two/three/four/five/e")
    listed = list_project(root)
    assert set(listed.folders) == {"", "src", "one", "one/two", "one/two/three", "one/two/three/four"}
    assert listed.folders["src"] == {"b.py"}
    assert listed.exists(".cache/c")


def test_folders_that_git_ignores_are_left_out(root: Path, repo: Git) -> None:
    (root / ".gitignore").write_text("scratch/\n")
    write(root, "web/go.mod", "scratch/go.mod", "scratch/deep/go.mod")
    assert set(list_project(root).folders) == {"", "web"}


@pytest.mark.parametrize("name", [b"caf\xe9", b"new\nline"])
def test_a_folder_whose_name_no_check_can_give_has_none_and_the_others_have(
    root: Path, tools: Path, name: bytes
) -> None:
    odd = root / os.fsdecode(name)
    write(root, "web/go.mod")
    try:
        write(odd, "go.mod")
    except OSError:
        pytest.skip("this file system has no such names")
    assert [check.settings.cwd for check in find_checks(root).checks if check.kind == "test"] == ["web"]


def test_a_link_to_a_folder_is_not_followed(root: Path) -> None:
    write(root, "web/go.mod")
    (root / "loop").symlink_to(root, target_is_directory=True)
    assert set(list_project(root).folders) == {"", "web"}


def test_the_number_of_folders_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, *(f"f{number}/x" for number in range(9)))
    monkeypatch.setattr(project_listing, "MAX_FOLDERS", 4)
    assert set(list_project(root).folders) == {"", "f0", "f1", "f2"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every folder is readable here")
def test_a_folder_that_cannot_be_read_is_left_out(root: Path) -> None:  # pragma: no cover - not for root
    write(root, "closed/x")
    (root / "closed").chmod(0)
    assert set(list_project(root).folders) == {""}
    (root / "closed").chmod(0o700)


def test_a_folder_that_is_gone_is_an_empty_listing(root: Path) -> None:
    assert list_project(root / "gone").folders == {}


def test_what_cannot_be_read_is_empty(root: Path) -> None:
    (root / "folder.toml").mkdir()
    (root / "bad.toml").write_bytes(b"\xff = [")
    (root / "list.json").write_text("[1]")
    folder = Folder(list_project(root))
    assert (folder.text("folder.toml"), folder.toml("bad.toml"), folder.json("list.json")) == ("", {}, {})
    assert table({"a": {"b": 1}}, "a", "b") == table({"a": 1}, "a", "b") == {}


def test_a_byte_order_mark_hides_no_check(root: Path) -> None:
    (root / "package.json").write_text('\ufeff{"scripts": {"test": "vitest"}}\r\n', encoding="utf-8")
    assert argv(root) == ["npm", "test"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every file is readable here")
def test_a_file_that_may_not_be_read_is_empty(root: Path) -> None:  # pragma: no cover - not for root
    write(root, "closed.toml")
    (root / "closed.toml").chmod(0)
    assert Folder(list_project(root)).text("closed.toml") == ""


@pytest.fixture
def bare_python(tools: Path) -> None:
    """A python3 on the PATH that has nothing installed."""
    install(tools / "python3", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "$@"\n')


def test_the_installed_python_is_asked_where_the_project_has_none(root: Path, tools: Path) -> None:
    write(root, "test_it.py")
    install(tools / "python3", "#!/bin/sh\nexit 1\n")
    assert argv(root) == ["python3", "-m", "unittest"]
    install(tools / "python3")
    assert argv(root) == ["python3", "-m", "pytest", "-q"]


@pytest.mark.usefixtures("bare_python")
def test_a_module_of_the_project_is_not_taken_for_pytest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "pytest.py", "test_it.py")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(root))
    assert argv(root) == ["python3", "-m", "unittest"]


@pytest.mark.usefixtures("bare_python")
@pytest.mark.parametrize("package", [True, False])
def test_a_proposed_check_finds_the_tests(root: Path, package: bool) -> None:
    write(root, "tests/test_it.py", *(["tests/__init__.py"] if package else []))
    (root / "tests/test_it.py").write_text("import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")
    done = subprocess.run(argv(root) or [], cwd=root, capture_output=True, text=True)
    assert "Ran 1 test" in done.stderr


@pytest.mark.parametrize("program", [None, b"\x00\x01 no program"])
def test_without_a_python_that_starts_unittest_is_still_named(root: Path, tools: Path, program: bytes | None) -> None:
    write(root, "test_it.py")
    if program is not None:
        install(tools / "python3")
        (tools / "python3").write_bytes(program)
    assert argv(root) == ["python3", "-m", "unittest"]


@pytest.mark.usefixtures("tools")
def test_the_python_of_the_project_is_never_run(root: Path) -> None:
    install(root / ".venv/bin/python", f"#!/bin/sh\ntouch {root}/ran\n")
    write(root, ".venv/bin/pytest", "test_it.py")
    assert argv(root) == [".venv/bin/python", "-m", "pytest", "-q"]
    assert not (root / "ran").exists()
