"""``runner`` at a terminal: the key of the machine."""

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.workspace.system.location import data_dir

DRAIN = ("runner", "--server", "http://127.0.0.1:9", "--drain")


def test_a_key_is_made_as_a_whole_and_one_that_is_damaged_is_named(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFE_TOKEN", "t")
    cli.json(*DRAIN)
    file = data_dir() / "runner" / "key"
    assert [path.name for path in file.parent.iterdir()] == ["key"]
    assert len(bytes.fromhex(file.read_text())) == 32
    assert file.stat().st_mode & 0o077 == 0

    file.write_text("")  # as a runner that was killed has left it
    monkeypatch.setenv("WFE_TOKEN", "t")
    error = cli.json(*DRAIN).document["error"]
    assert error["code"] == "unavailable"
    assert str(file) in error["message"]
