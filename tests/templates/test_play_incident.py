"""``incident``, played: a record, a verdict, drift, a playbook that a person approves, and a closed incident."""

from typing import Any

import pytest

from tests.templates.scene import BROKEN, FILES, changed, feedback_to, messages, started
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.runs import control
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive
from wfe_mcp.testing.playground import Playground, stand_in
from wfe_mcp.views.answers.tool_answers import submitted_answer

INPUTS: dict[str, Any] = {"service": "shop", "report": "Checkout adds up wrongly since 08:00"}
MARK = "shop:wrong_sum"
SEEN: dict[str, Any] = {
    "title": "Sums are wrong",
    "service": "shop",
    "severity": "high",
    "status": "open",
    "symptoms": [{"source": "test_calc", "quote": "-1 != 3"}],
    "timeline": [{"at": "08:00", "event": "The first wrong sum"}],
    "impact": "Every order",
}
VERDICT: dict[str, Any] = {
    "verdict": "GREEN",
    "error_class": "wrong_sum",
    "confidence": 90,
    "proposed_action": "OPEN_ISSUE",
    "fingerprint": MARK,
    "tokens": ["-1", "3"],
    "signals": {"failures": 1},
}
DRIFT: dict[str, Any] = {
    "summary": "add() subtracts",
    "compared": ["calc.py", "tests/test_calc.py"],
    "deviations": [
        {
            "subject": "add",
            "declared": "a + b",
            "actual": "a - b",
            "evidence": "-1 != 3",
            "severity": "high",
            "verdict": "repair",
        },
    ],
}
PLAYBOOK: dict[str, Any] = {
    "id": "add-again",
    "title": "Sums are wrong",
    "error_class": "wrong_sum",
    "steps": [
        {"id": "S-1", "title": "Add again", "kind": "change", "do": "Add in add()", "expect": "The test passes"},
        {"id": "S-2", "title": "Tell the shop", "kind": "action", "do": "Write to the shop", "expect": "An answer"},
    ],
    "stop_when": ["Another test fails"],
}
CLOSED = SEEN | {"status": "resolved", "fingerprint": MARK, "cause": "add() subtracted", "actions": ["Test sums"]}
CHANGE, ACT = "remediate[S-1].change", "remediate[S-2].act"
HAPPY: Script = {
    "observe": [Work(SEEN)],
    "classify": [Work(VERDICT)],
    "compare": [Work(DRIFT)],
    "plan": [Work(PLAYBOOK)],
    CHANGE: [changed("add() adds", {"calc.py": FILES["calc.py"]})],
    ACT: [changed("Told the shop: 'thanks'")],
    "close": [Work(CLOSED)],
}


def play(project: Playground, person: Any = None, **works: list[Work]) -> PlayedRun:
    project.write(BROKEN)
    with project.agent() as agent:
        return drive(agent.call, project.root, "incident", INPUTS, {**HAPPY, **works}, person=person or project.approve)


@pytest.mark.requirement("S2-21", "S2-14")
def test_an_incident_is_judged_compared_remediated_by_its_playbook_and_closed(project: Playground):
    played = play(project)

    assert played.last["run_state"] == "completed"
    assert started(played) == ["observe", "classify", "compare", "plan", CHANGE, ACT, "close"]
    outputs = played.last["data"]["outputs"]["values"]
    assert outputs == {"fingerprint": MARK, "playbook": "add-again", "status": "resolved"}
    assert played.last["data"]["reached"] == "CLOSED"
    assert project.problems(played.run) == []
    with project.agent() as agent:
        found = agent.call("find", query=f'"{MARK}"', kind="artifact")["data"]["hits"]
    assert {hit["phase"] for hit in found} == {"classify", "close"}


@pytest.mark.requirement("S2-21", "S2-13")
def test_red_ends_the_run_before_anything_is_touched(project: Playground):
    red = Work(VERDICT | {"verdict": "RED", "proposed_action": "ABORT"})

    played = play(project, classify=[red])

    assert played.last["run_state"] == "failed"
    assert started(played) == ["observe", "classify"]
    assert f"RED: {MARK}" in str(played.last)
    assert (
        f"RED: {MARK}" in submitted_answer(project.engine, played.run, "classify", 1, 1).summary
    )  # steps were faster than the answer


@pytest.mark.requirement("S2-21", "S2-12")
def test_hold_waits_for_a_person_who_lets_it_continue(project: Playground):
    asked: list[str] = []

    def person(run: str, phase: str) -> object:
        asked.append(phase)
        return project.approve(run, phase)

    played = play(project, person, classify=[Work(VERDICT | {"verdict": "HOLD", "confidence": 40})])

    assert played.last["run_state"] == "completed"
    assert asked == ["hold", "plan", ACT, "close"]


@pytest.mark.requirement("S2-21")
def test_a_person_who_leaves_an_incident_on_hold_cancels_it_and_nothing_was_touched(project: Playground):
    def person(run: str, phase: str) -> object:
        assert phase == "hold"
        return control.control(project.engine, stand_in(project.engine), run, "cancel", reason="not now")

    played = play(project, person, classify=[Work(VERDICT | {"verdict": "HOLD"})])

    assert started(played) == ["observe", "classify"]
    assert (project.root / "calc.py").read_text(encoding="utf-8") == BROKEN["calc.py"]


@pytest.mark.requirement("S2-21")
def test_a_playbook_that_does_not_help_sends_the_run_back_to_another_one(project: Playground):
    other = Work(PLAYBOOK | {"id": "add-better", "steps": PLAYBOOK["steps"][:1]})
    wrong = changed("add() multiplies", {"calc.py": "def add(a, b):\n    return a * b\n"})

    played = play(
        project, plan=[Work(PLAYBOOK), other], **{CHANGE: [wrong, HAPPY[CHANGE][0]]}, close=[Work(CLOSED)] * 3
    )

    assert played.last["run_state"] == "completed"
    assert "Check 'test'" in messages(feedback_to(played, "plan")[1])
    assert played.last["data"]["outputs"]["values"]["playbook"] == "add-better"


def test_a_record_that_was_refused_or_rejected_is_written_again_and_no_step_is_repeated(project: Playground):
    answers = ["The cause is another"]

    def person(run: str, phase: str) -> None:
        if phase == "close" and answers:
            project.reject(run, phase, answers.pop())
        else:
            project.approve(run, phase)

    for first in (SEEN | {"fingerprint": MARK}, CLOSED):  # refused by a rule, then by the person
        played = play(project, person if first is CLOSED else None, close=[Work(first), Work(CLOSED)])

        assert (started(played).count("plan"), started(played).count(ACT), started(played).count("close")) == (1, 1, 2)
        assert played.last["run_state"] == "completed"
    assert answers == []


@pytest.mark.parametrize(
    ("phase", "wrong"),
    [
        ("classify", VERDICT | {"fingerprint": "wrong_sum"}),
        ("compare", DRIFT | {"deviations": [DRIFT["deviations"][0] | {"verdict": "unknown"}]}),
        ("plan", PLAYBOOK | {"error_class": "another"}),
        ("observe", SEEN | {"service": "till"}),
    ],
)
def test_what_contradicts_the_incident_is_refused(project: Playground, phase: str, wrong: dict[str, Any]):
    played = play(project, **{phase: [Work(wrong), HAPPY[phase][0]]})

    assert (played.last["run_state"], played.codes.count("gate_failed")) == ("completed", 1)
    with project.engine.store.read() as tx:
        assert [each.type for each in tx.events.of_run(RunId(played.run))].count("AttemptFailed") == 1
