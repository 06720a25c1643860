"""Rollback of work that a step or a model did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.history.test_rollback import last_of, names, statuses
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, phase, refused
from tests.engine.step_scene import reopen, rows, step_states, steps, tool, with_child
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import rollback, tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions

if TYPE_CHECKING:
    from pathlib import Path


def test_what_steps_did_outside_is_reported_and_takes_a_person(scene: Scene, tmp_path: Path):
    calls = tmp_path / "calls.jsonl"
    with_child(scene, calls)
    run = scene.start(
        phase("plan"), steps(tool("say", "stub.echo", params={"value": "hi"}, assign="said")), phase("last")
    )
    scene.do(run, "plan")
    scene.work()
    assert scene.attempt(run, "ci").status is AttemptStatus.COMPLETED
    assert ("start", "ci") in [(why, place) for _, why, place in names(scene, run)]
    done = last_of(scene, run, "completion")
    no = refused(going.rollback, scene.engine, AGENT, run, "ci")
    assert (no.code, "say" in no.message) == ("needs_human", True)
    went = going.rollback(scene.engine, HUMAN, run, "ci")
    assert "step 'say' of ci (tool stub.echo)" in went.effects
    scene.work()
    assert statuses(scene, run, "ci") == ["rolled_back", "completed"]
    assert len(calls.read_text().splitlines()) == 2
    going.rollback(scene.engine, HUMAN, run, done)
    again = scene.attempt(run, "ci")
    assert (again.status, again.number, again.made_in) == (AttemptStatus.COMPLETED, 3, 1)


def test_a_call_of_an_earlier_attempt_takes_a_person_too_since_it_would_be_made_again(scene: Scene, tmp_path: Path):
    calls = tmp_path / "calls.jsonl"
    with_child(scene, calls)
    scene.check("red", "raise SystemExit(1)")
    rules = [{"do": "backoff", "max_attempts": 2, "initial": "1h", "max": "1h"}, {"do": "wait_human"}]
    said, red = tool("say", "stub.echo", params={"value": "hi"}), {"id": "red", "check": "red"}
    run = scene.start(phase("plan"), steps(said, red, on_fail=rules))
    scene.do(run, "plan")
    scene.work()
    assert statuses(scene, run, "ci") == ["superseded", "pending"], "it tries again in an hour"
    no = refused(going.rollback, scene.engine, AGENT, run, last_of(scene, run, "completion"))
    assert (no.code, "step 'say' of ci" in no.message) == ("needs_human", True)
    assert len(calls.read_text().splitlines()) == 1


def test_a_retry_after_an_undone_skip_keeps_the_steps_that_ended_well(scene: Scene, tmp_path: Path):
    calls = tmp_path / "calls.jsonl"
    with_child(scene, calls)
    scene.check("red", "raise SystemExit(1)")
    run = scene.start(steps(tool("say", "stub.echo", params={"value": "hi"}), {"id": "red", "check": "red"}))
    scene.work()
    control.skip(scene.engine, HUMAN, run, "ci", "not needed")
    going.undo(scene.engine, HUMAN, run)
    reopen(scene, run)
    assert statuses(scene, run, "ci") == ["rolled_back", "superseded", "failed"]
    assert step_states(scene, run) == {"say": "done", "red": "failed"}
    assert (rows(scene, run)["say"].carried, len(calls.read_text().splitlines())) == (1, 1)


def test_the_files_stay_while_the_gates_of_a_loop_of_another_run_read_them(scene: Scene):
    scene.check("ok", "pass")
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    walk = {"id": "walk", "kind": "loop", "for_each": {"in": "${['a']}", "key": "${item.value}"}}
    other = scene.start({**walk, "phases": [phase("code")], "gates": [command("ok")]}, name="other")
    scene.begin(other, "walk[a].code")
    answers.submit_artifact(scene.engine, AGENT, other, "walk[a].code", artifact=GOOD)
    control.control(scene.engine, HUMAN, other, "pause")
    no = refused(going.rollback, scene.engine, AGENT, run, "plan")
    assert (no.code, no.message) == (
        "leased",
        f"Run {other} works in this folder: its phase 'walk' is gating.",
    )
    control.control(scene.engine, HUMAN, other, "cancel")
    going.rollback(scene.engine, AGENT, run, "plan")
    assert statuses(scene, run, "plan") == ["rolled_back", "ready"]


def test_a_phase_that_a_model_works_is_saved_before_it_begins_and_restarts(scene: Scene):
    run = scene.start(phase("plan"), steps({"id": "wait", "wait": "1h"}))
    scene.do(run, "plan")
    assert scene.attempt(run, "ci").status is AttemptStatus.RUNNING
    going.rollback(scene.engine, AGENT, run, last_of(scene, run, "completion"))
    assert statuses(scene, run, "ci") == ["rolled_back", "running"]


def test_an_undo_after_which_gates_run_again_says_so_before(scene: Scene):
    scene.check("test", "import sys; sys.exit(0)")
    run = scene.start(phase("plan", command("test")))
    scene.begin(run, "plan")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert scene.attempt(run, "plan").status is AttemptStatus.GATING
    decisions.reject(scene.engine, AGENT, run, "plan", "a better one comes")
    would = rollback.preview(scene.engine, run, kind="undo")
    assert would.summary.endswith("; the gates of plan run again")
    rollback.undo(scene.engine, AGENT, run)
    assert scene.work() > 0
    assert scene.attempt(run, "plan").status is AttemptStatus.COMPLETED
    assert "run again" not in rollback.preview(scene.engine, run, "plan").summary
