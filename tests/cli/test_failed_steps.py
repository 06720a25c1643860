"""What a failed phase of steps called is shown: each call with input, answer, error and time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, template

if TYPE_CHECKING:
    from tests.cli.scene import Terminal

STEPS = [
    {"id": "name", "builtin": "set", "params": {"who": "ada", "zoo": "x" * 5000}, "assign": "made"},
    {"id": "stop", "builtin": "fail", "params": {"message": "no licence for ada"}},
]


@scene
def failed(cli: Terminal) -> str:
    cli.save(template("worked", {"id": "go", "kind": "steps", "steps": STEPS, "on_fail": [{"do": "wait_human"}]}))
    run = cli.start("worked")
    cli("watch", run)
    assert cli.json("status", run).document["run_state"] == "waiting"
    return run


@pytest.mark.requirement("E-08", "S2-24")
def test_a_failed_phase_of_steps_shows_each_call(cli: Terminal):
    run = failed(cli)
    shown = cli("show", run).out
    assert 'input: {"who": "ada", "zoo": "xxx' in shown
    assert 'answer: {"who": "ada"' in shown
    assert "no licence for ada" in shown
    (attempt,) = cli.json("show", run).data["attempts"]
    name, stop = attempt["steps"]
    assert (name["state"], stop["state"], stop["error"]) == ("done", "failed", "no licence for ada")
    assert stop["input"] == '{"message": "no licence for ada"}'
    assert (name["took"], name["started_at"]) == ("0 s", "2026-11-20T08:00:00+00:00")


@pytest.mark.requirement("E-08")
def test_the_log_shows_the_calls_below_the_failure(cli: Terminal):
    run = failed(cli)
    lines = cli("log", run).out.splitlines()
    place = next(number for number, line in enumerate(lines) if "AttemptFailed" in line)
    assert "step name" in lines[place + 1]
    assert any("input: " in line and "ada" in line for line in lines[place + 1 :])
    (event,) = [one for one in cli.json("log", run).data["events"] if "steps" in one]
    assert [step["step"] for step in event["steps"]] == ["name", "stop"]


@pytest.mark.requirement("E-08", "S2-24")
def test_an_agent_gets_the_calls_shortened_and_each_part_whole(cli: Terminal):
    run = failed(cli)
    full = cli.json("status", run, "--full")
    assert len(json.dumps(full.document)) < 10_000
    (phase,) = full.data["phases"]
    assert phase["step_calls"] == "steps:1"
    assert phase["steps"][0]["input"].startswith('{"who": "ada"')
    calls = cli.json("artifact", "show", run, "steps:1").data
    assert [call["step"] for call in calls["content"]] == ["name", "stop"]
    assert len(calls["content"][0]["input"]) <= 120
    assert cli.json("artifact", "show", run, "steps:1", "--pointer", "/0/input/who").data["content"] == "ada"
    assert cli.json("artifact", "show", run, "steps:2").refusal == "unknown_artifact"


@pytest.mark.requirement("S2-24")
def test_a_phase_of_steps_that_passed_says_where_its_calls_are(cli: Terminal):
    cli.save(template("worked", {"id": "go", "kind": "steps", "steps": STEPS[:1]}))
    run = cli.start("worked")
    cli("watch", run)
    (attempt,) = cli.json("show", run).data["attempts"]
    assert "input" not in attempt["steps"][0]
    assert attempt["step_calls"] == "steps:1"
    assert cli.json("artifact", "show", run, "steps:1", "--pointer", "/0/input/who").data["content"] == "ada"
    assert cli.json("retry", run, "go", pin=PIN).code == 0
