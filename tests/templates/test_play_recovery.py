"""``recovery``, played by itself: a failure is classified, and fixed or left to a person."""

from typing import Any

import pytest

from tests.templates.scene import BROKEN, FILES, REPAIRED, changed, feedback_to, messages, started
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive
from wfe_mcp.testing.playground import Playground

INPUTS: dict[str, Any] = {
    "place": "M1:T-1",
    "work": {"id": "T-1", "title": "calc adds", "acceptance": ["add(1, 2) is 3"]},
    "feedback": [{"from": "implement", "attempt": 3, "message": "Check 'test' exited with 1: -1 != 3"}],
}


def diagnosis(**changes: Any) -> Work:
    usual: dict[str, Any] = {
        "class": "failed_checks",
        "fingerprint": "failed_checks:M1:T-1",
        "human_required": False,
        "cause": "add() subtracts",
        "evidence": ["-1 != 3"],
        "next_step": "Add in add()",
    }
    return Work(usual | changes)


SCRIPT: Script = {"diagnose": [diagnosis()], "mend": [changed("add() adds", REPAIRED)]}


def play(project: Playground, **works: list[Work]) -> PlayedRun:
    with project.agent() as agent:
        return drive(agent.call, project.root, "recovery", INPUTS, {**SCRIPT, **works})


@pytest.mark.requirement("S3-22")
def test_the_cause_is_named_and_fixed_until_the_check_passes(project: Playground):
    project.write(BROKEN)

    played = play(project, mend=[changed("add() is documented", {"README.md": "add() adds\n"}), *SCRIPT["mend"]])

    assert played.last["run_state"] == "completed"
    assert played.codes == ["gate_failed"]
    assert started(played) == ["diagnose", "mend", "mend"]
    assert "-1 != 3" in feedback_to(played, "diagnose")[0]["prompt"]
    assert "Add in add()" in feedback_to(played, "mend")[0]["prompt"]
    assert "Check 'test'" in messages(feedback_to(played, "mend")[1])
    assert project.problems(played.run) == []


@pytest.mark.parametrize(
    "wrong",
    [
        diagnosis(fingerprint="failed_checks"),
        diagnosis(**{"class": "secret", "fingerprint": "secret:M1:T-1"}),
        Work(diagnosis().artifact, {"calc.py": "mended already"}),
    ],
    ids=["another fingerprint", "a person's, without one", "a file changed"],
)
@pytest.mark.requirement("S3-22")
def test_a_diagnosis_that_contradicts_itself_or_touches_a_file_is_refused(project: Playground, wrong: Work):
    right = Work(diagnosis().artifact, {"calc.py": FILES["calc.py"]})

    played = play(project, diagnose=[wrong, right])

    assert played.last["run_state"] == "completed"
    assert played.codes == ["gate_failed"]


def test_what_changes_no_file_fixes_nothing(project: Playground):
    played = play(project, mend=[changed("add() adds")] * 2)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert "no file has changed since the phase started" in messages(feedback_to(played, "mend")[1])


@pytest.mark.requirement("S3-22")
def test_git_is_put_in_order_and_a_person_agrees_since_no_file_shows_it(project: Playground):
    stuck = diagnosis(**{"class": "local_git", "fingerprint": "local_git:M1:T-1"})

    played = play(project, diagnose=[stuck], tidy=[changed("the rebase is ended")])

    assert (played.last["run_state"], played.codes) == ("waiting", ["needs_human"])
    assert started(played) == ["diagnose", "tidy"]
    project.approve(played.run, "tidy")
    with project.agent() as agent:
        assert agent.call("status", run=played.run)["run_state"] == "completed"
    assert project.problems(played.run) == []


@pytest.mark.parametrize("kind", ["failed_checks", "credentials"])
@pytest.mark.requirement("S3-22")
def test_what_only_a_person_can_continue_with_is_not_fixed(project: Playground, kind: str):
    asks = diagnosis(**{"class": kind, "fingerprint": f"{kind}:M1:T-1", "human_required": True})

    played = play(project, diagnose=[asks])

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert "mend" not in started(played)
    with project.engine.store.read() as tx:
        (asked,) = project.engine.load(tx, played.run).state.attempts[PhasePath("ask")]
    assert f"A person is needed ({kind}:M1:T-1): add() subtracts. Add in add()" in asked.reason
    assert project.problems(played.run) == []
