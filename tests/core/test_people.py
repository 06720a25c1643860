"""Moves that only a person may make, and their effects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import Assurance, By, Channel, RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import FailRule, GateSpec

APPROVAL, EXPR = GateSpec("approval"), GateSpec("expr")
CLIENT = By("ada", Channel.FORM, Assurance.CLIENT)
PASSKEY = By("ada", Channel.PASSKEY, Assurance.PASSKEY)


def awaiting(gate: GateSpec = APPROVAL, **more: object) -> Scene:
    scene = run_of(phase("plan", gates=(gate,), **more))
    scene.work("plan")
    return scene


def failed(*, skip: str = "human") -> Scene:
    """``plan`` failed after wait_human; its submission is revision 1."""
    scene = run_of(phase("plan", gates=(EXPR,), on_fail=(FailRule("wait_human"),), skip=skip), phase("build", "plan"))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL, "no")
    return scene


# approve


def test_approving_the_open_revision_completes_the_phase():
    scene = awaiting()
    assert scene.state.status is RunStatus.WAITING
    scene.approve("plan")
    assert scene.state.status is RunStatus.COMPLETED
    assert scene.attempt("plan").verdicts[-1].outcome is GateOutcome.PASS


@pytest.mark.parametrize("comment", ["skipped: what I did not read", "overruled: the reviewer", "fine"])
def test_a_comment_says_nothing_about_the_outcome_of_an_approval(comment: str):
    scene = awaiting()
    scene.ask("plan")
    scene.give(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64, comment=comment))
    (verdict,) = scene.attempt("plan").verdicts
    assert (verdict.outcome, verdict.message) == (GateOutcome.PASS, comment)


@pytest.mark.parametrize(
    ("needs", "enough"),
    [("agent", AGENT), ("client", CLIENT), ("human", HUMAN), ("passkey", PASSKEY)],
)
def test_an_approval_needs_at_least_the_assurance_of_its_gate(needs: Any, enough: By):
    for by in (AGENT, CLIENT, HUMAN, PASSKEY):
        scene = awaiting(GateSpec("approval", needs))
        scene.ask("plan")
        approve = scene.command(c.Approve, "plan", by, sha256="a" * 64)
        if by.assurance >= enough.assurance:
            scene.give(approve)
            assert scene.attempt("plan").status == "completed"
        else:
            refused = scene.refused(approve)
            assert refused.code == "needs_human"
            assert repr(needs) in refused.message


def test_approving_other_bytes_is_stale():
    scene = awaiting()
    scene.ask("plan")
    assert scene.refused(scene.command(c.Approve, "plan", HUMAN, sha256="b" * 64)).code == "stale_revision"


def test_an_approval_without_a_request_is_refused():
    scene = awaiting()
    assert scene.refused(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64)).code == "illegal_transition"


def test_asking_again_with_the_same_request_changes_nothing():
    scene = awaiting()
    assert scene.ask("plan", "q1") == ["ApprovalAsked"]
    assert scene.ask("plan", "q1") == []
    assert scene.ask("plan", "q2") == ["ApprovalAsked"]


def test_a_decision_counts_once():
    scene = run_of(phase("plan", gates=(APPROVAL, APPROVAL)))
    scene.work("plan")
    scene.approve("plan")
    assert (scene.attempt("plan").status, scene.attempt("plan").gate) == ("awaiting", 1)
    assert scene.refused(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64)).code == "illegal_transition"
    scene.approve("plan")
    assert scene.attempt("plan").status == "completed"


# reject, withdraw, edit


@pytest.mark.parametrize("by", [HUMAN, CLIENT])
def test_a_persons_reject_counts_as_a_failed_attempt_for_on_fail(by: By):
    scene = awaiting(on_fail=(FailRule("retry", 2), FailRule("block")))
    scene.give(scene.command(c.Reject, "plan", by, feedback="too thin", sha256="a" * 64))
    attempt = scene.attempt("plan")
    assert (attempt.number, attempt.status, attempt.feedback[0].message) == (2, "running", "too thin")
    scene.submit("plan", revision=2)
    scene.give(scene.command(c.Reject, "plan", by, feedback=""))
    assert (scene.state.status, scene.attempt("plan").fail_kind) == (RunStatus.BLOCKED, FailKind.REJECTED)
    assert scene.attempt("plan").reason == "rejected by a person"


def test_an_agent_does_not_reject():
    scene = awaiting()
    assert scene.refused(scene.command(c.Reject, "plan", AGENT, feedback="no")).code == "needs_human"


def test_rejecting_other_bytes_is_stale():
    scene = awaiting()
    assert scene.refused(scene.command(c.Reject, "plan", HUMAN, feedback="", sha256="b")).code == "stale_revision"


def reviewed() -> Scene:
    scene = run_of(phase("plan"), phase("docs"), phase("build", "plan"), phase("review", "build", gates=(APPROVAL,)))
    for path in ("plan", "docs", "build", "review"):
        scene.work(path)
    return scene


def test_a_reject_with_an_earlier_phase_is_a_goto():
    scene = reviewed()
    scene.give(scene.command(c.Reject, "review", HUMAN, feedback="wrong plan", to="plan"))
    assert scene.statuses == {"plan": "ready", "docs": "completed", "build": "pending", "review": "pending"}
    assert (scene.state.iteration, scene.attempt("plan").feedback[0].message) == (2, "wrong plan")


@pytest.mark.parametrize(
    ("to", "code", "hint"),
    [("plam", "unknown_phase", "'plan'"), ("zzz", "unknown_phase", ""), ("docs", "bad_argument", "earlier phase")],
)
def test_a_reject_names_an_earlier_phase_that_is_needed(to: str, code: str, hint: str):
    refused = reviewed().refused(reviewed().command(c.Reject, "review", HUMAN, feedback="no", to=to))
    assert refused.code == code
    assert hint in refused.hint


def test_a_reject_may_name_the_phase_itself():
    scene = reviewed()
    scene.give(scene.command(c.Reject, "review", HUMAN, feedback="again", to="review"))
    assert (scene.attempt("review").status, scene.attempt("review").iteration) == ("ready", 2)


def test_an_agent_withdraws_its_own_submission():
    scene = awaiting()
    scene.give(scene.command(c.Withdraw, "plan"))
    attempt = scene.attempt("plan")
    assert (attempt.number, attempt.status, attempt.holder, attempt.feedback) == (2, "running", "h1", ())


def test_nothing_is_withdrawn_before_work():
    scene = run_of(phase("deploy", gates_before=(APPROVAL,)))
    scene.give(scene.command(c.OpenGates, "deploy", sha256="p"))
    assert scene.refused(scene.command(c.Withdraw, "deploy")).code == "illegal_transition"


def test_an_edit_of_a_failed_phase_is_judged_again():
    scene = failed()
    scene.give(scene.command(c.Edit, "plan", HUMAN, revision=2, sha256="b" * 64))
    assert (scene.attempt("plan").status, scene.state.status) == ("gating", RunStatus.RUNNING)
    scene.judge("plan")
    assert scene.attempt("build").status == "ready"


def test_a_prompt_under_gates_is_no_artifact_to_edit():
    scene = run_of(phase("deploy", gates_before=(APPROVAL,)))
    assert scene.refused(scene.command(c.Edit, "deploy", HUMAN, revision=1, sha256="b")).code == "illegal_transition"


# force-accept


@pytest.mark.requirement("B-24")
def test_force_accept_needs_a_person_and_a_reason_and_taints_the_run():
    scene = failed()
    assert scene.refused(scene.command(c.ForceAccept, "plan", AGENT, reason="late")).code == "needs_human"
    assert scene.refused(scene.command(c.ForceAccept, "plan", CLIENT, reason="late")).code == "needs_human"
    assert scene.refused(scene.command(c.ForceAccept, "plan", HUMAN, reason=" ")).code == "bad_argument"
    assert not scene.state.tainted
    scene.give(scene.command(c.ForceAccept, "plan", HUMAN, reason="the check is broken"))
    attempt = scene.attempt("plan")
    assert (attempt.status, attempt.forced, attempt.reason) == ("completed", True, "the check is broken")
    assert scene.state.tainted
    scene.work("build")
    assert (scene.state.status, scene.state.tainted) == (RunStatus.COMPLETED, True)


@pytest.mark.requirement("B-24")
def test_a_tainted_run_stays_tainted_in_the_next_iteration():
    scene = failed()
    scene.give(scene.command(c.ForceAccept, "plan", HUMAN, reason="late"))
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    assert (scene.state.tainted, scene.attempt("plan").forced) == (True, False)


def test_force_accept_takes_another_revision_when_it_names_one():
    scene = failed()
    scene.give(scene.command(c.ForceAccept, "plan", HUMAN, reason="late", revision=4, sha256="d" * 64))
    assert (scene.attempt("plan").revision, scene.attempt("plan").sha256) == (4, "d" * 64)


def test_force_accept_of_a_prompt_makes_the_phase_ready():
    scene = run_of(phase("deploy", gates_before=(APPROVAL,)))
    scene.give(scene.command(c.OpenGates, "deploy", sha256="p"))
    scene.give(scene.command(c.ForceAccept, "deploy", HUMAN, reason="on call"))
    assert (scene.attempt("deploy").status, scene.state.tainted) == ("ready", True)


def test_there_is_nothing_to_accept_before_a_submission():
    scene = run_of(phase("plan"), max_invalid=1)
    scene.start("plan")
    scene.give(scene.command(c.RefuseSubmission, "plan", reason="no"))
    assert scene.refused(scene.command(c.ForceAccept, "plan", HUMAN, reason="late")).code == "conflict"


# skip, retry


@pytest.mark.parametrize(
    ("skip", "by", "code"),
    [
        ("never", HUMAN, "illegal_transition"),
        ("human", AGENT, "needs_human"),
        ("human", HUMAN, None),
        ("agent", AGENT, None),
    ],
)
def test_a_phase_is_skipped_by_whom_its_template_lets(skip: str, by: By, code: str | None):
    scene = run_of(phase("plan", skip=skip), phase("build", "plan"))
    command = scene.command(c.Skip, "plan", by, reason="not needed")
    if code is not None:
        assert scene.refused(command).code == code
        return
    scene.give(command)
    assert scene.statuses == {"plan": "skipped", "build": "ready"}
    assert scene.attempt("plan").reason == "not needed"


def test_an_agent_does_not_skip_past_a_stop_for_a_person():
    scene = failed(skip="agent")
    assert scene.refused(scene.command(c.Skip, "plan", AGENT, reason="hard")).code == "needs_human"


def test_a_skipped_phase_is_reopened_by_a_person():
    scene = run_of(phase("plan"), phase("build", "plan"))
    scene.give(scene.command(c.Skip, "plan", HUMAN, reason="later"))
    assert scene.refused(scene.command(c.Retry, "plan", AGENT)).code == "needs_human"
    scene.give(scene.command(c.Retry, "plan", HUMAN, feedback="now"))
    assert scene.statuses == {"plan": "ready", "build": "pending"}


def test_an_agent_retries_its_own_running_attempt():
    scene = run_of(phase("plan"))
    scene.start("plan")
    scene.give(scene.command(c.Retry, "plan", AGENT, feedback="wrong file"))
    assert (scene.attempt("plan").number, scene.attempt("plan").status) == (2, "running")


def test_a_persons_retry_opens_the_next_attempt_with_the_reason_of_the_last():
    scene = failed()
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    attempt = scene.attempt("plan")
    assert (attempt.number, attempt.status, attempt.feedback[0].message) == (2, "ready", "no")
