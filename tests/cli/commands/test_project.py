"""A project is not a path: renamed, moved, cloned and copied folders, and the list of projects."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template

pytestmark = pytest.mark.usefixtures("in_git")

DIES = """
import os, sys
from wfe_mcp.store.settings import SettingsLogRepository
from wfe_mcp.cli.app import main
note = SettingsLogRepository.note
def die(self, type_, *more):
    note(self, type_, *more)
    if type_ == "ProjectMoved":
        os.kill(os.getpid(), 9)
SettingsLogRepository.note = die
sys.exit(main(sys.argv[1:]))
"""


def committed(cli: Terminal) -> None:
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "begin")


def renamed(cli: Terminal, monkeypatch: pytest.MonkeyPatch, name: str = "other name") -> Path:
    """Rename the project's folder, and change into it."""
    old, new = cli.root, cli.root.parent / name
    monkeypatch.chdir(cli.root.parent)
    old.rename(new)
    monkeypatch.chdir(new)
    cli.root = new
    return old


def projects(cli: Terminal) -> dict[str, dict[str, object]]:
    """Those of the test, by folder: the database of the fixture has one more."""
    found = cli.json("project", "list").data["projects"]
    return {each["root"]: each for each in found if each["root"].startswith(str(cli.place))}


def test_a_renamed_folder_names_the_old_one_its_runs_and_the_command(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    run = cli.start("note", "--title", "a note")
    old = renamed(cli, monkeypatch)

    for words in (("status",), ("start", "note"), ("list",), ("trust",)):
        said = cli.json(*words)
        assert said.refusal == "needs_human"
        error = said.document["error"]
        assert (
            f"the project 'project' of {old}, which is gone. It has 1 open run: {run} \"a note\"." in error["message"]
        )
        assert f"wfe-mcp project move {old} '{cli.root}'" in error["hint"]
    assert [one["missing"] for one in projects(cli).values()] == [True]  # and no second project was made
    shown = cli("status").err
    assert "sk the user" not in shown
    assert f"Next: if it was renamed or moved, wfe-mcp project move {old} '{cli.root}'; if" in shown


def test_doctor_says_in_one_line_that_the_folder_was_renamed_with_each_path_once(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    old = renamed(cli, monkeypatch)
    said = cli("doctor")
    [line] = [line for line in said.out.splitlines() if "renamed" in line]
    assert line.startswith("  moved project  the folder of project 'project' is gone")
    assert line.count(str(old)) == 1
    assert str(cli.root) not in line
    assert f"wfe-mcp project move {old} . ;" in line
    assert cli("project", "move", str(old), ".", "--yes", pin=PIN).code == 0
    assert "moved project" not in cli("doctor").out


def test_after_a_rename_the_person_says_so_and_runs_trust_and_evidence_continue(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    (cli.root / "ok").touch()
    run = cli.start("code")
    assert cli.submit_work(run, "build").document["run_state"] == "completed"
    waiting = cli.start("deed")
    old = renamed(cli, monkeypatch)

    assert cli.json("project", "move", str(old), "--yes").refusal == "needs_human"
    said = cli("project", "move", str(old), "--yes", pin=PIN)

    assert said.code == 0, said.err
    assert "It has the mark of this project; the same first commit" in said.out
    assert cli("trust").out == "Nothing needs trust.\n"
    answer = cli.submit_work(waiting, "sign")
    assert answer.document["waiting_on"] == "human"  # its check ran in the new folder
    assert cli("approve", waiting, "sign", pin=PIN).code == 0
    assert cli("verify").code == 0
    with closing(sqlite3.connect(cli.database)) as database:
        logs = [row[0] for row in database.execute("SELECT log_path FROM evidence WHERE run_id = ?", (run,))]
    assert logs and all(Path(log).is_relative_to(cli.root) and Path(log).is_file() for log in logs)
    assert [*projects(cli)] == [str(cli.root)]


def test_bytes_that_changed_with_the_move_need_trust(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    old = renamed(cli, monkeypatch)
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + "\n")
    assert cli("project", "move", str(old), "--yes", pin=PIN).code == 0

    assert cli.json("config", "show").data["untrusted"] == [str(config)]


@pytest.mark.attack("a clone comes with the mark of a project and takes its runs and trust", "held", "T16")
def test_a_copied_mark_gives_nothing_without_the_person(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(cli)
    cli.start("note")
    hostile = cli.root.parent / "hostile"
    hostile.mkdir()
    shutil.copytree(cli.root / ".wfe", hostile / ".wfe")
    old, mine = cli.root, cli.root / ".wfe" / "runs" / ".project"
    known = mine.read_text()
    shutil.copytree(old, cli.root.parent / "kept")
    shutil.rmtree(old)
    monkeypatch.chdir(hostile)

    assert cli.json("status").refusal == "needs_human"
    said = cli("project", "move", str(old), pin=PIN)  # no --yes: it shows what it found before anything is typed
    assert "! ANOTHER first commit: none, was" in said.out
    assert cli("project", "add").code == 0
    assert (hostile / ".wfe" / "runs" / ".project").read_text() != known
    assert cli.json("list").data["runs"] == []
    assert cli.json("config", "show").data["untrusted"] == [str(hostile / ".wfe" / "config.toml")]


@pytest.mark.attack("a copy beside the project continues it", "held", "T16")
def test_a_copy_is_a_project_of_its_own_while_the_first_is_there(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    cli.start("note")
    copy = cli.root.parent / "copy"
    shutil.copytree(cli.root, copy)
    monkeypatch.chdir(copy)

    assert cli.json("list").data["runs"] == []
    assert cli.json("config", "show").data["untrusted"] == [str(copy / ".wfe" / "config.toml")]
    refused = cli.json("project", "move", str(cli.root), "--yes", pin=PIN)
    assert refused.refusal == "conflict"
    assert (
        refused.document["error"]["message"] == f"{cli.root} is still there, so {copy} is a copy: a project of its own."
    )
    assert not any(one.get("missing") for one in projects(cli).values())
    assert len({one["project"] for one in projects(cli).values()}) == 2


def test_a_clone_whose_first_folder_is_gone_names_it_and_works_at_once(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    run = cli.start("note", "--title", "a note")
    assert cli("status").code == 0
    clone = cli.root.parent / "clone"
    subprocess.run(["git", "clone", "-q", cli.root, clone], check=True)
    monkeypatch.chdir(clone)
    shutil.rmtree(cli.root)

    said = cli("status")
    assert said.code == 0
    assert f"the history of the project 'project' of {cli.root}, which is gone" in said.out
    assert f"wfe-mcp project move {cli.root} {clone}" in said.out
    assert cli("project", "move", str(cli.root), "--yes", pin=PIN).code == 0
    assert [row["run"] for row in cli.json("list").data["runs"]] == [run]


def test_two_folders_that_both_have_runs_never_become_one(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.start("note")
    old = renamed(cli, monkeypatch)
    assert cli("project", "add").code == 0
    cli("start", "quick_fix", "--inputs", json.dumps({"problem": "it fails"}))

    refused = cli.json("project", "move", str(old), "--yes", pin=PIN)
    assert refused.refusal == "conflict"
    assert f"wfe-mcp project forget {old}" in refused.document["error"]["hint"]
    assert cli("project", "forget", str(old), "--yes", pin=PIN).code == 0
    assert [*projects(cli)] == [str(cli.root)]
    assert cli("verify").code == 0


def test_work_items_go_with_their_project(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("work", "add", "Say thanks", "--body", "To all who helped", "--criterion", "it says thanks")
    cli("work", "edit", "1", "--status", "ready")
    assert cli("work", "add", "Dark mode", "--kind", "idea").code == 0
    assert cli("work", "drop", "2", "no need", pin=PIN).code == 0
    old = renamed(cli, monkeypatch)

    for words in (("status",), ("work", "list"), ("work", "start", "1")):
        error = cli.json(*words).document["error"]
        assert (
            error["code"],
            f"of {old}, which is gone. It has no open run, and 2 work items." in error["message"],
        ) == (
            "needs_human",
            True,
        )
    assert "moved project" in cli("doctor").out
    said = cli("project", "move", str(old), "--yes", pin=PIN)

    assert "It has no open run, and 2 work items." in said.out
    assert "1 work item is ready." in cli("status").out
    assert [each["id"] for each in cli.json("work", "list", "--status", "all").data["items"]] == ["W-1", "W-2"]
    assert cli.json("work", "show", "2").data["history"][-1]["signed"]
    assert "moved project" not in cli("doctor").out
    run = cli.json("work", "start", "1", "--template", "note").document["run"]
    assert cli.submit_work(run, "draft").document["run_state"] == "completed"
    assert cli.json("work", "show", "1").data["status"] == "done"
    assert cli.json("verify").code == 0


def test_a_folder_with_work_items_of_its_own_never_becomes_another_project(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.start("note")
    old = renamed(cli, monkeypatch)
    assert cli("project", "add").code == 0
    cli("work", "add", "Say thanks")

    refused = cli.json("project", "move", str(old), "--yes", pin=PIN)
    assert refused.refusal == "conflict"
    assert "with 1 work item: two projects never become one" in refused.document["error"]["message"]
    assert [each["id"] for each in cli.json("work", "list").data["items"]] == ["W-1"]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing there ends a process at once from within")
def test_a_move_that_is_killed_in_its_middle_has_not_happened(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cli.start("note")
    old = renamed(cli, monkeypatch)
    read, write = os.pipe()
    os.write(write, PIN.encode())
    os.close(write)
    words = ["project", "move", str(old), "--yes", "--pin-fd", str(read)]
    ended = subprocess.run([sys.executable, "-c", DIES, *words], pass_fds=(read,), capture_output=True, check=False)
    os.close(read)

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert cli.json("status").refusal == "needs_human"
    assert [*projects(cli)] == [str(old)]
    assert cli("project", "move", str(old), "--yes", pin=PIN).code == 0
    assert cli.json("status").document["run"] == run


def test_a_worktree_that_was_moved_takes_its_runs_along(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(cli)
    first, second = cli.root.parent / "first", cli.root.parent / "second"
    cli.git("worktree", "add", "-q", str(first))
    monkeypatch.chdir(first)
    run = cli.start("note")
    cli.git("worktree", "move", str(first), str(second))
    monkeypatch.chdir(second)

    refused = cli.json("submit", run, "draft", "--path", str(second / "draft.json"))
    assert refused.refusal == "other_folder"
    assert f"works in {first}, and that folder is missing" in refused.document["error"]["message"]
    assert f"wfe-mcp project move {first} NEW" in refused.document["error"]["hint"]
    assert cli("project", "move", str(first), "--yes", pin=PIN).code == 0
    (second / "draft.json").write_text(json.dumps({"text": "hello"}))
    assert cli.json("submit", run, "draft", "--path", "draft.json").document["run_state"] == "completed"
    assert [*projects(cli)] == [str(cli.root)]


@pytest.mark.requirement("S1-14")
def test_projects_are_listed_by_name_with_their_open_runs_and_can_be_named(cli: Terminal) -> None:
    cli.start("note")
    assert cli("project", "rename", ".", "The Shop").code == 0

    assert f"The Shop   1     1     {cli.root}" in cli("project", "list").out
    assert projects(cli)[str(cli.root)]["open_runs"] == 1
    assert cli("project", "rename", "The Shop", "").code == 0
    assert projects(cli)[str(cli.root)]["name"] == "project"
    assert cli.json("project", "rename", ".", "x" * 61).refusal == "bad_argument"
    assert cli.json("project", "rename", "Shpo", "x").refusal == "bad_argument"


def test_a_folder_in_which_a_command_only_looked_is_no_project_until_it_is_added_or_worked_in(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, worked = (cli.place / name for name in ("added", "worked"))
    for folder in (added, worked):
        folder.mkdir()
        monkeypatch.chdir(folder)
        for words in (("status",), ("project", "show"), ("list",), ("templates", "list"), ("doctor",)):
            cli(*words)
        assert [*folder.iterdir()] == [] and str(folder) not in projects(cli)
    assert cli("project", "add", str(added)).code == 0
    assert cli("work", "add", "--kind", "task", "Paint it").code == 0
    assert {str(added), str(worked)} <= projects(cli).keys()


def test_only_a_person_forgets_a_project_and_work_brings_it_back(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli.json("project", "forget", ".", "--yes").refusal == "needs_human"
    assert cli("project", "forget", ".", "--yes", pin=PIN).code == 0
    assert projects(cli) == {}
    assert cli.json("status").document["run"] == run
    assert [*projects(cli)] == [str(cli.root)]


def test_a_missing_folder_that_is_named_says_what_to_do(cli: Terminal) -> None:
    gone = cli.root.parent / "gone"
    for words in (("status", "--project", str(gone)), ("project", "move", ".", str(gone))):
        said = cli.json(*words)
        assert said.refusal == "bad_argument"
        assert "wfe-mcp project move" in said.document["error"]["hint"]


def without_git(cli: Terminal) -> None:
    shutil.rmtree(cli.root / ".git")


def test_git_init_keeps_the_project_with_its_runs_and_trust_and_so_does_removing_git(cli: Terminal) -> None:
    without_git(cli)
    (cli.root / "ok").touch()
    run = cli.start("deed", "--title", "before git")
    known = projects(cli)

    for change in (lambda: cli.git("init", "-q"), lambda: committed(cli), lambda: without_git(cli)):
        change()
        assert cli.json("status").document["run"] == run
        assert cli("trust").out == "Nothing needs trust.\n"
        assert projects(cli) == known  # the same project, and no second one
    assert cli.submit_work(run, "sign").document["waiting_on"] == "human"
    cli.git("init", "-q")
    assert [cli("approve", run, "sign", pin=PIN).code for _ in range(2)] == [1, 0]  # the gates run again first
    # The anchors were in the repository that was removed: that is reported.
    assert cli("verify").out.splitlines()[0] == "1 difference from the log"


def test_git_init_is_seen_first_from_a_linked_worktree(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    without_git(cli)
    run = cli.start("note")
    cli.git("init", "-q")
    committed(cli)
    linked = cli.root.parent / "linked"
    cli.git("worktree", "add", "-q", str(linked))
    monkeypatch.chdir(linked)

    assert [row["run"] for row in cli.json("list").data["runs"]] == [run]
    assert [*projects(cli)] == [str(cli.root)]


@pytest.mark.parametrize("with_git", [True, False])
@pytest.mark.attack("a folder with another's mark gets or loses its repository and takes the runs", "held", "T16")
def test_git_init_beside_a_copied_mark_gives_nothing(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    if with_git:
        without_git(cli)
    cli.start("note")
    hostile = cli.root.parent / "hostile"
    shutil.copytree(cli.root, hostile)
    if with_git:
        subprocess.run(["git", "init", "-q", hostile], check=True)
    else:
        shutil.rmtree(hostile / ".git")
        without_git(cli)  # the first folder is still there, only without its repository
    monkeypatch.chdir(hostile)

    assert cli.json("list").data["runs"] == []
    assert cli.json("config", "show").data["untrusted"] == [str(hostile / ".wfe" / "config.toml")]
    assert cli.json("project", "move", str(cli.root), "--yes", pin=PIN).refusal == "conflict"
    monkeypatch.chdir(cli.root)
    assert len(cli.json("list").data["runs"]) == 1


def test_a_folder_without_the_mark_is_another_project_after_git_init(cli: Terminal) -> None:
    without_git(cli)
    cli.start("note")
    shutil.rmtree(cli.root / ".wfe" / "runs")  # the files at the same path now came from elsewhere
    cli.git("init", "-q")

    assert cli.json("list").data["runs"] == []


def test_the_name_that_a_person_gave_is_in_the_lists_of_all_projects(cli: Terminal) -> None:
    cli.save(template("asks", phase("draft", HUMAN)))
    cli.submit_work(cli.start("asks"), "draft")
    assert cli("project", "rename", ".", "The shop").code == 0
    assert "The shop" in cli("list", "--all").out
    assert "The shop" in cli("inbox").out
