"""Programs are found as the system finds them."""

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
