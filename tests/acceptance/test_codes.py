"""The error codes of each tool, with the same facts in text and structure for an outside client.

One row per tool and code; the client is ``StdioClient``, not the SDK's, and the server a real child process.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import template
from wfe_mcp.core.errors import CODES
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era, StdioClient

NOTE = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string"}},
}


def phase(name: str, *gates: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {
        "id": name,
        "needs": [],
        "prompt": "Do it.",
        "output": {"artifact": f"{name}_note", "schema": NOTE},
        "gates": list(gates),
        **keys,
    }


CODES_TEMPLATE = {
    "format": "wfe/1",
    "name": "codes",
    "version": "1.0.0",
    "title": "Every answer",
    "limits": {"max_parallel": 20},
    "phases": [
        phase("free"),
        phase("stuck", {"kind": "expr", "assert": "${false}"}, on_fail=[{"do": "wait_human"}], skip="never"),
        phase("asked", {"kind": "approval"}),
        phase("unchecked", {"kind": "command", "check": "none"}),
        phase("person", kind="human"),
        phase("taken"),
        phase("later", needs=["free"]),
        phase("done"),
        phase("late"),
    ],
}
WILD = {**CODES_TEMPLATE, "name": "wild"}
BROKEN = {**CODES_TEMPLATE, "name": "broken", "phases": [phase("a", needz=[])]}
GOOD = {"title": "A title"}


class Drill:
    """A run with a phase in every state that a refusal needs, and a second server that holds one of them."""

    def __init__(self, playground: Playground, agent: StdioClient, neighbour: StdioClient) -> None:
        self.call = agent.call
        self.run = agent.call("start_run", template="codes", idempotency_key="k")["run"]
        config = playground.root / ".wfe" / "config.toml"
        config.write_text(config.read_text(encoding="utf-8") + "# changed, so no longer trusted\n", encoding="utf-8")
        neighbour.call("start_phase", run=self.run, phase="taken")
        for name in ("stuck", "asked", "unchecked", "done"):
            agent.call("start_phase", run=self.run, phase=name)
            agent.call("submit_artifact", run=self.run, phase=name, artifact=GOOD)
        self.held = agent.call("start_run", template="codes", auto=False)["run"]
        agent.call("start_phase", run=self.held, phase="free")
        agent.call("submit_artifact", run=self.held, phase="free", artifact=GOOD)
        kept = {**CODES_TEMPLATE, "name": "kept"}
        assert (answer := agent.call("save_template", definition=kept))["ok"], answer
        self.saved_anew = {**kept, "title": "Another title"}
        neighbour.call("start_phase", run=self.run, phase="late")
        playground.write({"big.json": json.dumps({"title": "x" * 2_000_000})})


Arguments = Callable[[Drill], dict[str, Any]]


def on(name: str, **more: Any) -> Arguments:
    return lambda drill: {"run": drill.run, "phase": name, **more}


def nowhere(drill: Drill) -> dict[str, Any]:
    return {"run": "nowhere", "phase": "free"}


TABLE: list[tuple[str, str, Arguments]] = [
    ("list_templates", "bad_argument", lambda _: {"query": 1}),
    ("list_templates", "unknown_template", lambda _: {"name": "cods"}),
    ("start_run", "bad_argument", lambda _: {"template": "codes", "inputs": {"nope": 1}}),
    ("start_run", "unknown_template", lambda _: {"template": "cods"}),
    ("start_run", "invalid_template", lambda _: {"template": "broken"}),
    ("start_run", "needs_trust", lambda _: {"template": "wild"}),
    ("start_run", "conflict", lambda _: {"template": "codes", "title": "other", "idempotency_key": "k"}),
    ("start_run", "bad_argument", lambda _: {"template": "codes", "driver": "nobody"}),
    ("status", "bad_argument", lambda _: {"wait_s": 46}),
    ("status", "unknown_run", lambda _: {"run": "nowhere"}),
    ("start_phase", "bad_argument", lambda drill: {"run": drill.run, "fase": "free"}),
    ("start_phase", "unknown_run", nowhere),
    ("start_phase", "unknown_phase", on("fre")),
    ("start_phase", "not_ready", on("later")),
    ("start_phase", "illegal_transition", on("done")),
    ("start_phase", "leased", on("taken")),
    ("start_phase", "needs_human", on("person")),
    ("submit_artifact", "bad_argument", on("free", artifact=GOOD, path="a.json")),
    ("submit_artifact", "unknown_run", lambda _: {"run": "nowhere", "phase": "free", "artifact": GOOD}),
    ("submit_artifact", "unknown_phase", on("fre", artifact=GOOD)),
    ("submit_artifact", "illegal_transition", on("free", artifact=GOOD)),
    ("submit_artifact", "leased", on("taken", artifact=GOOD)),
    ("submit_artifact", "stale_revision", on("done", artifact={"title": "Other"})),
    ("submit_artifact", "path_outside_project", on("asked", path="../outside.json")),
    ("submit_artifact", "too_large", on("asked", path="big.json")),
    ("submit_artifact", "needs_human", on("person", artifact=GOOD)),
    ("submit_artifact", "invalid_artifact", on("work", artifact={"titel": "x"})),
    ("submit_artifact", "gate_failed", on("fails", artifact=GOOD)),
    ("approve", "bad_argument", lambda drill: {"run": drill.run}),
    ("approve", "unknown_run", nowhere),
    ("approve", "unknown_phase", on("fre")),
    ("approve", "illegal_transition", on("done")),
    ("approve", "stale_revision", on("asked", sha256="0000")),
    ("approve", "needs_human", on("asked")),
    ("approve", "needs_trust", on("unchecked")),
    ("reject", "bad_argument", on("asked", feedback=7)),
    ("reject", "unknown_run", lambda _: {"run": "nowhere", "phase": "free", "feedback": "no"}),
    ("reject", "unknown_phase", on("fre", feedback="no")),
    ("reject", "illegal_transition", on("done", feedback="no")),
    ("reject", "needs_human", on("asked", feedback="no", to="free")),
    ("retry_phase", "bad_argument", lambda drill: {"run": drill.run}),
    ("retry_phase", "unknown_run", nowhere),
    ("retry_phase", "unknown_phase", on("fre")),
    ("retry_phase", "illegal_transition", on("later")),
    ("retry_phase", "leased", on("taken")),
    ("retry_phase", "needs_human", on("stuck")),
    ("second_opinion", "bad_argument", lambda _: {}),
    ("second_opinion", "unknown_run", lambda _: {"run": "nowhere", "question": "Why?"}),
    ("second_opinion", "unknown_phase", on("fre")),
    ("second_opinion", "unavailable", lambda _: {"question": "Why?"}),
    ("skip_phase", "bad_argument", lambda drill: {"run": drill.run, "phase": "free"}),
    ("skip_phase", "unknown_run", lambda _: {"run": "nowhere", "phase": "free", "reason": "no"}),
    ("skip_phase", "unknown_phase", on("fre", reason="no")),
    ("skip_phase", "illegal_transition", on("stuck", reason="no")),
    ("skip_phase", "needs_human", on("free", reason="no")),
    ("rollback", "bad_argument", lambda drill: {"run": drill.run, "to": "cp-99999"}),
    ("rollback", "unknown_run", lambda _: {"run": "nowhere", "to": "free"}),
    ("rollback", "not_ready", lambda drill: {"run": drill.run, "to": "later"}),
    ("rollback", "needs_human", lambda drill: {"run": drill.run, "to": "stuck", "files": False}),
    ("rollback", "leased", lambda drill: {"run": drill.run, "to": "done", "files": False}),
    ("control_run", "bad_argument", lambda drill: {"run": drill.run, "action": "stop"}),
    ("control_run", "unknown_run", lambda _: {"run": "nowhere", "action": "pause"}),
    ("control_run", "unknown_phase", lambda drill: {"run": drill.held, "action": "proceed", "phase": "fre"}),
    ("control_run", "illegal_transition", lambda drill: {"run": drill.run, "action": "resume"}),
    ("control_run", "needs_human", lambda drill: {"run": drill.held, "action": "proceed"}),
    ("read_artifact", "bad_argument", on("done", pointer="/nothing")),
    ("read_artifact", "unknown_run", nowhere),
    ("read_artifact", "unknown_phase", on("fre")),
    ("read_artifact", "unknown_artifact", on("free")),
    ("find", "bad_argument", lambda _: {"query": "***"}),
    ("find", "unknown_run", lambda _: {"query": "note", "run": "nowhere"}),
    ("find", "too_large", lambda _: {"query": "x" * 1_500}),
    ("work", "bad_argument", lambda _: {"action": "show"}),
    ("save_template", "bad_argument", lambda _: {"definition": "no object"}),
    ("save_template", "invalid_template", lambda _: {"definition": BROKEN}),
    ("save_template", "conflict", lambda drill: {"definition": drill.saved_anew}),
]
"""Tool, code, the arguments that provoke it. The two that change the run (``work``, ``fails``) are made on the way."""

ELSEWHERE = {
    "internal": "tests/server/test_failures.py: a crash of ours, which no argument provokes",
    "unauthorized": "tests/dashboard/api/test_access.py: only a request over HTTP has a token",
    "forbidden": "tests/dashboard/api/test_access.py: only a token has a scope",
    "other_folder": "tests/server/test_worktrees.py: only a caller in another work tree of the repository",
    "limit_reached": "tests/server/http/test_limits.py: only a configured limit is reached",
    "wrong_pin": "tests/cli/test_people.py: no tool takes a PIN",
}


@pytest.mark.parametrize("era", [MODERN, HANDSHAKE])
def test_every_tool_answers_every_code_it_can_give(play: MakePlayground, tmp_path: Path, era: Era) -> None:
    playground = play(checks={"none": [sys.executable, "-c", "pass"]}, templates=[template(tmp_path, CODES_TEMPLATE)])
    for definition in (WILD, BROKEN):
        path = f".wfe/templates/{definition['name']}.json"
        playground.write({path: json.dumps(definition)})
    with playground.server(era) as agent, playground.server(era) as neighbour:
        drill = Drill(playground, agent, neighbour)
        wrong: list[str] = []
        for tool, code, arguments in TABLE:
            params = {"name": tool, "arguments": _prepared(drill, arguments(drill))}
            wrong += [f"{tool} {code}: {fault}" for fault in faults(agent.request("tools/call", params), code)]
        assert wrong == []
        assert playground.problems(drill.run) == []


def test_the_table_has_every_tool_and_every_code(play: MakePlayground) -> None:
    with play().server() as agent:
        listed = {tool["name"] for tool in agent.tools()}
    assert {tool for tool, _, _ in TABLE} == listed
    assert {code for _, code, _ in TABLE} | set(ELSEWHERE) == set(CODES)


def faults(result: dict[str, Any], code: str) -> list[str]:
    """What is wrong with a refusal: its flag, its code, its words, or text that says less than the structure."""
    answer, text = result["structuredContent"], result["content"][0]["text"]
    found = answer.get("error", {})
    if (result["isError"], answer["ok"], found.get("code")) != (True, False, code):
        return [f"{result['isError']} {answer['ok']} {found}"]
    facts = [code, found["message"], found.get("hint", ""), answer.get("run_state", ""), answer.get("waiting_on", "")]
    facts += [detail["path"] for detail in found.get("details", [])]
    facts += [json.dumps(move["args"], separators=(",", ":")) for move in answer.get("next", [])]
    flat = " ".join(text.split())
    return [f"the text lacks {fact!r}" for fact in facts if " ".join(str(fact).split()) not in flat]


def _prepared(drill: Drill, given: dict[str, Any]) -> dict[str, Any]:
    """A submission that must be legal needs a phase that is held: a run of its own for each."""
    phases = {"work": "free", "fails": "stuck"}
    if given.get("phase") not in phases:
        return given
    run = drill.call("start_run", template="codes")["run"]
    drill.call("start_phase", run=run, phase=phases[given["phase"]])
    return {**given, "run": run, "phase": phases[given["phase"]]}
