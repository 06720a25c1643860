"""A gate that several people must approve: who counts, what voids an approval, and what one person alone cannot do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, loop, phase, run_of
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel, RunStatus
from wfe_mcp.core.moves import phase_moves
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec

TWO = GateSpec("approval", people=2)


def awaiting(*gates: GateSpec, **more: object) -> Scene:
    scene = run_of(phase("plan", gates=gates or (TWO,), **more), phase("build", "plan"))
    scene.work("plan")
    scene.ask("plan")
    return scene


def approve(person: str, by: By = HUMAN, sha256: str = "a" * 64) -> c.Approve:
    return c.Approve(phase=PLAN, sha256=sha256, person=person, by=by, at=NOW)


PLAN, NOW = run_of(phase("plan")).state.spec.phases[0].path, Scene().at


def test_the_first_approval_counts_and_the_last_continues_the_run():
    scene = awaiting()
    assert scene.give(approve("ada")) == ["ApprovalCounted"]
    assert (scene.attempt("plan").status, scene.attempt("plan").approvals) == ("awaiting", ("ada",))
    assert scene.state.status is RunStatus.WAITING
    assert scene.give(approve("bob"))[:2] == ["ApprovalGiven", "PhaseCompleted"]
    assert scene.statuses == {"plan": "completed", "build": "ready"}
    assert [(type(one), one.person) for one in scene.log if isinstance(one, e.ApprovalCounted | e.ApprovalGiven)] == [
        (e.ApprovalCounted, "ada"),
        (e.ApprovalGiven, "bob"),
    ]


@pytest.mark.parametrize("people", [3, 5])
def test_a_gate_asks_as_many_people_as_it_says(people: int):
    scene = awaiting(GateSpec("approval", people=people))
    for number in range(people):
        assert scene.attempt("plan").status == "awaiting"
        scene.give(approve(f"p{number}"))
    assert scene.attempt("plan").status == "completed"


def test_a_gate_of_one_person_has_the_events_it_always_had():
    scene = awaiting(GateSpec("approval"))
    scene.give(approve("ada"))
    assert [one for one in scene.log if isinstance(one, e.ApprovalGiven)] == [
        e.ApprovalGiven(phase=PLAN, attempt=1, gate=0, sha256="a" * 64)
    ]


def test_who_has_approved_learns_that_another_person_is_needed():
    scene = awaiting()
    scene.give(approve("ada"))
    refused = scene.refused(approve("ada"))
    assert refused.code == "needs_human"
    assert "ada has approved it already: 1 of 2 people approved: ada; one more person is needed" in refused.message
    assert refused.data == {"people": 2, "approved_by": ["ada"]}
    assert "reject" in refused.hint


@pytest.mark.parametrize(
    "command",
    [approve(""), approve("ada", AGENT), approve("ada", By("ada", Channel.FORM, Assurance.CLIENT))],
    ids=["no name", "an agent", "a form"],
)
@pytest.mark.parametrize("assurance", ["agent", "human"])
def test_what_names_no_person_counts_as_none(command: c.Approve, assurance: str):
    scene = awaiting(GateSpec("approval", assurance, people=2))  # pyright: ignore[reportArgumentType] - lint refuses the first
    assert scene.refused(command).code == "needs_human"
    assert scene.attempt("plan").approvals == ()


def test_one_person_who_rejects_rejects_for_all():
    scene = awaiting()
    scene.give(approve("ada"))
    scene.give(c.Reject(phase=PLAN, feedback="no", by=HUMAN, at=NOW))
    assert scene.attempt("plan").number == 2
    assert scene.attempt("plan").approvals == ()


def test_who_approved_can_take_it_back_before_the_last():
    scene = awaiting(on_fail=(FailRule("retry", 3),))
    scene.give(approve("ada"))
    scene.give(c.Reject(phase=PLAN, feedback="I was wrong", by=HUMAN, at=NOW))
    scene.work("plan")
    scene.ask("plan", "q2")
    assert scene.give(approve("bob", sha256="a" * 64)) == ["ApprovalCounted"]


VOIDS: dict[str, Callable[[Scene], object]] = {
    "another revision": lambda scene: scene.give(c.Edit(phase=PLAN, revision=2, sha256="b" * 64, by=HUMAN, at=NOW)),
    "other files": lambda scene: scene.give(scene.command(c.TreeChange, "plan", tree="t2")),
    "another request": lambda scene: scene.ask("plan", "q2"),
    "a withdrawal": lambda scene: scene.give(scene.command(c.Withdraw, "plan")),
    "an undo": lambda scene: scene.undo(),
    "an undo of an undo": lambda scene: (scene.undo(), scene.redo()),
    "a rollback": lambda scene: scene.back(len(scene.log) - 1),
}


@pytest.mark.parametrize("what", VOIDS)
def test_what_voids_a_request_voids_the_approvals_of_it(what: str):
    scene = awaiting()
    scene.give(approve("ada"))
    VOIDS[what](scene)
    assert scene.attempt("plan").approvals == ()
    while scene.attempt("plan").status in {"ready", "running"}:
        scene.work("plan")
    sha256 = scene.attempt("plan").sha256 or ""
    scene.ask("plan", "q3")
    assert scene.give(approve("bob", sha256=sha256)) == ["ApprovalCounted"]
    assert scene.attempt("plan").status == "awaiting"


def test_a_first_approval_does_not_count_for_a_later_revision():
    scene = awaiting()
    scene.give(approve("ada"))
    scene.give(c.Edit(phase=PLAN, revision=2, sha256="b" * 64, by=HUMAN, at=NOW))
    scene.ask("plan", "q2")
    assert scene.refused(approve("bob")).code == "stale_revision"


def test_approvals_outlive_the_holder_of_the_phase():
    scene = awaiting()
    scene.give(approve("ada"))
    scene.give(scene.command(c.LoseLease, "plan"))
    assert scene.attempt("plan").approvals == ("ada",)


@pytest.mark.parametrize("command", [c.ForceAccept, c.Skip])
def test_one_person_can_neither_skip_nor_force_what_several_must_approve(command: type[c.ForceAccept | c.Skip]):
    scene = awaiting()
    for approvals in ([], ["ada"]):
        refused = scene.refused(command(phase=PLAN, reason="I am in a hurry", by=HUMAN, at=NOW))
        assert (refused.code, refused.data) == ("needs_human", {"people": 2, "approved_by": approvals})
        moves = [type(move) for move in phase_moves(scene.state, scene.attempt("plan"), HUMAN, NOW)]
        assert (command in moves, c.Approve in moves) == (False, True)
        if not approvals:
            scene.give(approve("ada"))


def test_a_failed_check_before_the_approval_of_several_cannot_be_forced_either():
    scene = run_of(phase("plan", gates=(GateSpec("command"), TWO), on_fail=(FailRule("wait_human"),)))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL, "red")
    with pytest.raises(Refused, match="2 people"):
        scene.give(c.ForceAccept(phase=PLAN, reason="it is fine", by=HUMAN, at=NOW))


def test_a_phase_whose_approval_before_work_was_given_can_be_forced_after_it():
    scene = run_of(phase("plan", gates_before=(TWO,), gates=(GateSpec("expr"),), on_fail=(FailRule("wait_human"),)))
    scene.give(scene.command(c.OpenGates, "plan", sha256="a" * 64))
    scene.ask("plan")
    scene.give(approve("ada"))
    assert scene.refused(c.Skip(phase=PLAN, reason="no", by=HUMAN, at=NOW)).code == "needs_human"
    scene.give(approve("bob"))
    assert scene.attempt("plan").status == "ready"
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL, "no")
    scene.give(c.ForceAccept(phase=PLAN, reason="it is fine", by=HUMAN, at=NOW))
    assert scene.state.tainted


def test_overruling_a_reviewer_leads_to_the_people_and_replaces_none_of_them():
    scene = run_of(phase("plan", gates=(GateSpec("opinion"), TWO), on_fail=(FailRule("wait_human"),)))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL, "no")
    scene.give(c.Overrule(phase=PLAN, reason="they are wrong", by=HUMAN, at=NOW))
    assert (scene.attempt("plan").status, scene.attempt("plan").approvals) == ("awaiting", ())


@pytest.mark.parametrize("auto", [True, False])
def test_automatic_mode_does_not_continue_with_a_part_of_the_approvals(auto: bool):
    scene = run_of(phase("plan", gates=(TWO,)), phase("build", "plan"), auto=auto)
    scene.work("plan")
    scene.ask("plan")
    scene.give(approve("ada"))
    scene.give(c.SetAuto(auto=not auto, by=HUMAN, at=NOW))
    assert scene.statuses == {"plan": "awaiting", "build": "pending"}


def test_each_of_two_gates_asks_its_own_people():
    scene = awaiting(TWO, TWO)
    for person in ("ada", "bob"):
        scene.give(approve(person))
    assert (scene.attempt("plan").gate, scene.attempt("plan").approvals) == (1, ())
    scene.ask("plan", "q2")
    scene.give(approve("ada"))
    assert scene.attempt("plan").approvals == ("ada",)


@pytest.mark.parametrize("command", [c.ForceAccept, c.Skip])
def test_one_person_can_neither_skip_nor_force_a_loop_around_what_several_must_approve(
    command: type[c.ForceAccept | c.Skip],
):
    inner = loop("each", body=(phase("sign", gates=(TWO,)),), items="names")
    spec = loop("build", body=inner, gates=(GateSpec("expr"),), on_fail=(FailRule("wait_human"),), items="names")
    scene = run_of(*spec)
    leave = command(phase=spec[0].path, reason="I am in a hurry", by=HUMAN, at=NOW)
    if command is c.Skip:
        assert "2 people" in scene.refused(leave).message, "nothing is open yet"
    scene.items("build", "a")
    scene.items("build[a].each", "b")
    if command is c.Skip:
        assert "2 people" in scene.refused(leave).message
    scene.work("build[a].each[b].sign")
    scene.ask("build[a].each[b].sign")
    for person in ("ada", "bob"):
        if command is c.Skip:
            assert "2 people" in scene.refused(leave).message
        scene.give(
            c.Approve(phase=PhasePath("build[a].each[b].sign"), sha256="a" * 64, person=person, by=HUMAN, at=NOW)
        )
    scene.give(scene.command(c.OpenGates, "build", sha256="e" * 64))
    scene.judge("build", GateOutcome.FAIL, "no")
    scene.give(leave)
    assert scene.attempt("build").status in {"completed", "skipped"}


@pytest.mark.parametrize("command", [c.ForceAccept, c.Skip])
def test_a_loop_that_failed_before_several_people_decided_is_theirs(command: type[c.ForceAccept | c.Skip]):
    spec = loop("build", body=(phase("sign", gates=(TWO,)),), items="x", on_fail=(FailRule("wait_human"),), timeout_s=9)
    scene = run_of(*spec)
    scene.items("build", "a")
    scene.work("build[a].sign")
    scene.later(10)
    scene.give(scene.command(c.TimeOut, "build"))
    assert scene.attempt("build").status == "failed"
    leave = command(phase=spec[0].path, reason="I am in a hurry", by=HUMAN, at=NOW)
    assert scene.refused(leave).data == {"people": 2, "approved_by": []}


def test_an_approval_by_several_people_of_the_loop_itself_cannot_be_forced():
    spec = loop("build", body=(phase("code"),), items="x", gates=(TWO,))
    scene = run_of(*spec)
    scene.items("build", "a")
    scene.work("build[a].code")
    scene.give(scene.command(c.OpenGates, "build", sha256="e" * 64))
    assert scene.attempt("build").status == "awaiting"
    assert scene.refused(c.ForceAccept(phase=spec[0].path, reason="now", by=HUMAN, at=NOW)).code == "needs_human"
