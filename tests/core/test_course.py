"""Every event of an honest log is caused; one that is put in, left out or changed is not."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.conftest import AGENT, HUMAN, Scene, each, loop, phase, run_of
from tests.core.plays import finish, played
from tests.core.test_flows import SYSTEM, flow, submit_work
from tests.core.test_recovery import failed as recovering
from tests.examples import seeds
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.attempt_states import Completed, FailKind
from wfe_mcp.core.course import course_of
from wfe_mcp.core.evolve import replay
from wfe_mcp.core.model import AttemptStatus, KeptRecord, RunStatus
from wfe_mcp.core.operation_events import CredentialGiven
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule
from wfe_mcp.core.undo import LogEntry

if TYPE_CHECKING:
    from wfe_mcp.core.event import Event
    from wfe_mcp.core.model import By

PLAN = PhasePath("plan")
APPROVED = (GateSpec("approval"),)


def uncaused(scene: Scene) -> list[str]:
    return [type(entry.event).__name__ for entry in course_of(scene.entries).uncaused]


def forged(scene: Scene, event: Event, by: By = SYSTEM) -> list[str]:
    """What is named once ``event`` is the last of the log."""
    entry = LogEntry(len(scene.entries) + 1, event, by, scene.at)
    return [type(found.event).__name__ for found in course_of([*scene.entries, entry]).uncaused]


@pytest.mark.parametrize("seed", seeds(120))
def test_every_event_of_any_run_is_caused_and_the_course_ends_where_a_replay_does(seed: int):
    scene = played(random.Random(seed))
    if scene.state.status is not RunStatus.CANCELLED:
        finish(scene)
    course = course_of(scene.entries)
    assert course.uncaused == ()
    assert course.state == replay(entry.event for entry in scene.entries)


@pytest.mark.parametrize("seed", seeds(40))
def test_no_verdict_can_be_left_out_of_a_log(seed: int):
    scene = played(random.Random(seed))
    judged = [entry for entry in scene.entries if isinstance(entry.event, e.GateJudged | e.ApprovalGiven)]
    for left_out in judged[:5]:
        before = scene.entries[: left_out.seq - 1]
        state = replay(entry.event for entry in before)
        rest = [entry for entry in scene.entries[left_out.seq :] if entry.at == left_out.at]
        for entry in rest[:1]:  # what followed from it
            assert course_of([*before, entry]).uncaused == (entry,), state.current(PLAN)


def test_records_and_signatures_come_beside_the_events_of_a_command():
    scene = run_of(phase("plan"))
    scene.start("plan")
    kept = e.RecordsKept(records=(KeptRecord("evidence", "ev-1", "0" * 64),))
    assert forged(scene, kept) == []
    assert forged(scene, e.DecisionSigned(statement="{}", signature="")) == []


def test_a_log_begins_once():
    scene = run_of(phase("plan", gates=APPROVED))
    assert forged(scene, scene.log[0]) == ["RunStarted"]
    assert forged(scene, e.RunForked(state=scene.state)) == ["RunForked"]


def test_the_end_of_a_command_is_not_left_out():
    scene = run_of(phase("plan", gates=APPROVED, on_fail=(FailRule("block"),)), phase("build", "plan"))
    scene.start("plan")
    scene.submit("plan")
    scene.give(scene.command(c.AskApproval, "plan", request="r"))
    scene.give(scene.command(c.Reject, "plan", HUMAN, feedback="no"))
    assert scene.log[-3:] == [
        e.AttemptFailed(kind=FailKind.REJECTED, reason="no", phase=PLAN, attempt=1),
        e.HumanAwaited(phase=PLAN, attempt=1),
        e.RunBlocked(reason="'plan' failed: no"),
    ]
    assert uncaused(scene) == []
    assert forged(scene, e.RunReopened()) == ["RunReopened"]


def test_what_a_person_alone_may_do_is_caused_by_a_person_alone():
    scene = run_of(phase("plan", gates=(GateSpec("command"),), on_fail=(FailRule("block"),)), phase("build", "plan"))
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    scene.give(scene.command(c.Retry, "plan", HUMAN, feedback="again"))
    assert uncaused(scene) == []
    scene.entries = [replace(entry, by=AGENT) for entry in scene.entries]
    assert uncaused(scene) == ["RunReopened", "AttemptOpened"]


def test_a_step_whose_failure_waits_for_a_person_and_one_that_a_rule_stops_are_kept_apart():
    for rule, human_only in product((FailRule("fail"), FailRule("wait_human")), (True, False)):
        scene = run_of(phase("deploy", kind="steps", served=True, on_fail=(rule,)))
        scene.give(scene.command(c.StartPhase, "deploy", SYSTEM, holder="server"))
        scene.give(scene.command(c.FailAttempt, "deploy", SYSTEM, reason="no", human_only=human_only))
        assert uncaused(scene) == []
        scene.give(scene.command(c.Retry, "deploy", HUMAN))
        assert uncaused(scene) == []


def test_times_may_differ_by_a_minute_and_no_more():
    scene = run_of(phase("plan", timeout_s=600))
    scene.start("plan")
    *before, entry = scene.entries
    started: Any = entry.event
    for later, named in ((timedelta(seconds=30), []), (timedelta(days=1), ["PhaseStarted"])):
        other = replace(entry, event=replace(started, deadline=started.deadline + later))
        assert [type(found.event).__name__ for found in course_of([*before, other]).uncaused] == named
    assert course_of([*before, replace(entry, event=replace(started, deadline=None))]).uncaused


def test_a_rollback_is_to_what_was():
    scene = run_of(phase("plan", gates=APPROVED), phase("build", "plan"))
    scene.start("plan")
    scene.back(2)
    *before, entry = scene.entries
    assert uncaused(scene) == []
    event: Any = entry.event
    done = tuple(replace(attempt, state=Completed(judged=True)) for attempt in event.opened)
    for forgery in (replace(event, opened=done), replace(event, opened=()), replace(event, ended=(PLAN, PLAN))):
        assert course_of([*before, replace(entry, event=forgery)]).uncaused


def test_a_rollback_over_the_decision_of_a_person_is_a_persons():
    scene = run_of(phase("plan", gates=APPROVED), phase("build", "plan"))
    scene.start("plan")
    scene.submit("plan")
    scene.give(scene.command(c.AskApproval, "plan", request="r"))
    to = len(scene.log)
    scene.give(scene.command(c.Reject, "plan", HUMAN, feedback="no"))
    began = e.RollbackBegan(to=to, commit="c" * 40, safety="s", holder="h", kind="rollback")
    assert forged(scene, began, AGENT) == ["RollbackBegan"]
    assert forged(scene, began, HUMAN) == []


def test_loops_flows_and_recoveries_end_by_themselves():
    walked = run_of(*each("walk", body=(phase("code", gates=APPROVED),)))
    walked.items("walk", "a")
    assert forged(walked, e.ItemClosed(key="a", phase=PhasePath("walk"), attempt=1)) == ["ItemClosed"]
    assert forged(walked, e.LoopFinished(phase=PhasePath("walk"), attempt=1)) == ["LoopFinished"]
    release = run_of(*flow("release", body=(phase("note"),)))
    release.items("release", "1")
    outputs = e.RevisionSubmitted(revision=1, sha256="o" * 64, phase=PhasePath("release"), attempt=1)
    assert forged(release, outputs) == ["RevisionSubmitted"]
    release.work("release[1].note")
    submit_work(release, revision=1, sha256="o" * 64)
    assert uncaused(release) == []
    repaired = recovering()
    assert uncaused(repaired) == []
    assert forged(repaired, e.RepairEnded(phase=PhasePath("code"), attempt=1)) == ["RepairEnded"]


def test_a_pass_is_judged_when_it_is_over():
    scene = run_of(*loop("passes", until="enough", until_max=2, body=(phase("draft"),)))
    assert forged(scene, e.LoopFinished(phase=PhasePath("passes"), attempt=1)) == ["LoopFinished"]


def test_no_value_of_a_condition_that_is_due_blocks_a_run_without_cause():
    scene = run_of(phase("left", when="inputs.a"), phase("right", when="inputs.b"))
    assert forged(scene, e.RunBlocked(reason="no")) == ["RunBlocked"]


def test_a_jump_is_one_of_the_template():
    scene = run_of(phase("plan"), phase("build", "plan", next=(NextRule("plan", "again", 1),)))
    scene.work("plan")
    went = e.WentTo(source=PLAN, attempt=1, target=PLAN, iteration=2, superseded=(PLAN, PhasePath("build")))
    assert forged(scene, went) == ["WentTo"]
    assert forged(scene, e.NextJudged(rule=0, done=True, phase=PLAN, attempt=1)) == ["NextJudged"]


def test_operations_are_recorded_by_the_server():
    scene = run_of(phase("plan"))
    assert forged(scene, CredentialGiven(credential="key", to="check deploy")) == []


def test_every_event_has_a_cause_or_follows():
    from wfe_mcp.core.course import _CAUSES  # pyright: ignore[reportPrivateUsage] - the table itself

    follow = {
        e.RunStarted,
        e.RunForked,
        e.RecordsKept,
        e.DecisionSigned,
        e.ApprovalAwaited,
        e.PhaseCompleted,
        e.RepairBegan,
        e.HumanAwaited,
        e.ItemClosed,
        e.RunReopened,
        e.RunFailed,
        e.RunCompleted,
    }
    assert {*e.EVENTS.values()} == {*_CAUSES} | follow
    assert not {*_CAUSES} & follow


def test_a_new_attempt_passes_no_gate_before_work():
    scene = run_of(phase("plan", gates_before=APPROVED))
    opened = e.AttemptOpened(phase=PLAN, attempt=2, status=AttemptStatus.READY)
    assert forged(scene, opened) == ["AttemptOpened"]
