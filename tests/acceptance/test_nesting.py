"""A nested template, a recovery and the compensation of a failed release, in one run."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import event_types, template
from wfe_mcp.testing.agent import PlayedRun, Script, ScriptEnded, Work, drive, resume
from wfe_mcp.testing.playground import Playground

GOAL = {"type": "object", "required": ["goal"], "properties": {"goal": {"type": "string"}}}
NOTE: dict[str, Any] = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
THINK: dict[str, Any] = {
    "format": "wfe/1",
    "name": "think",
    "version": "1.0.0",
    "title": "Think",
    "inputs": GOAL,
    "phases": [
        {"id": "idea", "prompt": "How: ${inputs.goal}", "output": {"artifact": "idea", "schema": NOTE}},
        {"id": "doubt", "prompt": "Why not: ${artifacts.idea.text}", "output": {"artifact": "doubt", "schema": NOTE}},
    ],
    "outputs": {"text": "${artifacts.idea.text}, but ${artifacts.doubt.text}"},
}
REPAIR: dict[str, Any] = {
    "format": "wfe/1",
    "name": "repair",
    "version": "1.0.0",
    "title": "Repair",
    "inputs": {"type": "object", "required": ["why"], "properties": {"why": {"type": "string"}}},
    "phases": [{"id": "cause", "prompt": "Why: ${inputs.why}", "output": {"artifact": "cause", "schema": NOTE}}],
}
RELEASE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "release",
    "version": "1.0.0",
    "title": "Think, build, release",
    "inputs": GOAL,
    "phases": [
        {
            "id": "plan",
            "kind": "flow",
            "template": "think",
            "with": {"goal": "${inputs.goal}"},
            "output": {"artifact": "plan", "schema": NOTE},
        },
        {
            "id": "code",
            "prompt": "Do ${artifacts.plan.text}",
            "output": {"artifact": "change", "schema": "change@1"},
            "gates": [{"kind": "command", "check": "test"}],
            "on_fail": [
                {"do": "subflow", "template": "repair", "with": {"why": "${phase.feedback[0].message}"}},
                {"do": "wait_human"},
            ],
        },
        {
            "id": "live",
            "kind": "steps",
            "steps": [{"id": "out", "check": "roll_out"}, {"id": "health", "check": "health"}],
            "compensate": [{"id": "back", "check": "roll_back"}],
            "on_fail": [{"do": "compensate"}, {"do": "goto", "phase": "code", "max": 1}, {"do": "wait_human"}],
        },
    ],
}
CHECKS = {
    "test": "import pathlib, sys\nsys.exit(not pathlib.Path('door.txt').exists())\n",
    "roll_out": "open('.wfe/world.txt', 'a').write('out ')\n",
    "roll_back": "open('.wfe/world.txt', 'a').write('back ')\n",
    "health": "import pathlib, sys\nsys.exit(pathlib.Path('door.txt').read_text() != 'it opens')\n",
}
"""Name → what the script of that name does; the world is a file that says what happened to it."""

CAUSE = "code[recovery-1].cause"
SCRIPT: Script = {
    "plan[1].idea": [Work({"text": "a door"})],
    "plan[1].doubt": [Work({"text": "with a lock"})],
    "code": [
        Work({"summary": "nothing yet"}),
        Work({"summary": "a door"}, {"door.txt": "it is shut"}),
        Work({"summary": "it opens"}, {"door.txt": "it opens"}),
    ],
    CAUSE: [Work({"text": "there is no door"})],
}


@pytest.fixture
def gate_file(play: MakePlayground, tmp_path: Path) -> Playground:
    checks = {name: [sys.executable, "-S", f"{name}.py"] for name in CHECKS}
    files = {f"{name}.py": text for name, text in CHECKS.items()}
    return play(files, checks, [template(tmp_path, each) for each in (THINK, REPAIR, RELEASE)])


def begun(played: PlayedRun) -> list[str]:
    return [answer["phase"] for tool, answer in played.steps if tool == "start_phase" and answer["ok"]]


def world(gate_file: Playground) -> str:
    return (gate_file.root / ".wfe/world.txt").read_text(encoding="utf-8")


@pytest.mark.requirement("S3-22")
@pytest.mark.requirement("S4-30")
@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_a_flow_a_recovery_and_an_undoing_go_through_one_run(gate_file: Playground, era: Any):
    with gate_file.server(era) as agent:
        played = drive(agent.call, gate_file.root, "release", {"goal": "a way in"}, SCRIPT)

    assert played.last["run_state"] == "completed"
    assert begun(played) == ["plan[1].idea", "plan[1].doubt", "code", CAUSE, "code", "code"]
    prompts = [answer["data"]["prompt"] for tool, answer in played.steps if tool == "start_phase"]
    assert "a door, but with a lock" in prompts[2]
    assert "Check 'test'" in prompts[3]
    assert world(gate_file) == "out back out ", "the release that did not live was taken back, once"
    types = event_types(gate_file, played.run, "live")
    assert types.count("RepairBegan") == types.count("RepairEnded") == 1
    assert gate_file.problems(played.run) == []


def test_a_server_that_is_killed_inside_a_recovery_loses_nothing(gate_file: Playground):
    unready = {phase: works for phase, works in SCRIPT.items() if phase != CAUSE}
    with gate_file.server() as agent:
        run = agent.call("start_run", template="release", inputs={"goal": "a way in"})["run"]
        with pytest.raises(ScriptEnded, match="cause"):
            resume(agent.call, gate_file.root, run, unready)
        agent.kill()
    with gate_file.server() as agent:
        played = resume(agent.call, gate_file.root, run, SCRIPT)
    assert played.last["run_state"] == "completed"
    assert world(gate_file) == "out back out "
    assert gate_file.problems(run) == []
