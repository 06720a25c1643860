"""Template ``spec_driven``: three documents, each approved, then code, then the proof."""

from typing import Any

from tests.templates.scene import BROKEN, MENDED, SPEC, changed, feedback_to, judged, messages, started
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground

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
        "implement[T-1].build": [changed("broke it", BROKEN), changed("mended it", MENDED)],
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
    forgets = Work({"front": {}, "body": "Only R-1.\n"})
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
    with project.agent() as agent:
        played = drive(agent.call, project.root, "spec_driven", INPUTS, script, person=project.approve)

    assert started(played)[-3:] == ["tasks", "implement[T-3].build", "accept"]
    assert [one["from"] for one in feedback_to(played, "tasks")[-1]["feedback"]] == ["accept"]
    assert started(played).count("design") == 1
    assert played.last["run_state"] == "completed"
    assert project.problems(played.run) == []
