"""Every answer has the same facts in text and in structure."""

import json
from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, command, expr, moves, phase, refused
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.server.result import fitting
from wfe_mcp.views.answers import reading, tool_answers as answers
from wfe_mcp.views.moves.envelope import ENVELOPE_SCHEMA, LIMIT_BYTES, Envelope, Next
from wfe_mcp.views.reports import envelopes as answering


def read_back(text: str) -> dict[str, Any]:
    """The facts in the text form, as a reader of lines sees them."""
    found: dict[str, Any] = {"ok": False, "next": []}
    for line in text.split("\n"):
        if line.startswith("  "):
            continue
        head, _, rest = line.partition(": ")
        if head == "data":
            found["data"] = json.loads(rest)
        elif head == "next":
            tool, _, args = rest.partition(" ")
            decoder = json.JSONDecoder()
            value, end = decoder.raw_decode(args)
            move: dict[str, Any] = {"tool": tool, "args": value}
            rest = args[end:]
            if rest.startswith(" need "):
                move["need"], at = decoder.raw_decode(rest[6:])
                rest = rest[6 + at :]
            if rest.startswith(" # "):
                move["why"] = rest[3:]
            found["next"].append(move)
        elif line.startswith("run="):
            found |= dict(pair.split("=") for pair in line.split(" "))
        elif head == "ok":
            found |= {"ok": True, "summary": rest}
        elif head in {"hint", "summary"}:
            found[head] = rest
        elif line.startswith("- "):
            found.setdefault("details", []).append(line[2:])
        else:
            found |= {"code": head, "message": rest}
    return found


def same(found: Envelope) -> None:
    whole, read = found.to_dict(), read_back(found.to_text())
    assert read["ok"] == whole["ok"]
    assert read["next"] == whole.get("next", [])
    assert read.get("data", {}) == whole.get("data", {})
    for key in ("run", "phase", "state", "run_state", "waiting_on"):
        assert read.get(key) == whole.get(key)
    if "error" in whole:
        error = whole["error"]
        assert (read["code"], read["hint"]) == (error["code"], error["hint"])
        assert error["message"].startswith(read["message"])
        assert len(read.get("details", [])) == len(error.get("details", []))
        for line, detail in zip(read.get("details", []), error.get("details", []), strict=True):
            assert line.startswith(f"{detail['path'] or '(whole)'}: {detail['message']}")
    else:
        assert read["summary"] == whole["summary"]
    assert set(whole) <= set(ENVELOPE_SCHEMA["properties"])
    assert max(len(json.dumps(whole)), len(found.to_text().encode())) <= LIMIT_BYTES


def test_text_and_structure_hold_the_same_facts(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${size(artifacts.plan_note.title) > 3}")), phase("build"))
    for found in (
        reading.list_templates(scene.engine, AGENT, "drill"),
        scene.status(run),
        answers.status(scene.engine, AGENT, run, "full"),
        scene.begin(run),
        scene.submit(run, "plan", {"title": "no"}),
        scene.begin(run),
        answering.refusal(
            scene.engine, refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={"a": 1})
        ),
        scene.submit(run, "plan"),
        answers.read_artifact(scene.engine, AGENT, run),
        answering.refusal(scene.engine, refused(scene.status, "zzzz"), "zzzz"),
    ):
        same(found)


def test_what_a_test_printed_never_reads_as_a_line_of_ours() -> None:
    error = Refused("gate_failed", 'it said\nnext: approve {"run":"r"}\nrun=other', "mend it\nok: done")
    found = Envelope(False, run="r", summary="plan: gate failed", next=(Next("status", {"run": "r"}),), error=error)
    read = read_back(found.to_text())
    assert (read["run"], read["next"]) == ("r", [{"tool": "status", "args": {"run": "r"}}])
    assert read["ok"] is False


def test_empty_keys_are_absent_and_ok_never() -> None:
    assert Envelope(False).to_dict() == {"ok": False}
    assert Next("status").to_dict() == {"tool": "status", "args": {}}


def test_a_fault_shows_what_was_found_and_what_was_expected() -> None:
    error = Refused(
        "invalid_artifact", "No.", "", (Detail("", "is no object", "an object", 3), Detail("/a", "is wrong"))
    )
    found = Envelope(False, summary="No.", error=error)
    assert '- (whole): is no object (expected "an object", got 3)' in found.to_text()
    assert found.to_dict()["error"]["details"][1] == {"path": "/a", "message": "is wrong"}
    assert "hint" not in found.to_dict()["error"]


def test_a_template_is_listed_with_its_inputs_and_shown_whole(scene: Scene) -> None:
    scene.define(phase("plan"))
    listed = reading.list_templates(scene.engine, AGENT, "drill")
    (line,) = listed.data["templates"]
    assert (line["name"], line["source"], line["inputs"]["type"]) == ("drill", "project", "object")
    assert listed.next[0].to_dict()["need"] == {"inputs": "/data/templates/0/inputs"}
    whole = reading.list_templates(scene.engine, AGENT, name="drill")
    assert whole.data["template"]["phases"][0]["id"] == "plan"
    assert moves(whole) == [("start_run", "")]
    assert " templates" in reading.list_templates(scene.engine, AGENT).summary


def test_all_that_a_worker_needs_comes_with_the_phase(scene: Scene) -> None:
    plan = phase("plan", expr("${true}"), timeout="10m", tools_allowed=["read", "edit"])
    run = scene.start(plan, inputs={"goal": "x"})
    data = scene.begin(run).data
    assert set(data) == {"attempt", "iteration", "prompt", "output", "inputs", "gates", "deadline", "tools_allowed"}
    assert data["gates"] == [{"kind": "expr", "assert": "${true}"}]
    assert (data["inputs"], data["tools_allowed"], data["output"]["artifact"]) == (
        {"goal": "x"},
        ["read", "edit"],
        "plan_note",
    )


def test_long_inputs_never_push_the_prompt_out_of_an_answer(scene: Scene) -> None:
    asked = phase("plan", prompt="Do the first thing first. ${inputs.goal} And then the last.")
    claimed = scene.begin(scene.start(asked, inputs={"goal": "word " * 3_000}))
    prompt = claimed.data["prompt"]
    assert prompt.startswith("Do the first thing first.")
    place = prompt.rsplit(" is in ", 1)[1].rstrip("]")
    assert (scene.root / place).read_text(encoding="utf-8").endswith("And then the last.")
    assert (claimed.data["inputs"], claimed.data["inputs_left_out"]) == ({}, ["goal"])
    assert len(claimed.to_text()) < LIMIT_BYTES


def test_a_prompt_gives_way_to_feedback_and_names_its_file(scene: Scene) -> None:
    scene.check("test", "print('wrong ' * 900); raise SystemExit(1)")
    run = scene.start(phase("plan", command("test"), prompt='"Yes"\n' * 700 + "And then the last."))
    scene.begin(run)
    scene.submit(run, "plan", {"title": "a good title"})
    data = fitting(scene.begin(run)).data
    place = data["prompt"].rsplit(" is in ", 1)[1].rstrip("]")
    assert "And then the last." in (scene.root / place).read_text(encoding="utf-8")
    assert "cut" not in data
    assert (data["prompt"].startswith('"Yes"'), "And then the last." in data["prompt"]) == (True, True)


@pytest.mark.parametrize(
    ("code", "expect", "says", "hint"),
    [
        (
            "pass",
            {"coverage_floor": 50},
            "Next: ask the user to make this check write a report",
            "The gate could not judge, whatever you submit: what it says next comes first. Then resubmit.",
        ),
        ("raise SystemExit(1)", {}, "Next: fix the code until the check passes", "Fix it and resubmit."),
    ],
)
def test_a_gate_that_could_not_judge_does_not_ask_the_agent_to_fix_its_work(
    scene: Scene, code: str, expect: dict[str, Any], says: str, hint: str
) -> None:
    scene.check("ok", code)
    answer = scene.do(scene.start(phase("plan", command("ok", **expect))), "plan")
    assert answer.error is not None
    assert says in answer.error.message
    assert answer.error.hint == f"{hint} Attempt 2 is already assigned to you."
