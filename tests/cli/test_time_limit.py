"""The time limit of a run: what is over ends, and a person can extend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from tests.cli.scene import Terminal

HOUR = {"timeout": "1h"}


@scene
def over(cli: Terminal, *, submitted: bool = True) -> str:
    """A run whose time limit has passed while a phase was at work."""
    cli.save(template("timed", phase("draft"), phase("send"), limits=HOUR))
    run = cli.start("timed")
    if submitted:
        assert cli.submit_work(run, "draft").code == 0
    cli.clock.forward(hours=1)
    return run


@pytest.mark.requirement("E-05")
def test_a_run_whose_time_is_over_is_blocked_and_says_how_to_extend_it(cli: Terminal):
    run = over(cli)
    answer = cli.json("status", run)
    assert answer.document["run_state"] == "blocked"
    assert answer.document["waiting_on"] == "human"
    assert answer.data["blockers"] == [
        "The run is blocked: The time limit of this run (1 h) is over.",
        f"Extend its time: wfe-mcp resume {run} --timeout 1h",
    ]
    result = cli("status", run)
    assert "! The run is blocked: The time limit of this run (1 h) is over." in result.out
    assert f"Next: wfe-mcp resume {run} --timeout 1h" in result.err


@pytest.mark.requirement("E-05")
def test_no_work_is_handed_out_once_the_time_of_a_run_is_over(cli: Terminal):
    run = over(cli, submitted=False)
    refused = cli.submit_work(run, "draft")
    assert refused.code == 1
    assert refused.document["error"]["message"] == "The time limit of this run is over."
    assert refused.document["error"]["hint"] == f"Only the user can extend it: wfe-mcp resume {run} --timeout 1h"
    assert refused.document["run_state"] == "blocked"
    assert (
        cli.json("retry", run, "draft", pin=PIN).document["error"]["message"] == "The time limit of this run is over."
    )


@pytest.mark.requirement("E-05", "S1-31")
def test_a_person_extends_the_time_of_a_run_and_the_work_continues(cli: Terminal):
    run = over(cli)
    assert cli.json("status", run).document["run_state"] == "blocked"
    assert cli.json("resume", run, "--timeout", "2h").refusal == "needs_human"
    assert cli.json("resume", run, pin=PIN).refusal == "illegal_transition"
    assert cli.json("resume", run, "--timeout", "2h", pin=PIN).document["run_state"] == "running"
    cli.clock.forward(minutes=119)
    assert cli.submit_work(run, "send").document["run_state"] == "completed"
    assert cli("verify", run).code == 0


def test_an_extended_time_ends_too(cli: Terminal):
    run = over(cli)
    cli.json("resume", run, "--timeout", "30m", pin=PIN)
    cli.clock.forward(minutes=31)
    assert cli.json("status", run).document["run_state"] == "blocked"


def test_a_paused_run_whose_time_is_over_is_resumed_with_more_time_only(cli: Terminal):
    cli.save(template("timed", phase("draft"), limits=HOUR))
    run = cli.start("timed")
    assert cli.json("pause", run, pin=PIN).code == 0
    cli.clock.forward(hours=2)
    refused = cli.json("resume", run, pin=PIN)
    assert refused.document["error"]["message"] == "The time limit of this run is over."
    assert cli.json("resume", run, "--timeout", "1h", pin=PIN).document["run_state"] == "running"


def test_an_approval_that_waits_when_the_time_is_over_can_be_given_after_more_time(cli: Terminal):
    cli.save(template("timed", phase("send", HUMAN), limits=HOUR))
    run = cli.start("timed")
    cli.submit_work(run, "send")
    cli.clock.forward(hours=1)
    assert cli.json("approve", run, "send", pin=PIN).document["run_state"] == "blocked"
    cli.json("resume", run, "--timeout", "1h", pin=PIN)
    assert cli.json("approve", run, "send", pin=PIN).document["run_state"] == "completed"


def test_a_time_that_was_typed_wrong_is_refused_with_examples(cli: Terminal):
    run = over(cli)
    refused = cli.json("resume", run, "--timeout", "soon", pin=PIN)
    assert (refused.refusal, refused.document["error"]["message"]) == ("bad_argument", "'soon' is not a duration.")
