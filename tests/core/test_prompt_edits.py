"""Prompts that a person edits before work: what is taken, and what follows."""

from __future__ import annotations

from typing import Any

from tests.core.conftest import AGENT, HUMAN, Scene, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import RunStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.prompts import is_rejected_prompt
from wfe_mcp.core.spec import FailRule, GateSpec

APPROVAL, OPINION, EXPR = GateSpec("approval"), GateSpec("opinion"), GateSpec("expr")
A, B = "a" * 64, "b" * 64


def waiting(*gates: GateSpec, **more: Any) -> Scene:
    """A run whose phase waits with its prompt, of sha256 A."""
    scene = run_of(phase("plan", gates_before=gates or (APPROVAL,), **more))
    return opened(scene)


def opened(scene: Scene, sha256: str = A) -> Scene:
    scene.give(scene.command(c.OpenGates, "plan", sha256=sha256))
    return scene


def edit(scene: Scene, sha256: str = B, **more: Any) -> c.Command:
    given: dict[str, Any] = {"revision": 0, "prompt": sha256} | more
    return scene.command(c.Edit, "plan", given.pop("by", HUMAN), sha256=sha256, **given)


def reject(scene: Scene) -> None:
    scene.give(scene.command(c.Reject, "plan", HUMAN, feedback="No."))


def test_an_edited_prompt_is_judged_from_the_first_gate_on():
    scene = waiting(EXPR, APPROVAL)
    scene.judge("plan")
    scene.give(edit(scene))
    attempt = scene.attempt("plan")
    assert (attempt.status, attempt.stage, attempt.gate, attempt.verdicts) == ("gating", Stage.BEFORE, 0, ())
    assert (attempt.sha256, attempt.prompt) == (B, B)
    scene.judge("plan")
    scene.approve("plan")
    scene.work("plan")
    assert (scene.state.status, scene.attempt("plan").prompt) == (RunStatus.COMPLETED, B)


def test_only_a_person_edits_a_prompt():
    scene = waiting()
    assert scene.refused(edit(scene, by=AGENT)).code == "needs_human"


def test_an_edit_before_work_is_of_the_prompt_and_one_after_it_of_the_artifact():
    scene = waiting()
    assert "no artifact" in scene.refused(edit(scene, prompt=None, revision=2)).message
    scene.approve("plan")
    scene = run_of(phase("plan", gates=(APPROVAL,)))
    scene.work("plan")
    assert "work has begun" in scene.refused(edit(scene)).message


def test_a_prompt_that_is_not_made_yet_or_belongs_to_steps_is_not_edited():
    unmade = run_of(phase("plan", gates_before=(APPROVAL,)))
    assert "has no prompt" in unmade.refused(edit(unmade)).message
    steps = waiting(kind="steps")
    assert "no agent gets its prompt" in steps.refused(edit(steps)).message


def test_the_same_prompt_and_a_rejected_one_are_refused():
    scene = waiting(on_fail=(FailRule("retry", max_uses=3),))
    assert scene.refused(edit(scene, A)).code == "bad_argument"
    reject(scene)
    opened(scene, "c" * 64)
    refused = scene.refused(edit(scene, A))
    assert (refused.code, refused.message) == ("conflict", "This prompt was rejected in attempt 1: No.")
    assert "PromptEdited" in scene.give(edit(scene, B))


def test_a_prompt_that_was_rejected_for_good_is_opened_again_by_an_edit_with_another_text():
    scene = waiting(on_fail=(FailRule("block"),))
    reject(scene)
    assert scene.state.status is RunStatus.BLOCKED
    assert scene.refused(edit(scene, A)).code == "conflict"
    assert scene.give(edit(scene))[:2] == ["RunReopened", "PromptEdited"]
    assert scene.attempt("plan").status == "awaiting"


def test_a_prompt_is_rejected_by_a_person_or_a_reviewer_but_not_by_a_condition():
    by_model, by_condition = waiting(OPINION), waiting(EXPR)
    for scene in (by_model, by_condition):
        scene.judge("plan", GateOutcome.FAIL)
    found = [is_rejected_prompt(each.state, each.state.attempts["plan"][0]) for each in (by_model, by_condition)]  # pyright: ignore[reportArgumentType] - a plain name
    assert found == [True, False]


def test_a_rejection_that_was_withdrawn_does_not_count():
    scene = waiting(on_fail=(FailRule("wait_human"),))
    reject(scene)
    scene.undo()
    assert scene.attempt("plan").status == "gating"
    assert not any(is_rejected_prompt(scene.state, one) for one in scene.state.attempts[scene.attempt("plan").phase])
