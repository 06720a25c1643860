"""Hostile expressions end in a clear error, and output of an agent or a tool is never evaluated."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import event_types, template
from tests.tools.stub import STUB
from wfe_mcp.testing.agent import Work, drive

EVIL = "Crash: ${inputs.goal} ${1 + 1}"
"""What the stub server's get_issue says."""


def plan(prompt: str, *gates: str, **keys: Any) -> dict[str, Any]:
    output = {"artifact": "plan", "schema": "plan@1"}
    asserted = [{"kind": "expr", "assert": gate} for gate in gates]
    return {"id": "plan", "prompt": prompt, "output": output, "gates": asserted, "on_fail": [{"do": "fail"}], **keys}


def hostile(*phases: dict[str, Any]) -> dict[str, Any]:
    inputs = {"type": "object", "properties": {"goal": {"type": "string"}}}
    return {"format": "wfe/1", "name": "hostile", "version": "1.0.0", "inputs": inputs, "phases": list(phases)}


def steps_of(titles: Sequence[str]) -> dict[str, Any]:
    return {"steps": [{"id": f"S-{n}", "title": title, "acceptance": ["done"]} for n, title in enumerate(titles, 1)]}


@pytest.mark.requirement("B-15")
@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("${" + "[" * 3_000 + "]" * 3_000 + " == []}", "recursion limit", id="deep lists"),
        pytest.param("${" + "(" * 3_000 + "true" + ")" * 3_000 + "}", "recursion limit", id="deep parentheses"),
        pytest.param("${" + "!" * 20_000 + "true}", "at most 10,000 are allowed", id="very long"),
        pytest.param("${nobody.knows == 1}", "unknown name 'nobody", id="an unknown name"),
        pytest.param("${__import__('os').system('ls') == 0}", "unknown function '__import__'", id="Python"),
        pytest.param("${true", "closing brace is missing", id="no end"),
        pytest.param(
            "${artifacts.plan.steps.map(x, y, z, w) == []}",
            "the function 'map' does not take these arguments",
            id="no such macro",
        ),
    ],
)
def test_a_hostile_expression_never_gets_into_a_template(play: MakePlayground, expression: str, words: str) -> None:
    with play().agent() as agent:
        answer = agent.call("save_template", definition=hostile(plan("Plan.", expression)))

        assert answer["error"]["code"] == "invalid_template"
        details = answer["error"]["details"]
        assert {detail["path"] for detail in details} == {"/phases/0/gates/0/assert"}
        assert words in " ".join(detail["message"] for detail in details)
        assert agent.call("status")["ok"], "the server goes on"


@pytest.mark.requirement("B-15")
def test_a_huge_comprehension_is_stopped_and_is_an_error_of_the_gate(play: MakePlayground, tmp_path: Path) -> None:
    endless = "${artifacts.plan.steps.all(a, artifacts.plan.steps.all(b, a.id != '' || b.id != ''))}"
    playground = play(templates=[template(tmp_path, hostile(plan("Plan.", endless)))])
    with playground.agent() as agent:
        run = agent.call("start_run", template="hostile")["run"]
        agent.call("start_phase", run=run)
        answer = agent.call("submit_artifact", run=run, phase="plan", artifact=steps_of(["x"] * 300))

        assert (answer["ok"], answer["error"]["code"]) == (False, "gate_failed")
        assert "Iteration budget exceeded" in json.dumps(answer)
        assert agent.call("status", run=run)["run_state"] != "completed"
    assert playground.problems(run) == []


@pytest.mark.requirement("B-15")
def test_what_an_artifact_says_is_never_evaluated(play: MakePlayground, tmp_path: Path) -> None:
    evil = ["${inputs.goal}", "'} + inputs.goal + '", "$${1 + 1}", "${1 / 0}"]
    later = plan("Look at: ${artifacts.plan.steps}", "${artifacts.plan.steps[0].title == '$' + '{inputs.goal}'}")
    later |= {"id": "again", "output": {"artifact": "seen", "schema": "plan@1"}}
    playground = play(templates=[template(tmp_path, hostile(plan("Plan."), later))])
    script = {"plan": [Work(steps_of(evil))], "again": [Work(steps_of(["seen"]))]}
    with playground.agent() as agent:
        played = drive(agent.call, playground.root, "hostile", {"goal": "the secret"}, script)

    assert (played.codes, played.last["run_state"]) == ([], "completed")
    prompt = next(
        answer["data"]["prompt"]
        for tool, answer in played.steps
        if tool == "start_phase" and answer["phase"] == "again"
    )
    assert "the secret" not in prompt
    assert all(json.dumps(text)[1:-1] in prompt for text in evil), "word for word, as data"


@pytest.mark.requirement("B-15", "S2-08")
def test_what_a_tool_answers_is_never_evaluated(play: MakePlayground, tmp_path: Path) -> None:
    steps = [
        {"id": "fetch", "tool": "stub.get_issue", "params": {"number": 1}, "assign": "issue"},
        {
            "id": "same",
            "tool": "stub.say",
            "params": {"words": "${vars.issue.title}"},
            "if": "${vars.issue.title != ''}",
        },
    ]
    look = plan("Look at ${vars.issue.title}", "${vars.issue.title.startsWith('Crash: $')}", id="look")
    made = hostile({"id": "ask", "kind": "steps", "steps": steps}, look)
    playground, calls = play(templates=[template(tmp_path, made)]), tmp_path / "calls.jsonl"
    config = playground.root / ".wfe" / "config.toml"
    server = (
        f"[mcp_servers.stub]\ncommand = {json.dumps(sys.executable)}\nargs = {json.dumps([str(STUB), str(calls)])}\n"
    )
    before = config.read_text(encoding="utf-8") if config.exists() else ""
    config.write_text(before + server, encoding="utf-8")
    playground.trust()
    script = {"look": [Work(steps_of(["seen"]))]}
    with playground.agent() as agent:
        played = drive(agent.call, playground.root, "hostile", {"goal": "the secret"}, script)

    assert (played.codes, played.last["run_state"]) == ([], "completed")
    document = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]
    assert [call["words"] for call in document if call["tool"] == "say"] == [EVIL]
    prompts = [answer["data"]["prompt"] for tool, answer in played.steps if tool == "start_phase"]
    assert EVIL in prompts[-1]
    assert "the secret" not in prompts[-1]
    assert "AttemptFailed" not in event_types(playground, played.run)
