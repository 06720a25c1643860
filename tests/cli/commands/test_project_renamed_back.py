"""A folder in which a command only looked is renamed, worked in and renamed back; and one of which the database has several records."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.commands.test_project import projects, renamed
from tests.cli.scene import PIN, Terminal

pytestmark = pytest.mark.usefixtures("in_git")

FIX = ("quick_fix", "--inputs", json.dumps({"problem": "it fails"}))


@pytest.fixture
def plain(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the terminal: a repository in which a command looked, without anything of wfe-mcp."""
    cli.root = cli.place / "plain"
    cli.root.mkdir()
    monkeypatch.chdir(cli.root)
    cli.git("init", "-q")
    assert cli("list").out == "No runs.\n"
    return cli.root


def test_a_folder_that_got_a_run_under_another_name_asks_when_it_is_renamed_back(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, plain: Path
) -> None:
    renamed(cli, monkeypatch, "meanwhile")
    run = cli.start(*FIX)
    meanwhile = renamed(cli, monkeypatch, "plain")

    for words in (("status",), ("list",), ("verify",)):
        answer = cli.json(*words)
        assert answer.refusal == "needs_human"
        assert f"the project 'meanwhile' of {meanwhile}, which is gone" in answer.document["error"]["message"]
    assert cli("project", "move", str(meanwhile), "--yes", pin=PIN).code == 0
    assert cli.json("status").document["run"] == run
    assert cli("verify").code == 0
    assert projects(cli)[str(plain)]["open_runs"] == 1 and str(meanwhile) not in projects(cli)


def test_a_folder_that_was_renamed_back_may_stay_the_project_that_it_was(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, plain: Path
) -> None:
    renamed(cli, monkeypatch, "meanwhile")
    assert cli("work", "add", "--kind", "task", "Paint it").code == 0
    renamed(cli, monkeypatch, "plain")

    assert cli.json("status").refusal == "needs_human"
    assert cli("project", "add").code == 0
    assert cli("status").code == 0
    assert cli.json("work", "list").data["items"] == []


def test_the_project_with_runs_is_moved_where_a_look_before_git_init_made_another(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.root = cli.place / "plain"
    cli.root.mkdir()
    monkeypatch.chdir(cli.root)
    assert cli("list").out == "No runs.\n"
    cli.clock.forward(minutes=1)
    cli.git("init", "-q")
    run = cli.start(*FIX)
    before = renamed(cli, monkeypatch)

    answer = cli("project", "move", str(before), "--yes", pin=PIN)
    assert "It has the mark of this project" in answer.out
    assert cli.json("status").document["run"] == run


def test_who_moves_a_project_before_any_pin_is_set_chooses_it_then(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    before = renamed(cli, monkeypatch)
    with closing(sqlite3.connect(cli.database)) as database, database:
        database.execute("DELETE FROM secret WHERE name LIKE 'pin%'")
    assert cli.json("init", "--yes", "--no-trial", pin=PIN).refusal == "needs_human"

    assert cli("project", "move", str(before), "--yes", pin=PIN).code == 0
    assert cli.json("status").document["run"] == run
