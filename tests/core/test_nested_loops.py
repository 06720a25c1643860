"""Loops in the items of loops."""

from __future__ import annotations

from typing import Any

from tests.core.conftest import HUMAN, Scene, each, loop, phase, run_of
from tests.core.test_loops import CHECKED, WAIT, fail
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.questions import Question, questions


def nested(**more: Any) -> Scene:
    """milestones[…] → tasks[…] → code, then a note per milestone."""
    inner = each("tasks", body=(phase("code", gates=CHECKED, on_fail=WAIT),), **more.pop("inner", {}))
    scene = run_of(*each("milestones", body=(*inner, phase("note", "tasks")), **more), max_parallel=9)
    scene.items("milestones", "m1", "m2")
    scene.items("milestones[m1].tasks", "t1", "t2")
    return scene


def test_loops_nest_in_loops():
    scene = nested()
    assert "milestones[m1].tasks[t1].code" in scene.statuses
    scene.work("milestones[m1].tasks[t1].code")
    scene.work("milestones[m1].tasks[t2].code")
    assert scene.attempt("milestones[m1].tasks").status is AttemptStatus.COMPLETED
    scene.work("milestones[m1].note")
    assert questions(scene.state) == (Question("items", PhasePath("milestones[m2].tasks"), 1, 0, "the items"),)
    scene.items("milestones[m2].tasks")
    scene.work("milestones[m2].note")
    assert scene.state.status is RunStatus.COMPLETED


def test_an_inner_loop_that_blocks_lets_the_item_around_it_fail_once_nothing_is_at_work():
    scene = nested(on_item_fail="continue", inner={"max_parallel": 2})
    fail(scene, "milestones[m1].tasks[t1].code")
    assert scene.state.loops[PhasePath("milestones")].failed == ()
    scene.work("milestones[m1].tasks[t2].code")
    assert scene.state.loops[PhasePath("milestones")].failed == ("m1",)
    assert scene.attempt("milestones[m1].tasks").status is AttemptStatus.FAILED
    assert scene.attempt("milestones[m1].tasks[t1].code").status is AttemptStatus.FAILED
    assert scene.attempt("milestones[m1].note").status is AttemptStatus.SKIPPED
    assert scene.state.loops[PhasePath("milestones[m1].tasks")].open == ()


def test_an_inner_loop_between_two_passes_is_still_at_work_when_its_neighbour_stops():
    polish = loop("polish", body=(phase("draft"),), until="good enough", until_max=3)
    note = phase("note", gates=CHECKED, on_fail=WAIT)
    scene = run_of(*each("build", body=(*polish, note), on_item_fail="continue"), max_parallel=9)
    scene.items("build", "m1")
    scene.work("build[m1].polish[1].draft")
    fail(scene, "build[m1].note")
    assert scene.state.loops[PhasePath("build")].failed == (), "its condition has no answer yet"
    scene.answer("build[m1].polish", "until", value=True)
    assert scene.state.loops[PhasePath("build")].failed == ("m1",)


def test_an_inner_loop_that_continues_is_no_stop_for_the_one_around_it():
    scene = nested(inner={"on_item_fail": "continue"}, on_item_fail="continue")
    fail(scene, "milestones[m1].tasks[t1].code")
    fail(scene, "milestones[m1].tasks[t2].code")
    assert scene.state.loops[PhasePath("milestones[m1].tasks")].failed == ("t1", "t2")
    assert scene.attempt("milestones[m1].note").status is AttemptStatus.READY


def test_reopening_a_phase_deep_inside_reopens_every_item_around_it():
    scene = nested()
    for path in ("tasks[t1].code", "tasks[t2].code", "note"):
        scene.work(f"milestones[m1].{path}")
    scene.items("milestones[m2].tasks")
    scene.work("milestones[m2].note")
    scene.give(scene.command(c.Retry, "milestones[m1].tasks[t2].code", HUMAN))
    assert scene.statuses == {
        "milestones": "running",
        "milestones[m1].tasks": "running",
        "milestones[m1].tasks[t2].code": "ready",
        "milestones[m1].note": "pending",
    }


def test_a_path_with_an_item_is_quoted_for_a_shell_and_another_is_not():
    assert shell_path("milestones[m1].note") == "'milestones[m1].note'"
    assert shell_path("plan") == "plan"
