"""``wfe-mcp project move`` of a project that is named by the folder above it."""

import pytest

from tests.cli.commands.test_project import renamed
from tests.cli.scene import PIN, Terminal

pytestmark = pytest.mark.usefixtures("in_git")


def test_a_move_that_is_named_by_the_folder_above_names_the_project_that_it_moves(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    old = renamed(cli, monkeypatch)
    inner = old.parent / "above" / "project"
    inner.parent.mkdir()
    cli.root.rename(inner)
    monkeypatch.chdir(inner)
    said = cli("project", "move", str(old.parent), str(inner), "--yes", pin=PIN)
    assert said.code == 0, said.err
    assert f"The project 'project' of {old} is in {inner} from now on." in said.out
    assert f"Moved: {old} is {inner} now." in said.out
    assert cli.json("status", run).document["run_state"] == "running"
