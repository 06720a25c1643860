"""When a phase may start, and for which holder."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.core.conftest import AGENT, HUMAN, NOW, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec, RunSpec


def test_a_new_run_opens_the_phases_that_need_nothing():
    scene = run_of(phase("plan"), phase("docs"), phase("build", "plan"))
    assert scene.statuses == {"plan": "ready", "docs": "ready", "build": "pending"}
    assert scene.state.status is RunStatus.RUNNING
    assert scene.state.started_at == NOW


def test_a_template_without_phases_completes_at_once():
    assert run_of().state.status is RunStatus.COMPLETED


def test_a_run_starts_only_once():
    scene = run_of(phase("plan"))
    assert scene.refused(c.StartRun(spec=RunSpec(()), at=NOW)).code == "illegal_transition"


def test_a_phase_opens_when_all_it_needs_is_settled():
    scene = run_of(phase("left"), phase("right"), phase("join", "left", "right"), max_parallel=2)
    scene.work("left")
    refused = scene.refused(scene.command(c.StartPhase, "join", holder="h"))
    assert refused.code == "not_ready"
    assert "'right' (ready)" in refused.message
    assert "'left'" not in refused.message
    scene.work("right")
    assert scene.attempt("join").status == "ready"


@pytest.mark.requirement("S1-13")
def test_parallel_phases_run_side_by_side_up_to_max_parallel():
    scene = run_of(phase("a"), phase("b"), phase("c"), max_parallel=2)
    scene.start("a", "h1")
    scene.start("b", "h2")
    refused = scene.refused(scene.command(c.StartPhase, "c", holder="h3"))
    assert refused.code == "not_ready"
    assert "2 phases are open" in refused.message
    scene.submit("a")
    scene.start("c", "h3")
    assert scene.statuses == {"a": "completed", "b": "running", "c": "running"}


def test_a_phase_under_gates_takes_a_place_but_one_that_awaits_a_person_does_not():
    scene = run_of(phase("a", gates=(GateSpec("expr"), GateSpec("approval"))), phase("b"))
    scene.start("a")
    scene.submit("a")
    assert scene.refused(scene.command(c.StartPhase, "b", holder="h2")).code == "not_ready"
    scene.judge("a")
    assert scene.attempt("a").status == "awaiting"
    scene.start("b", "h2")
    assert scene.attempt("b").status == "running"


def test_a_rejected_phase_takes_no_place_that_another_has_taken_meanwhile():
    scene = run_of(phase("a", gates=(GateSpec("approval"),)), phase("b"))
    scene.work("a")
    scene.start("b", "h2")
    scene.give(scene.command(c.Reject, "a", HUMAN, feedback="thinner"))
    assert scene.statuses == {"a": "ready", "b": "running"}


def test_starting_again_as_the_holder_changes_nothing():
    scene = run_of(phase("plan"))
    scene.start("plan", "h1")
    assert scene.start("plan", "h1") == []


def test_a_phase_that_another_holds_is_leased():
    scene = run_of(phase("plan"))
    scene.start("plan", "h1")
    refused = scene.refused(scene.command(c.StartPhase, "plan", holder="h2"))
    assert refused.code == "leased"
    assert "h1" in refused.message


def test_a_phase_that_waits_for_its_next_try_names_the_time():
    scene = run_of(phase("plan", gates=(GateSpec("expr"),), on_fail=(FailRule("backoff", 2),)))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    refused = scene.refused(scene.command(c.StartPhase, "plan", holder="h"))
    assert refused.code == "not_ready"
    assert (NOW + timedelta(seconds=2)).isoformat() in refused.message


def test_a_phase_whose_condition_is_not_answered_yet_names_it():
    scene = run_of(phase("plan", when="inputs.plan"))
    assert "its condition" in scene.refused(scene.command(c.StartPhase, "plan", holder="h")).message


def test_a_false_condition_skips_the_phase_and_its_dependants_continue():
    scene = run_of(phase("plan", when="inputs.plan"), phase("build", "plan"))
    scene.answer("plan", "when", value=False)
    assert scene.statuses == {"plan": "skipped", "build": "ready"}


def test_a_true_condition_opens_the_phase():
    scene = run_of(phase("plan", when="inputs.plan"))
    scene.answer("plan", "when", value=True)
    assert scene.attempt("plan").status == "ready"


def test_a_persons_own_phase_is_started_and_supplied_by_a_person_only():
    scene = run_of(phase("sign", kind="human"))
    assert scene.refused(scene.command(c.StartPhase, "sign", AGENT, holder="h")).code == "needs_human"
    scene.start("sign", "cli", HUMAN)
    assert scene.state.status is RunStatus.WAITING
    assert scene.refused(scene.command(c.Submit, "sign", AGENT, revision=1, sha256="a")).code == "needs_human"
    scene.give(scene.command(c.Submit, "sign", HUMAN, revision=1, sha256="a"))
    assert scene.state.status is RunStatus.COMPLETED


def test_a_run_waits_only_while_no_one_but_people_can_continue():
    scene = run_of(phase("a", gates=(GateSpec("approval"),)), phase("b"), phase("c", "a"))
    scene.work("a")
    assert scene.state.status is RunStatus.RUNNING
    scene.work("b")
    assert scene.state.status is RunStatus.WAITING
    scene.approve("a")
    assert scene.state.status is RunStatus.RUNNING


def test_attempt_numbers_rise_over_all_iterations():
    scene = run_of(phase("plan"))
    scene.work("plan")
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    assert [(a.number, a.iteration) for a in scene.state.attempts[PhasePath("plan")]] == [(1, 1), (2, 2)]
