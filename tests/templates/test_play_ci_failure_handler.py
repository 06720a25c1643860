"""``ci_failure_handler``, played to its end: fixed, rerun, or left to people; a wrong diagnosis is repeated."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS, REPO, Committer, Outside, reach
from tests.templates.scene import LIFE, count, feedback_to, messages, started, states_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.runs import control
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, follow
from wfe_mcp.testing.playground import Playground, stand_in

INPUTS = {**REPO, "run_id": 4711}
CODE: dict[str, Any] = {
    "kind": "code",
    "description": "mean() divides by zero",
    "evidence": ["test: ZeroDivisionError"],
    "affected_files": ["calc.py"],
    "fix_instructions": "Refuse an empty list",
}
OTHER: dict[str, Any] = {"evidence": ["test: ZeroDivisionError"]}
FLAKY, PEOPLE = (OTHER | {"kind": kind, "description": "The runner was full"} for kind in ("flaky", "infrastructure"))
FIX = Work({"summary": "mean() refuses an empty list"}, {"calc.py": "def mean(n): ...\n"})
BROKEN = Work({"summary": "broke it"}, {"broken.txt": ""})
REPAIRED = Work({"summary": "repaired it"}, {"broken.txt": None, "calc.py": "def mean(n): ...\n"})
LOOK = ["actions_get.get_workflow_run", "actions_list.list_workflow_jobs", "get_job_logs"]
MESSAGE = "Fix CI: refuse an empty list"


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
        call = Committer(project, agent.call, "fix", MESSAGE)
        return drive(call, project.root, "ci_failure_handler", INPUTS, script)


@pytest.mark.requirement("S2-28", "S2-18")
def test_a_fault_of_the_code_is_fixed_on_a_branch_and_proposed(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [Work(CODE)], "fix": [FIX]})

    assert (played.last["run_state"], played.codes, started(played)) == ("completed", [], ["diagnose", "fix"])
    assert played.last["data"]["outputs"]["values"]["pull_request"] == "https://example.org/pull/9"
    assert "ZeroDivisionError" in feedback_to(played, "diagnose")[0]["prompt"]
    assert outside.called == [
        *LOOK,
        "create_branch",
        "create_pull_request",
        "list_pull_requests",
        "issue_write.update",
        "add_issue_comment",
    ]
    assert outside.calls("get_job_logs") == [
        {"tool": "get_job_logs", "run_id": 4711, "failed_only": True, "return_content": True, "tail_lines": 500}
    ]
    (proposed,) = outside.calls("create_pull_request")
    assert (proposed["head"], proposed["base"]) == ("fix/ci-4711", "main")
    assert outside.calls("issue_write.update")[0]["labels"] == ["automated-fix", "ci"]
    assert outside.log("fix/ci-4711") == [MESSAGE]
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["ready"]


@pytest.mark.parametrize(
    ("diagnosis", "then"),
    [(FLAKY, "actions_run_trigger.rerun_failed_jobs"), (PEOPLE, "issue_write.create")],
    ids=["flaky", "infrastructure"],
)
def test_what_is_no_fault_of_the_code_is_run_again_or_reported(
    project: Playground, outside: Outside, diagnosis: dict[str, Any], then: str
):
    played = play(project, {"diagnose": [Work(diagnosis)]})

    assert (played.last["run_state"], outside.called) == ("waiting", LOOK), "no file shows it, so a person agrees"
    project.approve(played.run, played.last["phase"])
    with project.agent() as agent:
        assert agent.call("status", run=played.run, wait_s=45)["run_state"] == "completed"
    assert outside.called == [*LOOK, then]
    assert project.problems(played.run) == []


@pytest.mark.requirement("S2-18")
def test_a_diagnosis_whose_fix_never_passes_the_tests_is_made_again(project: Playground, outside: Outside):
    again = CODE | {"description": "calc.py is missing"}
    script = {
        "diagnose": [Work(CODE | {"affected_files": []}), Work(CODE), Work(again)],
        "fix": [BROKEN, BROKEN, REPAIRED],
    }

    played = play(project, script)

    assert (played.last["run_state"], played.codes) == ("completed", ["gate_failed"] * 3)
    assert started(played)[-2:] == ["diagnose", "fix"]
    assert "check" in messages(feedback_to(played, "diagnose")[-1])
    assert count(project, played.run, "WentTo") == 1
    assert outside.called.count("create_branch") == 1
    assert outside.calls("create_pull_request")[0]["title"] == "Fix CI: calc.py is missing"
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["ready at the second try"]


def test_what_is_still_broken_then_waits_for_a_person(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [Work(CODE)] * 2, "fix": [BROKEN] * 4})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert outside.called == [*LOOK, "create_branch"]


def test_a_run_that_did_not_fail_is_left_alone(project: Playground, outside: Outside):
    well = {
        "id": 4711,
        "name": "CI",
        "status": "completed",
        "conclusion": "success",
        "head_branch": "main",
        "head_sha": "0a1",
    }
    outside.answer(actions_get__get_workflow_run=[well])

    played = play(project, {})

    assert (played.last["run_state"], outside.called) == ("completed", LOOK)


def test_an_agent_that_only_follows_next_finishes_it(project: Playground, outside: Outside):
    with project.agent() as agent:
        call = Committer(project, agent.call, "fix", MESSAGE, FIX.files)
        steps = follow(call, first="start_run", arguments={"template": "ci_failure_handler", "inputs": INPUTS})

    assert steps[-1].answer["run_state"] == "completed"
    assert outside.called[-1] == "add_issue_comment"


def test_a_person_who_wants_no_issue_is_not_asked_again_by_itself(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [Work(PEOPLE)]})
    project.reject(played.run, "report", "I look myself")

    with project.agent() as agent:
        last = agent.call("status", run=played.run)
        assert (last["run_state"], last["data"]["phases"][0]["state"]) == ("waiting", "failed")
    with pytest.raises(Refused, match="skip: never"):  # or what is not the code's would be fixed in the code
        control.skip(project.engine, stand_in(project.engine), played.run, "report", "I look myself")
    assert outside.called == LOOK


def test_a_fix_whose_commit_was_refused_counts_after_the_same_diagnosis(project: Playground, outside: Outside):
    """Two wrong messages send the work back to the diagnosis; the fix that is there already is not asked for a second time."""
    messages_of = iter(["wrong", "wrong again", MESSAGE])

    with project.agent() as agent:

        def call(tool: str, /, **arguments: Any) -> Any:
            is_work = tool == "submit_artifact" and arguments["phase"] == "fix"
            committer = Committer(project, agent.call, "fix", next(messages_of) if is_work else "")
            return committer(tool, **arguments)

        script = {"diagnose": [Work(CODE)] * 2, "fix": [FIX, FIX, FIX]}
        played = drive(call, project.root, "ci_failure_handler", INPUTS, script)

    assert (played.last["run_state"], played.codes) == ("completed", ["gate_failed"] * 2)
    assert "the same diagnosis" in feedback_to(played, "diagnose")[-1]["prompt"]
    assert project.problems(played.run) == []
