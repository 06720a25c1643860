"""``wfe-mcp project move`` of a project that is named by the folder above it, to a folder with a project of its own, or without a commit."""

import pytest

from tests.cli.commands.test_project import committed, renamed
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template

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
    assert f"If you agree, the project 'project' of {old} is in {inner} from now on." in said.out
    assert f"Moved: {old} is {inner} now." in said.out
    assert cli.json("status", run).document["run_state"] == "running"


def test_a_folder_above_that_was_moved_takes_its_project_along_and_of_several_one_is_to_be_named(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = cli.place / "before", cli.place / "after"
    before.mkdir()
    cli.root.rename(before / "shop")
    monkeypatch.chdir(before / "shop")
    assert cli("project", "add", ".").code == 0
    assert cli("trust", "note", "--yes", pin=PIN).code == 0
    run = cli.start("note")
    monkeypatch.chdir(cli.place)
    before.rename(after)
    said = cli("project", "move", "before", "after", "--yes", pin=PIN)
    assert f"Moved: {before / 'shop'} is {after / 'shop'} now." in said.out, said.err
    monkeypatch.chdir(after / "shop")
    assert cli.json("status").document["run"] == run

    (after / "site" / ".wfe").mkdir(parents=True)
    assert cli("project", "add", str(after / "site")).code == 0
    for command in (("move", str(after), str(cli.place)), ("forget", str(after))):
        refused = cli.json("project", *command, "--yes", pin=PIN).document["error"]
        assert refused["message"] == f"2 projects are in {str(after)!r}."
        assert refused["hint"] == f"Name the folder of one: {after / 'shop'} or {after / 'site'}"


def test_the_name_that_a_person_gave_stays_where_another_project_was_begun_in_the_new_folder(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    cli.save(template("asks", phase("draft", HUMAN)))
    cli.submit_work(cli.start("asks"), "draft")
    assert cli("project", "rename", ".", "The shop").code == 0
    old = renamed(cli, monkeypatch)
    assert cli("project", "add", ".").code == 0
    assert cli("project", "move", str(old), "--yes", pin=PIN).code == 0
    assert "The shop" in cli("list", "--all").out
    assert "The shop" in cli("inbox").out


def test_a_repository_without_commits_and_configuration_keeps_its_work_items_when_it_is_renamed(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = cli.root.parent / "plain"
    plain.mkdir()
    monkeypatch.chdir(plain)
    cli.root = plain
    cli.git("init", "-q")
    assert cli("work", "add", "Say thanks").code == 0
    old = renamed(cli, monkeypatch)

    for words in (("status",), ("work", "list"), ("work", "add", "Another")):
        refused = cli.json(*words)
        assert refused.refusal == "needs_human"
        assert f"of {old}, which is gone. It has no open run, and 1 work item." in refused.document["error"]["message"]
        assert f"wfe-mcp project move {old}" in refused.document["error"]["hint"]
    assert f"wfe-mcp project move {old}" in cli("doctor").out
    assert cli("project", "move", str(old), "--yes", pin=PIN).code == 0
    assert [row["title"] for row in cli.json("work", "list").data["items"]] == ["Say thanks"]
