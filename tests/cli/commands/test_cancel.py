"""``cancel`` asks before it ends a run at a terminal; ``list`` says who is waited for."""

import os
import subprocess
import sys

import pytest

from tests.cli.scene import PIN, Terminal
from tests.security.machine import typist

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")


def at_terminal(cli: Terminal, typed: str, *words: str, through: tuple[str, ...] = ()) -> str:
    """What ``wfe-mcp`` with these words, started by ``through``, says at a terminal where ``typed`` is the answer."""
    argv = typist("[y/N]", typed, *through, sys.executable, "-m", "wfe_mcp", *words)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(argv, cwd=cli.root, env=env, capture_output=True, text=True, check=False)
    return done.stdout


@needs_pty
def test_cancel_asks_at_a_terminal_and_does_nothing_without_confirmation(cli: Terminal) -> None:
    run = cli.start("note")
    answer = at_terminal(cli, "n", "cancel", run)
    assert f'Cancel {run} "A note"? It cannot be resumed. [y/N]' in answer
    assert "Cancelled. Nothing changed." in answer
    assert cli.state(run) == "running"
    at_terminal(cli, "y", "cancel", run)
    assert cli.state(run) == "cancelled"


@needs_pty
def test_cancel_shows_at_a_terminal_who_the_stale_runs_wait_for_before_it_ends_them(cli: Terminal) -> None:
    cli.clock.forward(days=-9_000)  # the command of the terminal has the clock of the machine
    yours, theirs = cli.start("letter", "--title", "For you"), cli.start("note", "--title", "For the agent")
    for name in ("draft", "send"):
        cli.submit_work(yours, name)
    answer = at_terminal(cli, "n", "cancel", "--stale")
    assert "Cancel 2 stale runs? No cancelled run can be resumed. [y/N]" in answer
    waits_for = {line.split()[0]: line for line in answer.splitlines() if line.startswith((yours, theirs))}
    assert "  you  " in waits_for[yours]
    assert "  the agent  " in waits_for[theirs]
    assert [cli.state(run) for run in (yours, theirs)] == ["waiting", "running"]
    at_terminal(cli, "y", "cancel", "--stale")
    assert [cli.state(run) for run in (yours, theirs)] == ["cancelled", "cancelled"]
    assert "[y/N]" not in at_terminal(cli, "", "cancel", "--stale"), "nothing is left to ask about"


@needs_pty
def test_cancel_does_not_ask_with_yes(cli: Terminal) -> None:
    run = cli.start("note")
    assert "[y/N]" not in at_terminal(cli, "", "cancel", run, "--yes")
    assert cli.state(run) == "cancelled"


def test_cancel_through_a_pipe_does_not_ask(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli("cancel", run).code == 0
    assert cli.state(run) == "cancelled"


def test_list_says_who_is_waited_for(cli: Terminal) -> None:
    done, yours, theirs = cli.start("note"), cli.start("letter"), cli.start("note")
    cli.submit_work(done, "draft")
    for name in ("draft", "send"):
        cli.submit_work(yours, name)
    rows = {row["run"]: row["waiting_on"] for row in cli.json("list").data["runs"]}
    assert rows == {done: "none", yours: "human", theirs: "agent"}
    heading, *lines = cli("list").out.splitlines()
    assert "waits for" in heading.lower()
    assert any(line.startswith(yours) and "you" in line.split() for line in lines)
    assert cli.json("approve", yours, "send", pin=PIN).code == 0


@needs_pty
def test_a_question_that_is_wider_than_the_terminal_continues_below(cli: Terminal) -> None:
    title = "A title of a run that is longer than half of the terminal"
    run = cli.start("note", "--title", title)
    narrow = ("sh", "-c", 'stty columns 80; exec "$@"', "sh")
    answer = at_terminal(cli, "n", "cancel", run, through=narrow)
    assert f'Cancel {run} "{title}"?' in answer
    assert "\n  It cannot be resumed. [y/N] " in answer.replace("\r", "")
