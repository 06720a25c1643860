"""What a person submits through the API: the form of a phase, and an edited artifact."""

from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.browser import PIN, WRONG
from tests.engine.scene import GOOD, NOTE, Scene, approval, command, phase


def form(program: Program, run: str, name: str) -> dict[str, Any]:
    return program.get("/runs/{run}/form", {"run": run}, phase=name).data


def test_the_form_of_a_phase_of_a_person_has_its_schema_and_its_prompt(scene: Scene, program: Program) -> None:
    run = scene.start(phase("choose", kind="human", title="Choose"), phase("build"))

    found = form(program, run, "choose")

    assert (found["how"], found["kind"], found["title"]) == ("submit", "human", "Choose")
    assert found["schema"]["required"] == NOTE["required"]
    assert "Write choose." in found["prompt"]
    assert found["command"] == f"wfe-mcp submit {run} choose --path FILE"
    pending = form(program, run, "build")
    assert (pending["how"], pending["why"]) == ("", "The phase is pending: nothing of it can be submitted now.")


@pytest.mark.attack("a program submits what only a person may", "held", "B-30")
def test_only_the_person_submits_a_phase_of_a_person(scene: Scene, program: Program, person: Program) -> None:
    run = scene.start(phase("choose", kind="human"))
    fill, lines = {"run": run}, {"phase": "choose", "artifact": GOOD}

    assert program.post("/runs/{run}/submit_artifact", fill, **lines).code == "needs_human"
    assert program.post("/runs/{run}/submit_artifact", fill, pin=PIN, **lines).code == "forbidden"
    assert person.post("/runs/{run}/submit_artifact", fill, **lines).code == "needs_human"
    assert person.post("/runs/{run}/submit_artifact", fill, pin=WRONG, **lines).code == "wrong_pin"
    assert person.post("/runs/{run}/submit_artifact", fill, pin=PIN, **lines).body["state"] == "completed"


def test_a_refused_artifact_comes_back_with_its_faults(scene: Scene, person: Program) -> None:
    run = scene.start(phase("choose", kind="human"))
    wrong = {"title": "", "body": "kept"}

    no = person.post("/runs/{run}/submit_artifact", {"run": run}, phase="choose", artifact=wrong, pin=PIN)
    found = form(person, run, "choose")

    assert no.code == "invalid_artifact"
    assert (found["how"], found["of"], found["value"]) == ("submit", "draft 1", wrong)
    assert [each["path"] for each in found["faults"]] == ["/title"]
    assert (
        person.post("/runs/{run}/submit_artifact", {"run": run}, phase="choose", artifact=GOOD, pin=PIN).body["state"]
        == "completed"
    )


def test_a_failed_artifact_is_edited_by_the_person_alone(scene: Scene, program: Program, person: Program) -> None:
    scene.check("red", "raise SystemExit(1)")
    run = scene.start(phase("build", command("red"), on_fail=[{"do": "wait_human"}]))
    scene.do(run, "build", {"title": "first"})
    fill, lines = {"run": run}, {"phase": "build", "artifact": {"title": "second"}, "note": "by hand"}

    found = form(person, run, "build")
    assert (found["how"], found["of"], found["can_force"]) == ("edit", "revision 1", True)
    assert program.post("/runs/{run}/edit_artifact", fill, pin=PIN, **lines).code == "forbidden"
    assert person.post("/runs/{run}/edit_artifact", fill, **lines).code == "needs_human"
    person.post("/runs/{run}/edit_artifact", fill, pin=PIN, **lines)
    bad = person.post("/runs/{run}/edit_artifact", fill, pin=PIN, phase="build", artifact={"titel": 1})

    assert bad.code == "invalid_artifact"
    shown = person.get("/runs/{run}/artifact", fill, phase="build").data
    assert (shown["revision"], shown["content"], shown["note"]) == (2, {"title": "second"}, "by hand")
    assert [each["revision"] for each in shown["revisions"]] == [1, 2]


def test_what_awaits_approval_is_edited_with_the_pin_alone(scene: Scene, person: Program) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan", {"title": "first"})
    fill, lines = {"run": run}, {"phase": "plan", "artifact": {"title": "second"}}

    assert person.post("/runs/{run}/edit_artifact", fill, **lines).code == "needs_human"
    assert scene.attempt(run, "plan").revision == 1
    assert person.post("/runs/{run}/edit_artifact", fill, pin=PIN, **lines).body["state"] == "awaiting"
    assert scene.attempt(run, "plan").revision == 2


def test_a_phase_without_an_artifact_has_no_form(scene: Scene, program: Program) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start({"id": "go", "kind": "steps", "steps": [{"id": "a", "check": "ok"}]})

    found = form(program, run, "go")

    assert (found["how"], bool(found["why"])) == ("", True)
    near = program.get("/runs/{run}/form", {"run": run}, phase="goo")
    assert (near.code, near.body["error"]["hint"]) == ("unknown_phase", "Did you mean 'go'?")


def test_an_artifact_is_shown_as_fields_markdown_json_and_text(scene: Scene, program: Program) -> None:
    run = scene.start(phase("plan"))
    body = "## What changed\n\n- one\n- `two`\n"
    scene.do(run, "plan", {"title": "Plain words", "body": body})

    found = program.get("/runs/{run}/artifact", {"run": run}, phase="plan").data

    kinds = [(each["name"], [part["kind"] for part in each["parts"]]) for each in found["parts"]]
    assert kinds == [("title", ["words"]), ("body", ["document"])]
    assert found["markdown"] == f"# Plain words\n\n## Body\n\n{body.strip()}\n"
    assert found["content"] == {"title": "Plain words", "body": body}
    assert found["json_schema"]["required"] == ["title"]
    assert found["text"].startswith("{")
    assert program.get("/runs/{run}/artifact", {"run": run}, phase="plan", revision=7).code == "unknown_artifact"
    assert program.get("/runs/{run}/artifact", {"run": run}, phase="plam").code == "unknown_phase"


def test_a_phase_of_a_person_waits_in_the_inbox(scene: Scene, program: Program, person: Program) -> None:
    run = scene.start(phase("choose", kind="human", title="Choose a way"), phase("build"))

    (task,) = program.get("/inbox").data["tasks"]
    assert (task["run"], task["phase"], task["title"], task["about"]) == (run, "choose", "Choose a way", "A drill")
    assert task["command"] == f"wfe-mcp submit {run} choose --path FILE"
    person.post("/runs/{run}/submit_artifact", {"run": run}, phase="choose", artifact=GOOD, pin=PIN)

    assert "tasks" not in program.get("/inbox").data
