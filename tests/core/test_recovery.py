"""Another template recovers a failed phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, each, phase, run_of
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.blockers import BlockerFound, status_of
from wfe_mcp.core.graph import outwards
from wfe_mcp.core.model import AttemptStatus, By, Channel, RunStatus
from wfe_mcp.core.moves import legal_moves, refusal
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.questions import blocker_is_due, questions
from wfe_mcp.core.spec import COMPLETE, FailRule, GateSpec, LoopSpec, NextRule, PhaseSpec

SYSTEM = By("wfe-mcp", Channel.SYSTEM)
STOP = (FailRule("wait_human"),)
RULES = (FailRule("retry", 1), FailRule("subflow", 2), FailRule("wait_human"))


def recovered_by(path: str, *needs: str, body: tuple[PhaseSpec, ...], **more: Any) -> tuple[PhaseSpec, ...]:
    """A phase with a recovery, and the phases of that."""
    gates: dict[str, Any] = {"gates": (GateSpec("expr"),), "on_fail": RULES}
    first, *inner = each(path, *needs, body=body, **(gates | more))
    return (replace(first, kind="agent", loop=None, recovery=LoopSpec(items="with", flow=True)), *inner)


BODY = (phase("diagnose", on_fail=STOP, gates=(GateSpec("expr"),)), phase("fix", "diagnose"))


def failed(*phases: PhaseSpec, **limits: Any) -> Scene:
    """``code`` has failed and its recovery is open."""
    scene = run_of(*(phases or (*recovered_by("code", body=BODY), phase("end", "code"))), **limits)
    fail(scene)
    return scene


def fail(scene: Scene) -> None:
    scene.start("code")
    scene.submit("code", revision=scene.attempt("code").revision + 1)
    scene.judge("code", GateOutcome.FAIL, "red")
    if scene.attempt("code").repair:
        begin(scene)


def begin(scene: Scene, error: str = "") -> None:
    scene.give(scene.command(c.Answer, "code", kind="recovery", items="d" * 64, error=error))


@pytest.mark.requirement("S3-22")
def test_its_phases_run_inside_the_failed_phase_which_is_tried_again_when_they_are_done():
    scene = failed()
    assert (scene.statuses["code"], scene.statuses["code[recovery-1].diagnose"]) == ("failed", "ready")
    assert scene.state.status is RunStatus.RUNNING
    assert scene.attempt("code[recovery-1].diagnose").feedback[0].message == "red"
    scene.work("code[recovery-1].diagnose")
    scene.work("code[recovery-1].fix")
    assert (scene.statuses["code"], scene.attempt("code").number) == ("ready", 2)
    assert "recovery-1" in scene.attempt("code").feedback[-1].message
    assert scene.attempt("code[recovery-1].fix").status == "completed"
    scene.work("code")
    assert scene.statuses == {"code": "completed", "end": "ready"}


def test_its_count_bounds_it_for_this_iteration():
    scene = failed()
    for key in ("recovery-1", "recovery-2"):
        scene.work(f"code[{key}].diagnose")
        scene.work(f"code[{key}].fix")
        fail(scene)
    assert (scene.statuses["code"], scene.attempt("code").human_only) == ("failed", True)
    scene.give(scene.command(c.Retry, "code", HUMAN))
    fail(scene)
    assert scene.attempt("code").human_only


def test_a_new_iteration_may_recover_again_under_a_new_key():
    scene = run_of(phase("plan"), *recovered_by("code", "plan", body=BODY, on_fail=(FailRule("subflow", 1), *STOP)))
    scene.work("plan")
    fail(scene)
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    assert scene.attempt("code[recovery-1].diagnose").status == "superseded"
    scene.work("plan")
    fail(scene)
    assert scene.statuses["code[recovery-2].diagnose"] == "ready"


def test_a_recovery_that_leaves_a_phase_to_a_person_has_failed_and_the_next_rule_applies():
    scene = failed()
    scene.start("code[recovery-1].diagnose")
    scene.submit("code[recovery-1].diagnose")
    scene.judge("code[recovery-1].diagnose", GateOutcome.FAIL, "no idea")
    assert (scene.statuses, scene.attempt("code").human_only) == ({"code": "failed", "end": "pending"}, True)
    assert "'code[recovery-1].diagnose' no idea" in scene.attempt("code").reason
    assert scene.state.status is RunStatus.WAITING
    assert scene.attempt("code[recovery-1].fix").status == "skipped"


def test_what_is_at_work_beside_it_is_waited_for():
    beside = (phase("diagnose", on_fail=STOP, gates=(GateSpec("expr"),)), phase("log"))
    scene = failed(*recovered_by("code", body=beside), max_parallel=3)
    scene.start("code[recovery-1].log", "h2")
    scene.start("code[recovery-1].diagnose")
    scene.submit("code[recovery-1].diagnose")
    scene.judge("code[recovery-1].diagnose", GateOutcome.FAIL)
    assert not scene.attempt("code").human_only
    scene.submit("code[recovery-1].log")
    assert scene.attempt("code").human_only


def test_a_recovery_without_inputs_has_failed():
    scene = run_of(*recovered_by("code", body=BODY))
    scene.start("code")
    scene.submit("code")
    scene.judge("code", GateOutcome.FAIL)
    begin(scene, error="no such key")
    assert scene.attempt("code").human_only
    assert "could not begin: no such key" in scene.attempt("code").reason


def test_complete_inside_ends_the_recovery():
    body = (phase("diagnose", next=(NextRule(COMPLETE),)), phase("fix", "diagnose"))
    scene = failed(*recovered_by("code", body=body))
    scene.work("code[recovery-1].diagnose")
    assert (scene.statuses["code"], scene.attempt("code").number) == ("ready", 2)


def test_a_person_is_waited_for_while_a_phase_inside_asks_one():
    body = (phase("diagnose", gates=(GateSpec("approval"),)),)
    scene = failed(*recovered_by("code", body=body))
    scene.work("code[recovery-1].diagnose")
    assert scene.state.status is RunStatus.WAITING
    scene.approve("code[recovery-1].diagnose")
    assert scene.statuses["code"] == "ready"


@pytest.mark.parametrize(
    ("command", "status", "inside"),
    [
        (c.Retry, "ready", "superseded"),
        (c.Skip, "skipped", "cancelled"),
        (c.ForceAccept, "completed", "cancelled"),
        (c.Edit, "gating", "cancelled"),
    ],
)
def test_what_a_person_decides_of_the_failed_phase_ends_what_is_inside(
    command: type[c.Command], status: str, inside: str
):
    scene = failed()
    assert scene.refused(scene.command(c.Retry, "code", AGENT)).code == "needs_human"
    answer: dict[type[c.Command], dict[str, Any]] = {
        c.Skip: {"reason": "r"},
        c.ForceAccept: {"reason": "r"},
        c.Edit: {"revision": 2, "sha256": "e" * 64},
    }
    scene.give(scene.command(command, "code", HUMAN, **answer.get(command, {})))
    assert scene.statuses["code"] == status
    assert scene.attempt("code[recovery-1].diagnose").status == inside
    assert not scene.state.loops
    if command is c.Edit:
        scene.judge("code", GateOutcome.FAIL)
        begin(scene)
        assert scene.statuses["code[recovery-2].diagnose"] == "ready"


def test_pause_and_cancel_reach_inside():
    scene = failed()
    scene.give(scene.command(c.Pause))
    assert (
        scene.refused(scene.command(c.StartPhase, "code[recovery-1].diagnose", holder="h")).code == "illegal_transition"
    )
    scene.give(scene.command(c.Resume))
    scene.start("code[recovery-1].diagnose")
    scene.give(scene.command(c.Cancel))
    assert {scene.attempt(path).status for path in ("code", "code[recovery-1].diagnose")} == {"cancelled"}


def test_phases_inside_are_tried_again_while_it_is_open_and_not_after():
    scene = failed()
    diagnose = "code[recovery-1].diagnose"
    scene.work(diagnose)
    scene.give(scene.command(c.Retry, diagnose, HUMAN))
    assert (scene.statuses[diagnose], scene.statuses["code"]) == ("ready", "failed")
    scene.work(diagnose)
    scene.work("code[recovery-1].fix")
    answer = scene.refused(scene.command(c.Retry, diagnose, HUMAN))
    assert (answer.code, "'code'" in answer.hint) == ("illegal_transition", True)


def test_a_person_inside_sends_the_run_back_to_what_failed_or_further():
    body = (phase("diagnose", gates=(GateSpec("approval"),)),)
    scene = run_of(phase("plan"), *recovered_by("code", "plan", body=body))
    scene.work("plan")
    fail(scene)
    diagnose = PhasePath("code[recovery-1].diagnose")
    assert outwards(scene.state.spec, diagnose) == {"code", "plan"}
    scene.work(diagnose)
    scene.give(scene.command(c.Reject, diagnose, HUMAN, feedback="replan", to=PhasePath("plan")))
    assert scene.statuses == {"plan": "ready", "code": "pending"}
    assert scene.attempt(diagnose).status == "superseded"


def test_in_a_loop_it_belongs_to_the_item():
    inner = recovered_by("code", body=BODY)
    code, diagnose, fix = inner
    body = tuple(
        replace(
            one,
            path=PhasePath(f"build.{one.path}"),
            parent=PhasePath(f"build.{one.parent}" if one.parent else "build"),
            needs=tuple(PhasePath(f"build.{need}") for need in one.needs),
        )
        for one in inner
    )
    loop, *_ = each("build", body=(code, diagnose, fix), on_item_fail="continue")
    scene = run_of(loop, *body)
    scene.items("build", "a", "b")
    path = "build[a].code"
    scene.start(path)
    scene.submit(path)
    scene.judge(path, GateOutcome.FAIL)
    scene.give(scene.command(c.Answer, path, kind="recovery", items="d" * 64))
    scene.start(f"{path}[recovery-1].diagnose")
    scene.submit(f"{path}[recovery-1].diagnose")
    scene.judge(f"{path}[recovery-1].diagnose", GateOutcome.FAIL)
    assert scene.state.loops[PhasePath("build")].failed == ("a",)
    assert scene.statuses["build[b].code"] == "ready"


@pytest.mark.requirement("S3-22")
def test_after_a_rollback_it_opens_again_and_its_phases_continue_their_numbers():
    scene = failed()
    scene.back(next(seq for seq, event in enumerate(scene.log, 1) if isinstance(event, e.RepairBegan)))
    begin(scene)
    tries = scene.state.attempts[PhasePath("code[recovery-1].diagnose")]
    assert [(one.number, str(one.status)) for one in tries] == [(1, "rolled_back"), (2, "ready")]
    scene.work("code[recovery-1].diagnose")
    scene.work("code[recovery-1].fix")
    assert scene.statuses["code"] == "ready"


def reporting(limit: int = 2, *, then: tuple[PhaseSpec, ...] = (phase("fix", "diagnose"),)) -> tuple[PhaseSpec, ...]:
    """``plan``, and ``code`` whose recoveries report what is in the way."""
    body = (replace(phase("diagnose"), reports_blocker=True), *then)
    rules = (FailRule("subflow", 9, same_blocker=limit), FailRule("wait_human"))
    return (phase("plan"), *recovered_by("code", "plan", body=body, on_fail=rules))


def report(scene: Scene, number: int, fingerprint: str = "lint:code") -> None:
    """Recovery ``number`` says what is in the way."""
    path = f"code[recovery-{number}].diagnose"
    scene.work(path)
    kind = fingerprint.partition(":")[0]
    answer = BlockerFound(phase=PhasePath(path), attempt=1, kind=kind, fingerprint=fingerprint, cause="It is red")
    scene.give(scene.command(c.Answer, path, kind="blocker", blocker=answer))


@pytest.mark.requirement("S3-13", "S3-22")
def test_the_same_blocker_for_the_third_time_ends_its_recovery_and_the_next_rule_applies():
    scene = run_of(*reporting())
    scene.work("plan")
    for number in (1, 2):
        fail(scene)
        report(scene, number)
        assert scene.statuses[f"code[recovery-{number}].fix"] == "ready"
        scene.work(f"code[recovery-{number}].fix")
    fail(scene)
    report(scene, 3)
    assert (scene.statuses, scene.attempt("code").human_only) == ({"plan": "completed", "code": "failed"}, True)
    assert (
        "recovery-3 ended early: it met the same blocker for the third time: lint:code" in scene.attempt("code").reason
    )
    assert [one.times for one in scene.state.blockers] == [1, 2, 3]


@pytest.mark.requirement("S3-13")
def test_another_blocker_and_another_iteration_are_compared_too():
    scene = run_of(*reporting(limit=1))
    scene.work("plan")
    fail(scene)
    report(scene, 1)
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    scene.work("plan")
    fail(scene)
    report(scene, 2, "type:code")
    scene.work("code[recovery-2].fix")
    fail(scene)
    report(scene, 3)
    assert "for the second time: lint:code" in scene.attempt("code").reason


def test_a_recovery_that_ends_with_its_report_waits_until_that_is_recorded():
    for then in ((), (phase("fix", "diagnose", when="never"),)):
        scene = run_of(*reporting(then=then))
        scene.work("plan")
        fail(scene)
        scene.work("code[recovery-1].diagnose")
        assert scene.statuses["code"] == "failed"
        assert {due.kind for due in questions(scene.state)} == {"blocker"} | ({"when"} if then else set())


def test_complete_inside_comes_after_the_report():
    body = (replace(phase("diagnose", next=(NextRule(COMPLETE),)), reports_blocker=True), phase("fix", "diagnose"))
    scene = failed(*recovered_by("code", body=body))
    report(scene, 1)
    assert (scene.statuses["code"], scene.attempt("code").number) == ("ready", 2)
    assert len(scene.state.blockers) == 1


def test_a_blocker_is_recorded_once_also_after_a_rollback_to_its_recovery():
    scene = run_of(*reporting())
    scene.work("plan")
    fail(scene)
    report(scene, 1)
    assert not any(due.kind == "blocker" for due in questions(scene.state))
    seen = replace(scene.attempt("code[recovery-1].diagnose"), number=2, restores=1)
    assert not blocker_is_due(scene.state, seen)


@pytest.mark.parametrize(
    ("status", "forced", "means"),
    [
        ("failed", False, "open"),
        ("completed", False, "resolved"),
        ("completed", True, "ignored"),
        ("skipped", False, "ignored"),
    ],
)
def test_a_blocker_is_what_became_of_the_phase_that_failed(status: str, forced: bool, means: str):
    found = BlockerFound(phase=PhasePath("code[recovery-1].diagnose"), attempt=1, kind="lint", fingerprint="lint:code")
    assert status_of(found, AttemptStatus(status), forced=forced) == means
    assert status_of(replace(found, settled="ignored"), AttemptStatus(status), forced=forced) == "ignored"


@pytest.mark.requirement("S3-13")
def test_only_a_person_settles_blockers_and_only_open_ones():
    scene = run_of(*reporting(limit=1))
    scene.work("plan")
    fail(scene)
    resolve = replace(scene.command(c.Retry, "code", HUMAN), blockers="resolved")
    assert "has no open blocker" in str(refusal(scene.state, resolve))
    report(scene, 1)
    by_agent = refusal(scene.state, replace(resolve, by=AGENT))
    assert by_agent is not None
    assert by_agent.code == "needs_human"
    scene.give(resolve)
    assert [one.settled for one in scene.state.blockers] == ["resolved"]


def test_the_server_may_answer_what_a_recovery_reports():
    scene = run_of(*reporting(limit=1))
    scene.work("plan")
    fail(scene)
    scene.work("code[recovery-1].diagnose")
    (answer,) = [move for move in legal_moves(scene.state, SYSTEM, scene.at) if isinstance(move, c.Answer)]
    assert scene.give(answer) == ["BlockerFound"]


def test_an_item_whose_recovery_is_open_keeps_its_place_in_the_loop():
    scene = run_of(*each("build", body=recovered_by("code", body=BODY), max_parallel=1))
    scene.items("build", "a", "b")
    scene.give(scene.command(c.Skip, "build[a].code", HUMAN, reason="later"))
    scene.give(scene.command(c.Retry, "build[a].code", HUMAN))
    scene.start("build[a].code")
    scene.submit("build[a].code")
    scene.judge("build[a].code", GateOutcome.FAIL, "red")
    scene.give(scene.command(c.Answer, "build[a].code", kind="recovery", items="d" * 64))
    assert scene.attempt("build[a].code").repair == "recover"
    refused = scene.refused(scene.command(c.StartPhase, "build[b].code", holder="h2"))
    assert (refused.code, refused.message) == (
        "not_ready",
        "Item 'a' of 'build' comes first: it works on 1 item at a time.",
    )
