"""Expired leases, dead holders and timeouts."""

from __future__ import annotations

from datetime import timedelta

from tests.core.conftest import HUMAN, NOW, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import FailRule, GateSpec

EXPR = (GateSpec("expr"),)


def test_a_phase_whose_holder_is_gone_is_ready_for_the_next_one():
    scene = run_of(phase("plan", timeout_s=60))
    scene.give(scene.command(c.StartPhase, "plan", holder="h1", lease_until=NOW + timedelta(seconds=30)))
    assert scene.attempt("plan").lease_until == NOW + timedelta(seconds=30)
    scene.give(scene.command(c.LoseLease, "plan"))
    attempt = scene.attempt("plan")
    assert (attempt.number, attempt.status, attempt.holder, attempt.lease_until) == (1, "ready", None, None)
    assert attempt.deadline is None
    scene.start("plan", "h2")
    assert scene.attempt("plan").holder == "h2"


def test_the_next_holder_keeps_the_tree_and_the_commit_of_the_first_start():
    scene = run_of(phase("plan"))
    scene.give(scene.command(c.StartPhase, "plan", holder="h1", tree="t1", head="c1"))
    scene.give(scene.command(c.LoseLease, "plan"))
    scene.give(scene.command(c.StartPhase, "plan", holder="h2", tree="t2", head="c2"))
    assert (scene.attempt("plan").tree_at_start, scene.attempt("plan").head_at_start) == ("t1", "c1")
    scene.give(scene.command(c.Retry, "plan"))
    assert (scene.attempt("plan").tree_at_start, scene.attempt("plan").head_at_start) == ("t1", "c1")


def test_a_lease_lost_under_gates_leaves_the_judgement_going():
    scene = run_of(phase("plan", gates=EXPR))
    scene.start("plan")
    scene.submit("plan")
    scene.give(scene.command(c.LoseLease, "plan"))
    assert (scene.attempt("plan").status, scene.attempt("plan").holder) == ("gating", None)
    scene.judge("plan", GateOutcome.FAIL)
    assert (scene.attempt("plan").number, scene.attempt("plan").status) == (2, "ready")


def test_a_running_attempt_times_out_at_its_deadline_and_not_before():
    scene = run_of(phase("plan", timeout_s=60, on_fail=(FailRule("wait_human"),)))
    scene.start("plan")
    assert scene.attempt("plan").deadline == NOW + timedelta(seconds=60)
    scene.later(59)
    assert scene.refused(scene.command(c.TimeOut, "plan")).code == "illegal_transition"
    scene.later(1)
    scene.give(scene.command(c.TimeOut, "plan"))
    assert (scene.attempt("plan").status, scene.attempt("plan").fail_kind) == ("failed", FailKind.TIMEOUT)


def test_a_phase_without_a_limit_never_times_out():
    scene = run_of(phase("plan"))
    scene.start("plan")
    scene.later(10**6)
    assert scene.refused(scene.command(c.TimeOut, "plan")).code == "illegal_transition"


def test_a_retry_after_a_time_out_is_ready_for_anyone():
    scene = run_of(phase("plan", timeout_s=60))
    scene.start("plan")
    scene.later(60)
    scene.give(scene.command(c.TimeOut, "plan"))
    assert (scene.attempt("plan").number, scene.attempt("plan").status) == (2, "ready")


def test_a_retry_by_the_same_holder_has_a_deadline_of_its_own():
    scene = run_of(phase("plan", timeout_s=60, gates=EXPR))
    scene.start("plan")
    scene.later(50)
    scene.submit("plan")
    assert scene.attempt("plan").deadline is None
    scene.judge("plan", GateOutcome.FAIL)
    assert scene.attempt("plan").deadline == NOW + timedelta(seconds=110)


def test_the_limit_of_the_run_ends_a_phase_that_would_last_longer():
    scene = run_of(phase("plan", timeout_s=60), phase("docs"), timeout_s=90, max_parallel=2)
    scene.later(40)
    scene.start("plan")
    scene.start("docs", "h2")
    assert scene.attempt("plan").deadline == NOW + timedelta(seconds=90)
    assert scene.attempt("docs").deadline == NOW + timedelta(seconds=90)


def test_time_that_a_user_adds_is_given_to_the_phase_that_the_limit_of_the_run_would_end():
    scene = run_of(phase("plan"), phase("docs", timeout_s=60), timeout_s=90, max_parallel=2)
    scene.start("plan")
    scene.start("docs", "h2")
    scene.give(scene.command(c.Pause, by=HUMAN))
    scene.give(scene.command(c.Resume, by=HUMAN, ends_at=NOW + timedelta(seconds=300)))
    assert scene.attempt("plan").deadline == NOW + timedelta(seconds=300)
    assert scene.attempt("docs").deadline == NOW + timedelta(seconds=60)
