"""Phases that only a jump can open."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import HUMAN, Scene, each, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.events import PhaseSkipped
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule

BACK = NextRule("revise", "bad")


def written(**more: Any) -> Scene:
    """plan → write → revise (by a jump alone) → review; plan and write are done."""
    review = {"next": (BACK,)} | more
    scene = run_of(
        phase("plan"),
        phase("write", "plan"),
        phase("revise", "write", goto_only=True),
        phase("review", "revise", **review),
    )
    scene.work("plan")
    scene.work("write")
    return scene


@pytest.mark.requirement("S0-06")
def test_it_is_left_out_as_soon_as_its_needs_are_over_and_its_dependants_continue():
    scene = written()
    assert scene.statuses["revise"] == "skipped"
    assert "none did" in scene.attempt("revise").reason
    (skip,) = [event for event in scene.log if isinstance(event, PhaseSkipped)]
    assert skip.follows, "no one's command skipped it"
    assert scene.statuses["review"] == "ready"


def test_a_jump_makes_it_ready_in_the_new_iteration_and_who_jumped_waits_for_it():
    scene = written()
    scene.work("review")
    scene.answer("review", "next", value=True)
    assert (scene.state.iteration, scene.statuses["revise"], scene.statuses["review"]) == (2, "ready", "pending")
    assert scene.attempt("revise").feedback[0].source == "review"
    scene.work("revise")
    scene.work("review")
    scene.answer("review", "next", value=False)
    assert scene.state.status == "completed"


def test_a_jump_to_an_earlier_phase_leaves_it_out_again():
    scene = written(next=(BACK, NextRule("write", "anew")))
    scene.work("review")
    scene.answer("review", "next", value=True)
    scene.work("revise")
    scene.work("review")
    scene.answer("review", "next", value=False)
    scene.answer("review", "next", value=True, rule=1)
    scene.work("write")
    assert scene.statuses["revise"] == "skipped"
    assert [attempt.status for attempt in scene.state.attempts[PhasePath("revise")]] == [
        "superseded",
        "superseded",
        "skipped",
    ]


def test_a_rule_of_on_fail_leads_to_it_too():
    scene = written(gates=(GateSpec("expr"),), on_fail=(FailRule("goto", 1, PhasePath("revise")),), next=())
    scene.start("review")
    scene.submit("review")
    scene.judge("review", GateOutcome.FAIL)
    assert scene.statuses["revise"] == "ready"


@pytest.mark.parametrize("needs", [("revise",), ("write",)])
def test_a_person_sends_the_run_to_it_by_a_rejection(needs: tuple[str, ...]):
    scene = run_of(
        phase("write"),
        phase("revise", "write", goto_only=True),
        phase("review", *needs, gates=(GateSpec("approval"),), next=(BACK,)),
    )
    scene.work("write")
    scene.work("review")
    scene.give(scene.command(c.Reject, "review", HUMAN, feedback="clumsy", to=PhasePath("revise")))
    assert scene.statuses["revise"] == "ready"
    assert scene.attempt("revise").feedback[0].message == "clumsy"


def test_a_person_begins_it_with_a_retry_and_its_condition_is_asked_only_then():
    scene = run_of(phase("write"), phase("revise", "write", goto_only=True, when="wanted"), phase("ship", "revise"))
    scene.work("write")
    assert scene.statuses["revise"] == "skipped"
    scene.give(scene.command(c.Retry, "revise", HUMAN))
    assert scene.statuses["revise"] == "pending"
    scene.answer("revise", "when", value=True)
    assert scene.statuses["revise"] == "ready"


def test_a_try_after_a_failed_one_continues():
    scene = written()
    scene.work("review")
    scene.answer("review", "next", value=True)
    scene.start("revise")
    scene.give(scene.command(c.RefuseSubmission, "revise", reason="no"))
    scene.give(scene.command(c.Retry, "revise"))
    assert (scene.statuses["revise"], scene.attempt("revise").entered) == ("running", True)


def test_in_a_loop_each_item_has_its_own():
    scene = run_of(
        *each(
            "build",
            body=(
                phase("code"),
                phase("mend", "code", goto_only=True),
                phase("check", "mend", next=(NextRule("build.mend", "bad"),)),
            ),
        ),
    )
    scene.items("build", "a", "b")
    scene.work("build[a].code")
    scene.work("build[a].check")
    scene.answer("build[a].check", "next", value=True)
    assert scene.statuses["build[a].mend"] == "ready"
    scene.work("build[a].mend")
    scene.work("build[a].check")
    scene.answer("build[a].check", "next", value=False)
    scene.work("build[b].code")
    assert scene.statuses["build[b].mend"] == "skipped"
