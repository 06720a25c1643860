"""A request that waits is handed to another person: recorded, ended with the request, and without an effect on who may decide."""

from tests.core.conftest import HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import Handed
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec

PLAN = PhasePath("plan")


def asked() -> Scene:
    scene = run_of(phase("plan", gates=(GateSpec("approval", people=2),)))
    scene.work("plan")
    scene.ask("plan", request="one")
    return scene


def handing(scene: Scene, request: str = "one") -> c.Command:
    return scene.command(c.HandOver, "plan", HUMAN, request=request, to="bob", giver="ada", note="I am away")


def test_who_has_a_request_is_part_of_it_until_another_one_is_asked() -> None:
    scene = asked()
    scene.give(handing(scene))
    assert scene.state.current(PLAN).handed == Handed("bob", "ada", "I am away")
    scene.give(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64, person="eve"))
    assert scene.state.current(PLAN).handed is not None, "another of the two people still has to approve"
    scene.ask("plan", request="two")
    assert scene.state.current(PLAN).handed is None


def test_anyone_who_may_decide_still_decides_what_was_handed_on() -> None:
    scene = asked()
    scene.give(handing(scene))
    for person in ("eve", "ada"):
        scene.give(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64, person=person))
    assert scene.state.current(PLAN).is_settled


def test_a_request_that_is_closed_or_unknown_is_not_handed_on() -> None:
    scene = asked()
    assert scene.refused(handing(scene, "zero")).code == "stale_revision"
    scene.give(scene.command(c.Reject, "plan", HUMAN, feedback="no"))
    assert scene.refused(handing(scene)).code == "illegal_transition"
