"""Steering runs through the API: what an agent may do, and with the PIN what only a person may."""

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.blockers import blocked
from tests.dashboard.browser import PIN, WRONG
from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, PUSH, approved, delivered, operations
from tests.engine.scene import GOOD, Scene, approval, command, phase
from tests.engine.step_scene import steps


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


def test_what_a_decision_would_lead_to_is_asked_before_it(scene: Scene, person: Program, connect: Connect) -> None:
    run = scene.start(phase("plan", auto_proceed=False), phase("build", approval()), phase("ship"))
    fill = {"run": run}
    scene.do(run, "plan", GOOD)
    reader = connect("read")
    assert reader.get("/runs/{run}/promise", fill, way="proceed").data == {
        "leads_to": "If you proceed, the run continues with build."
    }
    assert person.post("/runs/{run}/control", fill, action="proceed", pin=PIN).status == 200
    scene.do(run, "build", GOOD)
    back = reader.get("/runs/{run}/promise", fill, way="reject", phase="build", to="plan").data
    assert back == {"leads_to": "If you send it back, the run goes back to plan."}
    assert reader.get("/runs/{run}/promise", fill, way="resume").data == {}, "that is refused now"


def test_a_retry_of_a_phase_of_steps_says_for_each_first_step_what_is_called_again(
    scene: Scene, person: Program
) -> None:
    stop = {"id": "stop", "builtin": "fail", "params": {"message": "no licence"}}
    name = {"id": "name", "builtin": "set", "params": {"who": "ada"}, "assign": "made"}
    run = scene.start(steps(name, stop))
    scene.work()
    fill, about = {"run": run}, {"way": "retry", "phase": "ci"}
    failed = person.get("/runs/{run}/promise", fill, **about).data
    assert failed == {
        "leads_to": "If you retry, attempt 2 at ci opens.",
        "steps": ["name", "stop"],
        "says": "Kept: name. Called again: stop.",
        "kept": ["name"],
        "called_again": ["stop"],
    }
    assert person.get("/runs/{run}/promise", fill, **about, from_step="name").data["called_again"] == ["name", "stop"]
    assert person.get("/runs/{run}/promise", fill, **about, from_step="nam").code == "bad_argument"
    done = person.post("/runs/{run}/retry_phase", fill, phase="ci", from_step="name", pin=PIN)
    assert done.status == 200


@pytest.mark.requirement("S3-13")
@pytest.mark.parametrize("settled", ["ignored", "resolved"])
def test_a_blocker_is_resolved_or_ignored_at_once_with_the_pin(scene: Scene, person: Program, settled: str) -> None:
    run = blocked(scene)
    fill, lines = {"run": run}, {"phase": "code", "feedback": "it does not matter", "blockers": settled}
    (line,) = person.get("/runs/{run}/form", fill, phase="code").data["blockers"]
    assert line.startswith("blocker failed_checks:code of code (open): The list is read backwards")
    assert person.post("/runs/{run}/retry_phase", fill, **lines).code == "needs_human"
    assert person.post("/runs/{run}/retry_phase", fill, **lines, pin=PIN).status == 200
    assert "blockers" not in person.get("/runs/{run}/form", fill, phase="code").data
    assert [str(each.settled) for each in scene.state(run).blockers] == [settled]


def test_the_last_command_is_undone_and_redone(scene: Scene, person: Program, run: str) -> None:
    scene.do(run, "plan", GOOD)
    assert scene.attempt(run, "plan").status == "completed"

    undone = person.post("/runs/{run}/undo", {"run": run})
    assert undone.status == 200
    assert scene.attempt(run, "plan").status != "completed"
    assert person.post("/runs/{run}/redo", {"run": run}, pin=PIN).status == 200
    assert scene.attempt(run, "plan").status == "completed"


def test_a_whole_delivery_is_undone_with_the_pin_and_after_its_merge_by_a_run_that_reverts_it(
    scene: Scene, person: Program, connect: Connect
) -> None:
    scene.check("test", "raise SystemExit(0)")
    delivered(scene)
    merged = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    pushed = approved(scene, BRANCH, COMMIT, PUSH, files={"app.py": "VALUE = 3\n"})
    scene.work()  # before the first move: from then on the page has a worker too
    undo, fill = "/runs/{run}/undo_delivery", {"run": pushed}
    foreseen = connect("read", "reader").get(undo, fill).body["summary"]
    assert foreseen.startswith("An undo of the delivery would reverse 3 operations: git.push ")
    assert connect("manage").post(undo, fill, pin=PIN).code == "forbidden"
    assert person.post(undo, fill).code == "needs_human"
    assert not any(operation.undone for operation in operations(scene, pushed))
    assert person.post(undo, fill, pin=PIN).status == 200
    assert all(operation.undone for operation in operations(scene, pushed))
    assert person.get(undo, fill).code == "illegal_transition"

    opened = person.post(undo, {"run": merged}, pin=PIN)
    assert (opened.status, opened.body["run"] == merged) == (200, False)
    assert f"was merged into main: run {opened.body['run']} reverts it" in opened.body["summary"]


def test_the_checkpoints_say_what_there_is_to_undo_and_to_redo(scene: Scene, person: Program, run: str) -> None:
    def steps() -> tuple[str, str]:
        listed = person.get("/runs/{run}/checkpoints", {"run": run}).data
        return listed.get("undo", ""), listed.get("redo", "")

    assert steps() == ("", "")
    scene.do(run, "plan", GOOD)
    done, nothing = steps()
    assert (done.startswith("the submission of plan"), nothing) == (True, "")
    assert person.post("/runs/{run}/undo", {"run": run}).status == 200
    begun, undone = steps()
    assert (begun.startswith("the start of plan"), undone) == (True, done)


def test_a_checkpoint_is_taken_and_returned_to(scene: Scene, person: Program, run: str) -> None:
    taken = person.post("/runs/{run}/checkpoint", {"run": run}, note="before").data["checkpoint"]
    scene.do(run, "plan", GOOD)

    back = person.post("/runs/{run}/rollback", {"run": run}, to=taken["checkpoint"])

    assert back.status == 200
    assert scene.attempt(run, "plan").status == "ready"


@pytest.mark.parametrize("kind", ["rollback", "undo", "redo"])
def test_what_was_shown_before_the_run_continued_is_not_done(
    scene: Scene, person: Program, run: str, kind: str
) -> None:
    fill, to = {"run": run}, {"to": "plan"} if kind == "rollback" else {}
    scene.do(run, "plan", GOOD)
    if kind == "redo":
        assert person.post("/runs/{run}/undo", fill).status == 200
    seen = person.get("/runs/{run}/rollback", fill, kind=kind, **to).data["shown"]
    taken = person.post("/runs/{run}/checkpoint", fill, note="meanwhile")
    assert taken.status == 200
    events = len(scene.events(run))

    late = person.post(f"/runs/{{run}}/{kind}", fill, shown=seen, **to)
    assert (late.code, len(scene.events(run))) == ("stale_revision", events)
    assert late.body["error"]["hint"].startswith("Look again")

    now = person.get("/runs/{run}/rollback", fill, kind=kind, **to).data["shown"]
    assert (now > seen, person.post(f"/runs/{{run}}/{kind}", fill, pin=PIN, shown=now, **to).status) == (True, 200)


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


def test_a_refusal_on_the_page_speaks_to_the_person_and_that_of_a_program_of_its_user(
    scene: Scene, person: Program, connect: Connect
) -> None:
    run = scene.start(phase("plan", auto_proceed=False), phase("build"))
    scene.do(run, "plan", GOOD)
    assert person.post("/runs/{run}/control", {"run": run}, action="proceed", pin=PIN).status == 200
    back = {"to": "plan", "files": False}
    of_page, of_program = (
        caller.post("/runs/{run}/rollback", {"run": run}, **back).body["error"] for caller in (person, connect())
    )
    assert of_program["message"].startswith("This reverses the user's decision, made or pending: ")
    assert of_program["hint"].startswith("Ask the user to run in a terminal of their own: wfe-mcp rollback ")
    assert of_page["message"].startswith("This reverses your decision, made or pending: ")
    assert of_page["hint"].startswith("wfe-mcp rollback ")
