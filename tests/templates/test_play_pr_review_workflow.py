"""``pr_review_workflow``, played to its end: what is posted is about the commit that was read."""

from typing import Any

import pytest

from tests.templates.outside import REPO, Outside, reach
from tests.templates.scene import LIFE, feedback_to, started, states_of
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, follow
from wfe_mcp.testing.playground import Playground

INPUTS = {**REPO, "pull_number": 9}
FINDING: dict[str, Any] = {"severity": "high", "title": "mean([]) divides by zero", "file": "calc.py", "line": 8}
FAIL: dict[str, Any] = {
    "verdict": "fail",
    "summary": "Division by zero",
    "read": [{"file": "calc.py", "line": "diff --git a/calc.py"}],
    "findings": [FINDING],
    "comment": "**mean([]) divides by zero** (calc.py:8).",
}
HAPPY: Script = {"review": [Work(FAIL)]}
READ = ["pull_request_read.get_diff", "pull_request_read.get_files", "pull_request_read.get"]
RECHECK, POST = "pull_request_read.get", "pull_request_review_write.create"


def at(sha: str, **more: Any) -> dict[str, Any]:
    return {"number": 9, "title": "Mean", "body": "${1 + 1}", "state": "open", "head": {"sha": sha}} | more


@pytest.fixture
def outside(project: Playground) -> Any:
    with reach(project, "github") as made:
        yield made


def play(project: Playground, script: Script) -> PlayedRun:
    with project.agent() as agent:
        return drive(agent.call, project.root, "pr_review_workflow", INPUTS, script)


@pytest.mark.requirement("S2-28", "S2-18")
def test_a_pull_request_is_read_reviewed_and_answered_by_a_comment(project: Playground, outside: Outside):
    played = play(project, HAPPY)

    assert (played.last["run_state"], played.codes) == ("completed", [])
    (data,) = feedback_to(played, "review")
    assert "diff --git a/calc.py" in data["prompt"]
    assert outside.called == [*READ, RECHECK, POST]
    assert outside.calls(POST) == [
        {"tool": POST, "pullNumber": 9, "commitID": "0a1b2c3", "event": "COMMENT", "body": FAIL["comment"]}
    ]
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["done"]


@pytest.mark.requirement("S2-18")
def test_a_pull_request_that_moved_on_meanwhile_is_read_and_reviewed_again(project: Playground, outside: Outside):
    outside.answer(pull_request_read__get=[at("aaa"), at("bbb")])

    played = play(project, {"review": [Work(FAIL), Work(FAIL)]})

    assert played.last["run_state"] == "completed"
    assert outside.called == [*READ, RECHECK, *READ, RECHECK, POST]
    assert ["Round 1" in data["prompt"] for data in feedback_to(played, "review")] == [True, False]
    assert [call["commitID"] for call in outside.calls(POST)] == ["bbb"]
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["done at the second try"]


def test_one_that_never_stands_still_waits_for_a_person(project: Playground, outside: Outside):
    outside.answer(pull_request_read__get=[at(str(move)) for move in range(10)])

    played = play(project, {"review": [Work(FAIL)] * 4})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert POST not in outside.called


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "pass"},
        {"findings": [FINDING | {"file": "other.py"}]},
        {"comment": "Something is wrong."},
        {"read": []},
        {"read": [{"file": "calc.py", "line": "+    return 0"}]},
    ],
    ids=[
        "a pass with a grave finding",
        "a file that was not changed",
        "a finding that is not told",
        "a file not read",
        "a line that is not in the diff",
    ],
)
def test_a_review_that_does_not_hold_comes_back(project: Playground, outside: Outside, wrong: dict[str, Any]):
    played = play(project, {"review": [Work(FAIL | wrong), Work(FAIL)]})

    assert (played.last["run_state"], played.codes) == ("completed", ["gate_failed"])
    assert outside.called.count(POST) == 1


@pytest.mark.requirement("S2-12")
def test_one_on_hold_pauses_the_run_and_a_closed_one_ends_it(project: Playground, outside: Outside):
    outside.answer(pull_request_read__get=[at("aaa", labels=["hold"]), at("aaa", state="closed")])

    held, closed = play(project, HAPPY), play(project, HAPPY)

    assert (held.last["run_state"], started(held)) == ("paused", [])
    assert (closed.last["run_state"], started(closed)) == ("completed", [])
    assert POST not in outside.called


def test_an_agent_that_only_follows_next_finishes_it(project: Playground, outside: Outside):
    with project.agent() as agent:
        steps = follow(agent.call, first="start_run", arguments={"template": "pr_review_workflow", "inputs": INPUTS})

    assert steps[-1].answer["run_state"] == "completed"
    assert outside.called[-1] == POST
