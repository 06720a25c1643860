"""A folder in which a command only looked is renamed, worked in and renamed back; and old places that have a second record, or a link."""

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.commands.test_project import committed, projects, renamed
from tests.cli.scene import PIN, Terminal
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.workspace.system.location import project_at

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


@pytest.mark.skipif(sys.platform == "win32", reason="a link to a folder needs a right there")
def test_a_project_that_left_a_link_in_its_old_place_is_moved_by_that_name(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    before = renamed(cli, monkeypatch)
    before.symlink_to(cli.root, target_is_directory=True)

    answer = cli.json("status", "--project", str(before))
    assert answer.refusal == "needs_human"
    assert f"{before}, which leads here now." in answer.document["error"]["message"]
    assert cli("project", "move", str(before), "--yes", pin=PIN).code == 0
    assert cli.json("status", "--project", str(before)).document["run"] == run
    assert cli("project", "rename", str(before), "The shop").code == 0  # a link names what it leads to
    assert projects(cli)[str(cli.root)]["name"] == "The shop"


def test_a_worktree_is_moved_though_a_look_while_its_repository_was_gone_made_a_project_of_it(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    first, second = cli.place / "first", cli.place / "second"
    cli.git("worktree", "add", "-q", str(first))
    monkeypatch.chdir(first)
    run = cli.start("note")
    before = renamed(cli, monkeypatch)
    monkeypatch.chdir(first)
    error = cli.json("status").document["error"]
    assert f"{first} is a git worktree of {before}, which is gone." in error["message"]
    assert f"wfe-mcp project move {before} NEW, then in NEW: git worktree repair" in error["hint"]
    assert cli("project", "move", str(before), str(cli.root), "--yes", pin=PIN).code == 0
    assert cli("list").out == "No runs.\n"
    cli.git("worktree", "repair")
    cli.git("worktree", "move", str(first), str(second))
    monkeypatch.chdir(second)

    assert cli("project", "move", str(first), "--yes", pin=PIN).code == 0
    (second / "draft.json").write_text(json.dumps({"text": "hello"}))
    assert cli.json("submit", run, "draft", "--path", "draft.json").document["run_state"] == "completed"


def test_another_repository_in_the_place_of_a_project_is_named_until_the_person_has_accepted_it(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    cli.start("note")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "--amend", "-m", "begin well")
    assert "The repository lacks the commit" not in cli("doctor").out
    begun = cli.git("rev-parse", "HEAD@{1}")[:12]
    shutil.rmtree(cli.root / ".git")
    cli.git("init", "-q")
    (cli.root / "other.py").touch()  # in the same second, the same files would be the same commit
    committed(cli)

    for command in ("doctor", "verify"):
        assert f"The repository lacks the commit {begun}, with which the project 'project' began" in cli(command).out
    before = renamed(cli, monkeypatch)
    assert "! ANOTHER first commit" in cli("project", "move", str(before), "--yes", pin=PIN).out
    assert "The repository lacks the commit" not in cli("doctor").out


def test_a_look_at_all_projects_brings_no_forgotten_one_back_and_a_new_run_does(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    serving = create_engine(project_at(cli.root), environment={"WFE_DATABASE_URL": f"sqlite:///{cli.database}"})
    monkeypatch.chdir(cli.place)
    with closing(serving):
        assert serving.project_id
        assert cli("project", "forget", str(cli.root), "--yes", pin=PIN).code == 0
        for words in (("list", "--all"), ("inbox",), ("project", "list")):
            cli(*words)
        assert str(cli.root) not in projects(cli)
        assert run not in cli("list", "--all").out
        start_run(serving, By("codex"), "note", {})
    assert str(cli.root) in projects(cli)
    assert run in cli("list", "--all").out
