"""What differs on Windows and macOS where a person types and reads, as ``test_platforms.py`` does it for the rest."""

import ctypes
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.house.other_system import Seen, always, decided, on
from wfe_mcp.cli import app
from wfe_mcp.cli.terminal import client_changes, confirm, pin
from wfe_mcp.testing import demo
from wfe_mcp.workspace.files import programs
from wfe_mcp.workspace.system import console


class Console:
    """The functions of Windows that ask for the mode of a console, and set it. ``mode`` None: the handle is another file."""

    def __init__(self, mode: int | None, *, is_old: bool = False) -> None:
        self.mode, self.is_old = mode, is_old

    def get(self, _handle: object, found: Any) -> int:
        if self.mode is not None:
            found._obj.value = self.mode
        return int(self.mode is not None)

    def set(self, _handle: object, mode: Any) -> int:
        self.mode = self.mode if self.is_old else mode.value
        return int(not self.is_old)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Callable[[Console], Any]:
    """Gives Windows with this console; returns one of its streams."""

    def give(of: Console) -> Any:
        monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(get_osfhandle=always(7)))
        monkeypatch.setattr(
            ctypes,
            "windll",
            SimpleNamespace(kernel32=SimpleNamespace(GetConsoleMode=of.get, SetConsoleMode=of.set)),
            raising=False,
        )
        stream = SimpleNamespace(isatty=lambda: True, fileno=lambda: 0, readline=lambda: " yes \n")
        for module in (pin, confirm, console, app):
            monkeypatch.setattr(module, "sys", Seen(sys, platform="win32", stdin=stream))
        return stream

    return give


@pytest.mark.parametrize("mode", [3, None])
def test_windows_asks_at_its_standard_input_where_that_is_a_console(
    windows: Callable[[Console], Any], mode: int | None
) -> None:
    windows(Console(mode))
    assert pin.at_terminal() is (mode is not None), "NUL calls itself a terminal"
    assert confirm.read_typed_line("? ") == "yes"


def test_escape_sequences_go_to_a_console_that_obeys_them(windows: Callable[[Console], Any]) -> None:
    new, old = Console(3), Console(3, is_old=True)
    assert console.obeys_sequences(windows(new)) and new.mode == 7
    assert not console.obeys_sequences(windows(old)) and not console.obeys_sequences(windows(Console(None)))
    assert console.is_terminal(windows(old)) and not console.is_terminal(io.StringIO())


@pytest.mark.parametrize(("platform", "encoding"), [("win32", "utf-8"), ("linux", "cp1252")])
def test_a_pipe_of_windows_gets_utf_8(monkeypatch: pytest.MonkeyPatch, platform: str, encoding: str) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    pipe = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(app, "sys", Seen(sys, platform=platform, stdout=pipe, stderr=pipe))
    vars(app)["_set_up_streams"]()
    assert pipe.encoding == encoding


def test_the_window_of_git_bash_is_named_on_windows_alone() -> None:
    assert decided(pin, "_GIT_BASH", "linux") == "" and "winpty" in str(decided(pin, "_GIT_BASH", "win32"))


def test_a_character_that_windows_types_as_two_halves_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pin.getpass, "getpass", always("12345678\ud83d\ude00"))
    assert vars(pin)["_ask_hidden"]("? ") == "12345678\U0001f600"


def test_install_looks_where_clients_of_this_system_keep_their_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on(monkeypatch, client_changes, "win32")
    assert client_changes.places_of(tmp_path).platform == "win32"


def test_the_demo_names_commands_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: Any = vars(demo)["_commands"]
    project = SimpleNamespace(root=tmp_path, environment={"WFE_DATABASE_URL": "sqlite:///x"})
    (tmp_path / "wfe-mcp.exe").touch()
    for platform, word in (("win32", "$env:WFE_DATABASE_URL = "), ("darwin", "export ")):
        monkeypatch.setattr(demo, "sys", Seen(sys, platform=platform, executable=str(tmp_path / "python.exe")))
        answer = shown(project, "r1")
        assert answer[1].startswith(word)
        assert ("wfe-mcp.exe" in answer[2]) is answer[2].startswith('& "') is (platform == "win32")


def test_on_windows_a_backslash_in_the_setting_of_the_editor_is_part_of_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    words: Any = vars(confirm)["_editor"]
    assert words(r"no-such/edit\ or --wait") == ["no-such/edit or", "--wait"]
    monkeypatch.setattr(confirm, "os", Seen(os, name="nt"))
    assert words(r'"C:\no such\edit.exe" --wait') == [r"C:\no such\edit.exe", "--wait"]


def test_an_editor_that_is_a_batch_file_gets_the_path_of_the_file_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[str] = []

    def run(line: str, **_: object) -> SimpleNamespace:
        started.append(line)
        return SimpleNamespace(returncode=0)

    (tmp_path / "code.cmd").touch()
    for module in (confirm, programs):
        on(monkeypatch, module, "win32")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VISUAL", "code --wait")
    monkeypatch.setattr(confirm, "subprocess", Seen(subprocess, run=run))
    confirm.edit_file(file := Path("R&D", "plan.md"), "edit plan.md")
    assert started == [f'{tmp_path / "code.cmd"} --wait "{file}"']


OTHER_SHELLS = {
    "engine/deployments/environments.py": "the shell of the host",
    "workspace/discovery/findings.py": "a command of an image",
    "workspace/discovery/check_table.py": "our own code reads it",
    "workspace/git/repository.py": "Windows has no numbers of owners",
    "workspace/system/shell_words.py": "the shell of the user, where it is no Windows",
}
"""Each module that writes words for a POSIX shell → why."""


def test_a_command_that_is_shown_or_proposed_is_in_the_words_of_the_users_shell(root: Path) -> None:
    package = root / "wfe_mcp"
    posix = re.compile(r"shlex\.(?:quote|join)|from shlex import")
    writing = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if posix.search(file.read_text(encoding="utf-8"))
    }
    assert writing == {*OTHER_SHELLS}
