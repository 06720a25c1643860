"""Conditions that are said to have had another value than they have: through our own code, at the moment when they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.security.forger import found
from wfe_mcp.engine.approvals import pin
from wfe_mcp.workflow.expressions import Expressions

if TYPE_CHECKING:
    from collections.abc import Callable


def skipped(scene: Scene) -> str:
    plan, check = phase("plan"), phase("check", approval(), needs=["plan"], when="${artifacts.plan_note.title != ''}")
    run = scene.start(plan, check, phase("build", needs=["check"]))
    scene.do(run, "plan")
    return run


def ended(scene: Scene) -> str:
    until = {"if": "${artifacts.draft_note.title == 'good'}", "max": 3}
    run = scene.start({"id": "polish", "kind": "loop", "phases": [phase("draft")], "until": until})
    scene.do(run, "polish[1].draft", {"title": "bad"})
    return run


def continued(scene: Scene) -> str:
    back = [{"if": "${artifacts.check_note.title == 'red'}", "goto": "plan", "max": 2}]
    run = scene.start(phase("plan"), phase("check", needs=["plan"], next=back), phase("build", needs=["check"]))
    scene.do(run, "plan")
    scene.do(run, "check", {"title": "red"})
    return run


CASES: dict[str, tuple[Callable[[Scene], str], str]] = {
    "when": (skipped, "WhenAnswered of check"),
    "until": (ended, "LoopFinished of polish"),
    "next": (continued, "NextJudged of check"),
}


@pytest.mark.attack(
    "a condition is said to have had another value, so that a phase is skipped or not repeated", "detected", "T11"
)
@pytest.mark.parametrize("name", CASES)
def test_an_answer_that_a_condition_does_not_have_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    play, where = CASES[name]
    scene.human = pin.set_pin(scene.engine, "correct horse", HUMAN)
    honest = Expressions.is_true

    def inverted(self: Expressions, text: str, seen: Any) -> bool:
        return not honest(self, text, seen)

    with monkeypatch.context() as forged:
        forged.setattr(Expressions, "is_true", inverted)
        run = play(scene)
    assert [(one.code, one.where) for one in found(scene, run)] == [("event_uncaused", where)]


@pytest.mark.parametrize("name", CASES)
def test_an_answer_that_a_condition_has_is_not(scene: Scene, name: str) -> None:
    play, _ = CASES[name]
    assert found(scene, play(scene)) == []
