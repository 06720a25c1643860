"""A plan of several steps is completed step by step, through failures and restarts."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import UNITTEST, template
from wfe_mcp.testing.agent import Script, Work, drive, follow, resume
from wfe_mcp.testing.playground import Playground

STEPS: dict[str, Any] = {
    "format": "wfe/1",
    "name": "steps",
    "version": "1.0.0",
    "title": "Plan, build step by step, review",
    "limits": {"max_iterations": 5},
    "phases": [
        {"id": "plan", "output": {"artifact": "plan", "schema": "plan@1"}},
        {
            "id": "build",
            "kind": "loop",
            "for_each": {"in": "${artifacts.plan.steps}", "as": "step", "order_by": "depends_on"},
            "phases": [
                {
                    "id": "code",
                    "prompt": "Do ${step.title}",
                    "output": {"artifact": "change", "schema": "change@1"},
                    "gates": [{"kind": "command", "check": "test"}],
                },
            ],
        },
        {
            "id": "review",
            "prompt": "Look at ${artifacts.change['S-1'].summary}",
            "output": {"artifact": "review", "schema": "review@1"},
            "next": [{"if": "${artifacts.review.verdict != 'pass'}", "goto": "build", "max": 2}],
        },
    ],
}
PLAN = {
    "steps": [
        {"id": "S-2", "title": "two", "acceptance": ["two"], "depends_on": ["S-1"]},
        {"id": "S-1", "title": "one", "acceptance": ["one"]},
    ]
}
TESTED = {
    "tests/test_it.py": "import unittest\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        pass\n"
}


def did(key: str, word: str = "pass") -> Work:
    return Work({"summary": f"did {key}"}, {f"{key}.txt": word})


def review(verdict: str) -> Work:
    return Work({"verdict": verdict, "summary": verdict, "findings": []})


@pytest.fixture
def steps(play: MakePlayground, tmp_path: Path) -> Playground:
    return play(TESTED, {"test": UNITTEST}, [template(tmp_path, STEPS)])


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_each_step_is_built_in_its_order_and_a_bad_review_builds_them_again(steps: Playground, era: Any):
    twice = {f"build[{key}].code": [did(key), did(key, "better")] for key in ("S-1", "S-2")}
    script: Script = {"plan": [Work(PLAN)], **twice, "review": [review("fail"), review("pass")]}

    with steps.server(era) as agent:
        played = drive(agent.call, steps.root, "steps", {}, script)

    assert played.last["run_state"] == "completed"
    assert played.codes == []
    claimed = [answer["phase"] for tool, answer in played.steps if tool == "start_phase"]
    assert claimed == ["plan", *["build[S-1].code", "build[S-2].code", "review"] * 2]
    assert steps.problems(played.run) == []


def test_a_server_that_is_killed_inside_a_loop_loses_nothing(steps: Playground):
    script: Script = {
        "plan": [Work(PLAN)],
        "build[S-1].code": [did("S-1")],
        "build[S-2].code": [did("S-2")],
        "review": [review("pass")],
    }
    with steps.server() as agent:
        run = drive(agent.call, steps.root, "steps", {}, script, most=5).run
        agent.kill()
    with steps.server() as agent:
        assert resume(agent.call, steps.root, run, script).last["run_state"] == "completed"
    assert steps.problems(run) == []


def test_an_agent_that_only_follows_next_finishes_a_loop(play: MakePlayground, tmp_path: Path):
    items = {"type": "array", "minItems": 2, "items": {"type": "integer"}}
    listed = {"type": "object", "required": ["items"], "properties": {"items": items}}
    loop: dict[str, Any] = {
        "format": "wfe/1",
        "name": "walk",
        "version": "1.0.0",
        "title": "A walk",
        "phases": [
            {"id": "plan", "output": {"artifact": "list", "schema": listed}},
            {
                "id": "each",
                "kind": "loop",
                "for_each": {"in": "${artifacts.list.items}", "max_parallel": 2},
                "phases": [
                    {"id": "a", "output": {"artifact": "first", "schema": {"type": "object"}}},
                    {"id": "b", "output": {"artifact": "second", "schema": {"type": "object"}}},
                ],
            },
        ],
    }
    playground = play({}, {}, [template(tmp_path, loop)])
    with playground.agent() as agent:
        run = agent.call("start_run", template="walk")["run"]
        walked = follow(agent.call, first="status", arguments={"run": run}, most=30)
    assert walked[-1].answer["run_state"] == "completed"
