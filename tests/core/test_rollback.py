"""The state after a rollback, and who may request one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, each, phase, run_of
from tests.core.test_flows import SYSTEM
from tests.core.test_recovery import recovered_by
from wfe_mcp.core import commands as c
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.model import Assurance, AttemptStatus, By, Channel, RunStatus
from wfe_mcp.core.moves import legal_moves
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec
from wfe_mcp.core.undo import people_since

PLAN = phase("plan", gates=(GateSpec("expr"), GateSpec("approval")))
BUILD = phase("build", "plan", gates=(GateSpec("command", binds_tree=True),), exclusive=True)


def at_build() -> tuple[Scene, int]:
    """A run whose plan a person approved and whose build is claimed; and the number of the event before the claim."""
    scene = run_of(PLAN, BUILD)
    scene.work("plan")
    scene.approve("plan")
    ready = len(scene.log)
    scene.start("build", tree="t1")
    return scene, ready


def tries(scene: Scene, path: str) -> list[str]:
    return [str(attempt.status) for attempt in scene.state.attempts[PhasePath(path)]]


def test_work_that_a_rollback_leaves_behind_is_rolled_back_and_restarts_with_the_next_number():
    scene, ready = at_build()
    scene.submit("build", tree="t2")
    assert scene.back(ready, AGENT) == ["RolledBack"]
    assert tries(scene, "build") == ["rolled_back", "ready"]
    assert tries(scene, "plan") == ["completed"]
    late = scene.refused(scene.command(c.Submit, "build", attempt=1, sha256="b" * 64, revision=2))
    assert late.code == "stale_revision"


def test_gates_judge_again_what_was_under_judgement_then():
    scene, ready = at_build()
    scene.submit("build", "b" * 64, 1, tree="t2")
    judged = len(scene.log)
    scene.judge("build")
    assert scene.state.status is RunStatus.COMPLETED
    scene.back(judged)
    again = scene.attempt("build")
    assert (again.status, again.gate, again.verdicts) == (AttemptStatus.GATING, 0, ())
    assert (again.number, again.made_in, again.revision, again.sha256) == (2, 1, 1, "b" * 64)
    assert scene.state.status is RunStatus.RUNNING
    scene.judge("build")
    assert scene.state.status is RunStatus.COMPLETED
    assert tries(scene, "build") == ["rolled_back", "completed"]
    assert ready < judged


def test_what_was_approved_before_work_is_asked_again():
    scene = run_of(phase("deploy", gates_before=(GateSpec("approval"),)))
    scene.give(scene.command(c.OpenGates, "deploy", sha256="f" * 64))
    scene.approve("deploy")
    approved = len(scene.log)
    scene.start("deploy")
    scene.back(approved)
    again = scene.attempt("deploy")
    assert (again.number, again.status, again.sha256, again.asked) == (2, AttemptStatus.GATING, None, None)


def test_a_completed_phase_that_a_jump_superseded_is_completed_again_with_its_revision():
    scene = run_of(
        phase("plan"),
        phase("build", "plan", on_fail=(FailRule("goto", 2, PhasePath("plan")),), gates=(GateSpec("expr"),)),
    )
    scene.work("plan")
    planned = len(scene.log)
    scene.start("build")
    scene.submit("build")
    scene.judge("build", GateOutcome.FAIL)
    assert (tries(scene, "plan"), scene.state.iteration) == (["superseded", "ready"], 2)
    scene.back(planned, AGENT)
    assert tries(scene, "plan") == ["superseded", "rolled_back", "completed"]
    again = scene.attempt("plan")
    assert (again.revision, again.made_in) == (1, 1)
    assert (scene.state.iteration, scene.state.jumps) == (2, {"build/on_fail/0": 1})


def test_a_rollback_gives_no_new_tries_and_no_more_than_one_more_invalid_artifact():
    scene = run_of(PLAN, max_invalid=2)
    started = len(scene.log)
    scene.start("plan")
    scene.give(scene.command(c.RefuseSubmission, "plan", reason="no"))
    scene.back(started, AGENT)
    assert scene.attempt("plan").invalid == 1
    scene.start("plan")
    scene.give(scene.command(c.RefuseSubmission, "plan", reason="no"))
    stopped = scene.attempt("plan")
    assert (stopped.status, stopped.human_only, stopped.number) == (AttemptStatus.FAILED, True, 2)
    assert scene.refused(scene.going_back(started, AGENT)).code == "needs_human"
    scene.back(started)
    assert (scene.attempt("plan").invalid, scene.attempt("plan").before) == (1, 0)


def test_a_start_that_is_undone_and_redone_uses_up_no_retry_and_submitted_work_does():
    scene = run_of(phase("plan", gates=(GateSpec("expr"),), on_fail=(FailRule("retry", 3),)))
    for _ in range(2):
        scene.start("plan")
        scene.undo(AGENT)
        scene.redo(AGENT)
        scene.undo(AGENT)
    tried: list[str] = []
    for outcome in (
        None,
        GateOutcome.FAIL,
        GateOutcome.FAIL,
    ):  # what was submitted counts, though a rollback leaves it behind
        scene.start("plan")
        scene.submit("plan")
        tried.append((scene.judge("plan", outcome) if outcome else scene.undo(AGENT))[-1])
    assert tried == ["RolledBack", "AttemptOpened", "HumanAwaited"]


def test_files_that_stay_as_they_are_stay_changed_for_the_gates_that_compare():
    scene, ready = at_build()
    scene.back(ready, AGENT)
    assert scene.attempt("build").tree_at_start == "t1"
    scene.back(ready, AGENT, files=True, tree="t0")
    assert scene.attempt("build").tree_at_start is None


def test_who_works_in_files_that_go_back_restarts():
    scene, _ = at_build()
    here = len(scene.log)
    scene.back(here, AGENT)
    assert tries(scene, "build") == ["running"]
    scene.back(here, AGENT, files=True)
    assert tries(scene, "build") == ["rolled_back", "ready"]


def test_items_that_were_not_open_then_are_rolled_back_and_open_again_later():
    scene = run_of(phase("plan"), *each("walk", "plan", body=(phase("code"),)))
    scene.work("plan")
    scene.items("walk", "a", "b")
    opened = len(scene.log)
    scene.work("walk[a].code")
    scene.start("walk[b].code")
    scene.back(opened, AGENT)
    assert tries(scene, "walk[a].code") == ["rolled_back", "ready"]
    assert tries(scene, "walk[b].code") == ["rolled_back"]
    assert scene.state.loops[PhasePath("walk")].open == ("a",)
    refused = scene.refused(scene.command(c.Submit, "walk[b].code", sha256="b" * 64, revision=1))
    assert refused.code == "stale_revision"
    scene.work("walk[a].code")
    assert tries(scene, "walk[b].code") == ["rolled_back", "ready"]
    scene.work("walk[b].code")
    assert scene.state.status is RunStatus.COMPLETED


def test_a_loop_that_is_walked_again_has_its_whole_time():
    scene = run_of(*each("walk", timeout_s=60, body=(phase("code"),)))
    scene.items("walk", "a")
    opened = len(scene.log)
    scene.work("walk[a].code")
    scene.later(100)
    scene.back(opened)
    again = scene.attempt("walk")
    assert again.deadline is not None
    assert (again.number, (again.deadline - scene.at).total_seconds()) == (2, 60)
    assert scene.state.loops[PhasePath("walk")].attempt == 2


def test_a_phase_that_was_being_undone_waits_for_a_person():
    scene = run_of(phase("deploy", kind="steps", served=True, on_fail=(FailRule("compensate"), FailRule("retry", 3))))
    scene.give(scene.command(c.StartPhase, "deploy", SYSTEM, holder="server"))
    scene.give(scene.command(c.FailAttempt, "deploy", SYSTEM, reason="no"))
    undoing = len(scene.log)
    scene.give(scene.command(c.EndCompensation, "deploy", SYSTEM))
    scene.back(undoing)
    stands = scene.attempt("deploy")
    assert (stands.status, stands.repair, stands.human_only) == (AttemptStatus.FAILED, "", True)


def test_a_recovery_that_ran_then_runs_again():
    scene = run_of(
        *recovered_by("code", gates=(GateSpec("expr"),), on_fail=(FailRule("subflow", 1),), body=(phase("diagnose"),))
    )
    scene.start("code")
    scene.submit("code")
    scene.judge("code", GateOutcome.FAIL)
    scene.give(scene.command(c.Answer, "code", kind="recovery", items="d" * 64))
    begun = len(scene.log)
    scene.work("code[recovery-1].diagnose")
    assert tries(scene, "code") == ["superseded", "ready"]
    scene.back(begun)
    assert scene.attempt("code").repair == "recover"
    assert tries(scene, "code[recovery-1].diagnose") == ["rolled_back", "ready"]
    scene.work("code[recovery-1].diagnose")
    assert scene.attempt("code").status is AttemptStatus.READY


# Who may


@pytest.mark.attack("an agent rolls back over a person's approval", "held")
def test_an_agent_undoes_its_own_work_and_no_decision_of_a_person():
    scene, ready = at_build()
    refused = scene.refused(scene.going_back(2, AGENT))
    assert refused.code == "needs_human"
    assert "the approval of plan" in refused.message
    assert "PhaseReady" not in refused.message
    scene.back(ready, AGENT)
    scene.back(2, HUMAN)
    assert scene.statuses == {"plan": "ready", "build": "pending"}


@pytest.mark.attack("an agent rolls back over a stop for a person", "held")
def test_a_stop_for_a_person_is_not_gone_round_by_going_back():
    scene = run_of(phase("plan", gates=(GateSpec("expr"),), on_fail=(FailRule("wait_human"),)), phase("build", "plan"))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    assert scene.refused(scene.going_back(2, AGENT)).code == "needs_human"


@pytest.mark.parametrize("rule", ["block", "fail"])
def test_a_run_that_a_rule_ended_is_opened_again_by_a_person(rule: Any):
    scene = run_of(phase("plan", gates=(GateSpec("expr"),), on_fail=(FailRule(rule),)))
    scene.start("plan")
    before = len(scene.log)
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    ended = len(scene.log)
    refused = scene.refused(scene.going_back(before, AGENT))
    assert (refused.code, scene.state.is_over) == ("needs_human", True)
    scene.back(before)
    assert scene.statuses == {"plan": "ready"}
    scene.back(ended)
    assert scene.state.is_over
    assert scene.attempt("plan").human_only


def test_a_pause_stays_where_it_is_and_only_an_undo_takes_it_back():
    scene, ready = at_build()
    scene.give(scene.command(c.Pause, by=HUMAN, reason="lunch"))
    scene.give(scene.command(c.SetAuto, by=HUMAN, auto=False))
    scene.back(ready, AGENT)
    assert (scene.state.status, scene.state.paused_by_human, scene.state.reason) == ("paused", True, "lunch")
    assert not scene.state.auto
    assert scene.refused(scene.going_back(ready, AGENT, "undo")).code == "needs_human"
    scene.back(ready, HUMAN, "undo")
    assert scene.state.auto
    assert scene.state.status is RunStatus.RUNNING


def test_a_pause_is_there_again_when_its_end_is_undone():
    scene, _ = at_build()
    scene.give(scene.command(c.Pause, by=HUMAN, reason="lunch"))
    scene.give(scene.command(c.Resume, by=HUMAN, max_tokens=5))
    scene.undo()
    assert (scene.state.status, scene.state.reason, scene.state.max_tokens) == ("paused", "lunch", None)
    scene.redo()
    assert (scene.state.status, scene.state.max_tokens) == ("running", 5)


def test_an_agent_that_undoes_ends_no_pause_of_a_person_and_switches_nothing_on():
    scene = run_of(PLAN, BUILD)
    # A terminal is no proof of a person, so these come as an agent may have typed them.
    scene.give(scene.command(c.SetAuto, auto=False))
    assert "Automatic mode" in scene.refused(scene.going_back(2, AGENT, "undo")).message
    scene.give(scene.command(c.Pause, for_human=True, reason="look"))
    by_itself = c.Rollback(to=2, then=replay(scene.log[:2]), kind="undo", by=AGENT, at=scene.at)
    assert "It was paused: look" in scene.refused(by_itself).message


def test_an_agent_does_not_go_back_over_a_try_that_waits_for_a_person():
    scene = run_of(phase("deploy", kind="steps", served=True, on_fail=(FailRule("compensate"),)))
    first = len(scene.log)
    scene.give(scene.command(c.StartPhase, "deploy", SYSTEM, holder="server"))
    scene.give(scene.command(c.FailAttempt, "deploy", SYSTEM, reason="no"))
    scene.back(len(scene.log), HUMAN)
    unlogged = c.Rollback(to=first, then=replay(scene.log[:first]), by=AGENT, at=scene.at)
    scene.give(scene.command(c.EndCompensation, "deploy", SYSTEM, fault="half"))
    assert "waits for the user" in scene.refused(unlogged).message


def test_a_run_goes_back_neither_to_before_its_start_nor_from_its_end_for_good():
    scene = run_of(PLAN)
    assert scene.refused(scene.going_back(0)).code == "bad_argument"
    scene.give(scene.command(c.Cancel))
    assert scene.refused(scene.going_back(1)).code == "illegal_transition"


def test_what_a_person_recorded_goes_back_with_a_person_where_files_do():
    scene, ready = at_build()
    for by in (AGENT, HUMAN):
        scene.give(c.TakeCheckpoint(commit="c1", tree="t2", by=by, at=scene.at))
    seq = len(scene.log)
    assert people_since(scene.entries, ready, whole=False) == ()
    assert people_since(scene.entries, ready, whole=False, files=True) == (f"the checkpoint (event {seq})",)


def test_a_checkpoint_that_an_agent_took_over_http_goes_back_without_a_person():
    scene, ready = at_build()
    agent = By("script", Channel.HTTP, Assurance.AGENT)
    scene.give(c.TakeCheckpoint(commit="c1", tree="t2", by=agent, at=scene.at))
    assert people_since(scene.entries, ready, whole=False, files=True) == ()


# While files are put back


def rollback_to(scene: Scene, ready: int) -> dict[str, Any]:
    """What a command says that takes the run and its files back to the event ``ready``."""
    return {"to": ready, "then": replay(scene.log[:ready]), "by": AGENT, "at": scene.at, "files": True}


def test_nothing_else_happens_while_files_are_put_back():
    scene, ready = at_build()
    scene.submit("build", tree="t2")
    answer = rollback_to(scene, ready)
    begin = c.BeginRollback(commit="c1", safety="c2", holder="me", **answer)
    assert scene.give(begin) == ["RollbackBegan"]
    assert not legal_moves(scene.state, HUMAN, scene.at)
    assert scene.refused(scene.command(c.Cancel)).code == "leased"
    assert scene.refused(begin).code == "leased"
    assert scene.refused(scene.going_back(1)).code == "leased"
    attempt = scene.attempt("build")
    verdict = scene.command(
        c.RecordVerdict, "build", SYSTEM, stage=attempt.stage, gate=0, outcome=GateOutcome.PASS, sha256="a" * 64
    )
    assert scene.give(verdict) == ["GateJudged"]
    ends: dict[str, Any] = answer | {"by": SYSTEM, "safety": "c2", "tree": "t1"}
    assert scene.give(c.Rollback(**ends)) == ["RolledBack"]
    assert tries(scene, "build") == ["rolled_back", "ready"]


def test_a_rollback_that_is_abandoned_leaves_the_run_as_it_was():
    scene, ready = at_build()
    before = scene.state
    answer = rollback_to(scene, ready)
    assert scene.refused(scene.command(c.AbandonRollback, reason="?")).code == "illegal_transition"
    scene.give(c.BeginRollback(commit="c1", safety="c2", holder="me", **answer))
    scene.give(scene.command(c.AbandonRollback, reason="disk full"))
    assert scene.state == before


def test_a_checkpoint_is_an_event_that_changes_nothing():
    scene, _ = at_build()
    before = scene.state
    scene.give(c.TakeCheckpoint(commit="c1", tree="t1", at=scene.at))
    assert scene.state == before


def test_what_needs_an_approval_that_is_asked_again_begins_after_it():
    scene = run_of(phase("plan", gates=(GateSpec("approval"),)), phase("build", "plan"))
    scene.work("plan")
    scene.approve("plan")
    to = len(scene.log)
    assert scene.statuses["build"] == "ready"
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    scene.back(to, changed=True)
    assert scene.statuses == {"plan": "awaiting", "build": "pending"}
