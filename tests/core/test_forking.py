"""A fork starts with another run's earlier state and continues independently."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.core.conftest import AGENT, HUMAN, Scene, each, phase, run_of
from tests.core.plays import Quick, finish, played
from tests.examples import examples, seeds
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.attempt_states import Completed
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.forking import approved_by_people, begins_as, end_of_decision, stops_since
from wfe_mcp.core.model import By, Channel, Origin, RunId, RunStatus, Submission, Verdict
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule

PLAN = phase("plan", gates=(GateSpec("expr"), GateSpec("approval")))
SYSTEM = By("wfe-mcp", Channel.SYSTEM)
BUILD = phase("build", "plan", gates=(GateSpec("command", binds_tree=True),), exclusive=True)


def fork_of(scene: Scene, seq: int | None = None, by: By = AGENT, **more: Any) -> c.ForkRun:
    """The command to fork ``scene`` at event ``seq``, its last without one, as the engine gives it."""
    seq = end_of_decision(scene.entries, len(scene.log) if seq is None else seq)
    return c.ForkRun(
        then=replay(scene.log[:seq]),
        then_at=scene.entries[seq - 1].at,
        origin=Origin(RunId("origin"), seq, "h" * 64),
        people=stops_since(scene.entries, seq),
        by=by,
        at=scene.at,
        **more,
    )


def forked(scene: Scene, seq: int | None = None, by: By = HUMAN, **more: Any) -> Scene:
    fork = Scene(at=scene.at)
    fork.give(fork_of(scene, seq, by, **more))
    return fork


def at_build() -> Scene:
    """A run whose plan was approved and whose build someone has."""
    scene = run_of(PLAN, BUILD)
    scene.work("plan")
    scene.approve("plan")
    scene.start("build", tree="t1")
    return scene


@pytest.mark.requirement("S1-22")
def test_what_was_approved_stays_so_and_what_someone_had_is_ready_for_the_next_one():
    scene = at_build()
    before = scene.state
    fork = forked(scene, by=AGENT)
    assert fork.statuses == {"plan": "completed", "build": "ready"}
    assert fork.attempt("plan") == scene.attempt("plan")
    assert (fork.attempt("build").number, fork.attempt("build").holder) == (1, None)
    assert fork.state.origin == Origin(RunId("origin"), len(scene.log), "h" * 64)
    assert scene.state is before
    fork.work("build")
    assert fork.state.status is RunStatus.COMPLETED


def test_open_gates_judge_again_and_ask_again():
    scene = run_of(PLAN, BUILD)
    scene.work("plan")
    scene.ask("plan")
    fork = forked(scene, by=AGENT)
    plan = fork.attempt("plan")
    assert (plan.status, plan.gate, plan.verdicts, plan.asked, plan.revision) == ("gating", 0, (), None, 1)
    fork.judge("plan")
    fork.approve("plan")
    assert fork.statuses["build"] == "ready"


def test_what_limits_a_run_goes_along():
    scene = run_of(phase("plan", gates=(GateSpec("expr"),), next=(NextRule("plan", "again", 2),)), max_iterations=3)
    for _ in range(2):
        scene.work("plan")
        scene.answer("plan", "next", value=True)
    scene.start("plan")
    scene.give(scene.command(c.RefuseSubmission, "plan", reason="no title"))
    fork = forked(scene)
    assert (fork.state.iteration, fork.state.jumps) == (3, {"plan/next/0": 2})
    assert (fork.attempt("plan").number, fork.attempt("plan").invalid) == (3, 1)


def test_the_time_that_the_origin_has_taken_counts():
    scene = run_of(phase("plan"), timeout_s=600)
    scene.later(500)
    scene.start("plan")
    scene.later(10_000)
    fork = forked(scene)
    fork.start("plan")
    left = fork.attempt("plan").deadline
    assert left is not None
    assert round((left - fork.at).total_seconds()) == 100


def test_a_fork_is_where_a_person_stopped_the_origin():
    scene = run_of(PLAN, BUILD)
    scene.give(c.Pause(by=HUMAN, at=scene.at, reason="wait for Eve"))
    fork = forked(scene, by=AGENT)
    assert (fork.state.status, fork.state.paused_by_human) == (RunStatus.PAUSED, True)
    assert fork.refused(c.Resume(by=AGENT, at=fork.at)).code == "needs_human"

    scene = run_of(phase("plan", gates=(GateSpec("expr"),), on_fail=(FailRule("wait_human"),)))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    fork = forked(scene, by=AGENT)
    assert fork.state.status is RunStatus.WAITING
    assert fork.refused(fork.command(c.Retry, "plan")).code == "needs_human"


def stop(kind: str) -> Scene:
    """A run that a person stopped in this way after its first three events."""
    rules = {"block": (FailRule("block"),), "fail": (FailRule("fail"),)}.get(kind, (FailRule("wait_human"),))
    scene = run_of(phase("plan", gates=(GateSpec("expr"), GateSpec("approval")), on_fail=rules), BUILD)
    match kind:
        case "pause":
            scene.give(c.Pause(by=HUMAN, at=scene.at))
        case "auto":
            scene.give(c.SetAuto(auto=False, by=HUMAN, at=scene.at))
        case "cancel":
            scene.give(c.Cancel(by=HUMAN, at=scene.at))
        case "reject" | "reject to":
            scene.work("plan")
            scene.ask("plan")
            to = PhasePath("plan") if kind == "reject to" else None
            scene.give(scene.command(c.Reject, "plan", HUMAN, feedback="no", to=to))
        case "rollback":
            scene.work("plan")
            scene.back(2)
        case _:
            scene.start("plan")
            scene.submit("plan")
            scene.judge("plan", GateOutcome.FAIL)
    return scene


@pytest.mark.attack("a fork from an earlier point evades a person's stop, rejection or rollback", "held")
@pytest.mark.parametrize(
    "kind", ["pause", "auto", "cancel", "reject", "reject to", "rollback", "block", "fail", "wait"]
)
def test_an_agent_forks_behind_nothing_that_a_person_stopped(kind: str):
    scene = stop(kind)
    no = Scene().refused(fork_of(scene, 2))
    assert (no.code, "origin@2" in no.hint) == ("needs_human", True)
    assert forked(scene, 2).state.status is RunStatus.RUNNING, "a person may"


def test_what_agents_and_rules_did_since_keeps_no_agent_from_forking():
    scene = run_of(phase("plan", next=(NextRule("plan", "again", 1),)), BUILD)
    scene.work("plan")
    scene.answer("plan", "next", value=True)
    scene.give(c.Pause(by=AGENT, at=scene.at))
    scene.give(c.Cancel(by=AGENT, at=scene.at))
    assert forked(scene, 2, AGENT).statuses["plan"] == "ready"


def test_a_person_who_typed_no_pin_is_one_too():
    scene = run_of(PLAN)
    scene.give(c.Cancel(by=By("ada", Channel.CLI), at=scene.at))
    assert Scene().refused(fork_of(scene, 2)).code == "needs_human"


@pytest.mark.parametrize("by", [AGENT, HUMAN])
def test_nothing_continues_from_where_a_run_is_cancelled(by: By):
    scene = run_of(PLAN)
    scene.give(c.Cancel(by=AGENT, at=scene.at))
    no = Scene().refused(fork_of(scene, by=by))
    assert (no.code, "wfe-mcp log origin" in no.hint) == ("illegal_transition", True)


def test_a_completed_run_is_forked_to_do_a_part_of_it_again():
    scene = at_build()
    scene.submit("build", tree="t2")
    scene.judge("build")
    fork = forked(scene, by=AGENT)
    assert fork.state.status is RunStatus.COMPLETED
    fork.give(fork.command(c.Retry, "build", HUMAN))
    assert fork.statuses == {"plan": "completed", "build": "ready"}


@pytest.mark.parametrize("torn", ["WhenAnswered", "NextJudged", "AttemptFailed", "HumanAwaited", "PhaseForced"])
def test_a_decision_is_not_torn_apart(torn: str):
    rules = (FailRule("block"),)
    scene = run_of(
        phase("left", when="no"),
        phase("plan", gates=(GateSpec("expr"),), on_fail=rules, next=(NextRule("$complete", "enough"),)),
        phase("build", "plan"),
    )
    scene.answer("left", "when", value=False)
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    scene.give(scene.command(c.ForceAccept, "plan", HUMAN, reason="I know better"))
    scene.answer("plan", "next", value=True)
    assert scene.state.status is RunStatus.COMPLETED
    seq = [type(event).__name__ for event in scene.log].index(torn) + 1
    fork = forked(scene, seq)
    last = {"WhenAnswered": "PhaseSkipped", "NextJudged": "RunCompleted", "PhaseForced": "PhaseCompleted"}.get(
        torn, "RunBlocked"
    )
    assert fork.state.origin is not None
    assert type(scene.log[fork.state.origin.seq - 1]).__name__ == last
    assert fork.statuses["left"] == "skipped"


def test_verdicts_name_the_evidence_as_it_is_called_in_the_fork():
    scene = run_of(phase("plan", gates=(GateSpec("command"), GateSpec("approval"))))
    scene.start("plan")
    scene.submit("plan")
    plan = scene.attempt("plan")
    answer: dict[str, Any] = {
        "stage": plan.stage,
        "gate": 0,
        "sha256": plan.sha256,
        "evidence": "ev-1",
        "outcome": GateOutcome.PASS,
    }
    scene.give(scene.command(c.RecordVerdict, "plan", **answer))
    scene.approve("plan")
    fork = forked(scene, evidence={"ev-1": "ev-2"}, revisions=((PhasePath("plan"), 1, "a" * 64),))
    assert [one.evidence for one in fork.attempt("plan").verdicts] == ["ev-2", None]
    event = fork.log[0]
    assert isinstance(event, e.RunForked)
    assert begins_as(scene.state, scene.entries[-1].at, event, fork.at)


def test_a_fork_that_claims_what_its_origin_never_had_is_found():
    scene = at_build()
    event = forked(scene).log[0]
    assert isinstance(event, e.RunForked)
    at = scene.entries[-1].at
    assert begins_as(scene.state, at, event, scene.at)
    done = {
        **event.state.attempts,
        PhasePath("build"): (replace(scene.attempt("build"), state=Completed()),),
    }
    forged = replace(event, state=replace(event.state, attempts=done))
    claimed = replace(event, state=replace(event.state, origin=None))
    verdict = Verdict(scene.attempt("plan").verdicts[0].stage, 0, GateOutcome.PASS, "a" * 64, evidence="ev-9")
    passed = {
        **event.state.attempts,
        PhasePath("plan"): (replace(scene.attempt("plan"), submission=Submission(1, "a" * 64, verdicts=(verdict,))),),
    }
    for wrong in (forged, claimed, replace(event, state=replace(event.state, attempts=passed))):
        assert not begins_as(scene.state, at, wrong, scene.at)


@pytest.mark.requirement("S1-22")
@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_fork_at_any_event_continues_to_completion(seed: int, data: st.DataObject):
    scene = played(random.Random(seed))
    continues_from(scene, data.draw(st.integers(1, len(scene.log))))


@pytest.mark.requirement("S1-22")
@pytest.mark.parametrize("seed", seeds(2))
def test_a_run_is_forked_at_each_of_its_events(seed: int):
    scene = played(random.Random(seed), moves=30)
    assert len(scene.log) > 20
    for seq in range(1, len(scene.log) + 1):
        continues_from(scene, seq)


def continues_from(scene: Scene, seq: int) -> None:
    command = fork_of(scene, seq, HUMAN)
    if command.then.status is RunStatus.CANCELLED:
        assert Scene().refused(command).code == "illegal_transition"
        return
    fork = Quick(at=scene.at)
    fork.give(command)
    (event, at) = fork.log[0], scene.entries[command.origin.seq - 1].at
    assert isinstance(event, e.RunForked)
    assert begins_as(command.then, at, event, fork.entries[0].at)
    finish(fork)
    assert replay(fork.log) == fork.state


def test_an_approval_in_a_closed_item_is_taken_to_other_files_by_the_user_alone():
    body = (phase("code", gates=(GateSpec("approval"),)),)
    scene = run_of(*each("item", body=body), phase("last", "item"))
    scene.items("item", "A")
    scene.work("item[A].code")
    scene.approve("item[A].code")
    assert not scene.state.is_open(PhasePath("item[A].code"))

    anew = approved_by_people(scene.state)
    assert PhasePath("item[A].code") in anew
    no = Scene(at=scene.at).refused(fork_of(scene, by=AGENT, anew=anew))
    assert (no.code, "'item[A].code', an item that is closed" in no.message) == ("needs_human", True)
    assert forked(scene, anew=anew).state.origin is not None


def test_a_run_that_is_over_takes_no_approval_along():
    scene = run_of(PLAN)
    scene.work("plan")
    scene.approve("plan")
    assert scene.state.status is RunStatus.COMPLETED
    assert approved_by_people(scene.state) == ()


def test_the_time_that_a_user_added_is_left_in_the_fork_too():
    scene = run_of(phase("plan"), timeout_s=60)
    scene.later(61)
    scene.give(scene.command(c.TimeOutRun, by=SYSTEM))
    ends_at = scene.at + timedelta(seconds=600)
    late = scene.refused(scene.command(c.Resume, by=HUMAN, ends_at=scene.at))
    assert (late.code, "over already" in late.message) == ("bad_argument", True)
    scene.give(scene.command(c.Resume, by=HUMAN, ends_at=ends_at))
    fork = Scene(at=scene.at + timedelta(seconds=100))
    fork.give(replace(fork_of(scene, by=HUMAN), at=fork.at))
    assert fork.state.ends_at == ends_at + (fork.at - scene.entries[-1].at)
