"""Template ``compound`` from the first question to the last approval, and what happens when something goes wrong."""

from typing import Any

import pytest

from tests.templates.scene import BROKEN, REPAIRED, SPEC, changed, count, feedback_to, judged, messages, started
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground

GOAL = {"goal": "calc subtracts too"}
ASKED: dict[str, Any] = SPEC | {
    "specialists": [{"id": "api", "topic": "Interface"}, {"id": "testing", "topic": "Testing", "brief": "Which tests?"}]
}
PLAN: dict[str, Any] = {
    "steps": [
        {"id": "S-2", "title": "Document it", "acceptance": ["README names sub()"], "depends_on": ["S-1"]},
        {"id": "S-1", "title": "Write sub()", "acceptance": ["sub(3, 1) is 2"]},
    ]
}


def advice(what: str) -> Work:
    return Work({"decisions": [{"id": "D-1", "title": "?", "decision": what, "rationale": "because"}]})


SCRIPT: Script = {
    "plan": [Work(ASKED)],
    "specialise[api].advise": [advice("name it sub")],
    "specialise[testing].advise": [advice("one test each")],
    "synthesise": [Work(PLAN)],
    "execute[S-1].build": [changed("sub() is there", {"sub.py": "def sub(a, b):\n    return a - b\n"})],
    "execute[S-2].build": [changed("README says so", {"README.md": "# calc\n"})],
    "retro": [judged(passed=True)],
}


@pytest.mark.requirement("S1-27", "S1-J1")
def test_a_goal_is_planned_advised_built_in_order_and_looked_back_on(project: Playground) -> None:
    asked: list[str] = []

    def person(run: str, phase: str) -> None:
        asked.append(phase)
        project.approve(run, phase)

    with project.agent() as agent:
        played = drive(agent.call, project.root, "compound", GOAL, SCRIPT, person=person)

    assert started(played) == [
        "plan",
        "specialise[api].advise",
        "specialise[testing].advise",
        "synthesise",
        "execute[S-1].build",
        "execute[S-2].build",
        "retro",
    ]
    assert asked == ["synthesise", "retro"]
    assert "name it sub" in feedback_to(played, "synthesise")[0]["prompt"]
    assert "sub() is there" in feedback_to(played, "execute[S-2].build")[0]["prompt"]
    builds = feedback_to(played, "execute[S-1].build")[0]["prompt"]
    assert "api D-1 ?: name it sub\ntesting D-1 ?: one test each" in builds, "both specialists called theirs D-1"
    assert "step 2 of 2" in feedback_to(played, "execute[S-2].build")[0]["prompt"]
    assert "README says so" in feedback_to(played, "retro")[0]["prompt"]
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S1-27")
def test_all_specialists_are_asked_at_the_same_time(project: Playground) -> None:
    with project.agent() as agent:
        run = agent.call("start_run", template="compound", inputs=GOAL)["run"]
        agent.call("start_phase", run=run, phase="plan")
        agent.call("submit_artifact", run=run, phase="plan", artifact=ASKED)
        for each in ("api", "testing"):
            assert agent.call("start_phase", run=run, phase=f"specialise[{each}].advise")["state"] == "running"
        assert project.problems(run) == []


def test_a_small_goal_needs_no_specialist_and_a_failing_test_is_fixed(project: Playground) -> None:
    script = {
        **SCRIPT,
        "plan": [Work(SPEC)],
        "execute[S-1].build": [changed("broke it", BROKEN), changed("repaired it", REPAIRED)],
    }
    with project.agent() as agent:
        played = drive(agent.call, project.root, "compound", GOAL, script, person=project.approve)

    assert [phase for phase in started(played) if phase.startswith("specialise")] == []
    assert played.codes.count("gate_failed") == 1
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_a_rejected_plan_is_made_again_with_the_persons_words(project: Playground) -> None:
    answers = iter(["one step is enough"])

    def person(run: str, phase: str) -> None:
        words = next(answers, None)
        project.approve(run, phase) if words is None else project.reject(run, phase, words)

    alone = Work({"steps": [PLAN["steps"][1]]})
    with project.agent() as agent:
        script = {**SCRIPT, "synthesise": [Work(PLAN), alone]}
        played = drive(agent.call, project.root, "compound", GOAL, script, person=person)

    assert "one step is enough" in messages(feedback_to(played, "synthesise")[-1])
    assert "execute[S-2].build" not in started(played)
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_a_look_back_that_finds_something_missing_plans_it_and_keeps_the_advice(project: Playground) -> None:
    rest = Work({"steps": [{"id": "S-3", "title": "The rest", "acceptance": ["sub(3, 1) is 2"]}]})
    script = {
        **SCRIPT,
        "synthesise": [Work({"steps": PLAN["steps"][1:]}), rest],
        "execute[S-3].build": [changed("the rest", {"rest.py": ""})],
        "retro": [judged(passed=False), judged(passed=True)],
    }
    with project.agent() as agent:
        played = drive(agent.call, project.root, "compound", GOAL, script, person=project.approve)

    assert started(played)[-3:] == ["synthesise", "execute[S-3].build", "retro"]
    assert [one["from"] for one in feedback_to(played, "synthesise")[-1]["feedback"]] == ["retro"]
    assert started(played).count("specialise[api].advise") == 1
    assert count(project, played.run, "WentTo") == 1
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []
