"""``issue_to_pr``, played to its end: GitHub's tools are called as they must be, and an issue on hold stops it."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS, REPO, Committer, Outside, reach
from tests.templates.scene import LIFE, feedback_to, started, states_of
from wfe_mcp.engine.runs import control
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, follow, resume
from wfe_mcp.testing.playground import Playground, stand_in

INPUTS = {**REPO, "issue_number": 7}
OPEN: dict[str, Any] = {"number": 7, "title": "sub() ${1 + 1} is missing", "state": "open", "labels": ["bug"]}
HELD = OPEN | {"labels": ["bug", "hold"]}
FIX = Work({"summary": "sub() is there"}, {"sub.py": "def sub(a, b):\n    return a - b\n"})
PASS = Work({"verdict": "pass", "findings": [], "summary": "Fixed, and tested"})
FAIL = Work({"verdict": "fail", "findings": [{"severity": "high", "title": "sub(0.5, 1) fails"}], "summary": "No"})
HAPPY: Script = {"fix": [FIX], "review": [PASS]}


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks=CHECKS) as made:
        yield made


@pytest.fixture
def outside(project: Playground) -> Generator[Outside]:
    with reach(project, "github") as made:
        yield made


def play(project: Playground, script: Script) -> PlayedRun:
    with project.agent() as agent:
        return drive(
            Committer(project, agent.call, "fix", "Fix #7: add sub()"), project.root, "issue_to_pr", INPUTS, script
        )


@pytest.mark.requirement("S2-28", "S2-18")
def test_an_issue_is_fixed_on_its_branch_pushed_and_proposed(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[OPEN])

    played = play(project, HAPPY)

    assert played.last["run_state"] == "completed"
    assert (played.codes, started(played)) == ([], ["fix", "review"])
    assert played.last["data"]["outputs"]["values"]["pull_request"] == "https://example.org/pull/9"
    issue = {"tool": "issue_read.get", "issue_number": 7}
    assert outside.calls() == [
        issue,
        {"tool": "create_branch", "branch": "fix/7", "from_branch": "main"},
        issue,
        {
            "tool": "create_pull_request",
            "title": "Fix #7: sub() ${1 + 1} is missing",
            "body": "sub() is there\n\nReview: Fixed, and tested\n\nCloses #7",
            "head": "fix/7",
            "base": "main",
            "draft": True,
        },
        {"tool": "list_pull_requests", "head": "ada:fix/7", "state": "open"},
        {"tool": "issue_write.update", "issue_number": 9, "labels": ["automated-fix", "bug"]},
    ]
    assert outside.log("fix/7") == ["Fix #7: add sub()"]
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["ready"]


@pytest.mark.requirement("S2-18")
def test_a_failing_test_and_a_review_that_finds_something_send_the_fix_back(project: Playground, outside: Outside):
    broken = Work(FIX.artifact, {"broken.txt": ""})
    repaired = Work(FIX.artifact, {**FIX.files, "broken.txt": None})
    again = Work(FIX.artifact, {"sub.py": "def sub(a, b):\n    return a + -b\n"})
    script = {"fix": [broken, repaired, again], "review": [FAIL, PASS]}

    played = play(project, script)

    assert played.last["run_state"] == "completed"
    assert played.codes == ["gate_failed"]
    (back,) = feedback_to(played, "fix")[-1]["feedback"]
    assert (back["from"], back["artifact"]) == ("review", "review")
    assert outside.called.count("create_branch") == outside.called.count("create_pull_request") == 1
    assert len(outside.log("fix/7")) == 3
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == [
        "CREATED",
        "SPEC_READY",
        "IMPLEMENTING",
        "VERIFIED",
        "IMPLEMENTING",
        "VERIFIED",
        "MERGE_READY",
    ]


@pytest.mark.requirement("S2-12", "S2-18")
def test_an_issue_on_hold_pauses_the_run_until_a_person_continues(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[HELD, OPEN])

    played = play(project, HAPPY)

    assert (played.last["run_state"], outside.called) == ("paused", ["issue_read.get"])
    with project.agent() as agent:
        no = agent.call("control_run", run=played.run, action="resume")
        assert no["error"]["code"] == "needs_human"
        person = stand_in(project.engine)
        control.control(project.engine, person, played.run, "resume")
        control.retry(project.engine, person, played.run, "issue")
        call = Committer(project, agent.call, "fix", "Fix #7: add sub()")
        over = resume(call, project.root, played.run, HAPPY)
    assert over.last["run_state"] == "completed"
    assert "create_pull_request" in outside.called
    assert states_of(project, over.run) == LIFE["ready"]


@pytest.mark.requirement("S2-12")
def test_an_issue_put_on_hold_while_it_was_worked_on_is_not_published(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[OPEN, OPEN | {"state": "HOLD"}])

    played = play(project, HAPPY)

    assert played.last["run_state"] == "paused"
    assert outside.called == ["issue_read.get", "create_branch", "issue_read.get"]
    assert outside.log("fix/7") == []


def test_a_closed_issue_is_left_alone(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[OPEN | {"state": "closed"}])

    played = play(project, {})

    assert (played.last["run_state"], outside.called) == ("completed", ["issue_read.get"])


def test_a_pull_request_that_github_refuses_once_is_opened_at_the_next_try(project: Playground, outside: Outside):
    outside.answer(create_pull_request=[{"error": "502 Bad Gateway"}, {"id": "3", "url": "https://example.org/pull/9"}])

    played = play(project, HAPPY)

    assert played.last["run_state"] == "completed"
    assert outside.called.count("create_pull_request") == 2
    assert outside.called.count("list_pull_requests") == 1


def test_a_branch_that_is_there_already_waits_for_a_person(project: Playground, outside: Outside):
    project.git("push", "-q", "origin", "main:fix/7")

    played = play(project, HAPPY)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert "already exists" in str(played.last)


def test_an_agent_that_only_follows_next_finishes_it(project: Playground, outside: Outside):
    with project.agent() as agent:
        call = Committer(project, agent.call, "fix", "Fix #7: as told", FIX.files)
        steps = follow(call, first="start_run", arguments={"template": "issue_to_pr", "inputs": INPUTS})

    assert steps[-1].answer["run_state"] == "completed"
    assert outside.called[-1] == "issue_write.update"
