"""A loop at a terminal: its progress, and the phases of its items by their paths."""

import json
from typing import Any

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from wfe_mcp.core.model import RunState

ITEMS: dict[str, Any] = {"type": "object", "properties": {"items": {"type": "array"}}}


@pytest.fixture
@scene
def walk(cli: Terminal) -> str:
    """A run whose loop is open at the first of two items."""
    plan = {"id": "plan", "output": {"artifact": "list", "schema": ITEMS}}
    loop = {
        "id": "build",
        "kind": "loop",
        "for_each": {"in": "${artifacts.list.items}"},
        "phases": [phase("code", HUMAN)],
    }
    cli.save(template("walk", plan, loop))
    run = cli.start("walk")
    (cli.root / "list.json").write_text(json.dumps({"items": [{"id": "T-1"}, {"id": "T-2"}]}))
    assert cli.json("submit", run, "plan", "--path", "list.json").code == 0
    return run


def test_status_shows_how_far_the_loop_is_and_what_to_type_next(cli: Terminal, walk: str) -> None:
    shown = cli("status", walk)
    output = shown.out
    assert "build 0/2" in output
    assert "0/2 items" in output
    assert "waiting for the agent" in output, "the loop runs, and no one works in it"
    assert "Next: tell your agent: Continue with wfe." in shown.err
    assert cli.json("status", walk).document["next"][0]["args"]["phase"] == "build[T-1].code"


def test_a_phase_of_an_item_is_worked_approved_and_read_by_its_path(cli: Terminal, walk: str) -> None:
    assert cli.submit_work(walk, "build[T-1].code", "walls").code == 0
    assert f"wfe-mcp approve {walk} 'build[T-1].code'" in cli("status", walk).err
    assert cli.json("approve", walk, "build[T-1].code", pin=PIN).code == 0
    assert cli.json("artifact", "show", walk, "build[T-1].code").data["content"] == {"text": "walls"}
    assert "build 1/2" in cli("status", walk).out
    assert cli.json("artifact", "show", walk, "code").refusal == "bad_argument"


def test_a_phase_of_an_item_is_sent_back_to_a_phase_around_the_loop(cli: Terminal, walk: str) -> None:
    cli.submit_work(walk, "build[T-1].code")
    assert cli.json("reject", walk, "build[T-1].code", "--feedback", "other steps", "--to", "plan", pin=PIN).code == 0
    phases = cli.json("status", walk, "--full").data["phases"]
    assert [(one["phase"], one["state"]) for one in phases] == [("plan", "ready"), ("build", "pending")]


def test_what_happened_in_a_loop_verifies(cli: Terminal, walk: str) -> None:
    cli.submit_work(walk, "build[T-1].code")
    assert cli.json("verify", walk).code == 0
    shown = cli.json("show", walk).data["attempts"]
    assert {one["phase"] for one in shown} == {"plan", "build", "build[T-1].code"}


@pytest.fixture
@scene
def looked_back_at(cli: Terminal) -> str:
    """A run whose two items are done, each with an artifact; what comes after them waits for a person."""
    plan = {"id": "plan", "output": {"artifact": "list", "schema": ITEMS}}
    loop = {"id": "build", "kind": "loop", "for_each": {"in": "${artifacts.list.items}"}, "phases": [phase("code")]}
    cli.save(template("walk", plan, loop, phase("after", HUMAN)))
    run = cli.start("walk")
    (cli.root / "list.json").write_text(json.dumps({"items": [{"id": "T-2"}, {"id": "T-10"}]}))
    assert cli.json("submit", run, "plan", "--path", "list.json").code == 0
    for path in ("build[T-2].code", "build[T-10].code", "after"):
        assert cli.submit_work(run, path, path).code == 0
    return run


IN_ORDER = ["plan", "build", "build[T-2].code", "build[T-10].code", "after"]


def test_phases_of_items_are_listed_after_their_loop_in_its_order(cli: Terminal, looked_back_at: str) -> None:
    assert [one["phase"] for one in cli.json("show", looked_back_at).data["attempts"]] == IN_ORDER


def test_a_decision_lists_what_the_items_of_a_loop_have_made(cli: Terminal, looked_back_at: str) -> None:
    decision = cli.json("show", looked_back_at, "--decision").data["decision"]
    assert [one["phase"] for one in decision["earlier"]] == ["plan", "build[T-2].code", "build[T-10].code"]
    assert f"wfe-mcp artifact show {looked_back_at} 'build[T-10].code'" in cli("show", looked_back_at, "--decision").out
    assert cli.json("approve", looked_back_at, "after", pin=PIN).code == 0
    assert cli.json("verify", looked_back_at).code == 0


def test_after_a_decision_the_user_is_led_to_the_agent(cli: Terminal, walk: str) -> None:
    cli.submit_work(walk, "build[T-1].code")
    assert "Next: tell your agent: Continue with wfe." in cli("approve", walk, "build[T-1].code", pin=PIN).err


def test_a_reopened_item_comes_before_a_later_one_that_is_open(cli: Terminal, walk: str) -> None:
    assert cli.json("skip", walk, "build[T-1].code", "--reason", "later", pin=PIN).code == 0
    assert cli.json("retry", walk, "build[T-1].code", pin=PIN).code == 0
    refused = cli.submit_work(walk, "build[T-2].code")
    assert (refused.code, refused.refusal) == (1, "not_ready")
    assert "Item 'T-1' of 'build' comes first: it works on 1 item at a time." in refused.out
    assert cli.json("status", walk).document["next"][0]["args"]["phase"] == "build[T-1].code"
    assert cli.submit_work(walk, "build[T-1].code").code == 0
    assert cli.json("approve", walk, "build[T-1].code", pin=PIN).code == 0
    assert cli.submit_work(walk, "build[T-2].code").code == 0


def test_a_decision_that_did_not_list_closed_items_still_verifies(
    cli: Terminal, looked_back_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier_version:
        earlier_version.setattr(RunState, "begun_attempts", RunState.open_attempts)
        assert cli.json("approve", looked_back_at, "after", pin=PIN).code == 0
    assert cli.json("verify", looked_back_at).code == 0


def test_items_with_one_key_are_corrected_where_they_were_made(cli: Terminal) -> None:
    plan = {"id": "plan", "output": {"artifact": "list", "schema": ITEMS}}
    loop = {"id": "build", "kind": "loop", "for_each": {"in": "${artifacts.list.items}"}, "phases": [phase("code")]}
    cli.save(template("walk", plan, loop))
    run = cli.start("walk")

    def submit(*ids: str) -> None:
        (cli.root / "list.json").write_text(json.dumps({"items": [{"id": each} for each in ids]}))
        assert cli.json("submit", run, "plan", "--path", "list.json").code == 0

    submit("T-1", "T-1")
    why = "Two items have the key 'T-1'; keys are unique"
    command = f"wfe-mcp retry {run} plan --feedback TEXT"
    others = f"wfe-mcp skip {run} build --reason TEXT (or: force-accept)"
    assert cli.json("status", run).data["blockers"] == [f"build failed ({why}); decide: {command}, or {others}"]
    (waiting,) = cli.json("inbox").data["stopped"]
    assert waiting["command"] == command
    assert cli.json("retry", run, "plan", "--feedback", "one each", pin=PIN).code == 0
    submit("T-1", "T-2")
    assert "build 0/2" in cli("status", run).out


def test_inputs_with_one_key_are_corrected_by_another_run(cli: Terminal) -> None:
    loop = {"id": "build", "kind": "loop", "for_each": {"in": "${inputs.items}"}, "phases": [phase("code")]}
    cli.save(template("walk", loop, inputs=ITEMS))
    run = cli.json("start", "walk", "--inputs", json.dumps({"items": [{"id": "a"}, {"id": "a"}]})).document["run"]
    (blocker,) = cli.json("status", run).data["blockers"]
    assert "; the run's inputs stay as they are: start another run with corrected ones); decide: " in blocker
    assert blocker.endswith("(or: force-accept, retry)"), "which ends as this one did"


def test_items_of_a_loop_inside_another_are_corrected_where_those_of_the_outer_one_were_made(cli: Terminal) -> None:
    plan = {"id": "plan", "output": {"artifact": "list", "schema": ITEMS}}
    inner = {"id": "part", "kind": "loop", "for_each": {"in": "${stone.parts}"}, "phases": [phase("code")]}
    loop = {
        "id": "build",
        "kind": "loop",
        "for_each": {"in": "${artifacts.list.items}", "as": "stone"},
        "phases": [inner],
    }
    cli.save(template("walk", plan, loop))
    run = cli.start("walk")
    (cli.root / "list.json").write_text(json.dumps({"items": [{"id": "M1", "parts": [{"id": "a"}, {"id": "a"}]}]}))
    assert cli.json("submit", run, "plan", "--path", "list.json").code == 0
    (blocker,) = cli.json("status", run).data["blockers"]
    assert f"decide: wfe-mcp retry {run} plan --feedback TEXT, or wfe-mcp skip {run} 'build[M1].part'" in blocker


def test_a_rollback_over_loops_and_their_phases_verifies_whatever_their_names(cli: Terminal, in_git: None) -> None:
    plan = {"id": "plan", "output": {"artifact": "list", "schema": ITEMS}}
    loops = [
        {"id": name, "kind": "loop", "for_each": {"in": "${artifacts.list.items}"}, "phases": [*map(phase, inner)]}
        for name, inner in {"work": ["write", "judge"], "end": ["say"]}.items()
    ]
    cli.save(template("two_loops", plan, *loops))
    run = cli.start("two_loops")
    (cli.root / "list.json").write_text(json.dumps({"items": [{"id": "T-1"}]}))
    assert cli.json("submit", run, "plan", "--path", "list.json").code == 0
    for name in "work[T-1].write", "work[T-1].judge", "end[T-1].say":
        assert cli.submit_work(run, name).code == 0

    for to in "end[T-1].say", "work[T-1].write":
        assert cli.json("rollback", run, to, "--no-files", pin=PIN).code == 0
        verified = cli.json("verify")
        assert verified.code == 0, verified.out
