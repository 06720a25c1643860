"""What differs on Windows and macOS where a person types and reads, as ``test_platforms.py`` does it for the rest."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.house.other_system import Seen, on
from wfe_mcp.cli.terminal import confirm, connecting, pin
from wfe_mcp.testing import demo


@pytest.mark.parametrize("is_there", [True, False])
def test_windows_asks_at_its_standard_input(monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    stdin = SimpleNamespace(isatty=lambda: is_there, readline=lambda: " yes \n")
    monkeypatch.setattr(pin, "sys", Seen(sys, platform="win32", stdin=stdin))
    assert pin.at_terminal() is is_there
    monkeypatch.setattr(confirm, "sys", Seen(sys, platform="win32", stdin=stdin))
    assert confirm.typed("? ") == "yes"


def test_install_looks_where_clients_of_this_system_keep_their_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on(monkeypatch, connecting, "win32")
    assert connecting.places_of(tmp_path).platform == "win32"


def test_the_demo_names_commands_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: Any = vars(demo)["_commands"]
    project = SimpleNamespace(root=tmp_path, environment={"WFE_DATABASE_URL": "sqlite:///x"})
    (tmp_path / "wfe-mcp.exe").touch()
    for platform, word in (("win32", "set "), ("darwin", "export ")):
        monkeypatch.setattr(demo, "sys", Seen(sys, platform=platform, executable=str(tmp_path / "python.exe")))
        answer = shown(project, "r1")
        assert answer[1].startswith(word)
        assert ("wfe-mcp.exe" in answer[2]) is (platform == "win32")


def test_on_windows_a_backslash_in_the_setting_of_the_editor_is_part_of_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    words: Any = vars(confirm)["_editor"]
    assert words(r"no-such/edit\ or --wait") == ["no-such/edit or", "--wait"]
    monkeypatch.setattr(confirm, "os", Seen(os, name="nt"))
    assert words(r'"C:\no such\edit.exe" --wait') == [r"C:\no such\edit.exe", "--wait"]
