"""What stops a run is a value; its sentence is made from it."""

import pytest

from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.runs.needs import Stop
from wfe_mcp.views.moves.blockers import Blocker

PLAN = PhasePath("plan")


@pytest.mark.parametrize("stop", [each for each in Stop if each is not Stop.WORK])
def test_every_blocker_has_a_sentence_that_ends_with_its_command(stop: Stop) -> None:
    blocker = Blocker(stop, PLAN, "what", "why", "wfe-mcp retry r plan")
    assert blocker.sentence.endswith("wfe-mcp retry r plan")
    assert "{" not in blocker.sentence


def test_what_a_sentence_quotes_is_left_as_it_is() -> None:
    blocker = Blocker(Stop.FAILED, PLAN, why="the rule ${artifacts.plan} {phase} failed")
    assert blocker.sentence == "plan failed (the rule ${artifacts.plan} {phase} failed)"


def test_a_reason_that_is_a_sentence_has_no_full_stop_within_the_one_around_it() -> None:
    assert Blocker(Stop.FAILED, PLAN, why="It broke.", command="c").sentence == "plan failed (It broke); decide: c"
    assert Blocker(Stop.PAUSED, why=": Lunch.", command="c").sentence == "The run is paused: Lunch; continue: c"
    assert Blocker(Stop.STOPPED, what="blocked", why="It broke.").sentence == "The run is blocked: It broke."


def test_only_a_gate_or_a_phase_that_a_person_may_work_is_manually() -> None:
    assert {stop for stop in Stop if Blocker(stop).is_by_hand} == {Stop.MANUAL, Stop.PERSONS_OPINION, Stop.NO_OPINION}
