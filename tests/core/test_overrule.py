"""A person overrules the models of an opinion gate."""

from __future__ import annotations

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import FailRule, GateSpec

OPINION, EXPR = GateSpec("opinion"), GateSpec("expr")


def refused_by_models(*after: GateSpec, rule: str = "wait_human") -> Scene:
    scene = run_of(phase("plan", gates=(OPINION, *after), on_fail=(FailRule(rule),)), phase("build", "plan"))  # pyright: ignore[reportArgumentType]
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL, "the second model says no")
    return scene


@pytest.mark.requirement("B-06")
def test_a_person_overrules_an_opinion_and_the_run_is_not_tainted():
    scene = refused_by_models()
    assert scene.state.status is RunStatus.WAITING
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="the model misread the plan"))
    plan = scene.attempt("plan")
    assert (plan.status, plan.human_only, plan.fail_kind, plan.forced) == ("completed", False, None, False)
    assert plan.verdicts[-1].outcome is GateOutcome.OVERRULED
    assert plan.verdicts[-1].message == "overruled: the model misread the plan"
    assert [verdict.outcome for verdict in plan.verdicts] == [GateOutcome.FAIL, GateOutcome.OVERRULED]
    assert not scene.state.tainted
    assert scene.attempt("build").status == "ready"


def test_the_gates_after_an_overruled_one_judge_as_ever():
    scene = refused_by_models(EXPR)
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="so be it"))
    assert (scene.attempt("plan").status, scene.attempt("plan").gate) == ("gating", 1)
    scene.judge("plan", GateOutcome.FAIL, "not true")
    assert scene.attempt("plan").status == "failed"
    refused = scene.refused(scene.command(c.Overrule, "plan", HUMAN, reason="this too"))
    assert refused.code == "illegal_transition"
    assert "force-accept" in refused.hint


def test_an_opinion_that_does_not_come_is_overruled_too():
    scene = run_of(phase("plan", gates=(OPINION,)))
    scene.start("plan")
    scene.submit("plan")
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="the provider is down"))
    assert scene.state.status is RunStatus.COMPLETED


def test_only_a_person_overrules_and_only_with_a_reason():
    scene = refused_by_models()
    assert scene.refused(scene.command(c.Overrule, "plan", AGENT, reason="I know better")).code == "needs_human"
    assert scene.refused(scene.command(c.Overrule, "plan", HUMAN, reason=" ")).code == "bad_argument"


def test_overruling_reopens_a_run_that_the_opinion_had_ended():
    scene = refused_by_models(rule="fail")
    assert scene.state.status is RunStatus.FAILED
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="no reason to end it"))
    assert scene.state.status is RunStatus.RUNNING


def test_a_phase_that_is_at_no_gate_has_nothing_to_overrule():
    scene = run_of(phase("plan", gates=(OPINION,), on_fail=(FailRule("wait_human"),), timeout_s=60.0))
    scene.start("plan")
    scene.later(61)
    scene.give(scene.command(c.TimeOut, "plan"))
    assert scene.refused(scene.command(c.Overrule, "plan", HUMAN, reason="late")).code == "illegal_transition"


def test_an_opinion_on_the_prompt_is_overruled_before_work():
    scene = run_of(phase("plan", gates_before=(OPINION,), on_fail=(FailRule("wait_human"),)))
    scene.give(scene.command(c.OpenGates, "plan", sha256="p" * 64))
    scene.judge("plan", GateOutcome.FAIL, "unclear")
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="clear enough"))
    assert scene.attempt("plan").status == "ready"
