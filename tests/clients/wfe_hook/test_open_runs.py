"""Where a hook looks for open runs."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.house.other_system import on
from wfe_mcp.clients.wfe_hook import open_runs


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
@pytest.mark.parametrize(("platform", "name"), [("darwin", "shop"), ("linux", "Shop")])
def test_a_folder_typed_in_other_letters_is_that_of_the_disk_on_macos(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, name: str
) -> None:
    (tmp_path / "Shop" / ".git").mkdir(parents=True)

    def path_of(_descriptor: int, _command: int, room: bytes) -> bytes:
        return os.fsencode(tmp_path / "shop").ljust(len(room), b"\0")

    monkeypatch.setitem(sys.modules, "fcntl", SimpleNamespace(F_GETPATH=50, fcntl=path_of))
    (tmp_path / "shop").symlink_to("Shop")  # as a disk that ignores case has it
    on(monkeypatch, open_runs, platform)
    assert open_runs.top_of(str(tmp_path / "Shop")) == [str(tmp_path / name)]
    assert open_runs.top_of(str(tmp_path / "gone"))[0] == str(tmp_path / "gone")
