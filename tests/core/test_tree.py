"""The lease of the working tree, and what a change of files voids."""

from __future__ import annotations

from typing import Any

from tests.core.conftest import HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import FailRule, GateSpec

COMMAND, APPROVAL = GateSpec("command", binds_tree=True), GateSpec("approval")


def two(*gates: GateSpec) -> Scene:
    """``left`` and ``right`` both read the tree; ``docs`` does not."""
    return run_of(
        phase("left", gates=gates, exclusive=True, on_fail=(FailRule("wait_human"),)),
        phase("right", gates=gates, exclusive=True, on_fail=(FailRule("wait_human"),)),
        phase("docs"),
        max_parallel=3,
    )


def lease(scene: Scene, path: str) -> str:
    return scene.refused(scene.command(c.StartPhase, path, holder="h2")).code


def test_phases_that_read_the_tree_never_share_it_but_others_continue():
    scene = two(COMMAND)
    scene.start("left")
    assert lease(scene, "right") == "leased"
    scene.start("docs", "h2")
    assert scene.attempt("docs").status == "running"


def test_the_tree_is_a_phases_from_claim_to_completion():
    scene = two(COMMAND, APPROVAL)
    scene.start("left")
    scene.submit("left")
    assert lease(scene, "right") == "leased"
    scene.judge("left")
    assert scene.attempt("left").status == "awaiting"
    assert lease(scene, "right") == "leased"
    scene.approve("left")
    scene.start("right", "h2")
    assert scene.attempt("right").status == "running"


def test_the_lock_dies_with_the_lease():
    scene = two(COMMAND, APPROVAL)
    scene.work("left")
    scene.give(scene.command(c.LoseLease, "left"))
    scene.start("right", "h2")
    assert scene.attempt("right").status == "running"


def test_a_failed_phase_holds_no_tree():
    scene = two(COMMAND)
    scene.start("left")
    scene.submit("left")
    scene.judge("left", GateOutcome.FAIL)
    scene.start("right", "h2")
    assert scene.attempt("right").status == "running"


def test_an_edit_does_not_put_gates_on_a_tree_that_another_phase_holds():
    scene = two(COMMAND)
    scene.start("left")
    scene.submit("left")
    scene.judge("left", GateOutcome.FAIL)
    scene.start("right", "h2")
    edit = scene.command(c.Edit, "left", HUMAN, revision=2, sha256="b")
    assert scene.refused(edit).code == "leased"
    scene.submit("right")
    scene.judge("right")
    scene.give(edit)
    assert scene.attempt("left").status == "gating"


def test_a_change_of_files_while_a_person_is_asked_runs_the_gates_again_and_asks_again():
    scene = two(COMMAND, APPROVAL)
    scene.work("left")
    scene.ask("left")
    scene.give(scene.command(c.TreeChange, "left", tree="t2", paths=("a.py",)))
    attempt = scene.attempt("left")
    assert (attempt.status, attempt.gate, attempt.verdicts, attempt.asked, attempt.tree) == (
        "gating",
        0,
        (),
        None,
        "t2",
    )
    scene.judge("left")
    scene.approve("left")
    assert scene.attempt("left").status == "completed"


def test_a_change_of_files_under_gates_begins_them_again():
    scene = two(COMMAND, COMMAND)
    scene.start("left")
    scene.submit("left", tree="t1")
    scene.judge("left")
    scene.give(scene.command(c.TreeChange, "left", tree="t2"))
    assert (scene.attempt("left").gate, scene.attempt("left").tree) == (0, "t2")


def test_a_check_that_changes_files_twice_in_a_row_is_an_error_that_names_them():
    scene = two(COMMAND)
    scene.start("left")
    scene.submit("left")
    change: dict[str, Any] = {"tree": "t2", "paths": ("cache/x", "out.txt"), "by_check": True}
    scene.give(scene.command(c.TreeChange, "left", **change))
    assert scene.attempt("left").status == "gating"
    scene.give(scene.command(c.TreeChange, "left", **change))
    attempt = scene.attempt("left")
    assert (attempt.status, attempt.fail_kind) == ("failed", FailKind.ERROR)
    assert "cache/x, out.txt" in attempt.reason


def test_a_change_by_someone_else_in_between_is_no_fault_of_the_check():
    scene = two(COMMAND)
    scene.start("left")
    scene.submit("left")
    for by_check in (True, False, True):
        scene.give(scene.command(c.TreeChange, "left", tree="t", by_check=by_check))
    assert scene.attempt("left").status == "gating"


def test_files_of_a_later_phase_void_nothing():
    scene = run_of(phase("plan", gates=(COMMAND,)), phase("build", "plan"))
    scene.work("plan")
    assert scene.refused(scene.command(c.TreeChange, "plan", tree="t9")).code == "illegal_transition"
    assert len(scene.attempt("plan").verdicts) == 1
