"""Failed items of a loop: the loop blocks, continues without them or restarts; a person reopens them."""

from __future__ import annotations

from tests.core.conftest import AGENT, HUMAN, phase
from tests.core.test_loops import CHECKED, WAIT, building, fail, finish
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec


def test_a_failed_gate_of_the_loop_lets_its_rules_apply_and_a_retry_restarts_all_items():
    scene = building("a", gates=(GateSpec("expr"),))
    finish(scene, "a")
    scene.give(scene.command(c.OpenGates, "build", sha256="e" * 64))
    scene.judge("build", GateOutcome.FAIL, "too little")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (2, "ready")
    assert scene.attempt("build[a].code").status is AttemptStatus.SUPERSEDED
    assert PhasePath("build") not in scene.state.loops
    scene.items("build", "a", "b")
    again = scene.attempt("build[a].code")
    assert (again.number, again.before, again.iteration, again.status) == (2, 1, 1, "ready")


def test_feedback_to_a_loop_reaches_the_phases_of_its_items():
    scene = building("a", "b", gates=(GateSpec("expr"),))
    finish(scene, "a")
    finish(scene, "b")
    scene.give(scene.command(c.OpenGates, "build", sha256="e" * 64))
    scene.judge("build", GateOutcome.FAIL, "too little")
    scene.items("build", "a", "b")
    assert [note.message for note in scene.attempt("build[a].code").feedback] == ["too little"]
    assert [note.message for note in scene.attempt("build[a].test").feedback] == ["too little"]


def test_block_keeps_further_items_closed_while_those_at_work_continue():
    scene = building("a", "b", "c", max_parallel=2)
    fail(scene, "build[a].code")
    assert scene.state.status is RunStatus.RUNNING
    finish(scene, "b")
    assert scene.state.loops[PhasePath("build")].open == ("a",)
    assert scene.state.status is RunStatus.WAITING
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN))
    finish(scene, "a")
    assert scene.state.loops[PhasePath("build")].open == ("c",)


def test_only_a_person_undoes_a_stop_inside_a_loop():
    scene = building("a", skip="agent")
    fail(scene, "build[a].code")
    for command in (
        scene.command(c.Retry, "build[a].code", AGENT),
        scene.command(c.Retry, "build", AGENT),
        scene.command(c.Skip, "build", AGENT, reason="no"),
    ):
        assert scene.refused(command).code == "needs_human"


def test_an_agent_may_skip_a_loop_where_the_template_says_so_and_nothing_has_stopped():
    scene = building("a", skip="agent")
    scene.start("build[a].code")
    scene.give(scene.command(c.Skip, "build", AGENT, reason="not needed"))
    assert scene.attempt("build[a].code").status is AttemptStatus.CANCELLED
    assert scene.attempt("build[a].test").status is AttemptStatus.SKIPPED
    assert scene.statuses == {"plan": "completed", "build": "skipped", "ship": "ready"}
    assert scene.refused(scene.command(c.Retry, "build[a].code", HUMAN)).code == "illegal_transition"


def test_continue_leaves_a_failed_item_and_continues():
    scene = building("a", "b", on_item_fail="continue")
    fail(scene, "build[a].code")
    opened = scene.state.loops[PhasePath("build")]
    assert (opened.open, opened.failed) == (("b",), ("a",))
    assert scene.attempt("build[a].code").status is AttemptStatus.FAILED
    assert scene.attempt("build[a].test").status is AttemptStatus.SKIPPED
    finish(scene, "b")
    assert scene.attempt("build").status is AttemptStatus.COMPLETED
    assert scene.state.loops[PhasePath("build")].done == 1
    scene.work("ship")
    assert scene.state.status is RunStatus.COMPLETED
    assert scene.attempt("build[a].code").status is AttemptStatus.FAILED


def test_continue_waits_for_what_else_of_the_item_is_at_work():
    body = (phase("code", gates=CHECKED, on_fail=WAIT), phase("docs"))
    scene = building("a", "b", body=body, on_item_fail="continue")
    fail(scene, "build[a].code")
    assert scene.state.loops[PhasePath("build")].failed == ()
    scene.work("build[a].docs")
    assert scene.state.loops[PhasePath("build")].failed == ("a",)


def test_a_person_reopens_a_failed_item_by_a_retry():
    scene = building("a", "b", on_item_fail="continue")
    fail(scene, "build[a].code")
    for command in (
        scene.command(c.Skip, "build[a].code", HUMAN, reason="no"),
        scene.command(c.Edit, "build[a].code", HUMAN, revision=2, sha256="b"),
        scene.command(c.ForceAccept, "build[a].code", HUMAN, reason="so be it"),
    ):
        refused = scene.refused(command)
        assert refused.code == "illegal_transition"
        assert "Retry" in refused.hint
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN))
    opened = scene.state.loops[PhasePath("build")]
    assert (opened.open, opened.failed) == (("b", "a"), ())
    finish(scene, "a")
    finish(scene, "b")
    assert scene.attempt("ship").status is AttemptStatus.READY


def test_reopening_a_phase_of_a_loop_that_is_over_reopens_the_loop_and_what_needs_it():
    scene = building("a", "b")
    finish(scene, "a")
    finish(scene, "b")
    scene.work("ship")
    assert scene.state.status is RunStatus.COMPLETED
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN, feedback="once more"))
    assert scene.state.iteration == 2
    assert scene.statuses == {
        "plan": "completed",
        "build": "running",
        "build[a].code": "ready",
        "build[a].test": "pending",
        "ship": "pending",
    }
    assert scene.attempt("build").number == 2
    assert [note.message for note in scene.attempt("build[a].code").feedback] == ["once more"]
    assert scene.attempt("build[b].code").number == 1
    finish(scene, "a")
    assert scene.attempt("build").status is AttemptStatus.COMPLETED
    assert scene.attempt("ship").status is AttemptStatus.READY


def test_of_the_open_items_only_as_many_are_worked_as_the_loop_allows():
    scene = building("a", "b", "c", body=(phase("code", gates=CHECKED, on_fail=WAIT),))
    scene.give(scene.command(c.Skip, "build[a].code", HUMAN, reason="later"))
    scene.give(scene.command(c.Skip, "build[b].code", HUMAN, reason="later"))
    scene.start("build[c].code")
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN))
    refused = scene.refused(scene.command(c.StartPhase, "build[a].code", holder="h2"))
    assert (refused.code, refused.hint) == ("not_ready", "Finish 'build[c].code' first.")
    scene.submit("build[c].code")
    scene.judge("build[c].code", GateOutcome.FAIL, "tests fail")
    fail(scene, "build[a].code")
    scene.give(scene.command(c.Retry, "build[c].code", HUMAN))
    scene.start("build[c].code")
