"""Gate verdicts: their order, their effects, and the bytes that they apply to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import RunStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule

EXPR, APPROVAL, COMMAND = GateSpec("expr"), GateSpec("approval"), GateSpec("command", binds_tree=True)
WAIT = (FailRule("wait_human"),)


def verdict(scene: Scene, path: str, **more: Any) -> c.Command:
    attempt = scene.attempt(path)
    answer: dict[str, Any] = {
        "stage": Stage.AFTER,
        "gate": attempt.gate,
        "sha256": attempt.sha256,
        "outcome": GateOutcome.PASS,
    }
    return scene.command(c.RecordVerdict, path, **(answer | more))


def test_a_submission_without_gates_completes_the_phase():
    scene = run_of(phase("plan"))
    scene.start("plan")
    assert scene.submit("plan") == ["RevisionSubmitted", "PhaseCompleted", "RunCompleted"]


def test_gates_judge_in_declared_order_and_the_phase_completes_after_the_last():
    scene = run_of(phase("plan", gates=(EXPR, COMMAND)))
    scene.start("plan")
    scene.submit("plan")
    seen = [current_gate(scene.state, scene.attempt("plan"))]
    scene.judge("plan")
    seen.append(current_gate(scene.state, scene.attempt("plan")))
    scene.judge("plan")
    seen.append(current_gate(scene.state, scene.attempt("plan")))
    assert seen == ["expr", "command", ""]
    assert scene.attempt("plan").status == "completed"


def test_the_first_gate_that_fails_ends_the_attempt():
    scene = run_of(phase("plan", gates=(EXPR, COMMAND), on_fail=WAIT))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL, "no steps")
    attempt = scene.attempt("plan")
    assert (attempt.status, attempt.fail_kind, attempt.reason) == ("failed", FailKind.GATE, "no steps")
    assert [given.gate for given in attempt.verdicts] == [0]


def test_a_gate_that_cannot_judge_is_an_error_and_no_pass():
    scene = run_of(phase("plan", gates=(EXPR,), on_fail=WAIT))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.ERROR, "no such name")
    assert scene.attempt("plan").fail_kind is FailKind.ERROR


@pytest.mark.parametrize("wrong", [{"sha256": "b" * 64}, {"gate": 1}, {"stage": Stage.BEFORE}])
def test_a_verdict_on_other_bytes_gate_or_stage_is_stale(wrong: dict[str, object]):
    scene = run_of(phase("plan", gates=(EXPR, EXPR)))
    scene.start("plan")
    scene.submit("plan")
    assert scene.refused(verdict(scene, "plan", **wrong)).code == "stale_revision"


@pytest.mark.requirement("B-22")
def test_evidence_of_an_earlier_iteration_never_satisfies_a_gate_of_a_later_one():
    scene = run_of(phase("plan", gates=(EXPR,), next=(NextRule("plan", "again", 1),)))
    scene.start("plan")
    scene.submit("plan", "a" * 64)
    late = verdict(scene, "plan", attempt=1)
    scene.judge("plan")
    scene.answer("plan", "next", value=True)
    assert scene.state.iteration == 2
    scene.start("plan")
    scene.submit("plan", "a" * 64, 2)
    assert scene.attempt("plan").verdicts == ()
    assert scene.refused(late).code == "stale_revision"
    assert scene.attempt("plan").status == "gating"


@pytest.mark.requirement("B-22")
def test_a_decision_of_an_earlier_iteration_never_satisfies_a_later_one():
    scene = run_of(phase("plan", gates=(APPROVAL,), next=(NextRule("plan", "again", 1),)))
    scene.work("plan")
    scene.approve("plan")
    scene.answer("plan", "next", value=True)
    scene.work("plan")
    again = scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64)
    assert scene.refused(again).code == "illegal_transition"
    assert scene.refused(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64, attempt=1)).code == "stale_revision"


def test_a_new_revision_voids_every_verdict_on_the_old_one():
    scene = run_of(phase("plan", gates=(EXPR, APPROVAL)))
    scene.work("plan")
    assert len(scene.attempt("plan").verdicts) == 1
    scene.give(scene.command(c.Edit, "plan", HUMAN, revision=2, sha256="b" * 64))
    attempt = scene.attempt("plan")
    assert (attempt.status, attempt.gate, attempt.verdicts, attempt.sha256) == ("gating", 0, (), "b" * 64)


def test_prompt_gates_judge_before_anyone_may_start():
    scene = run_of(phase("plan", gates_before=(EXPR, EXPR)))
    assert (scene.attempt("plan").status, scene.attempt("plan").stage) == ("gating", Stage.BEFORE)
    assert scene.refused(scene.command(c.StartPhase, "plan", holder="h")).code == "illegal_transition"
    scene.give(scene.command(c.OpenGates, "plan", sha256="p" * 64))
    scene.judge("plan")
    scene.judge("plan")
    assert (scene.attempt("plan").status, scene.attempt("plan").stage) == ("ready", None)


def test_no_prompt_gate_judges_before_the_prompt_is_rendered():
    scene = run_of(phase("plan", gates_before=(APPROVAL,)))
    assert scene.attempt("plan").status == "gating"
    assert scene.refused(verdict(scene, "plan", stage=Stage.BEFORE, sha256="")).code == "stale_revision"
    scene.give(scene.command(c.OpenGates, "plan", sha256="p" * 64))
    assert scene.attempt("plan").status == "awaiting"


def test_a_prompt_under_judgement_is_not_replaced():
    scene = run_of(phase("plan", gates_before=(EXPR,)))
    scene.give(scene.command(c.OpenGates, "plan", sha256="p" * 64))
    assert scene.refused(scene.command(c.OpenGates, "plan", sha256="q" * 64)).code == "illegal_transition"


def test_approving_a_prompt_makes_the_phase_ready():
    scene = run_of(phase("deploy", gates_before=(APPROVAL,)))
    scene.give(scene.command(c.OpenGates, "deploy", sha256="p" * 64))
    scene.approve("deploy")
    assert scene.attempt("deploy").status == "ready"
    scene.work("deploy")
    assert scene.state.status is RunStatus.COMPLETED


def test_rejecting_a_prompt_has_the_gates_before_judge_the_next_one():
    scene = run_of(phase("deploy", gates_before=(APPROVAL,)))
    scene.give(scene.command(c.OpenGates, "deploy", sha256="p" * 64))
    scene.give(scene.command(c.Reject, "deploy", HUMAN, feedback="not on Friday"))
    attempt = scene.attempt("deploy")
    assert (attempt.number, attempt.status, attempt.stage, attempt.sha256) == (2, "gating", Stage.BEFORE, None)
    assert attempt.feedback[0].message == "not on Friday"


def test_a_gate_that_needs_trust_waits_and_burns_no_attempt():
    scene = run_of(phase("build", gates=(COMMAND,)))
    scene.start("build")
    scene.submit("build", tree="t1")
    scene.judge("build", GateOutcome.NEEDS_TRUST, "check 'test' is not trusted")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (1, "awaiting")
    assert scene.state.status is RunStatus.WAITING
    scene.give(scene.command(c.TreeChange, "build", tree="t1"))
    scene.judge("build")
    assert scene.attempt("build").status == "completed"


def test_a_gate_that_needs_trust_takes_no_approval():
    scene = run_of(phase("build", gates=(COMMAND,)))
    scene.start("build")
    scene.submit("build")
    scene.judge("build", GateOutcome.NEEDS_TRUST)
    assert scene.refused(scene.command(c.AskApproval, "build", request="q")).code == "needs_trust"
    refused = scene.refused(scene.command(c.Approve, "build", HUMAN, sha256="a" * 64))
    assert refused.code == "needs_trust"
    assert "'command'" in refused.message


@pytest.mark.requirement("B-07")
@pytest.mark.parametrize("kind", [GateOutcome.FAIL, GateOutcome.ERROR])
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_retries_are_bounded_for_every_gate_after_work(kind: GateOutcome, failing: int):
    scene = run_of(phase("build", gates=(EXPR, COMMAND, GateSpec("report"))))
    scene.start("build")
    for number in (1, 2, 3):
        assert (scene.attempt("build").number, scene.attempt("build").status) == (number, "running")
        scene.submit("build", revision=number)
        for _ in range(failing):
            scene.judge("build")
        scene.judge("build", kind, "no")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (3, "failed")
    assert scene.refused(scene.command(c.Retry, "build", AGENT)).code == "needs_human"


@pytest.mark.requirement("B-07")
def test_retries_are_bounded_for_gates_before_work():
    scene = run_of(phase("build", gates_before=(EXPR,)))
    for number in (1, 2, 3):
        assert scene.attempt("build").number == number
        scene.give(scene.command(c.OpenGates, "build", sha256="p" * 64))
        scene.judge("build", GateOutcome.FAIL, "no")
    assert (scene.attempt("build").number, scene.attempt("build").status) == (3, "failed")
    assert scene.state.status is RunStatus.WAITING
