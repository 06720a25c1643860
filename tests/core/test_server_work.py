"""Phases that the server executes: who may act on them, and the effect of a failed step."""

from __future__ import annotations

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import Assurance, AttemptStatus, By, Channel, RunStatus
from wfe_mcp.core.spec import FailRule

SERVER = By("wfe-mcp", Channel.SYSTEM, Assurance.AGENT)


def begun(*on_fail: FailRule) -> Scene:
    scene = run_of(
        phase("ci", kind="steps", served=True, on_fail=on_fail or (FailRule("retry", 2), FailRule("wait_human")))
    )
    scene.start("ci", "server", by=SERVER)
    return scene


@pytest.mark.parametrize("by", [AGENT, HUMAN])
def test_only_the_server_starts_a_phase_of_steps(by: By) -> None:
    scene = run_of(phase("ci", kind="steps", served=True))
    refused = scene.refused(scene.command(c.StartPhase, "ci", by, holder="h"))
    assert (refused.code, "The server works on" in refused.message) == ("illegal_transition", True)
    scene.start("ci", "server", by=SERVER)
    assert scene.attempt("ci").status is AttemptStatus.RUNNING


@pytest.mark.parametrize("by", [AGENT, HUMAN])
def test_only_the_server_submits_the_result_of_steps_or_fails_them(by: By) -> None:
    scene = begun()
    assert scene.refused(scene.command(c.Submit, "ci", by, revision=1, sha256="a")).code == "illegal_transition"
    assert scene.refused(scene.command(c.FailAttempt, "ci", by, reason="no")).code == "illegal_transition"


def test_a_failed_step_goes_by_the_rules_of_on_fail() -> None:
    scene = begun()
    events = scene.give(scene.command(c.FailAttempt, "ci", SERVER, reason="step 'pr' failed: no"))
    assert events == ["AttemptFailed", "AttemptOpened"]
    again = scene.attempt("ci")
    assert (again.number, again.status, again.holder) == (2, AttemptStatus.RUNNING, "server")
    assert again.feedback[0].message == "step 'pr' failed: no"
    scene.give(scene.command(c.FailAttempt, "ci", SERVER, reason="no again", kind=FailKind.INVALID))
    last = scene.attempt("ci")
    assert (last.status, last.human_only, last.fail_kind) == (AttemptStatus.FAILED, True, FailKind.INVALID)


def test_what_may_have_happened_is_left_to_a_person_whatever_the_rules_say() -> None:
    scene = begun(FailRule("retry", 9))
    events = scene.give(scene.command(c.FailAttempt, "ci", SERVER, reason="in doubt", human_only=True))
    assert events == ["AttemptFailed", "HumanAwaited"]
    assert scene.state.status is RunStatus.WAITING
    assert scene.refused(scene.command(c.Retry, "ci", AGENT)).code == "needs_human"
    scene.give(scene.command(c.Retry, "ci", HUMAN))
    assert scene.attempt("ci").status is AttemptStatus.READY


def test_work_of_an_agent_is_not_failed_from_outside() -> None:
    scene = run_of(phase("plan"))
    scene.start("plan")
    assert scene.refused(scene.command(c.FailAttempt, "plan", SERVER, reason="no")).code == "illegal_transition"


def test_a_new_attempt_may_be_worked_by_another_role_and_the_ones_after_it_too() -> None:
    scene = run_of(phase("plan", on_fail=(FailRule("retry", 3), FailRule("wait_human"))))
    scene.start("plan", "h1")
    assert not scene.state.is_served(scene.attempt("plan").phase)
    scene.give(scene.command(c.Retry, "plan", role="second"))
    plan = scene.attempt("plan")
    assert (plan.role, plan.status, scene.state.is_served(plan.phase)) == ("second", AttemptStatus.READY, True)
    assert scene.refused(scene.command(c.StartPhase, "plan", AGENT, holder="h1")).code == "illegal_transition"
    scene.start("plan", "server", by=SERVER)
    scene.give(scene.command(c.FailAttempt, "plan", SERVER, reason="it went round in circles"))
    assert (scene.attempt("plan").role, scene.attempt("plan").number) == ("second", 3)
    scene.give(scene.command(c.Retry, "plan", role="client"))
    assert not scene.state.is_served(scene.attempt("plan").phase)
    scene.start("plan", "h1")


def test_a_completed_phase_is_reopened_for_another_role() -> None:
    scene = run_of(phase("plan"), phase("build", "plan"))
    scene.work("plan")
    scene.give(scene.command(c.Retry, "plan", HUMAN, role="second"))
    assert (scene.attempt("plan").role, scene.attempt("plan").iteration) == ("second", 2)


def test_someone_at_a_terminal_submits_what_a_model_was_to_make() -> None:
    scene = run_of(phase("plan", kind="llm", served=True))
    scene.start("plan", "server", by=SERVER)
    assert scene.refused(scene.command(c.Submit, "plan", AGENT, revision=1, sha256="a")).code == "illegal_transition"
    scene.give(scene.command(c.Submit, "plan", HUMAN, revision=1, sha256="a"))
    assert scene.state.status is RunStatus.COMPLETED


def test_no_role_works_what_is_no_work_of_a_role() -> None:
    scene = begun()
    refused = scene.refused(scene.command(c.Retry, "ci", HUMAN, role="second"))
    assert (refused.code, "takes no role" in refused.message) == ("bad_argument", True)
