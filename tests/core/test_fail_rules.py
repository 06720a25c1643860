"""The on_fail rules, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import reduce
from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, NOW, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.decide import decide
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Feedback, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule

EXPR = (GateSpec("expr"),)


def fail(scene: Scene, path: str, message: str = "no", *, alive: bool = True) -> None:
    """One more submission, which the first gate refuses."""
    if scene.attempt(path).status == "ready":
        scene.start(path)
    scene.submit(path, revision=scene.attempt(path).number)
    scene.judge(path, GateOutcome.FAIL, message, alive=alive)


def at_build(*rules: FailRule, **limits: Any) -> Scene:
    """A run whose plan is done; ``build`` has one gate and these rules."""
    scene = run_of(phase("plan"), phase("build", "plan", gates=EXPR, on_fail=rules), **limits)
    scene.work("plan")
    return scene


def test_retry_opens_the_next_attempt_for_the_same_live_holder_with_feedback():
    scene = at_build(FailRule("retry", 2), FailRule("wait_human"))
    fail(scene, "build", "tests are red")
    attempt = scene.attempt("build")
    assert (attempt.number, attempt.status, attempt.holder) == (2, "running", "h1")
    assert attempt.feedback == (Feedback(PhasePath("build"), 1, "tests are red", "a" * 64),)


def test_retry_opens_the_next_attempt_for_anyone_when_the_holder_is_gone():
    scene = at_build(FailRule("retry", 2))
    fail(scene, "build", alive=False)
    assert (scene.attempt("build").number, scene.attempt("build").status, scene.attempt("build").holder) == (
        2,
        "ready",
        None,
    )


def test_retry_counts_total_attempts_of_this_iteration():
    scene = at_build(FailRule("retry", 2), FailRule("wait_human"))
    fail(scene, "build")
    fail(scene, "build")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (2, "failed")


def test_retry_counts_restart_in_the_next_iteration():
    scene = at_build(FailRule("retry", 2), FailRule("goto", 1, PhasePath("plan")), FailRule("wait_human"))
    fail(scene, "build")
    fail(scene, "build")
    assert scene.state.iteration == 2
    scene.work("plan")
    fail(scene, "build")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (4, "running")


def test_the_newest_five_pieces_of_feedback_are_kept():
    scene = at_build(FailRule("retry", 10))
    for number in range(1, 8):
        fail(scene, "build", f"no {number}")
    assert [note.message for note in scene.attempt("build").feedback] == [f"no {number}" for number in range(3, 8)]


def test_a_retry_keeps_the_tree_of_the_first_start():
    scene = run_of(phase("build", gates=EXPR))
    scene.start("build", tree="t1")
    scene.submit("build", tree="t2")
    scene.judge("build", GateOutcome.FAIL)
    assert scene.attempt("build").tree_at_start == "t1"


def test_a_completed_phase_that_is_retried_keeps_the_tree_of_its_start_unless_other_work_began_since():
    scene = run_of(phase("build"), phase("docs", "build"))
    scene.start("build", tree="t1")
    scene.submit("build", tree="t2")
    last = replace(scene, log=[*scene.log], entries=[*scene.entries])
    last.give(last.command(c.Retry, "build", HUMAN))
    assert last.attempt("build").tree_at_start == "t1"
    scene.later(1)
    scene.start("docs", tree="t2")
    scene.give(scene.command(c.Retry, "build", HUMAN))
    assert scene.attempt("build").tree_at_start is None


def test_wait_human_leaves_the_phase_failed_and_the_run_waiting_for_a_person():
    scene = at_build(FailRule("wait_human"))
    fail(scene, "build")
    assert (scene.attempt("build").status, scene.state.status) == ("failed", RunStatus.WAITING)
    for command in (
        scene.command(c.Retry, "build", AGENT),
        scene.command(c.Edit, "build", AGENT, revision=2, sha256="b"),
        scene.command(c.Skip, "build", AGENT, reason="hard"),
        scene.command(c.ForceAccept, "build", AGENT, reason="hard"),
    ):
        assert scene.refused(command).code == "needs_human"


def test_when_no_rule_applies_a_person_is_waited_for():
    scene = at_build(FailRule("retry", 1))
    fail(scene, "build")
    assert (scene.attempt("build").status, scene.state.status) == ("failed", RunStatus.WAITING)


def test_the_first_applicable_rule_decides():
    scene = at_build(FailRule("retry", 1), FailRule("goto", 1, PhasePath("plan")), FailRule("block"))
    fail(scene, "build")
    assert scene.state.iteration == 2
    scene.work("plan")
    fail(scene, "build")
    assert scene.state.status is RunStatus.BLOCKED


def test_goto_hands_the_target_the_reason_and_the_artifact():
    scene = at_build(FailRule("goto", 1, PhasePath("plan")))
    fail(scene, "build", "the plan forgets Windows")
    assert scene.statuses == {"plan": "ready", "build": "pending"}
    assert scene.attempt("plan").feedback == (Feedback(PhasePath("build"), 1, "the plan forgets Windows", "a" * 64),)


@pytest.mark.requirement("B-07")
def test_goto_gives_way_to_the_next_rule_when_the_iterations_are_used_up():
    scene = at_build(FailRule("goto", 9, PhasePath("plan")), FailRule("fail"), max_iterations=2)
    fail(scene, "build")
    scene.work("plan")
    fail(scene, "build", "still no")
    assert scene.state.status is RunStatus.FAILED
    assert "still no" in scene.state.reason


def test_block_stops_the_run_until_a_person_reopens_it():
    scene = at_build(FailRule("block"))
    fail(scene, "build", "red")
    assert scene.state.status is RunStatus.BLOCKED
    assert scene.state.reason == "'build' failed: red"
    assert scene.refused(scene.command(c.Retry, "build", AGENT)).code == "needs_human"
    scene.give(scene.command(c.Retry, "build", HUMAN))
    assert (scene.state.status, scene.attempt("build").status) == (RunStatus.RUNNING, "ready")


def test_fail_ends_the_run_until_a_person_reopens_it():
    scene = at_build(FailRule("fail"))
    fail(scene, "build")
    assert scene.state.status is RunStatus.FAILED
    assert scene.refused(scene.command(c.Submit, "build", revision=2, sha256="b")).code == "illegal_transition"
    scene.give(scene.command(c.Skip, "build", HUMAN, reason="not needed"))
    assert scene.state.status is RunStatus.COMPLETED


def test_pause_stops_the_run_and_only_a_person_resumes_it():
    scene = at_build(FailRule("pause"))
    fail(scene, "build")
    assert scene.state.status is RunStatus.PAUSED
    assert scene.refused(scene.command(c.Resume, by=AGENT)).code == "needs_human"
    scene.give(scene.command(c.Resume, by=HUMAN))
    assert (scene.state.status, scene.attempt("build").status) == (RunStatus.WAITING, "failed")


def test_backoff_opens_the_next_attempt_later_and_twice_as_late_each_time():
    scene = at_build(FailRule("backoff", 4, initial_s=10, max_s=25))
    waits: list[float] = []
    for _ in range(3):
        fail(scene, "build")
        wake_at = scene.attempt("build").not_before
        assert wake_at is not None
        waits.append((wake_at - scene.at).total_seconds())
        assert (scene.attempt("build").status, scene.state.status) == ("pending", RunStatus.RUNNING)
        scene.later(waits[-1])
        scene.give(scene.command(c.Wake, "build"))
        assert (scene.attempt("build").status, scene.attempt("build").not_before) == ("ready", None)
    assert waits == [10, 20, 25]
    fail(scene, "build")
    assert scene.attempt("build").status == "failed"


def test_a_rule_that_waits_continues_after_more_than_a_thousand_attempts():
    rule = FailRule("backoff", 2_000, initial_s=10.0, max_s=60.0)
    state = run_of(phase("build", timeout_s=30, on_fail=(rule,))).state
    build, minute = PhasePath("build"), timedelta(minutes=1)
    for number in range(1_030):
        at = NOW + timedelta(minutes=3 * number)
        start = c.StartPhase(phase=build, holder="h", at=at)
        commands = (start, c.TimeOut(phase=build, at=at + minute), c.Wake(phase=build, at=at + 2 * minute))
        for command in commands:
            state = reduce(evolve, decide(state, command), state)
    assert (state.current(build).number, state.current(build).status) == (1_031, "ready")


def test_no_one_wakes_a_phase_before_its_time():
    scene = at_build(FailRule("backoff", 2, initial_s=10))
    fail(scene, "build")
    scene.later(9)
    assert scene.refused(scene.command(c.Wake, "build")).code == "illegal_transition"
    assert scene.attempt("build").not_before == NOW + timedelta(seconds=10)


def test_a_woken_phase_passes_its_prompt_gates_again():
    scene = run_of(phase("build", gates_before=EXPR, on_fail=(FailRule("backoff", 2),)))
    scene.give(scene.command(c.OpenGates, "build", sha256="p"))
    scene.judge("build", GateOutcome.FAIL)
    scene.later(2)
    assert scene.give(scene.command(c.Wake, "build")) == ["GatesOpened"]
    assert (scene.attempt("build").status, scene.attempt("build").sha256) == ("gating", None)


def test_an_unanswerable_condition_fails_the_attempt_and_never_counts_as_true():
    scene = run_of(phase("plan", when="inputs.x.y", on_fail=(FailRule("retry", 2), FailRule("wait_human"))))
    scene.answer("plan", "when", error="no such key: x")
    attempt = scene.attempt("plan")
    assert (attempt.number, attempt.status, attempt.when) == (2, "pending", None)
    assert "no such key: x" in attempt.feedback[0].message
    scene.answer("plan", "when", error="no such key: x")
    assert (scene.attempt("plan").status, scene.attempt("plan").fail_kind) == ("failed", FailKind.ERROR)
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    scene.answer("plan", "when", value=True)
    assert scene.attempt("plan").status == "ready"


def test_a_backed_off_phase_is_not_woken_past_an_unanswered_condition():
    scene = run_of(phase("plan", when="inputs.x.y", on_fail=(FailRule("backoff", 3),)))
    scene.answer("plan", "when", error="no such key: x")
    scene.later(60)
    assert "'when'" in scene.refused(scene.command(c.Wake, "plan")).message
    scene.answer("plan", "when", value=True)
    assert scene.attempt("plan").status == "pending"
    scene.give(scene.command(c.Wake, "plan"))
    assert scene.attempt("plan").status == "ready"


def test_a_true_condition_is_not_asked_again_on_a_retry():
    scene = run_of(phase("plan", when="inputs.plan", gates=EXPR))
    scene.answer("plan", "when", value=True)
    fail(scene, "plan")
    assert (scene.attempt("plan").number, scene.attempt("plan").status) == (2, "running")


@pytest.mark.requirement("B-07")
def test_invalid_artifacts_are_counted_and_the_last_allowed_one_fails_the_attempt():
    scene = run_of(phase("plan"), max_invalid=3)
    scene.start("plan")
    for _ in range(2):
        assert scene.give(scene.command(c.RefuseSubmission, "plan", reason="no steps")) == ["SubmissionRefused"]
    assert (scene.attempt("plan").status, scene.attempt("plan").invalid) == ("running", 2)
    scene.give(scene.command(c.RefuseSubmission, "plan", reason="no steps"))
    attempt = scene.attempt("plan")
    assert (attempt.status, attempt.fail_kind, attempt.number) == ("failed", FailKind.INVALID, 1)
    assert scene.state.status is RunStatus.WAITING
    legal = {
        type(move).__name__
        for move in (
            scene.command(c.Edit, "plan", HUMAN, revision=1, sha256="b"),
            scene.command(c.ForceAccept, "plan", HUMAN, reason="good enough", revision=1, sha256="b"),
            scene.command(c.Retry, "plan", HUMAN),
            scene.command(c.Skip, "plan", HUMAN, reason="not needed"),
        )
        if not is_refused(scene, move)
    }
    assert legal == {"Edit", "ForceAccept", "Retry", "Skip"}


def is_refused(scene: Scene, command: c.Command) -> bool:
    return refusal(scene.state, command) is not None


def test_a_next_condition_that_cannot_be_evaluated_blocks_the_run():
    scene = run_of(phase("plan", next=(NextRule("plan", "artifacts.x"),)))
    scene.work("plan")
    scene.answer("plan", "next", error="no such name: x")
    assert scene.state.status is RunStatus.BLOCKED
    assert "no such name: x" in scene.state.reason


@pytest.mark.requirement("S0-35")
def test_a_rule_of_one_stage_counts_what_failed_at_that_stage_alone():
    before = (GateSpec("approval"),)
    rules = (FailRule("retry", 2, stage="before"), FailRule("retry", 3, stage="after"), FailRule("wait_human"))
    scene = run_of(phase("build", gates_before=before, gates=EXPR, on_fail=rules))

    path, sha256 = PhasePath("build"), "b" * 64

    def prompt_judged(feedback: str = "") -> None:
        scene.give(c.OpenGates(phase=path, sha256=sha256, by=AGENT, at=NOW))
        scene.give(c.AskApproval(phase=path, request="r", by=AGENT, at=NOW))
        if feedback:
            scene.give(c.Reject(phase=path, feedback=feedback, by=HUMAN, at=NOW))
        else:
            scene.give(c.Approve(phase=path, sha256=sha256, by=HUMAN, at=NOW))

    prompt_judged("no")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (2, "gating")
    for number in (2, 3):
        prompt_judged()
        fail(scene, "build")
        assert (scene.attempt("build").number, scene.attempt("build").status) == (number + 1, "gating")
    prompt_judged("no")
    assert (scene.attempt("build").number, scene.attempt("build").human_only) == (4, True)
