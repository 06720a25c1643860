"""What changed, at a terminal: a pager for what is long; renames, binary files and deleted ones are named as such."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.scene import Said, Terminal

PAGER = """import os, pathlib, sys
told = {name: os.environ.get(name) for name in ("LESSSECURE", "LESSOPEN")}
pathlib.Path(sys.argv[1]).write_text(sys.stdin.read() + repr(told), encoding="utf-8")
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
@scene
def waiting(cli: Terminal) -> str:
    """A run whose artifact waits for a person."""
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send", "hello")
    return run


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pager got; it is there once the pager was started. The terminal has five lines."""
    program, found = tmp_path / "pager.py", tmp_path / "seen.txt"
    program.write_text(PAGER, encoding="utf-8")
    monkeypatch.setenv("PAGER", f"'{sys.executable}' '{program}' '{found}' 0")
    monkeypatch.setenv("LESSOPEN", "|program %s")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "5")
    return found


def look(cli: Terminal, run: str, monkeypatch: pytest.MonkeyPatch, *, output: bool = True) -> Said:
    """The decision view where input is a terminal, and output too or a pipe."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: output)
    return cli("show", run, "--decision")


@pytest.mark.requirement("E-04")
def test_what_is_longer_than_the_terminal_is_shown_in_the_pager_of_the_user(
    cli: Terminal, waiting: str, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = look(cli, waiting, monkeypatch)
    read = seen.read_text(encoding="utf-8")
    assert (answer.code, "text: hello" in answer.out, "text: hello" in read) == (0, False, True)
    assert "{'LESSSECURE': '1', 'LESSOPEN': None}" in read, "nothing that the environment names runs on what is shown"


@pytest.mark.parametrize(
    ("variables", "is_terminal"),
    [
        pytest.param({"LINES": "500"}, True, id="it fits"),
        pytest.param({}, False, id="a pipe"),
        pytest.param({"TERM": "dumb"}, True, id="a terminal that only prints"),
        pytest.param({"PAGER": "no-such-pager-here"}, True, id="no such pager"),
        pytest.param(
            {"PAGER": f"'{sys.executable}' -c 'import sys; sys.stdin.read(); sys.exit(3)'"}, True, id="it fails"
        ),
    ],
)
def test_what_no_pager_shows_is_printed(
    cli: Terminal,
    waiting: str,
    seen: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    is_terminal: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert "text: hello" in look(cli, waiting, monkeypatch, output=is_terminal).out
    assert not seen.exists()


@pytest.mark.requirement("E-04")
@pytest.mark.usefixtures("in_git")
def test_renamed_binary_and_deleted_files_are_named_as_such(cli: Terminal) -> None:
    moved = "".join(f"line {number}\n" for number in range(40))
    (cli.root / "old.txt").write_text(moved)
    (cli.root / "gone.txt").write_text("one\ntwo\n")
    (cli.root / "picture.bin").write_bytes(bytes(range(256)))
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "first")
    cli.save(template("asked", phase("send", HUMAN)))
    run = cli.start("asked")
    (cli.root / "old.txt").rename(cli.root / "new.txt")
    (cli.root / "gone.txt").unlink()
    (cli.root / "picture.bin").write_bytes(bytes(reversed(range(256))))
    cli.submit_work(run, "send")
    shown = cli("show", run, "--decision").out
    lines = [line for line in shown.splitlines() if line[:2] in ("R ", "M ", "D ", "A ")]
    assert lines == ["A draft.json +1", "D gone.txt -2", "R old.txt → new.txt", "M picture.bin (binary)"]
    assert "line 1" not in shown, "what only moved is not shown as new lines"


@pytest.mark.usefixtures("in_git")
def test_what_changed_since_it_was_sent_back_is_shown_at_the_terminal(cli: Terminal) -> None:
    cli.save(template("asked", phase("send", HUMAN)))
    run = cli.start("asked")
    (cli.root / "first.txt").write_text("first\n")
    cli.submit_work(run, "send")
    assert cli.json("show", run, "--decision", "--since", "attempt").refusal == "not_ready"
    assert cli("reject", run, "send", "--feedback", "more", pin=PIN).code == 0
    (cli.root / "second.txt").write_text("second\n")
    cli.submit_work(run, "send", "again")

    shown = cli("show", run, "--decision").out
    assert "CHANGE since attempt 1: 2 files, +2 -1\nM draft.json" in shown
    assert "+second" in shown and "+first" in shown
    hint = next(line for line in shown.splitlines() if "--since attempt" in line).partition(": ")[2]
    only = cli(*hint.split()[1:]).out
    assert "+second" in only
    assert "+first" not in only
    assert cli.json("show", run, "--decision").data["since"]["since"] == "attempt 1"
    refused = cli.json("show", run, "--decision", "--since", "atempt").document["error"]
    assert refused["code"] == "bad_argument"
    assert "'attempt'" in refused["hint"]
    assert "CHANGE since attempt 1" in cli("approve", run, "send", pin=PIN).out


@pytest.mark.usefixtures("in_git")
def test_a_file_of_ones_own_that_a_delivery_commits_is_shown_at_the_terminal(cli: Terminal) -> None:
    (cli.root / "app.py").write_text("1\n")
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "first")
    (cli.root / "my-notes.txt").write_text("mine\n")
    with (cli.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[delivery]\nmode = "merge"\n')
    ship = {"id": "ship", "kind": "steps", "steps": [{"id": "commit", "builtin": "git.commit"}]}
    cli.save(template("shipped", phase("send", HUMAN), ship))
    assert cli("trust", "--yes", pin=PIN).code == 0
    run = cli.start("shipped")
    (cli.root / "app.py").write_text("2\n")
    cli.submit_work(run, "send")
    shown = cli("show", run, "--decision").out
    assert "my-notes.txt" in shown.partition("UNUSUAL")[2].partition("CHANGE")[0]
    assert "CHANGE since the last commit, of files changed before the run" in shown
    assert "--since commit" in shown
    assert "+mine" in cli("show", run, "--decision", "--since", "commit").out


@pytest.mark.usefixtures("in_git")
def test_the_next_decision_begins_with_what_changed_since_it_was_shown_first(cli: Terminal) -> None:
    cli.save(template("asked", phase("send", HUMAN)))
    run = cli.start("asked")
    cli.submit_work(run, "send")
    assert cli("approve", run, "send").code == 1, "it has shown what it asks, and no PIN was given"
    (cli.root / "README.md").write_text("a note\n")
    shown = cli("approve", run, "send", pin=PIN)
    assert "CHANGE since it was first asked: 1 file, +1 -0\nA README.md" in shown.out
    assert shown.code == 0


@pytest.mark.usefixtures("in_git")
def test_lines_that_are_not_stored_are_not_counted(cli: Terminal) -> None:
    cli.save(template("asked", phase("send", HUMAN)))
    run = cli.start("asked")
    (cli.root / "README.md").write_text("one\n")  # it is hashed, and stored only once it is approved
    cli.submit_work(run, "send")
    assert cli("approve", run, "send").code == 1, "it has shown what it asks, and no PIN was given"
    (cli.root / "README.md").write_text("two\n")
    shown = cli("approve", run, "send").out
    assert "CHANGE since it was first asked: 1 file\nM README.md (content not stored)\n" in shown
    assert "--since attempt" not in shown


@pytest.mark.usefixtures("in_git")
def test_a_rejection_after_which_no_attempt_opens_says_that_a_retry_is_needed(cli: Terminal) -> None:
    cli.save(
        template("asked", phase("send", HUMAN, on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]))
    )
    run = cli.start("asked")
    cli.submit_work(run, "send")
    opened = cli("reject", run, "send", "--feedback", "more", pin=PIN).out
    assert "Rejected send; attempt 2 has your feedback." in opened
    cli.submit_work(run, "send", "again")
    stopped = cli("reject", run, "send", "--feedback", "more", pin=PIN).out
    assert "Rejected send; no automatic retry is left. Retry it, and attempt 3 has your feedback." in stopped
    assert f"wfe-mcp retry {run} send" in stopped


@pytest.mark.usefixtures("in_git")
def test_an_approval_on_another_branch_changes_nothing_and_says_what_to_do(cli: Terminal) -> None:
    (cli.root / "ok").touch()
    cli.git("add", "-A")
    commit = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q")
    cli.git(*commit, "-m", "begin")
    cli.git("switch", "-q", "-c", "work")
    run = cli.start("deed")
    (cli.root / "more").touch()
    cli.git("add", "more")
    cli.git(*commit, "-m", "done")
    cli.submit_work(run, "sign")
    cli.git("switch", "-q", "-")
    before = cli.json("log", run).data["events"]
    refused = cli("approve", run, "sign", pin=PIN)
    assert "error: The gates of 'sign' passed on a commit of branch 'work', which is not checked out." in refused.err
    assert f"wfe-mcp reject {run} sign --feedback TEXT" in refused.err
    assert cli.json("log", run).data["events"] == before
    cli.git("switch", "-q", "work")
    assert cli("approve", run, "sign", pin=PIN).code == 0
