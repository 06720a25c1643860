"""Steps that ask a model."""

from typing import Any

import pytest

from tests.engine.model_scene import ROLES, configure, server
from tests.engine.scene import Scene
from tests.fake_models.script import Turn
from wfe_mcp.core.model import RunStatus

pytestmark = pytest.mark.usefixtures("home")

LABEL = {
    "type": "object",
    "required": ["label"],
    "additionalProperties": False,
    "properties": {"label": {"type": "string"}},
}


def triage(*more: dict[str, Any], **keys: Any) -> dict[str, Any]:
    ask = {"id": "ask", "llm": {"role": "one", "prompt": "Label this: ${inputs.goal}"}, "assign": "answer", **keys}
    return {"id": "triage", "kind": "steps", "steps": [ask, *more]}


def test_a_typed_answer_is_a_value_that_later_steps_use(scene: Scene) -> None:
    with server([Turn(value={"label": "bug"})]) as models:
        configure(scene, models)
        say = {"id": "say", "builtin": "set", "params": {"found": "${vars.answer.label}"}}
        run = scene.start(triage(say, output={"schema": LABEL}), roles=ROLES, inputs={"goal": "it crashes"})
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    with scene.store.read() as tx:
        rows = {row.step: row for row in tx.steps.of_run(scene.engine.load(tx, run).record.id)}
        (call,) = tx.model_calls.filter(scene.engine.load(tx, run).record.id)
    assert rows["say"].output == {"found": "bug"}
    assert (str(call.purpose), call.model) == ("step", "claude")
    assert "it crashes" in str(models.asked[0].body)


def test_without_a_schema_the_answer_is_text(scene: Scene) -> None:
    with server([Turn(text="a bug")]) as models:
        configure(scene, models)
        run = scene.start(triage(), roles=ROLES, inputs={"goal": "it crashes"})
        scene.work()
    with scene.store.read() as tx:
        (row,) = tx.steps.of_run(scene.engine.load(tx, run).record.id)
    assert row.output == {"text": "a bug"}


def test_an_answer_that_cannot_be_stored_fails_the_step_and_is_not_asked_for_again(scene: Scene) -> None:
    with server([Turn(text="a \0 bug")]) as models:
        configure(scene, models)
        run = scene.start(triage(), roles=ROLES, inputs={"goal": "it crashes"})
        scene.work()
    with scene.store.read() as tx:
        (row,) = tx.steps.of_run(scene.engine.load(tx, run).record.id, scene.attempt(run, "triage").phase, 1)
    assert (row.status, row.error) == ("failed", "the result cannot be stored: text holds a NUL character")
    assert row.tries == 1


@pytest.mark.requirement("B-15")
def test_what_a_model_says_is_never_evaluated(scene: Scene) -> None:
    with server([Turn(text="${inputs.goal} ${1 + 1}")]) as models:
        configure(scene, models)
        say = {"id": "say", "builtin": "set", "params": {"found": "${vars.answer.text}"}}
        run = scene.start(triage(say), roles=ROLES, inputs={"goal": "${1 + 1}"})
        scene.work()
    with scene.store.read() as tx:
        rows = {row.step: row for row in tx.steps.of_run(scene.engine.load(tx, run).record.id)}
    assert rows["say"].output == {"found": "${inputs.goal} ${1 + 1}"}
    assert "${1 + 1}" in str(models.asked[0].body)


def test_a_rate_limit_is_waited_for_and_a_model_that_stays_out_fails_the_step(scene: Scene) -> None:
    with server([Turn(status=429, retry_after="10"), Turn(text="ok"), *[Turn(status=503)] * 3]) as models:
        configure(scene, models)
        run = scene.start(triage(), roles=ROLES, inputs={"goal": "x"})
        scene.work()
        scene.clock.advance(seconds=11)
        scene.work()
        assert scene.state(run).status is RunStatus.COMPLETED
        lost = scene.start(
            triage() | {"on_fail": [{"do": "wait_human"}]}, roles=ROLES, inputs={"goal": "y"}, name="lost"
        )
        for _ in range(4):
            scene.work()
            scene.clock.advance(minutes=10)
    assert scene.attempt(lost, "triage").human_only
    assert "Step 'ask' (llm one) failed" in scene.attempt(lost, "triage").reason


def test_an_answer_of_the_wrong_shape_fails_the_step(scene: Scene) -> None:
    with server([Turn(value={"lable": "bug"})]) as models:
        configure(scene, models)
        wrong = triage(output={"schema": LABEL}) | {"on_fail": [{"do": "wait_human"}]}
        run = scene.start(wrong, roles=ROLES, inputs={"goal": "x"})
        scene.work()
    assert scene.attempt(run, "triage").human_only
