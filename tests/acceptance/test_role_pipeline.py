"""A team in one run: every role submits its part, and findings go back to DEV."""

from typing import Any

import pytest

from tests.acceptance.scene import BUGGED, CHANGE, FIXED, PROOF, SHOWN, event_types, whole_only
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground

GOAL = {"goal": "add() adds."}
SPEC = {"_spec/add.md": "# add\n\nR-1: add(1, 2) is 3.\n"}
BREAKDOWN = {"items": [{"id": "T-1", "title": "add() adds", "acceptance": ["add(1, 2) is 3"]}]}
NO_FINDINGS: dict[str, Any] = {
    "scanner": "by eye",
    "findings": [],
    "totals": {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0},
}
HIGH: dict[str, Any] = {
    "scanner": "by eye",
    "findings": [{"severity": "high", "title": "eval on input", "detail": "calc.py evaluates what it is given"}],
    "totals": {"critical": 0, "high": 1, "medium": 0, "low": 0, "info": 0},
}
RELEASE = {
    "version": "1.0.1",
    "summary": "add() adds",
    "changes": [{"kind": "fixed", "text": "add() adds"}],
    "rollback": "Install 1.0.0",
}


def report(role: str, status: str = "pass") -> dict[str, Any]:
    findings = [{"severity": "high", "title": "add(-1, 1) is not tested", "detail": "negative numbers"}]
    answer = {"role": role, "status": status, "summary": f"{role}: {status}"}
    return answer | ({} if status == "pass" else {"findings": findings})


TEAM: Script = {
    "pm": [Work(BREAKDOWN, SPEC)],
    "qa_tests": [Work({"summary": "one test", "tests": [PROOF["test"]]}, SHOWN)],
    "dev": [Work(CHANGE, FIXED)],
    "qa": [Work(report("qa"))],
    "sec": [Work(NO_FINDINGS)],
    "docs": [Work(report("docs"), {"README.md": "# calc\n\nadd() adds.\n"})],
    "deploy": [Work(RELEASE)],
}


@pytest.mark.requirement("S4-02", "S4-14", "S4-36")
def test_the_team_works_from_requirements_to_an_approved_release(bugged: Playground):
    with bugged.server() as agent:
        played = drive(agent.call, bugged.root, "role_pipeline", GOAL, TEAM, person=bugged.approve)

    assert played.last["run_state"] == "completed"
    assert played.codes == ["needs_human"] * 3
    assert bugged.problems(played.run) == []


@pytest.mark.requirement("S4-04")
@pytest.mark.parametrize(
    ("phase", "bad"),
    [("qa", Work(report("qa", "fail"))), pytest.param("sec", Work(HIGH), marks=whole_only)],
    ids=["qa", "security"],
)
def test_findings_send_the_work_back_to_dev_and_all_that_followed_is_done_again(
    bugged: Playground, phase: str, bad: Work
):
    again = {name: [*works, *works] for name, works in TEAM.items() if name not in {"pm", "qa_tests"}}
    better = Work(CHANGE, {"calc.py": "def add(a, b):\n    return b + a\n"})
    script = {**TEAM, **again, "dev": [*TEAM["dev"], better], phase: [bad, *TEAM[phase]]}

    with bugged.server() as agent:
        played = drive(agent.call, bugged.root, "role_pipeline", GOAL, script, person=bugged.approve)

    starts = [answer for tool, answer in played.steps if tool == "start_phase"]
    second = [answer for answer in starts if answer["phase"] == "dev"][-1]["data"]
    assert second["iteration"] == 2
    assert [one["from"] for one in second["feedback"]] == [phase]
    assert [answer["phase"] for answer in starts].count("pm") == 1
    assert event_types(bugged, played.run).count("WentTo") == 1
    assert played.last["run_state"] == "completed"
    assert bugged.problems(played.run) == []


def test_after_a_finding_of_qa_dev_does_not_pass_with_the_work_that_was_sent_back(bugged: Playground):
    better = Work(CHANGE, {"calc.py": "def add(a, b):\n    return b + a\n"})
    again = {name: [*works, *works] for name, works in TEAM.items()}
    script = {**again, "dev": [*TEAM["dev"], Work(CHANGE), better], "qa": [Work(report("qa", "fail")), *TEAM["qa"]]}

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "role_pipeline", GOAL, script, person=bugged.approve)

    failed = [answer for _, answer in played.steps if answer.get("error", {}).get("code") == "gate_failed"]
    assert [answer["phase"] for answer in failed] == ["qa", "dev"]
    assert "since the phase started" in failed[1]["error"]["message"]
    assert played.last["run_state"] == "completed"


@pytest.mark.parametrize(
    "bad",
    [
        {
            "expect.fails names no test": Work({"summary": "one test"}, SHOWN),
            "is not among the failing tests": Work({"summary": "one test", "tests": ["TestAdd::test_zero"]}, SHOWN),
        },
        {"outside tests/**": Work(TEAM["qa_tests"][0].artifact, {**SHOWN, "calc.py": "add = max\n"})},
    ],
    ids=["names", "files"],
)
def test_qa_names_each_test_that_fails_and_writes_only_tests(bugged: Playground, bad: dict[str, Work]):
    good = Work(TEAM["qa_tests"][0].artifact, {**BUGGED, **SHOWN})

    with bugged.agent() as agent:
        script = {**TEAM, "qa_tests": [*bad.values(), good]}
        played = drive(agent.call, bugged.root, "role_pipeline", GOAL, script, person=bugged.approve)

    failed = [answer for _, answer in played.steps if answer.get("error", {}).get("code") == "gate_failed"]
    assert {answer["phase"] for answer in failed} == {"qa_tests"}
    assert [why for why, answer in zip(bad, failed, strict=True) if why not in answer["error"]["message"]] == []
    assert played.last["run_state"] == "completed"


@whole_only
def test_a_person_who_rejects_the_deployment_stops_it(bugged: Playground):
    asked: list[str] = []

    def strict(run: str, phase: str) -> None:
        asked.append(phase)
        if asked.count("deploy") == 1 and phase == "deploy":
            bugged.reject(run, phase, "not on a Friday")
        else:
            bugged.approve(run, phase)

    with bugged.agent() as agent:
        script = {**TEAM, "deploy": [*TEAM["deploy"], Work({**RELEASE, "version": "1.0.2"})]}
        played = drive(agent.call, bugged.root, "role_pipeline", GOAL, script, person=strict)

    assert asked == ["pm", "qa_tests", "deploy", "deploy"]
    assert played.last["run_state"] == "completed"


ALONE: dict[str, tuple[Work, str]] = {
    "pm": (TEAM["pm"][0], "completed"),
    "qa_tests": (TEAM["qa_tests"][0], "completed"),
    "dev": (Work({**CHANGE, "tests": ["test_calc.TestAdd.test_nothing"]}, FIXED), "completed"),
    "qa": (Work(report("qa", "fail")), "waiting"),
    "docs": (Work(report("docs")), "completed"),
}
"""Role → what it submits, and where the run is then: what QA alone finds waits for a person, not for DEV."""


@pytest.mark.requirement("S4-13", "S4-20")
@pytest.mark.parametrize("role", ALONE)
def test_one_role_works_alone_for_the_goal_and_the_others_are_left_out(bugged: Playground, role: str):
    work, ends = ALONE[role]
    with bugged.server() as agent:
        script: Script = {role: [work] * 3}
        played = drive(agent.call, bugged.root, "role_pipeline", {**GOAL, "only": role}, script, person=bugged.approve)

    started = [answer for tool, answer in played.steps if tool == "start_phase"]
    assert {answer["phase"] for answer in started} == {role}
    assert GOAL["goal"] in started[0]["data"]["prompt"]
    assert (played.last["run_state"], "WentTo" in event_types(bugged, played.run)) == (ends, False)
    assert bugged.problems(played.run) == []


@pytest.mark.requirement("S4-20")
def test_security_alone_that_finds_something_waits_for_a_person_and_not_for_dev(bugged: Playground):
    with bugged.agent() as agent:
        script: Script = {"sec": [Work(HIGH)]}
        played = drive(agent.call, bugged.root, "role_pipeline", {**GOAL, "only": "sec"}, script, person=bugged.approve)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert event_types(bugged, played.run).count("WentTo") == 0


@pytest.mark.requirement("S4-20")
def test_a_role_that_does_not_exist_is_refused_with_those_that_do(bugged: Playground):
    with bugged.agent() as agent:
        refused = agent.call("start_run", template="role_pipeline", inputs={**GOAL, "only": "boss"})

    assert refused["error"]["code"] == "bad_argument"
    assert "qa_tests" in str(refused["error"]["details"])
