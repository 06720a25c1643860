"""Another template recovers a failed phase, end to end."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, expr, moves, phase, refused
from wfe_mcp.engine.runs.control import retry
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.moves.blockers import waits_for
from wfe_mcp.views.reports.envelopes import overview_of

GIVEN = {
    "type": "object",
    "required": ["why"],
    "properties": {"why": {"type": "string"}, "title": {"type": "string", "default": "none"}},
}
WITH = {"why": "${phase.feedback[size(phase.feedback) - 1].message}", "title": "${artifacts.code_note.title}"}
CODE = "code[recovery-1]"


def recovery(scene: Scene, *phases: dict[str, Any], **keys: Any) -> None:
    body = phases or (phase("diagnose", prompt="Why: ${inputs.why} / ${inputs.title}"), phase("fix"))
    known: dict[str, Any] = {"schema": GIVEN} | keys
    scene.define(*body, name="recovery", **known)


def code(**keys: Any) -> dict[str, Any]:
    rule = {"do": "subflow", "template": "recovery", "max_attempts": 1, "with": WITH} | keys
    return phase("code", expr("${artifacts.code_note.title == 'good'}"), on_fail=[rule, {"do": "wait_human"}])


def red(scene: Scene, run: str) -> None:
    scene.begin(run, "code")
    answer = scene.submit(run, "code", {"title": "bad"})
    assert answer.error is not None
    assert answer.error.code == "gate_failed"


def test_where_it_fails_too_the_user_is_sent_to_the_phase_that_it_was_to_recover(scene: Scene) -> None:
    recovery(scene, phase("diagnose", expr("${false}"), on_fail=[{"do": "wait_human"}]))
    run = scene.start(code())
    red(scene, run)
    scene.begin(run, f"{CODE}.diagnose")
    answer = scene.submit(run, f"{CODE}.diagnose")
    assert answer.error is not None
    assert f"The user decides: wfe-mcp retry {run} code (or: " in answer.error.hint


@pytest.mark.requirement("S3-22", "S3-13")
def test_its_phases_are_offered_and_the_phase_is_tried_again_with_what_was_learnt(scene: Scene) -> None:
    recovery(scene)
    run = scene.start(code(), phase("end"))
    red(scene, run)
    found = scene.status(run)
    assert (found.waiting_on, moves(found)) == ("agent", [("start_phase", f"{CODE}.diagnose")])
    assert "recovery-1 runs inside it" in str(found.data["blockers"])
    begun = scene.begin(run, f"{CODE}.diagnose")
    assert "Rule failed: " in begun.data["prompt"]
    assert "bad" in begun.data["prompt"]
    assert "code" in str(begun.data["feedback"])
    scene.submit(run, f"{CODE}.diagnose")
    scene.do(run, f"{CODE}.fix")
    assert moves(scene.status(run)) == [("start_phase", "code")]
    scene.do(run, "code", {"title": "good"})
    scene.do(run, "end")
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        assert loaded.state.status == "completed"
        assert tx.events.replay(loaded.record.id) == loaded.state
        assert tx.verification.problems(loaded.record.id) == []
    kept = answers.read_artifact(scene.engine, AGENT, run, phase=f"{CODE}.fix")
    assert kept.data["phase"] == f"{CODE}.fix"


def test_when_it_fails_for_good_the_next_rule_applies(scene: Scene) -> None:
    recovery(scene, phase("diagnose", expr("${false}"), on_fail=[{"do": "wait_human"}]))
    run = scene.start(code())
    red(scene, run)
    scene.begin(run, f"{CODE}.diagnose")
    scene.submit(run, f"{CODE}.diagnose")
    assert scene.attempt(run, "code").human_only
    assert "Its recovery failed" in scene.attempt(run, "code").reason
    retry(scene.engine, HUMAN, run, "code")
    scene.do(run, "code", {"title": "good"})
    assert scene.state(run).status == "completed"


def test_inputs_that_are_not_right_are_a_recovery_that_failed(scene: Scene) -> None:
    recovery(scene)
    run = scene.start(code(**{"with": {"why": "${size(artifacts)}"}}))
    red(scene, run)
    assert scene.attempt(run, "code").human_only
    assert "could not begin" in scene.attempt(run, "code").reason


def test_a_recovery_that_no_one_trusts_keeps_the_run_from_starting(scene: Scene) -> None:
    recovery(scene, trusted=False)
    no = refused(scene.start, code())
    assert (no.code, no.details[0].path) == ("needs_trust", "/phases/0/on_fail/0/template")


def test_in_the_defaults_it_holds_for_every_phase(scene: Scene) -> None:
    recovery(scene)
    rule = {"do": "subflow", "template": "recovery", "with": {"why": "${phase.feedback[0].message}"}}
    defaults = {"on_fail": [rule, {"do": "wait_human"}]}
    run = scene.start(phase("code", expr("${artifacts.code_note.title == 'good'}")), defaults=defaults)
    red(scene, run)
    assert moves(scene.status(run)) == [("start_phase", f"{CODE}.diagnose")]


def test_a_run_that_is_cancelled_ends_what_is_inside(scene: Scene) -> None:
    recovery(scene)
    run = scene.start(code())
    red(scene, run)
    scene.begin(run, f"{CODE}.diagnose")
    answers.control_run(scene.engine, AGENT, run, "cancel")
    assert scene.attempt(run, f"{CODE}.diagnose").status == "cancelled"


def test_another_process_reads_that_the_agent_works_the_recovery(scene: Scene) -> None:
    recovery(scene)
    run = scene.start(code())
    red(scene, run)
    scene.begin(run, f"{CODE}.diagnose")
    _, other = scene.neighbour()
    assert scene.status(run, other).waiting_on == "agent"
    assert waits_for(overview_of(other, run)) == "the agent"
