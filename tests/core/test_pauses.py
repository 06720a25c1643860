"""A run waits where a person holds it: proceed, auto, pause, resume, cancel."""

from __future__ import annotations

from tests.core.conftest import AGENT, HUMAN, phase, run_of
from tests.core.test_people import APPROVAL, EXPR, awaiting
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import Assurance, By, Channel, RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.spec import FailRule


def test_without_auto_every_completed_phase_waits_for_proceed():
    scene = run_of(phase("plan"), phase("build", "plan"), auto=False)
    scene.work("plan")
    assert (scene.attempt("plan").held, scene.state.status) == (True, RunStatus.WAITING)
    assert scene.attempt("build").status == "pending"
    no = scene.refused(scene.command(c.Proceed, by=AGENT))
    assert (no.code, no.hint) == ("needs_human", "Ask the user to run: wfe-mcp proceed RUN")
    scene.give(scene.command(c.Proceed, by=HUMAN))
    scene.work("build")
    assert scene.state.status is RunStatus.WAITING
    scene.give(scene.command(c.Proceed, by=HUMAN))
    assert scene.state.status is RunStatus.COMPLETED


def test_proceed_may_name_one_phase():
    scene = run_of(phase("a"), phase("b"), auto=False)
    scene.work("a")
    scene.work("b")
    scene.give(scene.command(c.Proceed, "a", HUMAN))
    assert (scene.attempt("a").held, scene.attempt("b").held) == (False, True)
    assert scene.refused(scene.command(c.Proceed, "a", HUMAN)).code == "illegal_transition"
    assert scene.refused(scene.command(c.Proceed, "z", HUMAN)).code == "unknown_phase"


def test_proceed_is_meaningless_where_nothing_is_held():
    scene = run_of(phase("plan"))
    assert scene.refused(scene.command(c.Proceed, by=HUMAN)).code == "illegal_transition"


def test_a_phases_own_auto_proceed_wins_over_the_run():
    scene = run_of(phase("plan", auto_proceed=True), phase("build", "plan"), auto=False)
    scene.work("plan")
    assert scene.attempt("build").status == "ready"
    scene = run_of(phase("plan", auto_proceed=False), phase("build", "plan"), auto=True)
    scene.work("plan")
    assert (scene.attempt("plan").held, scene.attempt("build").status) == (True, "pending")


def test_auto_on_releases_what_the_run_held_but_not_what_the_phase_holds():
    scene = run_of(phase("a"), phase("b", auto_proceed=False), phase("c", "a"), phase("d", "b"), auto=False)
    scene.work("a")
    scene.work("b")
    no = scene.refused(scene.command(c.SetAuto, by=AGENT, auto=True))
    assert (no.code, no.hint) == ("needs_human", "Ask the user to run: wfe-mcp auto RUN on")
    assert no.message == "Automatic mode is off. Only the user can turn it on.", "the agent may have turned it off"
    scene.give(scene.command(c.SetAuto, by=HUMAN, auto=True))
    assert scene.statuses == {"a": "completed", "b": "completed", "c": "ready", "d": "pending"}
    assert scene.attempt("b").held


def test_auto_off_holds_what_completes_from_now_on():
    scene = run_of(phase("plan"), phase("build", "plan"))
    scene.work("plan")
    assert scene.give(scene.command(c.SetAuto, by=AGENT, auto=False)) == ["AutoSwitched"]
    scene.work("build")
    assert (scene.attempt("plan").held, scene.attempt("build").held) == (False, True)


def test_switching_auto_to_what_it_is_changes_nothing():
    scene = run_of(phase("plan"))
    assert scene.give(scene.command(c.SetAuto, by=AGENT, auto=True)) == []


def test_a_paused_run_records_results_and_starts_nothing():
    scene = run_of(phase("a", gates=(EXPR,)), phase("b"), phase("c", "a"), max_parallel=2)
    scene.start("a")
    scene.give(scene.command(c.Pause, by=HUMAN, reason="lunch"))
    assert scene.state.reason == "lunch"
    assert scene.refused(scene.command(c.StartPhase, "b", holder="h2")).code == "illegal_transition"
    assert scene.start("a", "h1") == []
    scene.submit("a")
    scene.judge("a")
    assert scene.statuses == {"a": "completed", "b": "ready", "c": "pending"}
    assert "resumed" in scene.refused(scene.command(c.StartPhase, "c", holder="h")).message
    scene.give(scene.command(c.Resume, by=HUMAN))
    assert scene.attempt("c").status == "ready"


def test_a_failure_in_a_paused_run_waits_for_its_rules_and_no_agent_walks_round_them():
    scene = run_of(phase("a", gates=(EXPR,), on_fail=(FailRule("wait_human"),), skip="agent"))
    scene.start("a")
    scene.give(scene.command(c.Pause, by=AGENT))
    scene.submit("a")
    scene.judge("a", GateOutcome.FAIL)
    assert (scene.attempt("a").status, scene.attempt("a").human_only) == ("failed", False)
    for command in (
        scene.command(c.Retry, "a", AGENT),
        scene.command(c.Edit, "a", AGENT, revision=2, sha256="b"),
        scene.command(c.Skip, "a", AGENT, reason="hard"),
    ):
        assert scene.refused(command).code == "needs_human"
    scene.give(scene.command(c.Resume, by=AGENT))
    assert scene.attempt("a").human_only


def test_a_retry_in_a_paused_run_starts_nothing():
    scene = run_of(phase("a"))
    scene.start("a")
    scene.give(scene.command(c.Pause, by=AGENT))
    scene.give(scene.command(c.Retry, "a", AGENT))
    assert (scene.attempt("a").number, scene.attempt("a").status) == (2, "ready")


def test_an_approval_in_a_paused_run_is_recorded():
    scene = awaiting()
    scene.give(scene.command(c.Pause, by=HUMAN))
    scene.approve("plan")
    assert (scene.attempt("plan").status, scene.state.status) == ("completed", RunStatus.PAUSED)
    scene.give(scene.command(c.Resume, by=HUMAN))
    assert scene.state.status is RunStatus.COMPLETED


def test_a_persons_pause_is_undone_by_a_person():
    scene = run_of(phase("plan"))
    scene.give(scene.command(c.Pause, by=HUMAN))
    assert scene.refused(scene.command(c.Resume, by=AGENT)).code == "needs_human"
    scene.give(scene.command(c.Resume, by=HUMAN))
    scene.give(scene.command(c.Pause, by=AGENT))
    scene.give(scene.command(c.Resume, by=AGENT))
    assert scene.state.status is RunStatus.RUNNING


def test_an_agent_does_not_reopen_a_blocked_run_through_another_phase():
    scene = run_of(phase("a", gates=(APPROVAL,), skip="agent"), phase("b", gates=(EXPR,), on_fail=(FailRule("block"),)))
    scene.work("a")
    scene.start("b")
    scene.submit("b")
    scene.judge("b", GateOutcome.FAIL)
    assert scene.state.status is RunStatus.BLOCKED
    edit = {"revision": 2, "sha256": "b" * 64}
    assert scene.refused(scene.command(c.Edit, "a", AGENT, **edit)).code == "needs_human"
    no = scene.refused(scene.command(c.Skip, "a", AGENT, reason=""))
    assert (no.code, no.hint) == ("needs_human", "Ask the user to run: wfe-mcp skip RUN a --reason TEXT")
    scene.give(scene.command(c.Edit, "a", HUMAN, **edit))
    assert scene.state.status is RunStatus.WAITING


def test_cancel_ends_the_run_for_good():
    scene = run_of(phase("plan"), phase("docs"), phase("build", "plan"), phase("ship", "build"))
    scene.work("plan")
    scene.start("docs")
    scene.give(scene.command(c.Cancel, reason="changed my mind"))
    assert scene.statuses == {"plan": "completed", "docs": "cancelled", "build": "cancelled", "ship": "cancelled"}
    assert scene.state.reason == "changed my mind"
    refused = scene.refused(scene.command(c.Retry, "plan", HUMAN))
    assert refused.code == "illegal_transition"
    assert "new run" in refused.hint


def test_a_pause_typed_at_a_terminal_is_a_persons_stop_even_without_a_secret():
    scene = run_of(phase("plan"))
    scene.give(scene.command(c.Pause, by=By("ada", Channel.CLI, Assurance.AGENT)))
    assert scene.refused(scene.command(c.Resume)).code == "needs_human"


def test_a_stop_for_a_person_is_ended_by_a_person_whatever_its_cause():
    scene = run_of(phase("plan"))
    system = By("wfe-mcp", Channel.SYSTEM, Assurance.AGENT)
    scene.give(scene.command(c.Pause, by=system, reason="the budget is used up", for_human=True))
    refused = scene.refused(scene.command(c.Resume, by=AGENT))
    assert refused.code == "needs_human" and "the budget is used up" in refused.message
    scene.give(scene.command(c.Resume, by=HUMAN))
    assert scene.state.status is RunStatus.RUNNING


def test_only_a_person_raises_what_a_run_may_spend():
    scene = run_of(phase("plan"))
    scene.give(scene.command(c.Pause, by=AGENT))
    assert scene.refused(scene.command(c.Resume, by=AGENT, max_cost_usd=5.0)).code == "needs_human"
    assert scene.refused(scene.command(c.Resume, by=AGENT, max_tokens=9)).code == "needs_human"
    scene.give(scene.command(c.Resume, by=HUMAN, max_cost_usd=5.0))
    scene.give(scene.command(c.Pause, by=AGENT))
    scene.give(scene.command(c.Resume, by=HUMAN, max_tokens=1000))
    assert (scene.state.max_cost_usd, scene.state.max_tokens) == (5.0, 1000)
