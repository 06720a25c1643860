"""Input and answer of each step, completed ones too, by the step's name and at every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.scene import PIN, template

if TYPE_CHECKING:
    from tests.cli.scene import Terminal

MADE = {"id": "name", "builtin": "set", "params": {"who": "ada", "zoo": "x" * 5000}, "assign": "made"}
TWICE = template(
    "twice",
    {"id": "first", "kind": "steps", "steps": [MADE]},
    {"id": "second", "kind": "steps", "steps": [{**MADE, "params": {"who": "eve"}, "assign": "later"}]},
)


@pytest.fixture
def run(cli: Terminal) -> str:
    cli.save(TWICE)
    started = cli.start("twice")
    cli("watch", started)
    assert cli.state(started) == "completed"
    return started


@pytest.mark.requirement("S2-24")
def test_show_has_the_calls_of_completed_steps(cli: Terminal, run: str) -> None:
    assert "ada" not in cli("show", run).out
    full, whole = cli("show", run, "--full").out, cli("show", run, "--tools").out
    assert 'input: {"who": "ada", "zoo": "xxx' in full
    assert 'answer: {"who": "eve"}' in full
    assert "x" * 5000 in whole and "x" * 5000 not in full
    (first, _) = cli.json("show", run, "--tools").data["attempts"]
    assert first["steps"][0]["output"].startswith('{"who": "ada"')


@pytest.mark.requirement("S2-24")
def test_the_log_has_them_where_they_ended(cli: Terminal, run: str) -> None:
    lines = cli("log", run).out.splitlines()
    place = next(number for number, line in enumerate(lines) if "RevisionSubmitted" in line)
    assert "step name" in lines[place + 1]
    assert 'answer: {"who": "ada"' in lines[place + 3]


@pytest.mark.requirement("S2-24")
def test_calls_are_read_by_phase_and_by_the_name_of_the_step(cli: Terminal, run: str) -> None:
    refused = cli.json("artifact", "show", run, "steps:1").document["error"]
    assert refused["message"] == "'steps:1' may be calls of several phases: first, second."
    assert refused["hint"].endswith("--phase first at a terminal.")
    found = cli.json("artifact", "show", run, "steps:1", "--phase", "second").data
    assert (found["phase"], found["content"][0]["step"]) == ("second", "name")
    assert found["hint"] == "one whole: pointer /name, its answer: /name/output"
    part = cli.json("artifact", "show", run, "steps:1", "--phase", "second", "--pointer", "/name/output/who")
    assert part.data["content"] == "eve"


@pytest.mark.requirement("S2-24")
def test_a_retry_says_what_it_keeps_and_what_it_calls_again_before_it_asks(cli: Terminal) -> None:
    stop = {"id": "stop", "builtin": "fail", "params": {"message": "no licence"}}
    cli.save(
        template("stopped", {"id": "go", "kind": "steps", "steps": [MADE, stop], "on_fail": [{"do": "wait_human"}]})
    )
    started = cli.start("stopped")
    cli("watch", started)
    again = cli("retry", started, "go", pin=PIN)
    assert again.out.startswith(
        "Kept: name. Called again: stop.\nIf you retry, attempt 2 at go opens.\nOpened a new attempt at go, which keeps the answers of name"
    )
    cli("watch", started)
    refused = cli.json("retry", started, "go", "--from", "nam", pin=PIN).document["error"]
    assert (refused["code"], "name" in refused["hint"]) == ("bad_argument", True)
    answer = cli.json("retry", started, "go", "--from", "name", pin=PIN)
    assert (answer.data["kept"], answer.data["called_again"]) == ([], ["name", "stop"])
