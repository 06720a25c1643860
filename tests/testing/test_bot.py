"""The bot finishes a run by following ``next``."""

from typing import Any

from wfe_mcp.testing.agent import follow, next_call
from wfe_mcp.testing.playground import Playground


def test_a_need_is_filled_by_the_schema_it_points_to():
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 4}}}
    move = {"tool": "start_run", "args": {"template": "t"}, "need": {"inputs": "/data/list/0/inputs"}}

    assert next_call({"next": [move], "data": {"list": [{"inputs": schema}]}}) == (
        "start_run",
        {"template": "t", "inputs": {"n": 4}},
    )


def test_an_answer_without_next_ends_the_walk():
    assert next_call({"ok": True}) is None


def test_the_walk_is_bounded():
    def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
        return {"ok": True, "next": [{"tool": "status", "args": {"wait_s": 0}}]}

    assert len(follow(call, most=7)) == 7


def test_following_next_finishes_a_run_as_soon_as_a_person_has_decided(playground: Playground):
    def seen(answer: dict[str, Any]) -> None:
        if answer.get("error", {}).get("code") == "needs_human":
            playground.approve(answer["run"], answer["phase"])

    with playground.agent() as agent:
        run = agent.call("start_run", template="hello", inputs={"who": "Ada"})["run"]
        steps = follow(agent.call, first="status", arguments={"run": run}, seen=seen, most=20)

    assert [step.tool for step in steps] == ["status", "start_phase", "submit_artifact", "approve", "status"]
    assert steps[-1].answer["run_state"] == "completed"
