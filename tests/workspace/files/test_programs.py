"""Programs are found as the system finds them."""

import os
from pathlib import Path

import pytest

from tests.house.other_system import on
from wfe_mcp.workspace.files import programs


@pytest.mark.parametrize(("platform", "is_found"), [("win32", True), ("linux", False)])
def test_a_backslash_in_a_command_is_part_of_a_path_on_windows_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, is_found: bool
) -> None:
    (tmp_path / "tools").mkdir()
    (file := tmp_path / "tools" / "run").touch(mode=0o755)
    on(monkeypatch, programs, platform)
    assert (programs.program("tools\\run", tmp_path, "") == file) is is_found


def put(*files: Path) -> None:
    for each in files:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch(mode=0o755)


def test_on_windows_a_name_is_found_in_the_folders_of_path_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clone, first, second = tmp_path / "clone", tmp_path / "first", tmp_path / "second"
    put(clone / "git.exe", clone / "npx.cmd", first / "npx", second / "git.EXE", second / "npx.cmd", second / "tool.js")
    monkeypatch.chdir(clone)
    on(monkeypatch, programs, "win32")
    path = os.pathsep.join(["", str(first), str(second)])
    assert programs.find("npx", path) == str(second / "npx.cmd"), "a script without an ending is one of a shell"
    assert programs.find("git.EXE", path) == str(second / "git.EXE")
    assert programs.find("tool", path) is None and programs.find("tool.js", path) is None
    assert programs.outside("npx", clone, path) == str(second / "npx.cmd")
    assert programs.find("npx", "") is None


@pytest.mark.parametrize(
    ("word", "started"),
    [
        ("node_modules/.bin/eslint", "node_modules/.bin/eslint.cmd"),
        ("./gradlew", "gradlew.bat"),
        (".venv\\Scripts\\python", ".venv/Scripts/python.exe"),
        ("./tool.exe", "tool.exe"),
        ("./data", "data"),
    ],
)
def test_on_windows_the_ending_of_a_program_may_be_left_out_of_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, started: str
) -> None:
    put(tmp_path / started, *([] if "venv" in word else [tmp_path / word.replace("\\", "/")]))
    on(monkeypatch, programs, "win32")
    assert programs.program(word, tmp_path, "") == tmp_path / started


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--watch", "--watch"),
        ("C:\\shop\\a-1.js", "C:\\shop\\a-1.js"),
        ("a&calc", '"a&calc"'),
        ("x|y>z", '"x|y>z"'),
        ("^", '"^"'),
        ("a=1,2", '"a=1,2"'),
        ("ä b", '"ä b"'),
        ("", '""'),
        ("a\\", '"a\\\\"'),
        ('say "hi"', '"say ""hi"""'),
        ('\\"&', '"\\\\""&"'),
    ],
)
def test_each_word_for_a_batch_file_is_one_to_cmd(monkeypatch: pytest.MonkeyPatch, word: str, written: str) -> None:
    on(monkeypatch, programs, "win32")
    assert programs.command_line(["C:\\my tools\\npx.CMD", word]) == f'"C:\\my tools\\npx.CMD" {written}'
    assert programs.command_line(["C:\\npx.exe", word]) == ["C:\\npx.exe", word]
    with pytest.raises(ValueError, match="no words with line breaks"):
        programs.command_line(["npx.bat", f"{word}\n"])
    on(monkeypatch, programs, "linux")
    assert programs.command_line(["npx.cmd", word]) == ["npx.cmd", word]


def test_the_python_of_windows_has_no_three_in_its_name() -> None:
    assert programs.pythons(windows=True) == ("python", "py")
    assert programs.pythons(windows=False) == ("python3", "python")
