"""What is new since a person's last visit, at the terminal."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.engine.people.looks import FILE


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Say whether standard output is a terminal."""

    def say(there: bool) -> None:
        monkeypatch.setattr("wfe_mcp.cli.terminal.screen.sys.stdout.isatty", lambda: there, raising=False)

    return say


def looks(cli: Terminal) -> str:
    file = cli.database.parent / FILE
    return file.read_text() if file.exists() else ""


def test_status_names_what_happened_since_the_last_visit(cli: Terminal, person: Callable[[bool], None]) -> None:
    old = cli.start("note")
    person(True)
    assert "New since" not in cli("status").out, "the first visit has nothing to compare with"
    cli.clock.forward(hours=2)
    person(False)
    run = cli.start("note", "--title", "Fix the door")
    person(True)
    for command in ("status", "inbox", "status"):  # within half an hour: one visit
        shown = cli(command).out
        assert "New since you looked 2 h ago: 1 run" in shown, shown
        line = next(each for each in shown[shown.index("New since") :].splitlines() if run in each)
        assert "Fix the door" in line
        assert old not in shown[shown.index("New since") :]
    cli.clock.forward(hours=1)
    assert "New since" not in cli("status").out


def test_what_a_person_decided_is_not_new_to_them(cli: Terminal, person: Callable[[bool], None]) -> None:
    run = cli.start("letter")
    assert cli.submit_work(run, "draft").code == 0
    assert cli.submit_work(run, "send").document["state"] == "awaiting"
    person(True)
    cli("status")
    cli.clock.forward(hours=2)
    person(False)
    assert cli("approve", run, "send", pin=PIN).code == 0
    assert cli.state(run) == "completed"
    person(True)
    assert "New since" not in cli("status").out


def test_all_that_is_new_is_listed_by_one_command_and_as_json(cli: Terminal, person: Callable[[bool], None]) -> None:
    assert cli("status", "--new").out == "This is your first visit.\n"
    person(True)
    cli("status")
    person(False)
    cli.clock.forward(hours=1)
    assert cli("status", "--new").out == "Nothing is new since your last visit.\n"
    runs = {cli.start("note") for _ in range(4)}
    assert {each["run"] for each in cli.json("status", "--new").data["runs"]} == runs
    person(True)
    assert "1 more: wfe-mcp status --new" in cli("status").out
    assert "1 more" not in cli("status", "--new").out
    assert cli.json("status", "x", "--new").refusal == "bad_argument"


def test_what_no_person_sees_is_no_look(cli: Terminal, person: Callable[[bool], None]) -> None:
    for words in (("status",), ("status", "--json"), ("status", "--new"), ("inbox",), ("inbox", "--json")):
        cli(*words)
    assert looks(cli) == ""
    person(True)
    cli("status", "--json")
    assert looks(cli) == ""
    cli("status")
    kept = looks(cli)
    person(False)
    cli.clock.forward(hours=3)
    cli("status")
    cli("status", "--new", "--json")
    assert looks(cli) == kept


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"ada": []}', '{"ada": {"p": ["x", "y"]}}', '{"ada": {"p": 1}}']
)
def test_looks_that_cannot_be_read_count_as_none(cli: Terminal, person: Callable[[bool], None], text: str) -> None:
    (cli.database.parent / FILE).write_text(text)
    person(True)
    assert cli("status").code == 0
    assert json.loads(looks(cli))


LOOP = """
import sys
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.people.looks import visited_before
from wfe_mcp.workspace.system.location import project_at
from pathlib import Path
engine = create_engine(project_at(Path(sys.argv[1])))
print("begun", flush=True)
while True:
    visited_before(engine, ["a", "b"], looks=True)
"""


def test_a_look_that_is_killed_leaves_the_one_before_or_the_new_one(cli: Terminal) -> None:
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", LOOP, str(cli.root)], stdout=subprocess.PIPE, env={**os.environ}, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            process.kill()
        if text := looks(cli):
            assert [set(own) for own in json.loads(text).values()] == [{"a", "b"}]
    assert cli("status").code == 0
