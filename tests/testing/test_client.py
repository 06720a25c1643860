"""The in-process client of the real server."""

from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.testing.client import connect
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era

ERAS = pytest.mark.parametrize("era", [HANDSHAKE, MODERN])


def wait_for_a_person(playground: Playground, call: Any) -> tuple[str, str]:
    """A run of ``hello`` that has come to its approval; its id, and the sha256 to approve."""
    run: str = call("start_run", template="hello", inputs={"who": "Ada"})["run"]
    call("start_phase", run=run)
    answer = call("submit_artifact", run=run, phase="draft", artifact={"text": "Hello Ada"})
    assert answer["state"] == "awaiting"
    return run, answer["data"]["sha256"]


@ERAS
def test_an_agent_in_memory_works_a_run_in_both_eras(playground: Playground, era: Era):
    with connect(playground.engine, era) as agent:
        run, _ = wait_for_a_person(playground, agent.call)
        playground.approve(run, "draft")

        assert agent.call("status", run=run)["state"] == "completed"
        assert agent.calls == ["start_run", "start_phase", "submit_artifact", "status"]


@ERAS
def test_a_form_is_answered_by_the_function_given(playground: Playground, era: Era):
    asked: list[str] = []

    def answer(message: str, schema: dict[str, Any]) -> dict[str, Any]:
        asked.append(message)
        return {"decision": "approve", "sha256": sha256[:6]}

    sha256 = ""
    with connect(playground.engine, era, answer_form=answer) as agent:
        run, sha256 = wait_for_a_person(playground, agent.call)

        assert agent.call("approve", run=run, phase="draft")["run_state"] == "completed"
        assert len(asked) == 1


@ERAS
def test_a_declined_form_decides_nothing(playground: Playground, era: Era):
    with connect(playground.engine, era, answer_form=lambda message, schema: None) as agent:
        run, _ = wait_for_a_person(playground, agent.call)

        assert agent.call("approve", run=run, phase="draft")["error"]["code"] == "needs_human"


def test_a_folder_is_enough(playground: Playground, tmp_path: Path):
    with connect(playground.root, environment=playground.environment) as agent:
        names = [one["name"] for one in agent.call("list_templates")["data"]["templates"]]

    assert "hello" in names


def test_the_callers_engine_is_open_after_the_agent_has_left(playground: Playground):
    with connect(playground.engine) as agent:
        run = agent.call("start_run", template="hello", inputs={"who": "Ada"})["run"]

    assert playground.problems(run) == []
