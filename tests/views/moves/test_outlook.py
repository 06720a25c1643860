"""What a decision promises is what the engine would do; nothing is written to find it out."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, expr, phase, refused
from tests.engine.step_scene import steps
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.moves.outlook import Way, leads_to
from wfe_mcp.views.reports.envelopes import overview_of

FAIL: dict[str, Any] = {"title": "fail", "body": "-"}
BACK = {"if": "${artifacts.review_note.title == 'fail'}", "goto": "revise", "max": 1}
DONE = {"if": "${artifacts.review_note.title == 'pass'}", "goto": "$complete"}
LOOP = (
    phase("draft"),
    phase("revise", enter="goto_only"),
    phase("review", approval(), next=[DONE, BACK]),
    phase("publish"),
)


def promise(scene: Scene, run: str, way: Way, name: str, to: str = "") -> str:
    before = scene.store.data_version()
    found = leads_to(scene.engine, overview_of(scene.engine, run), way, name, to)
    assert scene.store.data_version() == before, "nothing is written"
    return found


def reviewed(scene: Scene, verdict: str) -> str:
    run = scene.start(*LOOP)
    scene.do(run, "draft")
    scene.do(run, "review", {"title": verdict})
    return run


def test_a_review_that_fails_promises_that_the_run_goes_back(scene: Scene) -> None:
    run = reviewed(scene, "fail")
    assert promise(scene, run, "approve", "review") == "If you approve, the run goes back to revise."
    approvals.ask(scene.engine, HUMAN, run, "review")
    after = approvals.decide(scene.engine, HUMAN, run, "review").state
    assert (after.iteration, str(after.current(after.open_attempts[1].phase).status)) == (2, "ready")


def test_a_phase_that_the_engine_leaves_out_is_not_promised(scene: Scene) -> None:
    run = reviewed(scene, "other")
    assert promise(scene, run, "approve", "review") == "If you approve, the run continues with publish."


def test_a_condition_that_ends_the_run_promises_its_end(scene: Scene) -> None:
    run = reviewed(scene, "pass")
    assert promise(scene, run, "approve", "review") == "If you approve, the run completes; publish is left out."


def test_a_jump_that_is_used_up_promises_that_the_run_stops(scene: Scene) -> None:
    run = reviewed(scene, "fail")
    approvals.ask(scene.engine, HUMAN, run, "review")
    approvals.decide(scene.engine, HUMAN, run, "review")
    scene.do(run, "revise")
    scene.do(run, "review", FAIL)
    assert promise(scene, run, "approve", "review").startswith(
        "If you approve, the run stops: 'review' wants to go back"
    )


def test_a_phase_whose_condition_is_false_is_said_to_be_left_out(scene: Scene) -> None:
    run = scene.start(
        phase("plan", approval()), phase("extra", when="${size(artifacts.plan_note.title) > 99}"), phase("build")
    )
    scene.do(run, "plan")
    assert promise(scene, run, "approve", "plan") == "If you approve, the run continues with build; extra is left out."


def test_a_gate_that_runs_after_the_approval_is_named(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", approval(), command("ok"), approval()))
    scene.do(run, "plan")
    assert (
        promise(scene, run, "approve", "plan") == "If you approve, the gate ok runs next; what follows depends on it."
    )


def test_a_condition_after_the_approval_is_judged_ahead(scene: Scene) -> None:
    run = scene.start(
        phase("plan", approval(), expr("${size(artifacts.plan_note.title) > 99}"), on_fail=[{"do": "wait_human"}])
    )
    scene.do(run, "plan")
    wait = "plan fails, and the run waits until you retry, edit, skip or force-accept it."
    assert promise(scene, run, "approve", "plan") == f"If you approve, {wait}"


def test_a_second_approval_of_the_same_phase_is_promised(scene: Scene) -> None:
    run = scene.start(phase("plan", approval("client"), approval()))
    scene.do(run, "plan")
    assert promise(scene, run, "approve", "plan") == "If you approve, the next gate asks for another approval."


def test_without_automatic_mode_the_run_waits_for_proceed_and_says_what_that_does(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"), auto=False)
    scene.do(run, "plan")
    held = "plan completes, and the run waits for you to proceed."
    assert promise(scene, run, "approve", "plan") == f"If you approve, {held}"
    approvals.ask(scene.engine, HUMAN, run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert promise(scene, run, "proceed", "") == "If you proceed, the run continues with build."
    assert promise(scene, run, "proceed", "plan") == "If you proceed, the run continues with build."


def test_a_rejection_promises_the_next_attempt_until_none_is_left(scene: Scene) -> None:
    on_fail = [{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]
    run = scene.start(phase("plan", approval(), on_fail=on_fail), phase("build"))
    scene.do(run, "plan")
    assert promise(scene, run, "reject", "plan") == "If you send it back, attempt 2 at plan opens with your feedback."
    approvals.reject(scene.engine, HUMAN, run, "plan", "again")
    scene.do(run, "plan")
    waits = "plan fails, and the run waits until you retry, edit, skip or force-accept it."
    assert promise(scene, run, "reject", "plan") == f"If you send it back, {waits}"
    approvals.reject(scene.engine, HUMAN, run, "plan", "no")
    assert promise(scene, run, "skip", "plan") == "If you skip it, the run continues with build."
    assert promise(scene, run, "retry", "plan") == "If you retry, attempt 3 at plan opens."
    assert promise(scene, run, "approve", "plan") == "", "nothing asks for it"


def test_force_accepting_a_refused_draft_is_decided_with_that_draft(scene: Scene) -> None:
    jump = {"if": "${artifacts.plan_note.body == 'back'}", "goto": "ask"}
    run = scene.start(phase("ask"), phase("plan", next=[jump]), phase("build"), limits={"max_invalid": 1})
    scene.do(run, "ask")
    scene.begin(run, "plan")
    assert refused(scene.submit, run, "plan", {"title": "", "body": "back"}).code == "invalid_artifact"
    assert promise(scene, run, "force-accept", "plan") == "If you force-accept it, the run goes back to ask."
    after = control.force_accept(scene.engine, HUMAN, run, "plan", "as it is").state
    assert after.iteration == 2


def test_a_rejection_to_an_earlier_phase_promises_that_phase(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build", approval()), phase("ship"))
    scene.do(run, "plan")
    scene.do(run, "build")
    assert promise(scene, run, "reject", "build", "plan") == "If you send it back, the run goes back to plan."
    assert promise(scene, run, "reject", "build", "ship") == "", "no earlier phase"
    after = approvals.reject(scene.engine, HUMAN, run, "build", "again", to="plan").state
    assert after.iteration == 2 and str(after.current(after.open_attempts[0].phase).phase) == "plan"


def test_a_skipped_phase_that_is_retried_before_its_turn_says_what_it_waits_for(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.begin(run, "plan")
    control.skip(scene.engine, HUMAN, run, "build", "not now")
    assert promise(scene, run, "retry", "build") == "If you retry, build is done again, after plan."
    control.retry(scene.engine, HUMAN, run, "build")
    assert str(scene.attempt(run, "build").status) == "pending"


def test_a_paused_run_says_what_continues_when_it_is_resumed(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    assert promise(scene, run, "resume", "") == "", "it is not paused"
    control.control(scene.engine, AGENT, run, "pause")
    assert promise(scene, run, "resume", "") == "If you resume it, the run continues with plan."
    assert promise(scene, run, "approve", "") == promise(scene, run, "skip", "nothing") == "", "no phase is named"


def test_a_paused_run_says_that_it_stays_paused(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    control.control(scene.engine, AGENT, run, "pause")
    assert promise(scene, run, "approve", "plan") == "If you approve, that is recorded; the run stays stopped."


@pytest.mark.parametrize(
    ("skip", "ways"), [("human", "retry, skip or force-accept"), ("never", "retry or force-accept")]
)
def test_a_rejection_of_steps_promises_only_what_can_be_done_then(scene: Scene, skip: str, ways: str) -> None:
    step = {"id": "say", "builtin": "log", "params": {"message": "hi"}}
    run = scene.start(steps(step, prompt_gates=[approval()], on_fail=[{"do": "wait_human"}], skip=skip))
    promised = promise(scene, run, "reject", "ci")
    assert promised == f"If you send it back, ci fails, and the run waits until you {ways} it."


def test_before_work_an_approval_promises_the_work(scene: Scene) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    assert promise(scene, run, "approve", "plan") == "If you approve, work starts with exactly this prompt."


@pytest.mark.parametrize("count", [0, 2, 5])
def test_the_items_of_a_loop_that_would_open_are_named(scene: Scene, count: int) -> None:
    items = {
        "type": "object",
        "required": ["parts"],
        "properties": {"parts": {"type": "array", "items": {"type": "object"}}},
    }
    plan = phase("plan", approval()) | {"output": {"artifact": "plan_note", "schema": items}}
    loop = {
        "id": "build",
        "kind": "loop",
        "for_each": {"in": "${artifacts.plan_note.parts}", "as": "part", "max_parallel": 9},
        "phases": [phase("code")],
    }
    run = scene.start(plan, loop, phase("end"), limits={"max_parallel": 9})
    scene.do(run, "plan", {"parts": [{"id": f"T-{number}"} for number in range(count)]})
    named = {
        0: "end",
        2: "build[T-0].code and build[T-1].code",
        5: "build[T-0].code, build[T-1].code, build[T-2].code and 2 more",
    }
    assert promise(scene, run, "approve", "plan") == f"If you approve, the run continues with {named[count]}."
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert view.effect == promise(scene, run, "approve", "plan")
    assert view.send_back == promise(scene, run, "reject", "plan")
