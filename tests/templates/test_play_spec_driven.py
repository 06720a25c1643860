"""Template ``spec_driven``: three documents, each approved, then code, then the proof."""

import sys
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.scene import BROKEN, CHECKS, FILES, REPAIRED, SPEC, changed, feedback_to, judged, messages, started
from wfe_mcp.engine.history.rollback import rollback
from wfe_mcp.testing.agent import Script, Work, drive, resume
from wfe_mcp.testing.client import Agent
from wfe_mcp.testing.playground import Playground, stand_in
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

INPUTS = {"name": "sub", "goal": "calc subtracts too"}
DESIGN = Work({"front": {"title": "Design"}, "body": "# sub()\n\nsub() subtracts (R-1), add() stays (R-2).\n"})
TASKS: dict[str, Any] = {
    "items": [
        {
            "id": "T-2",
            "title": "Document it",
            "acceptance": ["README names it"],
            "requirements": ["R-2"],
            "depends_on": ["T-1"],
        },
        {"id": "T-1", "title": "Write sub()", "acceptance": ["sub(3, 1) is 2"], "requirements": ["R-1"]},
    ]
}
BENCH = [sys.executable, "-c", "print(open('speed.txt').read())"]
FAST: dict[str, Any] = {
    "title": "calc answers within 100 ms",
    "tests": [{"type": "benchmark", "check": "bench", "regex": "p95: (.+)", "threshold": 100, "comparison": "lte"}],
}
SCRIPT: Script = {
    "requirements": [Work(SPEC)],
    "design": [DESIGN],
    "tasks": [Work(TASKS)],
    "implement[T-1].build": [changed("sub() is there", {"sub.py": "def sub(a, b):\n    return a - b\n"})],
    "implement[T-2].build": [changed("README says so", {"README.md": "# calc\n"})],
    "accept": [judged(passed=True)],
}


def test_nothing_is_built_before_a_person_approved_requirements_design_and_tasks(project: Playground) -> None:
    seen: list[str] = []

    def person(run: str, phase: str) -> None:
        seen.append(phase)
        project.approve(run, phase)

    def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
        answer = agent.call(tool, **arguments)
        if tool == "start_phase" and "[" in answer["phase"]:
            seen.append(answer["phase"])
        return answer

    with project.agent() as agent:
        played = drive(call, project.root, "spec_driven", INPUTS, SCRIPT, person=person)

    assert seen == ["requirements", "design", "tasks", "implement[T-1].build", "implement[T-2].build", "accept"]
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []
    kept = project.root / "specs" / "sub"
    assert sorted(each.name for each in kept.iterdir()) == ["design.md", "requirements.md", "tasks.md"]
    requirements = (kept / "requirements.md").read_text(encoding="utf-8")
    assert requirements.startswith("# calc\n\n## Goal\n\ncalc subtracts too\n\n## Requirements\n\n")
    assert "sub() subtracts" in (kept / "design.md").read_text(encoding="utf-8")
    assert "T-1" in (kept / "tasks.md").read_text(encoding="utf-8")


def test_a_rejected_design_and_a_failing_test_are_fixed(project: Playground) -> None:
    answers = {"design": ["say more"]}

    def person(run: str, phase: str) -> None:
        if answers.get(phase):
            project.reject(run, phase, answers[phase].pop())
        else:
            project.approve(run, phase)

    more = Work({"front": {}, "body": "# sub()\n\nR-1, R-2 and more.\n"})
    script = {
        **SCRIPT,
        "design": [DESIGN, more],
        "implement[T-1].build": [changed("broke it", BROKEN), changed("repaired it", REPAIRED)],
    }
    with project.agent() as agent:
        played = drive(agent.call, project.root, "spec_driven", INPUTS, script, person=person)

    assert "say more" in messages(feedback_to(played, "design")[-1])
    assert "and more" in feedback_to(played, "implement[T-1].build")[0]["prompt"]
    assert played.codes.count("gate_failed") == 1
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_a_design_that_forgets_a_requirement_and_code_that_edits_the_documents_are_refused(
    project: Playground,
) -> None:
    forgets = Work({"front": {}, "body": "Only R-1, and R-22.\n"})
    edits = changed("moved the goal", {"specs/sub/design.md": "Nothing.\n"})
    script = {
        **SCRIPT,
        "design": [forgets, DESIGN],
        "implement[T-2].build": [edits, changed("put it back", {"README.md": "# calc\n"})],
    }

    def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
        if arguments.get("artifact") == {"summary": "put it back"}:
            place.write_bytes(approved[-1])
        return agent.call(tool, **arguments)

    def person(run: str, phase: str) -> None:
        project.approve(run, phase)
        approved.extend([place.read_bytes()] if place.exists() else [])

    place, approved = project.root / "specs" / "sub" / "design.md", list[bytes]()
    with project.agent() as agent:
        played = drive(call, project.root, "spec_driven", INPUTS, script, person=person)

    assert "all(r" in messages(feedback_to(played, "design")[-1])
    assert "specs/sub/design.md" in messages(feedback_to(played, "implement[T-2].build")[-1])
    assert played.codes.count("gate_failed") == 2
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_an_acceptance_without_all_proofs_adds_tasks_and_keeps_the_design(project: Playground) -> None:
    rest = {"items": [{"id": "T-3", "title": "The rest", "acceptance": ["It is there"], "requirements": ["R-1"]}]}
    script = {
        **SCRIPT,
        "tasks": [Work({"items": TASKS["items"][1:]}), Work(rest)],
        "implement[T-3].build": [changed("the rest", {"rest.py": ""})],
        "accept": [judged(passed=False), judged(passed=True)],
    }
    unusual: dict[str, list[str]] = {}

    def person(run: str, phase: str) -> None:
        view = open_approval(project.engine, overview_of(project.engine, run), phase)
        assert view is not None
        unusual[phase] = [each.text for each in view.unusual if each.text.startswith(("An approval", "Gate "))]
        project.approve(run, phase)

    with project.agent() as agent:
        played = drive(agent.call, project.root, "spec_driven", INPUTS, script, person=person)

    (sent_back,) = unusual["tasks"]  # what is asked now is no news, and nothing is once all was decided again
    assert sent_back.startswith("An approval no longer counts: accept, approved by ")
    assert unusual["accept"] == []
    assert started(played)[-3:] == ["tasks", "implement[T-3].build", "accept"]
    (sent,) = feedback_to(played, "tasks")[-1]["feedback"]
    assert (sent["from"], "- not met: R-1: tests/test_calc.py\n" in sent["findings"]) == ("accept", True)
    assert started(played).count("design") == 1
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S4-24")
def test_a_falsified_claim_stops_the_acceptance_until_the_work_makes_it_hold(playgrounds: Playgrounds) -> None:
    slow = changed("it is measured", {"README.md": "# calc\n", "speed.txt": "p95: 300\n"})
    fast = changed("it is fast", {"README.md": "# calc\n", "speed.txt": "p95: 80\n"})
    script = {**SCRIPT, "implement[T-2].build": [slow, fast], "accept": [judged(passed=True)] * 4}
    with playgrounds.made(files=FILES, checks=CHECKS | {"bench": BENCH}) as project, project.agent() as agent:
        assert agent.call("work", action="add", kind="claim", item=FAST)["data"]["status"] == "pending"
        played = drive(agent.call, project.root, "spec_driven", INPUTS, script, person=project.approve)

        assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
        assert played.codes.count("gate_failed") == 3
        assert "300, wanted at most 100" in messages(feedback_to(played, "accept")[-1])
        assert claim(agent) == "falsified"

        rollback(project.engine, stand_in(project.engine), played.run, "implement[T-2].build")
        over = resume(agent.call, project.root, played.run, script, person=project.approve)
        assert over.last["run_state"] == "completed"
        assert claim(agent) == "validated"
        assert project.problems(played.run) == []


@pytest.mark.requirement("S4-24")
def test_a_claim_that_holds_is_shown_to_the_person_who_accepts(playgrounds: Playgrounds) -> None:
    files = {**FILES, "speed.txt": "p95: 80\n"}
    with playgrounds.made(files=files, checks=CHECKS | {"bench": BENCH}) as project, project.agent() as agent:
        agent.call("work", action="add", kind="claim", item=FAST)
        played = drive(agent.call, project.root, "spec_driven", INPUTS, SCRIPT, person=project.approve)
        assert (played.last["run_state"], played.codes) == ("completed", ["needs_human"] * 4)
        assert claim(agent) == "validated"
        assert project.problems(played.run) == []


def claim(agent: Agent) -> str:
    return agent.call("work", action="show", id="W-1")["data"]["status"]
