"""Template ``plan_generate_review``: a plan, whole files, a verdict, and back as long as it is a fail."""

from typing import Any

import pytest

from tests.templates.scene import count, feedback_to, messages, started
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground

INPUTS = {"goal": "sub() in a package of its own", "folder": "more"}
PLAN: dict[str, Any] = {
    "steps": [{"id": "S-1", "title": "sub()", "acceptance": ["sub(3, 1) is 2"], "files": ["sub.py"]}],
    "files": ["sub.py", "lib/tools.py"],
}
PASS = Work({"verdict": "pass", "summary": "as planned", "findings": []})
FAIL = Work({"verdict": "fail", "findings": [{"severity": "high", "title": "sub() adds", "file": "sub.py"}]})


def bundle(sub: str, **more: str) -> Work:
    """sub.py, and what else is named: ``a__b`` is a/b.py."""
    named = {"sub": sub, **more}
    return Work({"files": [{"path": name.replace("__", "/") + ".py", "content": text} for name, text in named.items()]})


WRONG = bundle("def sub(a, b):\n    return a + b\n", lib__tools="")
RIGHT = bundle("def sub(a, b):\n    return a - b\n", lib__tools="")
SCRIPT: Script = {"plan": [Work(PLAN)], "generate": [RIGHT], "review": [PASS]}


@pytest.mark.requirement("S0-05", "S0-20")
def test_each_stage_waits_for_a_person_and_the_files_come_after_the_go_ahead(project: Playground) -> None:
    asked: list[tuple[str, bool]] = []

    def person(run: str, phase: str) -> None:
        asked.append((phase, (project.root / "more").exists()))
        project.approve(run, phase)

    with project.agent() as agent:
        played = drive(agent.call, project.root, "plan_generate_review", INPUTS, SCRIPT, person=person)

    assert asked == [("plan", False), ("generate", False), ("review", True)]
    assert (project.root / "more" / "sub.py").read_text(encoding="utf-8").endswith("a - b\n")
    assert (project.root / "more" / "lib" / "tools.py").exists()
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S0-06")
def test_a_review_that_fails_brings_its_findings_back_and_asks_for_the_go_ahead_again(project: Playground) -> None:
    asked: list[str] = []

    def person(run: str, phase: str) -> None:
        asked.append(phase)
        project.approve(run, phase)

    script = {**SCRIPT, "generate": [WRONG], "revise": [RIGHT] * 2, "review": [FAIL, PASS]}
    with project.agent() as agent:
        played = drive(agent.call, project.root, "plan_generate_review", INPUTS, script, person=person)

    assert asked == ["plan", "generate", "review", "revise", "review"]
    again = feedback_to(played, "revise")[-1]
    assert (again["iteration"], [one["from"] for one in again["feedback"]]) == (2, ["review"])
    assert count(project, played.run, "WentTo") == 1
    assert (project.root / "more" / "sub.py").read_text(encoding="utf-8").endswith("a - b\n")
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_a_rejected_plan_a_missing_file_and_a_failing_test_are_fixed(project: Playground) -> None:
    answers = ["one file more, please"]

    def person(run: str, phase: str) -> None:
        if answers:
            project.reject(run, phase, answers.pop())
        else:
            project.approve(run, phase)

    failing = "import unittest\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        self.fail()\n"
    script: Script = {
        "plan": [Work(PLAN), Work({**PLAN, "files": ["sub.py", "test_sub.py"]})],
        "generate": [
            RIGHT,
            bundle("", test_sub=failing),
            bundle("", test_sub=failing.replace("self.fail()", "pass")),
        ],
        "review": [PASS],
    }
    inputs = {**INPUTS, "folder": "tests"}
    with project.agent() as agent:
        played = drive(agent.call, project.root, "plan_generate_review", inputs, script, person=person)

    assert "one file more, please" in messages(feedback_to(played, "plan")[-1])
    assert played.codes.count("gate_failed") == 2
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_what_only_a_refused_bundle_wrote_goes_with_the_next_one_and_what_others_wrote_stays(
    project: Playground,
) -> None:
    """The agent put the folder into the paths; it overwrote a file that was there, and someone has changed another since."""
    project.write({"more/old.py": "was = 1\n"})
    project.git("add", "more")
    project.git("commit", "-q", "-m", "old")
    misplaced = bundle("", more__sub="", old="now = 2\n", lib__mine="")
    script = {**SCRIPT, "generate": [misplaced, RIGHT]}

    def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
        answer = agent.call(tool, **arguments)
        if not answer["ok"] and answer["error"]["code"] == "gate_failed":
            written = sorted(str(each.relative_to(project.root)) for each in (project.root / "more").rglob("*.py"))
            assert written == ["more/lib/mine.py", "more/more/sub.py", "more/old.py", "more/sub.py"]
            project.write({"more/lib/mine.py": "a person's\n"})
        return answer

    with project.agent() as agent:
        played = drive(call, project.root, "plan_generate_review", INPUTS, script, person=project.approve)

    assert played.codes.count("gate_failed") == 1
    left = sorted(each.relative_to(project.root).as_posix() for each in (project.root / "more").rglob("*"))
    assert left == ["more/lib", "more/lib/mine.py", "more/lib/tools.py", "more/old.py", "more/sub.py"]
    assert (project.root / "more" / "old.py").read_text(encoding="utf-8") == "now = 2\n"
    assert project.problems(played.run) == []


def test_a_verdict_that_its_findings_contradict_is_refused(project: Playground) -> None:
    blind = Work({**FAIL.artifact, "verdict": "pass"})
    script = {**SCRIPT, "review": [blind, Work({"verdict": "fail", "findings": []}), PASS]}
    with project.agent() as agent:
        played = drive(agent.call, project.root, "plan_generate_review", INPUTS, script, person=project.approve)

    assert played.codes.count("gate_failed") == 2
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []


def test_an_agent_cannot_give_itself_the_go_ahead(project: Playground) -> None:
    with project.agent() as agent:
        played = drive(agent.call, project.root, "plan_generate_review", INPUTS, SCRIPT)
        project.approve(played.run, "plan")
        assert agent.call("start_phase", run=played.run, phase="generate")["error"]["code"] == "illegal_transition"
        assert agent.call("approve", run=played.run, phase="generate")["error"]["code"] == "needs_human"
        assert not (project.root / "more").exists()
        assert started(played) == ["plan"]
        assert project.problems(played.run) == []
