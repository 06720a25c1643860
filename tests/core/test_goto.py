"""Jumps to an earlier phase, and an early end of the run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import COMPLETE, FailRule, GateSpec, NextRule


def reviewed(*rules: NextRule, **limits: Any) -> Scene:
    """plan → build → review → ship, and docs beside them; everything up to the review is done."""
    scene = run_of(
        phase("plan"),
        phase("docs"),
        phase("build", "plan"),
        phase("review", "build", next=rules),
        phase("ship", "review"),
        max_parallel=2,
        **limits,
    )
    for path in ("plan", "build", "review"):
        scene.work(path)
    return scene


def test_a_goto_supersedes_the_target_and_everything_downstream_and_leaves_the_others():
    scene = reviewed(NextRule("build", "bad"))
    scene.start("docs", "h2")
    scene.answer("review", "next", value=True)
    assert scene.state.iteration == 2
    assert scene.statuses == {
        "plan": "completed",
        "docs": "running",
        "build": "ready",
        "review": "pending",
        "ship": "pending",
    }
    assert {path: len(tries) for path, tries in scene.state.attempts.items()} == {
        "plan": 1,
        "docs": 1,
        "build": 2,
        "review": 2,
        "ship": 2,
    }
    assert scene.state.attempts[PhasePath("build")][0].status == "superseded"
    assert (scene.attempt("docs").iteration, scene.attempt("ship").iteration) == (1, 2)


def test_the_target_learns_who_sent_it_back_and_why():
    scene = reviewed(NextRule("build", "bad"))
    scene.answer("review", "next", value=True)
    (note,) = scene.attempt("build").feedback
    assert (note.source, note.attempt, note.artifact) == ("review", 1, "a" * 64)
    assert "rule 1" in note.message
    assert scene.attempt("review").feedback == ()


def test_a_submit_to_a_superseded_attempt_is_stale():
    scene = run_of(
        phase("plan", next=(NextRule("plan", "again"),)), phase("docs", "plan"), phase("build", "plan"), max_parallel=2
    )
    scene.work("plan")
    scene.answer("plan", "next", value=False)
    scene.start("build", "h2")
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    late = scene.command(c.Submit, "build", attempt=1, revision=1, sha256="b")
    assert scene.refused(late).code == "stale_revision"
    assert "attempt 2" in scene.refused(late).message


def test_a_phase_that_jumps_where_it_needs_nothing_restarts_too():
    scene = run_of(
        phase("plan"), phase("docs", next=(NextRule("plan", "bad"),)), phase("print", "docs"), max_parallel=2
    )
    scene.work("plan")
    scene.work("docs")
    scene.answer("docs", "next", value=True)
    assert scene.statuses == {"plan": "ready", "docs": "ready", "print": "pending"}
    assert scene.state.iteration == 2


def test_next_is_judged_before_dependants_become_ready():
    scene = reviewed(NextRule("build", "bad"))
    assert scene.attempt("review").status == "completed"
    assert scene.attempt("ship").status == "pending"
    scene.answer("review", "next", value=False)
    assert scene.attempt("ship").status == "ready"


def test_next_is_judged_once():
    scene = reviewed(NextRule("build", "bad"))
    scene.answer("review", "next", value=False)
    refused = scene.refused(scene.command(c.Answer, "review", kind="next", value=True))
    assert refused.code == "illegal_transition"


def test_the_first_matching_next_rule_wins():
    scene = reviewed(NextRule("build", "bad"), NextRule("plan", "worse"), NextRule("review", "odd"))
    scene.answer("review", "next", value=False, rule=0)
    assert (
        scene.refused(scene.command(c.Answer, "review", kind="next", rule=2, value=True)).code == "illegal_transition"
    )
    scene.answer("review", "next", value=True, rule=1)
    assert scene.attempt("plan").status == "ready"


def test_no_matching_next_rule_lets_the_dependants_continue():
    scene = reviewed(NextRule("build", "bad"), NextRule("plan", "worse"))
    scene.answer("review", "next", value=False, rule=0)
    assert scene.attempt("ship").status == "pending"
    scene.answer("review", "next", value=False, rule=1)
    assert scene.attempt("ship").status == "ready"


def test_a_rule_without_a_condition_always_matches():
    scene = reviewed(NextRule("build", "bad"), NextRule("plan"))
    scene.answer("review", "next", value=False)
    assert (scene.state.iteration, scene.attempt("plan").status) == (2, "ready")


def test_a_used_up_max_blocks_the_run_and_is_never_passed_over():
    scene = reviewed(NextRule("build", "bad", 1), NextRule("plan"))
    scene.answer("review", "next", value=True)
    scene.work("build")
    scene.work("review")
    scene.answer("review", "next", value=True)
    assert scene.state.status is RunStatus.BLOCKED
    assert "has done so 1 time, its max" in scene.state.reason
    assert scene.state.iteration == 2


@pytest.mark.requirement("B-07")
def test_used_up_iterations_block_the_run():
    scene = reviewed(NextRule("build"), max_iterations=3)
    for _ in range(2):
        scene.work("build")
        scene.work("review")
    assert (scene.state.status, scene.state.iteration) == (RunStatus.BLOCKED, 3)
    assert "max_iterations" in scene.state.reason


def test_a_person_lets_a_run_that_its_next_rules_blocked_proceed():
    scene = reviewed(NextRule("build", "bad", 0), NextRule("plan", "worse"))
    scene.answer("review", "next", value=True)
    assert scene.state.status is RunStatus.BLOCKED
    scene.give(scene.command(c.Proceed, by=HUMAN))
    assert (scene.state.status, scene.attempt("ship").status) == (RunStatus.RUNNING, "ready")


def test_proceeding_a_blocked_run_passes_over_no_rule_of_another_phase():
    scene = run_of(
        phase("a", auto_proceed=False, next=(NextRule("a", "again"),)),
        phase("b", gates=(GateSpec("expr"),), on_fail=(FailRule("block"),)),
    )
    scene.work("a")
    scene.start("b")
    scene.submit("b")
    scene.judge("b", GateOutcome.FAIL)
    assert scene.state.status is RunStatus.BLOCKED
    scene.give(scene.command(c.Proceed, by=HUMAN))
    assert (scene.attempt("a").held, scene.attempt("a").judged) == (False, False)
    scene.answer("a", "next", value=True)
    assert scene.state.iteration == 2


def test_complete_ends_the_run_open_attempts_are_cancelled_and_the_rest_skipped():
    scene = reviewed(NextRule(COMPLETE, "good"))
    scene.start("docs", "h2")
    scene.answer("review", "next", value=True)
    assert scene.state.status is RunStatus.COMPLETED
    assert scene.statuses == {
        "plan": "completed",
        "docs": "cancelled",
        "build": "completed",
        "review": "completed",
        "ship": "skipped",
    }
    assert scene.attempt("docs").holder is None


def test_what_complete_had_cut_off_restarts_when_a_person_reopens_the_run():
    scene = reviewed(NextRule(COMPLETE, "good"))
    scene.start("docs", "h2")
    scene.answer("review", "next", value=True)
    scene.give(scene.command(c.Retry, "review", HUMAN, feedback="look again"))
    assert scene.state.status is RunStatus.RUNNING
    assert scene.statuses["docs"] == "ready"
    scene.work("docs")
    scene.work("review")
    scene.answer("review", "next", value=False)
    scene.work("ship")
    assert scene.state.status is RunStatus.COMPLETED


def test_a_person_retries_a_completed_phase_in_a_new_iteration():
    scene = run_of(phase("plan"), phase("build", "plan"))
    scene.work("plan")
    scene.work("build")
    assert scene.refused(scene.command(c.Retry, "plan")).code == "needs_human"
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    assert (scene.state.status, scene.state.iteration) == (RunStatus.RUNNING, 2)
    assert scene.statuses == {"plan": "ready", "build": "pending"}
    assert "reopened" in scene.attempt("plan").feedback[0].message


def test_what_a_person_sends_back_ends_as_rejected_and_so_does_the_work_that_they_want_again():
    scene = run_of(phase("plan"), phase("build", "plan"), phase("check", "build", gates=(GateSpec("approval"),)))
    for path in ("plan", "build", "check"):
        scene.work(path)
    scene.give(scene.command(c.Reject, "check", HUMAN, feedback="another plan", to=PhasePath("plan")))
    first = {path: tries[0] for path, tries in scene.state.attempts.items()}
    assert {path: attempt.status for path, attempt in first.items()} == dict.fromkeys(first, "superseded")
    assert {path: (attempt.fail_kind, attempt.reason) for path, attempt in first.items()} == {
        "plan": ("rejected", "another plan"),
        "build": (None, ""),
        "check": ("rejected", "another plan"),
    }


def test_a_target_that_had_been_left_out_is_not_rejected():
    approved = phase("check", "more", gates=(GateSpec("approval"),))
    scene = run_of(phase("plan"), phase("more", "plan", goto_only=True), approved)
    scene.work("plan")
    scene.work("check")
    scene.give(scene.command(c.Reject, "check", HUMAN, feedback="do more", to=PhasePath("more")))
    assert scene.state.attempts[PhasePath("more")][0].fail_kind is None
