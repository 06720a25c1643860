"""Jumps from inside a loop, and the phases that they restart."""

from __future__ import annotations

import pytest

from tests.core.conftest import HUMAN, Scene, each, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.graph import downstream, meant_by, outwards, upstream
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath, beside, declared_path, inside, item_of, name_of, seen_from
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule

WAIT = (FailRule("wait_human"),)


def scene_with(*body_rules: NextRule, on_fail: tuple[FailRule, ...] = WAIT, max_iterations: int = 10) -> Scene:
    """plan → build[…] (code → test → note) → ship; items a and b are open, all of a but the note is about to be done."""
    body = (
        phase("code"),
        phase("test", "code", gates=(GateSpec("command"),), next=body_rules, on_fail=on_fail),
        phase("note", "test"),
    )
    scene = run_of(
        phase("plan"),
        *each("build", "plan", body=body, max_parallel=2),
        phase("ship", "build"),
        max_parallel=9,
        max_iterations=max_iterations,
    )
    scene.work("plan")
    scene.items("build", "a", "b")
    scene.work("build[a].code")
    scene.work("build[b].code")
    return scene


def test_a_path_locates_its_phase():
    deep = PhasePath("m[1].tasks[t-2].code")
    assert declared_path(deep) == "m.tasks.code"
    assert (name_of(deep), name_of(PhasePath("plan"))) == ("code", "plan")
    assert item_of(deep) == ("m[1].tasks", "t-2")
    assert item_of(PhasePath("plan")) is None
    assert inside(PhasePath("m[1].tasks"), "t-2", PhasePath("m.tasks.code")) == deep
    assert seen_from(deep, PhasePath("m.note")) == "m[1].note"
    assert seen_from(deep, PhasePath("m.tasks.test")) == "m[1].tasks[t-2].test"
    assert beside(deep, PhasePath("m[1].note")) == "m[1].tasks"
    assert beside(deep, PhasePath("plan")) == "m"
    assert beside(deep, deep) == deep


def test_neighbours_are_those_of_the_same_item():
    spec = scene_with().state.spec
    test = PhasePath("build[a].test")
    assert upstream(spec, test) == {"build[a].code"}
    assert outwards(spec, test) == {"build[a].code", "build", "plan"}
    assert downstream(spec, test) == ("build[a].test", "build[a].note")
    assert downstream(spec, PhasePath("build")) == ("build", "ship")
    assert downstream(spec) == ()
    meant = [meant_by(spec, test, name) for name in ("code", "test", "build", "plan", "build[b].code", "nothing")]
    assert meant == ["build[a].code", "build[a].test", "build", "plan", "build[b].code", "nothing"]


def test_a_jump_to_a_sibling_restarts_in_that_item_only():
    scene = scene_with(NextRule("build.code", "bad", 1))
    scene.work("build[a].test")
    scene.answer("build[a].test", "next", value=True)
    assert scene.state.iteration == 2
    again = scene.attempt("build[a].code")
    assert (again.number, again.iteration, again.status) == (2, 2, "ready")
    assert [note.source for note in again.feedback] == ["build[a].test"]
    assert scene.attempt("build[a].test").status is AttemptStatus.PENDING
    assert scene.attempt("build[b].code").number == 1
    assert scene.attempt("build").number == 1
    assert scene.state.jumps == {"build[a].test/next/0": 1}


def test_the_max_of_a_jump_counts_per_item():
    scene = scene_with(NextRule("build.code", "bad", 1))
    for key in ("a", "b"):
        scene.work(f"build[{key}].test")
        scene.answer(f"build[{key}].test", "next", value=True)
        scene.work(f"build[{key}].code")
    assert scene.state.status is RunStatus.RUNNING
    scene.work("build[a].test")
    scene.answer("build[a].test", "next", value=True)
    assert scene.state.status is RunStatus.BLOCKED


def test_a_jump_outwards_supersedes_the_loop_with_all_its_items():
    scene = scene_with(NextRule("plan", "bad"))
    scene.start("build[b].test", "h2")
    scene.work("build[a].test")
    scene.answer("build[a].test", "next", value=True)
    assert scene.statuses == {"plan": "ready", "build": "pending", "ship": "pending"}
    assert scene.state.loops == {}
    assert scene.attempt("build[a].code").status is AttemptStatus.SUPERSEDED
    late = scene.refused(scene.command(c.Submit, "build[b].test", revision=1, sha256="a"))
    assert late.code == "stale_revision"
    assert "has restarted" in late.message
    scene.work("plan")
    scene.items("build", "b", "c")
    assert scene.attempt("build[b].code").number == 2
    assert scene.attempt("build[c].code").number == 1


def test_a_jump_to_the_loop_itself_restarts_it_and_its_phases_get_the_reason():
    scene = scene_with(NextRule("build", "bad"))
    scene.work("build[a].test")
    scene.answer("build[a].test", "next", value=True)
    assert scene.attempt("plan").number == 1
    scene.items("build", "a")
    assert [note.source for note in scene.attempt("build[a].code").feedback] == ["build[a].test"]


def test_a_later_phase_sends_the_run_back_to_the_loop():
    scene = run_of(*each("build", body=(phase("code"),)), phase("review", "build", next=(NextRule("build", "bad", 1),)))
    scene.items("build", "a")
    scene.work("build[a].code")
    scene.work("review")
    scene.answer("review", "next", value=True)
    assert scene.statuses == {"build": "ready", "review": "pending"}
    scene.items("build", "b")
    (note,) = scene.attempt("build[b].code").feedback
    assert (note.source, note.artifact) == ("review", "a" * 64)


@pytest.mark.parametrize(("target", "anew"), [("build.code", "build[a].code"), ("plan", "plan")])
def test_a_rule_of_on_fail_leads_to_a_sibling_or_outwards(target: str, anew: str):
    scene = scene_with(on_fail=(FailRule("goto", 1, PhasePath(target)), FailRule("wait_human")))
    scene.start("build[a].test")
    scene.submit("build[a].test")
    scene.judge("build[a].test", GateOutcome.FAIL, "red")
    assert (scene.attempt(anew).number, scene.attempt(anew).status) == (2, "ready")


def test_a_person_rejects_back_to_a_sibling_or_outwards_and_nowhere_else():
    body = (phase("code"), phase("test", "code", gates=(GateSpec("approval"),)), phase("note", "test"))
    scene = run_of(phase("plan"), *each("build", "plan", body=body, max_parallel=2), max_parallel=9)
    scene.work("plan")
    scene.items("build", "a", "b")
    for to in ("build[a].code", "build", "plan"):
        if scene.attempt("build").status is AttemptStatus.READY:
            scene.items("build", "a", "b")
        scene.work("build[a].code")
        scene.start("build[a].test")
        scene.submit("build[a].test", revision=scene.attempt("build[a].test").revision + 1)
        for wrong in ("build[b].code", "build[a].note"):
            command = scene.command(c.Reject, "build[a].test", HUMAN, feedback="no", to=PhasePath(wrong))
            assert scene.refused(command).code == "bad_argument"
        scene.give(scene.command(c.Reject, "build[a].test", HUMAN, feedback="no", to=PhasePath(to)))
        assert scene.attempt(to).status is AttemptStatus.READY


def test_a_person_reopens_a_completed_phase_of_an_open_item():
    scene = scene_with()
    scene.work("build[a].test")
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN))
    assert scene.statuses["build[a].code"] == "ready"
    assert scene.statuses["build[a].test"] == "pending"
    assert scene.attempt("build").number == 1


def test_iterations_are_the_whole_runs():
    scene = scene_with(NextRule("build.code", "bad"), max_iterations=1)
    scene.work("build[a].test")
    scene.answer("build[a].test", "next", value=True)
    assert scene.state.status is RunStatus.BLOCKED


def test_a_phase_in_an_item_of_a_loop_that_is_over_is_not_open():
    inner = each("tasks", body=(phase("code", gates=(GateSpec("command"),), on_fail=WAIT), phase("docs")))
    scene = run_of(*each("outer", body=inner, on_item_fail="continue"), max_parallel=9)
    scene.items("outer", "m1", "m2")
    scene.items("outer[m1].tasks", "t1")
    path = "outer[m1].tasks[t1].code"
    scene.start(path)
    scene.submit(path)
    scene.work("outer[m1].tasks[t1].docs")
    scene.judge(path, GateOutcome.FAIL, "red")
    assert scene.state.loops[PhasePath("outer")].failed == ("m1",)
    assert not scene.state.is_open(PhasePath(path))
    refused = scene.refused(scene.command(c.Retry, path, HUMAN))
    assert refused.code == "illegal_transition"
    assert "Retry 'outer[m1].tasks' instead" in refused.hint
    scene.give(scene.command(c.Retry, "outer[m1].tasks", HUMAN))
    assert scene.state.loops[PhasePath("outer")].open == ("m2", "m1")
    scene.items("outer[m1].tasks", "t1")
    assert scene.attempt(path).number == 2


def test_what_a_run_that_ended_early_cut_off_restarts_with_a_reopened_phase():
    scene = run_of(
        *each("build", body=(phase("code"),)),
        phase("enough", "build", next=(NextRule("$complete", "now"),)),
        *each("extra", body=(phase("more"),), items="others"),
        max_parallel=9,
    )
    scene.items("build", "a")
    scene.items("extra", "x")
    scene.work("build[a].code")
    scene.work("enough")
    scene.answer("enough", "next", value=True)
    assert scene.attempt("extra").status is AttemptStatus.CANCELLED
    assert scene.attempt("extra[x].more").status is AttemptStatus.CANCELLED
    inner = scene.refused(scene.command(c.Retry, "extra[x].more", HUMAN))
    assert inner.code == "illegal_transition"
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN))
    assert scene.statuses == {
        "build": "running",
        "build[a].code": "ready",
        "enough": "pending",
        "extra": "ready",
    }
