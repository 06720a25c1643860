"""Conditions to evaluate, and when they are due."""

from __future__ import annotations

from tests.core.conftest import HUMAN, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.model import AttemptStatus, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.questions import Question, questions
from wfe_mcp.core.spec import NextRule


def test_a_run_that_has_not_started_asks_nothing():
    assert questions(RunState()) == ()


def test_when_is_due_once_what_the_phase_needs_is_settled():
    scene = run_of(phase("plan"), phase("build", "plan", when="inputs.build"))
    assert questions(scene.state) == ()
    scene.work("plan")
    assert questions(scene.state) == (Question("when", PhasePath("build"), 1, 0, "inputs.build"),)


def test_next_is_due_rule_by_rule_after_completion():
    scene = run_of(phase("plan", next=(NextRule("plan", "first"), NextRule("plan", "second"))))
    assert questions(scene.state) == ()
    scene.work("plan")
    assert questions(scene.state) == (Question("next", PhasePath("plan"), 1, 0, "first"),)
    scene.answer("plan", "next", value=False)
    assert questions(scene.state) == (Question("next", PhasePath("plan"), 1, 1, "second"),)
    scene.answer("plan", "next", value=False, rule=1)
    assert questions(scene.state) == ()


def test_a_held_phase_is_judged_by_next_after_proceed():
    scene = run_of(phase("plan", next=(NextRule("plan", "again"),)), auto=False)
    scene.work("plan")
    assert questions(scene.state) == ()
    scene.give(scene.command(c.Proceed, by=HUMAN))
    assert [question.kind for question in questions(scene.state)] == ["next"]


def test_a_paused_run_asks_nothing():
    scene = run_of(phase("plan", when="inputs.plan"))
    scene.give(scene.command(c.Pause))
    assert questions(scene.state) == ()
    refused = scene.refused(scene.command(c.Answer, "plan", kind="when", value=True))
    assert refused.code == "illegal_transition"


def test_an_answer_that_no_one_asked_for_is_refused():
    scene = run_of(phase("plan", when="inputs.plan"))
    assert scene.refused(scene.command(c.Answer, "plan", kind="next", value=True)).code == "illegal_transition"
    assert scene.refused(scene.command(c.Answer, "plan", kind="when", rule=1, value=True)).code == "illegal_transition"


def test_an_unconditional_rule_is_no_question():
    scene = run_of(phase("plan", next=(NextRule("plan", None, 0),)))
    scene.start("plan")
    events = scene.submit("plan")
    assert events[-2:] == ["PhaseCompleted", "RunBlocked"]
    just_completed = replay(scene.log[:-1])
    assert just_completed.current(PhasePath("plan")).status is AttemptStatus.COMPLETED
    assert questions(just_completed) == ()
