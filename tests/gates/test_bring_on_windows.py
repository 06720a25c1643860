"""What a checkout brings on Windows (``win32``), where links need a right that most users lack: ``gates/brought.py``."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.house.other_system import on
from wfe_mcp.gates import brought


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_folders_are_junctions_and_files_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root, into = tmp_path / "root", tmp_path / "into"
    for name in (".venv/pyvenv.cfg", "node_modules/left-pad/index.js", "node_modules/.package-lock.json", "cache/x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    into.mkdir()
    junctions: list[str] = []

    def junction(source: str, place: str) -> None:
        junctions.append(Path(place).relative_to(into).as_posix())
        Path(place).symlink_to(source)  # what a junction is where there are none

    monkeypatch.setitem(sys.modules, "_winapi", SimpleNamespace(CreateJunction=junction))
    on(monkeypatch, brought, "win32")
    found = brought.bring(root, [".venv", "node_modules", "cache"], into)
    assert [each.how for each in found] == ["linked"] * 3
    assert junctions == [".venv", "node_modules/left-pad", "cache"]
    assert not (copied := into / "node_modules/.package-lock.json").is_symlink()
    assert copied.read_text() == "node_modules/.package-lock.json"
