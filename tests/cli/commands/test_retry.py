"""Any phase can be retried, in any state of the run, without a new run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import CHECK, HUMAN, PIN, Terminal, phase, template

THREE = template("three", phase("draft"), phase("build", CHECK, on_fail=[{"do": "wait_human"}]), phase("send"))
ITEMS: dict[str, Any] = {"type": "object", "properties": {"items": {"type": "array"}}}


def states(cli: Terminal, run: str) -> dict[str, str]:
    return {each["phase"]: each["state"] for each in cli.json("status", run, "--full").data["phases"]}


def made(cli: Terminal, run: str, name: str) -> int:
    """How many revisions the phase has submitted."""
    return [each["phase"] for each in cli.json("artifact", "show", run).data["artifacts"]].count(name)


def finish(cli: Terminal, run: str) -> None:
    """Submit whatever is open, until the run is over."""
    while cli.state(run) != "completed":
        status = cli.json("status", run).document
        submit = next(each for each in status["next"] if each["tool"] in {"start_phase", "submit_artifact"})
        assert cli.submit_work(run, submit["args"]["phase"]).code == 0


@scene
def completed(cli: Terminal) -> str:
    """A run of three phases that is over."""
    cli.save(THREE)
    (cli.root / "ok").touch()
    run = cli.start("three")
    finish(cli, run)
    return run


@pytest.mark.requirement("S1-03", "S1-08", "S1-J6")
def test_j6_a_failed_phase_is_tried_again_without_a_restart(cli: Terminal) -> None:
    cli.save(THREE)
    run = cli.start("three")
    cli.submit_work(run, "draft")
    assert cli.submit_work(run, "build").refusal == "gate_failed"
    assert cli.json("retry", run, "build").refusal == "needs_human"
    (cli.root / "ok").touch()
    assert cli.json("retry", run, "build", "--feedback", "there is a file ok now", pin=PIN).code == 0
    assert states(cli, run) == {"draft": "completed", "build": "ready", "send": "pending"}
    finish(cli, run)
    assert made(cli, run, "draft") == 1


@pytest.mark.requirement("S1-03")
@pytest.mark.parametrize(
    ("again", "stands"),
    [
        ("draft", {"draft": "ready", "build": "pending", "send": "pending"}),
        ("build", {"draft": "completed", "build": "ready", "send": "pending"}),
        ("send", {"draft": "completed", "build": "completed", "send": "ready"}),
    ],
)
def test_j6_each_phase_of_a_completed_run_is_tried_again_and_what_follows_it(
    cli: Terminal, again: str, stands: dict[str, str]
) -> None:
    run = completed(cli)
    assert cli.json("retry", run, again).refusal == "needs_human"
    assert cli.json("retry", run, again, pin=PIN).code == 0
    assert states(cli, run) == stands
    finish(cli, run)
    assert [made(cli, run, name) for name in stands] == [1 if state == "completed" else 2 for state in stands.values()]


@pytest.mark.requirement("S1-08")
@pytest.mark.parametrize(("rule", "state"), [("fail", "failed"), ("block", "blocked"), ("pause", "paused")])
def test_a_run_that_a_rule_has_stopped_continues_from_any_phase(cli: Terminal, rule: str, state: str) -> None:
    cli.save(template("strict", phase("draft"), phase("build", CHECK, on_fail=[{"do": rule}])))
    run = cli.start("strict")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "build")
    assert cli.state(run) == state
    (cli.root / "ok").touch()
    assert cli.json("retry", run, "draft", pin=PIN).code == 0
    if state == "paused":
        assert cli.json("resume", run, pin=PIN).code == 0
    finish(cli, run)
    assert made(cli, run, "draft") == 2


@pytest.mark.requirement("S1-03")
def test_j6_a_phase_of_one_item_is_tried_again_and_the_other_items_are_left_alone(cli: Terminal) -> None:
    walk = {"id": "build", "kind": "loop", "for_each": {"in": "${artifacts.list.items}"}, "phases": [phase("code")]}
    cli.save(template("walk", {"id": "plan", "output": {"artifact": "list", "schema": ITEMS}}, walk, phase("send")))
    run = cli.start("walk")
    (cli.root / "list.json").write_text(json.dumps({"items": [{"id": "T-1"}, {"id": "T-2"}]}))
    assert cli.json("submit", run, "plan", "--path", "list.json").code == 0
    finish(cli, run)
    assert cli.json("retry", run, "build[T-1].code", pin=PIN).code == 0
    finish(cli, run)
    assert {name: made(cli, run, name) for name in ("plan", "build[T-1].code", "build[T-2].code", "send")} == {
        "plan": 1,
        "build[T-1].code": 2,
        "build[T-2].code": 1,
        "send": 2,
    }


def test_an_earlier_phase_is_tried_again_while_a_later_one_awaits_a_person(cli: Terminal) -> None:
    cli.save(template("asked", phase("draft"), phase("send", HUMAN)))
    run = cli.start("asked")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert states(cli, run)["send"] == "awaiting"
    assert cli.json("retry", run, "draft", pin=PIN).code == 0
    assert states(cli, run) == {"draft": "ready", "send": "pending"}


@pytest.mark.parametrize(
    "words",
    [
        ("reject", "{run}", "send", "--feedback", "no"),
        ("force-accept", "{run}", "send", "--reason", "no"),
        ("resume", "{run}"),
        ("proceed", "{run}"),
        ("auto", "on", "{run}"),
        ("cancel", "{run}"),
    ],
)
def test_what_no_one_can_do_is_refused_before_anything_is_asked(
    cli: Terminal, answering: Callable[..., None], words: tuple[str, ...]
) -> None:
    run = completed(cli)
    answering()  # an answer that is asked for fails the test
    refused = cli(*(word.format(run=run) for word in words))
    assert (refused.code, "PIN" in refused.err) == (1, False)
    assert "the run is completed" in refused.err
    assert f"Next: only you can reopen this run: wfe-mcp retry {run} send" in refused.err


def test_a_rejection_back_to_an_unknown_phase_is_refused_before_the_pin(
    cli: Terminal, answering: Callable[..., None]
) -> None:
    cli.save(template("asks", phase("draft"), phase("send", HUMAN)))
    run = cli.start("asks")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    answering()
    refused = cli("reject", run, "send", "--feedback", "no", "--to", "nope")
    assert (refused.code, "PIN" in refused.err, refused.out) == (1, False, "")
    assert "no phase 'nope'" in refused.err


def test_a_run_that_is_over_names_the_command_that_reopens_it(cli: Terminal) -> None:
    run = completed(cli)
    assert f"Next: only you can reopen this run: wfe-mcp retry {run} send" in cli("pause", run).err


def test_a_run_that_failed_names_the_phase_that_can_be_retried(cli: Terminal) -> None:
    fail = {"id": "end", "builtin": "fail", "params": {"message": "no"}}
    stop = {"id": "stop", "kind": "steps", "steps": [fail], "on_fail": [{"do": "fail"}]}
    cli.save(template("ends", phase("draft"), stop, phase("send")))
    run = cli.start("ends")
    cli.submit_work(run, "draft")
    cli("watch", run)
    assert cli.state(run) == "failed"
    for words in (("resume", run), ("approve", run, "send")):
        refused = cli(*words, pin=PIN)
        assert f"Next: only you can reopen this run: wfe-mcp retry {run} stop" in refused.err, words
    assert cli("retry", run, "stop", pin=PIN).code == 0
