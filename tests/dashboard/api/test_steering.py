"""Steering runs through the API: what an agent may do, and with the PIN what only a person may."""

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG
from tests.engine.scene import GOOD, Scene, command, phase


@pytest.fixture
def run(scene: Scene) -> str:
    scene.git("init", "-q")
    scene.check("red", "raise SystemExit(1)")
    return scene.start(phase("plan"), phase("build", command("red"), needs=["plan"], on_fail=[{"do": "wait_human"}]))


def fail(scene: Scene, run: str) -> None:
    scene.do(run, "plan", GOOD)
    scene.do(run, "build", GOOD)
    scene.work()


def test_force_accept_needs_the_person(scene: Scene, person: Program, connect: Connect, run: str) -> None:
    fail(scene, run)
    fill, lines = {"run": run}, {"phase": "build", "reason": "known red"}

    assert connect("manage").post("/runs/{run}/force_accept", fill, pin=PIN, **lines).code == "forbidden"
    assert person.post("/runs/{run}/force_accept", fill, **lines).code == "needs_human"
    assert person.post("/runs/{run}/force_accept", fill, pin=WRONG, **lines).code == "wrong_pin"
    done = person.post("/runs/{run}/force_accept", fill, pin=PIN, **lines)

    assert (done.status, done.body["run_state"]) == (200, "completed")
    assert scene.attempt(run, "build").forced or scene.state(run).tainted


def test_a_stop_is_reopened_by_the_person_alone(scene: Scene, person: Program, run: str) -> None:
    fail(scene, run)
    assert person.post("/runs/{run}/control", {"run": run}, action="pause", pin=PIN).status == 200

    assert person.post("/runs/{run}/control", {"run": run}, action="resume").code == "needs_human"
    assert person.post("/runs/{run}/control", {"run": run}, action="resume", pin=PIN).status == 200
    assert person.post("/runs/{run}/skip_phase", {"run": run}, phase="build", reason="later").code == "needs_human"
    assert person.post("/runs/{run}/skip_phase", {"run": run}, phase="build", reason="later", pin=PIN).status == 200


def test_the_last_command_is_undone_and_redone(scene: Scene, person: Program, run: str) -> None:
    scene.do(run, "plan", GOOD)
    assert scene.attempt(run, "plan").status == "completed"

    undone = person.post("/runs/{run}/undo", {"run": run})
    assert undone.status == 200
    assert scene.attempt(run, "plan").status != "completed"
    assert person.post("/runs/{run}/redo", {"run": run}, pin=PIN).status == 200
    assert scene.attempt(run, "plan").status == "completed"


def test_a_checkpoint_is_taken_and_returned_to(scene: Scene, person: Program, run: str) -> None:
    taken = person.post("/runs/{run}/checkpoint", {"run": run}, note="before").data["checkpoint"]
    scene.do(run, "plan", GOOD)

    back = person.post("/runs/{run}/rollback", {"run": run}, to=taken["checkpoint"])

    assert back.status == 200
    assert scene.attempt(run, "plan").status == "ready"


def test_a_fork_begins_at_the_named_event_and_is_compared(scene: Scene, person: Program, run: str) -> None:
    scene.do(run, "plan", GOOD)

    made = person.post("/runs/{run}/fork", {"run": run}, title="again", idempotency_key="k").body
    again = person.post("/runs/{run}/fork", {"run": run}, title="again", idempotency_key="k").body

    assert made["data"]["forked_from"]["run"] == run
    assert made["run"] == again["run"] != run
    compared = person.get("/compare", left=run, right=made["run"])
    assert [each["phase"] for each in compared.data["phases"]] == ["plan", "build"]
    assert person.get("/compare", left=run, right="r-none").code == "unknown_run"
    assert person.post("/runs/{run}/fork", {"run": run}, at="9999").code == "bad_argument"


def test_runs_of_two_projects_are_not_compared(scene: Scene, person: Program, run: str, tmp_path: object) -> None:
    del tmp_path
    folder = scene.root.parent / "second"
    folder.mkdir()
    project = person.post("/projects", folder=str(folder)).data["project"]
    other = person.post(
        "/runs", project=project, template="plan_generate_review", inputs={"goal": "x", "folder": "src"}
    ).body["run"]

    assert person.get("/compare", left=run, right=other).code == "bad_argument"


def test_only_a_person_overrules_reviewers(person: Program, connect: Connect, run: str) -> None:
    answer = {"phase": "build", "reason": "x"}

    assert connect("manage").post("/runs/{run}/overrule", {"run": run}, pin=PIN, **answer).code == "forbidden"
    assert person.post("/runs/{run}/overrule", {"run": run}, pin=PIN, **answer).status == 409, "no opinion gate is open"


def test_a_run_without_models_has_no_tool_calls(person: Program, run: str) -> None:
    assert person.get("/runs/{run}/tool_calls", {"run": run}).data == {"calls": []}


def test_a_failed_phase_is_tried_again(scene: Scene, person: Program, run: str) -> None:
    fail(scene, run)

    assert person.post("/runs/{run}/retry_phase", {"run": run}, phase="build").code == "needs_human"
    assert person.post("/runs/{run}/retry_phase", {"run": run}, phase="build", feedback="again", pin=PIN).status == 200
    assert scene.attempt(run, "build").number == 2
