"""A bug is fixed through the real server, in both protocol eras."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import BUGGED, CHANGE, PROBLEM, QUICK_FIX, UNITTEST, event_types
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.testing.agent import Work, drive
from wfe_mcp.testing.bot import follow
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era
from wfe_mcp.workspace.config.checks import CheckSettings

ERAS = pytest.mark.parametrize("era", [HANDSHAKE, MODERN])


@pytest.mark.requirement("S0-01", "S3-03")
@ERAS
def test_a_happy_quick_fix_takes_at_most_nine_calls(bugged: Playground, era: Era):
    with bugged.server(era) as agent:
        agent.call("list_templates")
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX, person=bugged.approve)

    assert played.last["run_state"] == "completed"
    assert len(agent.calls) <= 9
    assert bugged.problems(played.run) == []


@pytest.mark.parametrize(
    ("keys", "level"),
    [
        pytest.param({"where": "checkout"}, "checkout", id="checkout"),
        pytest.param({"where": "checkout", "sandbox": True}, "sandbox", id="sandbox", marks=NEEDS_SANDBOX),
    ],
)
def test_a_quick_fix_is_proved_in_a_place_of_its_own(play: MakePlayground, keys: dict[str, Any], level: str):
    bugged = play(BUGGED, {"test": CheckSettings(argv=list(UNITTEST), **keys)})
    levels: list[str] = []

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX, person=bugged.approve)
        shown = agent.call("status", run=played.run, detail="full")

    for phase in shown["data"]["phases"]:
        levels += [each["level"] for each in phase.get("verdicts", ()) if each["gate"] == "command"]
    assert played.last["run_state"] == "completed"
    assert levels == [level, level]
    assert bugged.problems(played.run) == []


def test_a_claim_without_the_work_is_refused_by_what_the_server_saw(bugged: Playground):
    script = {**QUICK_FIX, "fix": [Work(CHANGE), *QUICK_FIX["fix"]]}

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, script, person=bugged.approve)

    failed = next(answer for _, answer in played.steps if "error" in answer)
    assert failed["error"]["code"] == "gate_failed"
    assert "exit 1, expected 0" in failed["error"]["message"]
    assert "test_one_and_two" in failed["error"]["message"]
    assert played.last["run_state"] == "completed"


def test_a_fix_that_touches_the_test_is_refused(bugged: Playground):
    cheat = Work(CHANGE, {"tests/test_calc.py": BUGGED["tests/test_calc.py"]})

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, {**QUICK_FIX, "fix": [cheat, cheat, cheat]})

    assert played.codes == ["gate_failed"] * 3
    assert played.last["state"] == "failed"
    assert "PhaseCompleted" not in event_types(bugged, played.run, "fix")


@ERAS
def test_an_agent_cannot_get_past_a_person(bugged: Playground, era: Era):
    with bugged.agent(era) as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX)
        on = {"run": played.run, "phase": "fix"}
        codes = [
            agent.call("approve", **on, comment="the user said yes")["error"]["code"],
            agent.call("skip_phase", **on, reason="not needed")["error"]["code"],
        ]
        state = agent.call("status", run=played.run)

    assert codes == ["needs_human", "needs_human"]
    assert (state["run_state"], state["waiting_on"]) == ("waiting", "human")


@ERAS
def test_whoever_only_follows_next_finishes_a_quick_fix(play: MakePlayground, tmp_path: Path, era: Era):
    marker = tmp_path / "ran-before"
    fails_first = f"import pathlib, sys; p = pathlib.Path({str(marker)!r}); sys.exit(p.exists() or p.touch() or 1) if not p.exists() else None"
    playground = play({"calc.py": ""}, {"test": [sys.executable, "-c", fails_first]})

    def seen(answer: dict[str, object]) -> None:
        if isinstance(error := answer.get("error"), dict) and error["code"] == "needs_human":
            playground.approve(str(answer["run"]), str(answer["phase"]))

    with playground.agent(era) as agent:
        steps = follow(agent.call, arguments={"name": "quick_fix"}, seen=seen, most=20)

    assert steps[-1].answer["run_state"] == "completed"
    assert len(steps) <= 9
