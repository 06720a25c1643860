"""A person goes back, undoes and redoes at a terminal."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal

pytestmark = pytest.mark.usefixtures("in_git")


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    return subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True, text=True).stdout


def all_bytes(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the project with its mode; git's and ours left out."""
    files = (file for file in root.rglob("*") if file.is_file() or file.is_symlink())
    named = ((file.relative_to(root).as_posix(), file) for file in files)
    return {
        name: (str(file.readlink()).encode() if file.is_symlink() else file.read_bytes(), file.lstat().st_mode)
        for name, file in named
        if not name.startswith((".git/", ".wfe/"))
    }


@pytest.mark.requirement("S1-08")
@pytest.mark.requirement("S1-22")
def test_rollback_and_undo_bring_back_every_byte(cli: Terminal) -> None:
    root = cli.root
    for name in ("kept.txt", "changed.txt", "removed.txt", "staged.txt"):
        (root / name).write_text(f"{name}\n")
    (root / ".gitignore").write_text("ignored/\n.wfe/\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("kept.txt")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "files")
    (root / "staged.txt").write_text("staged\n")
    git(root, "add", "staged.txt")
    (root / "untracked.bin").write_bytes(bytes(range(256)))
    (root / "ignored").mkdir()
    (root / "ignored" / "x").write_text("left alone\n")
    run = cli.start("letter")
    taken = cli.json("checkpoint", run, "--note", "before it all").data["checkpoint"]
    before, index = all_bytes(root), git(root, "ls-files", "--stage")
    (root / "changed.txt").write_text("wrecked\n")
    (root / "removed.txt").unlink()
    (root / "untracked.bin").unlink()
    (root / "run.sh").chmod(0o644)
    (root / "link").unlink()
    (root / "link").write_text("no link any more\n")
    (root / "new").mkdir()
    (root / "new" / "file").write_text("new\n")
    assert cli.submit_work(run, "draft").document["state"] == "completed"
    (root / "draft.json").unlink()
    cli.json("checkpoint", run)
    wrecked = all_bytes(root)
    document = cli.json("rollback", run, taken["checkpoint"], pin=PIN)
    assert document.code == 0, document.err
    assert all_bytes(root) == before
    assert git(root, "ls-files", "--stage") == index
    assert document.data["files"]["restored"] == 6
    phases = {each["phase"]: each["state"] for each in cli.json("status", run, pin=None).data["phases"]}
    assert phases == {"draft": "ready"}
    assert cli.json("undo", run, pin=PIN).code == 0
    assert all_bytes(root) == wrecked
    assert git(root, "stash", "list") == ""
    assert git(root, "ls-files", "--stage") == index
    assert cli("redo", pin=PIN).code == 0
    assert all_bytes(root) == before
    assert cli.json("verify", run).code == 0


def test_undo_reverts_one_command_after_another(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert cli.state(run) == "waiting"
    assert cli("undo").code == 0
    assert cli("undo").code == 0
    states = [each["state"] for each in cli.json("status", run).data["phases"]]
    assert states[0] == "ready"
    document = cli.json("undo", run)
    assert document.refusal == "illegal_transition"
    assert "only the start of the run is left" in document.document["error"]["message"]
    assert cli("redo").code == 0
    assert cli("redo").code == 0
    assert cli.state(run) == "waiting"
    assert cli.json("redo").refusal == "illegal_transition"


def test_an_undo_and_a_redo_name_the_same_command_and_the_log_says_where_to(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    first = next(e["seq"] for e in cli.json("log", run).data["events"] if e["type"] == "PhaseStarted")
    for _ in range(2):
        assert cli("undo", run, pin=PIN).out.startswith(f"Undid the start of draft (event {first})")
        assert cli("redo", run, pin=PIN).out.startswith(f"Redid the start of draft (event {first})")
    lines = [line for line in cli("log", run).out.splitlines() if " RolledBack " in line]
    assert f"ada took the run back to event {first - 1} (undo)" in lines[0]
    assert [re.findall(r" \((undo|redo)\)$", line) for line in lines] == [["undo"], ["redo"]] * 2


def test_what_a_person_decided_is_undone_with_the_pin(
    cli: Terminal, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert cli("approve", run, "send", pin=PIN).code == 0
    document = cli.json("undo", run)
    assert (document.refusal, document.data["command"]) == ("needs_human", f"wfe-mcp undo {run}")
    assert cli.json("undo", run, pin="wrong horse").refusal == "wrong_pin"
    at_terminal(True)

    asked: list[str] = []

    def type_in(prompt: str = "") -> str:
        asked.append(prompt)
        return PIN

    monkeypatch.setattr("getpass.getpass", type_in)
    found = cli("undo", run)
    assert found.code == 0
    assert found.out.startswith("Undid the approval of send (event ")
    assert "PIN to undo the approval of send (event " in asked[0]
    assert found.err.startswith("An undo of the approval of send (event ")  # what it means, before the PIN is asked for
    assert cli.state(run) == "waiting"


def test_an_approval_that_a_rollback_voided_is_shown_as_void_until_it_counts_again(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    cli("approve", run, "send", pin=PIN)

    def states() -> list[bool]:
        return ["(void since: rolled back)" in cli(word, run).out for word in ("show", "handoff")]

    assert states() == [False, False]
    assert cli("rollback", run, "draft", "--no-files", pin=PIN).code == 0
    assert states() == [True, True]
    assert "rolled_back" not in cli("show", run).out
    assert cli.json("show", run).data["decisions"][0]["void"] == "rolled_back"
    cli.submit_work(run, "draft", "again")
    cli.submit_work(run, "send", "again")
    assert cli("approve", run, "send", pin=PIN).code == 0
    assert [one.get("void") for one in cli.json("show", run).data["decisions"]] == ["rolled_back", None]
    for _ in range(6):
        if "rolled_back" not in str(cli.json("show", run).data["decisions"][0]):
            break
        assert cli("undo", run, pin=PIN).code == 0
    assert [one.get("void") for one in cli.json("show", run).data["decisions"]] == [None, "rolled_back"]


def test_a_cancelled_run_is_not_brought_back(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli("cancel", run).code == 0
    assert cli.json("undo", run, pin=PIN).refusal == "illegal_transition"
    assert cli.json("undo").refusal == "bad_argument"


def test_a_dry_run_and_the_list_of_checkpoints_promise_nothing_of_a_cancelled_run(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    assert cli.json("checkpoints", run).data["undo"]
    assert cli("cancel", run).code == 0
    for words in (("undo", run), ("rollback", run, "draft"), ("rollback", run, "draft", "--no-files")):
        answer = cli(*words, "--dry-run")
        assert (answer.code, answer.err) == (1, cli(*words).err)
    assert "undo" not in cli.json("checkpoints", run).data


def test_without_a_terminal_a_command_names_what_it_lacks_not_only_itself(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    assert cli("skip", run, "send", "--reason", "no", pin=PIN).code == 0
    answer = cli("undo", run)
    assert answer.code == 1
    assert (
        "Next: run it in a terminal of your own, which asks for your PIN, or pass the PIN with --pin-fd N: "
        in answer.err
    )
    assert cli("undo", run, pin=PIN).code == 0


def test_unrecorded_changes_need_one_more_option(cli: Terminal) -> None:
    run = cli.start("letter")
    name = cli.json("checkpoint", run).data["checkpoint"]["checkpoint"]
    (cli.root / "mine.txt").write_text("mine\n")
    answer = cli("rollback", run, name)
    assert ("go back with --no-files, or wfe-mcp rollback" in answer.err, "files=false" in answer.err) == (True, False)
    answer = cli("rollback", run, name, pin=PIN)
    assert answer.code == 1
    assert "mine.txt" in answer.err
    assert "--discard" in answer.err
    assert cli("rollback", run, name, "--no-files", pin=PIN).code == 0
    assert (cli.root / "mine.txt").exists()
    assert cli.json("rollback", run, name, "--discard").refusal == "needs_human"
    answer = cli("rollback", run, name, "--discard", pin=PIN)
    assert (answer.code, (cli.root / "mine.txt").exists()) == (0, False)
    assert ": 1 file restored; the files before are in cp-" in answer.out
    assert cli("undo", run, pin=PIN).code == 0
    assert (cli.root / "mine.txt").read_text() == "mine\n"


def test_no_pin_is_asked_for_where_unrecorded_changes_refuse_a_rollback(
    cli: Terminal, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("letter")
    name = cli.json("checkpoint", run).data["checkpoint"]["checkpoint"]
    (cli.root / "mine.txt").write_text("mine\n")
    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": pytest.fail(f"asked: {prompt}"))
    answer = cli("rollback", run, name)
    assert (answer.code, answer.out) == (1, "")
    assert "mine.txt (deleted, in no checkpoint)" in answer.err
    assert f"Next: save them first: wfe-mcp checkpoint {run}; or replace them" in answer.err


def test_an_undo_puts_files_back_where_that_is_asked_for(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.json("checkpoint", run)
    (cli.root / "made.txt").write_text("made\n")
    cli.submit_work(run, "draft")
    assert cli("undo", run, "--files", pin=PIN).code == 0
    assert not (cli.root / "made.txt").exists()
    assert cli("redo", run, "--files", pin=PIN).code == 0
    assert (cli.root / "made.txt").exists()


def test_an_undo_of_files_that_were_changed_since_names_the_commands_that_work(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.json("checkpoint", run)
    (cli.root / "made.txt").write_text("made\n")
    cli.submit_work(run, "draft")
    (cli.root / "made.txt").write_text("changed\n")
    assert "go back without --files" in cli("undo", run, "--files").err
    refused = cli("undo", run, "--files", pin=PIN).err
    discard, keep = (f"wfe-mcp undo {run}{option}" for option in (" --files --discard", ""))
    assert (
        f"save them first: wfe-mcp checkpoint {run}; or replace them, an undo has them: {discard}; or leave" in refused
    )
    assert f"leave the files as they are: {keep}\n" in refused
    assert cli(*keep.split()[1:], pin=PIN).code == 0
    assert (cli.root / "made.txt").read_text() == "changed\n"


def test_what_a_checkpoint_leaves_out_is_listed_with_the_reason(cli: Terminal) -> None:
    run = cli.start("note")
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + '[checkpoints]\nfile_limit = "1kB"\n')
    assert cli("trust", "--yes", pin=PIN).code == 0
    (cli.root / "big.bin").write_bytes(b"b" * 2_000)
    subprocess.run(["git", "init", "-q", cli.root / "inner"], check=True)
    (cli.root / "inner" / "file").write_text("theirs\n")
    document = cli.json("checkpoint", run)
    taken = document.data["checkpoint"]
    assert taken["not_kept"] == [
        {"path": "big.bin", "why": "large", "bytes": 2_000},
        {"path": "inner/", "why": "nested repository"},
    ]
    answer = "not kept: big.bin (large, 2,000 bytes), inner/ (nested repository)"
    assert document.document["summary"] == f"{taken['checkpoint']}: state and files; {answer}"
    listed = cli("checkpoints", run).out
    assert "state and files, without 2 files" in listed
    assert listed.endswith(f"What a checkpoint leaves out: wfe-mcp show {run} --at {taken['checkpoint']} --files\n")
    assert cli("show", run, "--at", taken["checkpoint"], "--files").out.endswith(f"{answer}\n")
    assert f"{taken['checkpoint']} (manual, without 2 files)" in cli("show", run).out


def test_the_story_of_a_run_names_its_newest_checkpoints_now_and_then(cli: Terminal) -> None:
    run = cli.start("letter")
    assert "checkpoints" not in cli("show", run).out
    cli.submit_work(run, "draft")
    cli("checkpoint", run, "--note", "a good\n  place")
    cli.submit_work(run, "send")
    names = [each["checkpoint"] for each in cli.json("checkpoints", run).data["checkpoints"]]
    line = next(one for one in cli("show", run).out.splitlines() if one.startswith("checkpoints: "))
    assert (
        line
        == f"checkpoints: {names[0]} (manual: a good place), {names[1]} (completion of draft #1); 2 in all: wfe-mcp checkpoints {run}"
    )
    then = cli("show", run, "--at", names[1]).out
    assert f"checkpoints: {names[1]} (completion of draft #1); 1 in all" in then


def test_the_checkpoints_of_a_run_are_listed_and_pruned(cli: Terminal) -> None:
    run = cli.start("note")
    first = cli.json("checkpoint", run, "--note", "a good place").data["checkpoint"]["checkpoint"]
    cli.submit_work(run, "draft")
    document = cli.json("checkpoints", run).data["checkpoints"]
    assert [(each["why"], each["files"]) for each in document] == [("completion", True), ("manual", True)]
    answer = cli("checkpoints", run)
    assert first in answer.out
    assert "state and files (a good place)" in answer.out
    (cli.root / ".wfe").mkdir(exist_ok=True)
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(
        config.read_text() + "\n[checkpoints]\nkeep = 1\n" if config.exists() else "[checkpoints]\nkeep = 1\n"
    )
    assert cli("trust", "--yes", pin=PIN).code == 0
    pruned = cli.json("checkpoints", run, "--prune")
    assert pruned.data["pruned"] == [f"{run}/{first}"]
    assert "removed the files of " in cli("checkpoints", run, "--prune").out


def test_a_dry_run_names_what_would_change_and_changes_nothing(cli: Terminal) -> None:
    root = cli.root
    (root / ".gitignore").write_text(".wfe/\n")
    (root / "app.py").write_text("VALUE = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "files")
    run = cli.start("letter")
    taken = cli.json("checkpoint", run).data["checkpoint"]["checkpoint"]
    cli.submit_work(run, "draft")
    (root / "draft.json").unlink()
    (root / "app.py").write_text("VALUE = 2\n")
    for number in range(21):
        (root / f"new{number:02}.py").write_text("")
    before, events = all_bytes(root), cli.json("log", run).data

    answer = cli("rollback", run, taken, "--dry-run")

    assert answer.code == 0
    first, *rest = answer.out.splitlines()
    would = f"A rollback to {taken} would change the state of draft, send and 22 files"
    assert first == f"{would}; 22 of them have changes that no checkpoint has, so it is refused"
    new = [f"  new{number:02}.py (deleted, in no checkpoint)" for number in range(19)]
    assert rest == ["  app.py (in no checkpoint)", *new, "  and 2 more"]
    discard = f"wfe-mcp rollback {run} {taken} --discard"
    assert (
        f"Next: save them first: wfe-mcp checkpoint {run}; or replace them, an undo has them: {discard}; or "
        in answer.err
    )
    discarding = cli("rollback", run, taken, "--dry-run", "--discard")
    assert f"Next: {discard}\n" in discarding.err
    replaced = f"{would}; 22 of them have changes that no checkpoint has, they are replaced, and an undo has them"
    assert discarding.out.splitlines()[0] == replaced
    assert all_bytes(root) == before
    assert cli.json("log", run).data == events
    found = cli.json("rollback", run, "draft", "--no-files", "--dry-run").data
    assert (found["files"], found["note"]) == (False, "the files stay as they are")
    assert cli.json("rollback", run, "cp-99", "--dry-run").refusal == "bad_argument"
    assert cli.json("rollback", run, "dratf", "--dry-run").document["error"]["hint"].startswith("Did you mean 'draft'?")


def test_a_submodule_and_a_nested_repository_stay_and_stop_no_rollback(cli: Terminal) -> None:
    root, library = cli.root, cli.root.parent / "library"
    git(root, "init", "-q", str(library))
    git(library, "commit", "-q", "--allow-empty", "-m", "first")
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "vendor/library")
    (root / "app.py").write_text("VALUE = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "files")
    cli.submit_work(run := cli.start("letter"), "draft")
    assert cli("skip", run, "send", "--reason", "no", pin=PIN).code == 0
    taken = cli.json("checkpoint", run).data["checkpoint"]["checkpoint"]
    (root / "app.py").write_text("VALUE = 2\n")
    cli.json("checkpoint", run)
    git(root, "init", "-q", "nested/deep")
    for folder in ("vendor/library/in", "nested/deep/in"):
        (root / folder).mkdir()
        (root / folder / "new.txt").write_text("of another repository\n")

    foreseen, done = cli.json("rollback", run, taken, "--dry-run"), cli.json("rollback", run, taken, pin=PIN)
    assert foreseen.data["paths"] == done.data["files"]["paths"] == ["app.py"]
    assert foreseen.document["summary"].endswith(" and 1 file; vendor/library (submodule) stays as it is")
    assert "; nested/deep (nested repository), vendor/library (submodule) stay as they are" in done.out
    assert (root / "vendor/library/in/new.txt").exists() and (root / "nested/deep/in/new.txt").exists()


def test_an_undo_and_a_redo_name_the_files_before_they_change_them(cli: Terminal) -> None:
    root = cli.root
    run = cli.start("letter")
    cli.json("checkpoint", run)
    for number in range(22):
        (root / f"new{number:02}.py").write_text("")
    cli.submit_work(run, "draft")
    (root / "draft.json").unlink()
    cli.json("checkpoint", run)
    before = all_bytes(root)

    first, *rest = cli("undo", run, "--files", "--dry-run").out.splitlines()
    assert first.endswith(" would change the state of draft, send and 22 files")
    assert rest == [*(f"  new{number:02}.py (deleted)" for number in range(20)), "  and 2 more"]
    state_alone = cli("undo", run, "--dry-run")
    assert state_alone.out.endswith("; the files stay as they are\n")
    assert f"Next: wfe-mcp undo {run}" in state_alone.err
    assert all_bytes(root) == before
    assert cli("undo", run, "--files", pin=PIN).code == 0
    redone = cli.json("redo", run, "--dry-run")
    assert redone.document["summary"].startswith("A redo of ")
    assert len(redone.data["paths"]) + redone.data["more_paths"] == 22
    assert cli.json("undo", cli.start("letter"), "--dry-run").refusal == cli.json("undo", cli.start("letter")).refusal
