"""``issue_triage``, played to its end: labels, the answer, and what a person must see before it is public."""

from typing import Any

import pytest

from tests.templates.outside import REPO, Outside, reach
from tests.templates.scene import LIFE, started, states_of
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, follow
from wfe_mcp.testing.playground import Playground

INPUTS = {**REPO, "issue_number": 7, "milestones": {"3": "1.4: nothing but fixes"}}
BUG: dict[str, Any] = {
    "type": "bug",
    "priority": "high",
    "category": "import",
    "evidence": ["sub() is missing"],
    "labels": ["bug"],
    "notes": "src/load.py:40",
    "comment": "Thank you.",
}
SECURITY = BUG | {"type": "security", "labels": ["security"]}
HAPPY: Script = {"classify": [Work(BUG)]}
ISSUE: dict[str, Any] = {"number": 7, "title": "sub() is missing ${1 + 1}", "state": "open", "labels": ["new", "bug"]}


@pytest.fixture
def outside(project: Playground) -> Any:
    with reach(project, "github") as made:
        yield made


def play(project: Playground, script: Script) -> PlayedRun:
    with project.agent() as agent:
        return drive(agent.call, project.root, "issue_triage", INPUTS, script, person=project.approve)


@pytest.mark.requirement("S2-28", "S2-18")
def test_an_issue_is_labelled_and_answered_and_keeps_the_labels_it_has(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[ISSUE])

    played = play(project, HAPPY)

    assert (played.last["run_state"], played.codes, started(played)) == ("completed", [], ["classify"])
    assert outside.calls() == [
        {"tool": "issue_read.get_comments", "issue_number": 7},
        {"tool": "issue_read.get", "issue_number": 7},
        {"tool": "issue_write.update", "issue_number": 7, "labels": ["new", "bug"]},
        {"tool": "add_issue_comment", "issue_number": 7, "body": "Thank you."},
    ]
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["done"]


def test_labels_milestones_and_duplicates_that_are_not_there_are_refused(project: Playground, outside: Outside):
    wrong = [BUG | {"labels": ["urgent"]}, BUG | {"milestone": 4}]
    script = {"classify": [*map(Work, wrong), Work(BUG | {"milestone": 3})]}

    played = play(project, script)

    assert (played.last["run_state"], played.codes) == ("completed", ["gate_failed"] * 2)
    assert outside.calls("issue_write.update") == [
        {"tool": "issue_write.update", "issue_number": 7, "labels": ["bug"], "milestone": 3}
    ]


@pytest.mark.parametrize(
    ("body", "quotes", "refused"),
    [
        ("On start\nit crashes", ["it crashes", "sub() is"], False),
        ("On start", ["sub() is missing", "it crashes"], True),
        (None, ["it crashes"], True),
    ],
)
def test_what_is_quoted_is_in_the_issue(
    project: Playground, outside: Outside, body: str | None, quotes: list[str], refused: bool
):
    outside.answer(issue_read__get=[ISSUE | {"body": body}])

    played = play(project, {"classify": [Work(BUG | {"evidence": quotes}), Work(BUG)]})

    assert (played.last["run_state"], played.codes) == ("completed", ["gate_failed"] * refused)


def test_who_never_finds_a_label_leaves_it_to_a_person(project: Playground, outside: Outside):
    played = play(project, {"classify": [Work(BUG | {"type": "duplicate"})] * 3})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert outside.called == ["issue_read.get_comments", "issue_read.get"]


@pytest.mark.requirement("S2-19")
def test_a_security_problem_is_not_answered_in_public_without_a_person(project: Playground, outside: Outside):
    before: list[str] = []

    def person(run: str, phase: str) -> None:
        before.extend([phase, *outside.called])
        project.approve(run, phase)

    with project.agent() as agent:
        script = {"classify": [Work(SECURITY)]}
        played = drive(agent.call, project.root, "issue_triage", INPUTS, script, person=person)

    assert before == ["confirm", "issue_read.get_comments", "issue_read.get"]
    assert played.last["run_state"] == "completed"
    assert outside.called[-1] == "add_issue_comment"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S2-12")
def test_an_issue_on_hold_is_not_touched(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[ISSUE | {"state": "HOLD"}])

    played = play(project, HAPPY)

    assert (played.last["run_state"], started(played)) == ("paused", [])


def test_an_answer_that_github_refuses_once_is_given_again_and_the_labels_are_not(
    project: Playground, outside: Outside
):
    outside.answer(add_issue_comment=[{"error": "503 Service Unavailable"}, {"id": "2"}])

    played = play(project, HAPPY)

    assert played.last["run_state"] == "completed"
    assert outside.called[2:] == ["issue_write.update", "add_issue_comment", "add_issue_comment"]
    assert project.problems(played.run) == []


def test_an_agent_that_only_follows_next_finishes_it(project: Playground, outside: Outside):
    outside.answer(issue_read__get=[ISSUE | {"title": "It crashes"}])
    with project.agent() as agent:
        steps = follow(agent.call, first="start_run", arguments={"template": "issue_triage", "inputs": INPUTS})

    assert steps[-1].answer["run_state"] == "completed"
    assert outside.called[-1] == "add_issue_comment"
