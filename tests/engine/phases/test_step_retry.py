"""A retry of a phase of steps from a named step: what is kept, what is called again, and who may ask for it."""

from typing import Any

import pytest

from tests.dashboard.browser import asked
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import steps, tool
from tests.tools.stub import Stub
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.reports.envelopes import overview_of

ASK = {"id": "ask", "builtin": "set", "params": {"n": 1}, "assign": "asked"}
USE = {"id": "use", "builtin": "log", "params": {"message": "${vars.made.status}"}}
STOP: dict[str, Any] = {"on_fail": [{"do": "wait_human"}]}


def begun(scene: Scene) -> str:
    """``use`` fails after the call ``change``: the answer of ``change`` has no key 'status'."""
    run = scene.start(steps(ASK, tool("change", "stub.echo", params={"value": 7}, assign="made"), USE, **STOP))
    scene.work()
    assert scene.attempt(run, "ci").reason.startswith("Step 'use' (builtin log) failed: ")
    return run


@pytest.mark.requirement("S2-24")
def test_a_retry_from_a_step_keeps_those_before_it_and_calls_it_and_what_sees_it_again(
    scene: Scene, stub: Stub
) -> None:
    run = begun(scene)
    control.retry(scene.engine, HUMAN, run, "ci")
    scene.work()
    assert len(stub.called("echo")) == 1, "finished steps are kept, and the same step fails at once"
    plan = control.retry_plan(scene.engine, run, "ci", "change")
    assert plan is not None
    assert plan.sentence == "Kept: ask. Called again: change, use (made before, outside: change)."
    control.retry(scene.engine, HUMAN, run, "ci", "the key is there now", from_step="change")
    scene.work()
    assert len(stub.called("echo")) == 2
    tried = scene.attempt(run, "ci")
    said, _, before = tried.feedback[-1].message.partition("\n\n")
    assert (tried.number, said) == (3, "From step change. the key is there now")
    assert before.startswith("Step 'use' (builtin log) failed"), "why the attempt before failed stays"


def test_only_a_person_repeats_a_call_to_the_outside(scene: Scene, stub: Stub) -> None:
    run = begun(scene)
    no = refused(control.retry, scene.engine, AGENT, run, "ci", from_step="change")  # over HTTP, with a token
    assert (no.code, no.phase) == ("needs_human", "ci")
    assert "made before, outside: change" in no.message
    assert no.hint == "Ask the user to run: wfe-mcp retry RUN ci --from change"
    assert len(stub.called("echo")) == 1


@pytest.mark.parametrize(
    ("first", "message", "hint"),
    [
        ("chang", "no step 'chang'", "Did you mean 'change'?"),
        ("use", "", ""),
    ],
)
def test_a_step_must_be_one_of_the_phase(scene: Scene, stub: Stub, first: str, message: str, hint: str) -> None:
    run = begun(scene)
    if message:
        no = refused(control.retry, scene.engine, HUMAN, run, "ci", from_step=first)
        assert (no.code, message in no.message, hint in no.hint) == ("bad_argument", True, True)
    else:
        control.retry(scene.engine, HUMAN, run, "ci", from_step=first)
        scene.work()
    assert len(stub.called("echo")) == 1


def test_a_step_begins_only_where_those_that_it_needs_have_ended(scene: Scene) -> None:
    fail = {"id": "stop", "builtin": "fail", "params": {"message": "no"}}
    run = scene.start(steps(fail, ASK, **STOP))
    scene.work()
    no = refused(control.retry, scene.engine, HUMAN, run, "ci", from_step="ask")
    assert (no.message, no.hint) == ("Step 'ask' needs 'stop', which has no answer yet.", "Begin there: stop")


def test_an_answer_with_an_idempotency_key_is_found_and_not_called_twice(scene: Scene, stub: Stub) -> None:
    keyed = tool("change", "stub.echo", params={"value": 7}, assign="made", idempotency_key="${run.id}:change")
    run = scene.start(steps(keyed, USE, **STOP))
    scene.work()
    plan = control.retry_plan(scene.engine, run, "ci", "change")
    assert plan is not None
    assert plan.sentence == "Kept: nothing. Called again: use. Found by their idempotency key: change."
    control.retry(scene.engine, HUMAN, run, "ci", from_step="change")
    scene.work()
    assert len(stub.called("echo")) == 1


def test_a_phase_without_steps_has_none_to_name(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    assert refused(control.retry, scene.engine, HUMAN, run, "plan", from_step="x").code == "bad_argument"
    assert control.retry_plan(scene.engine, run, "plan") is None


def test_before_a_retry_of_steps_the_question_names_only_those_that_run_again(scene: Scene) -> None:
    hold: dict[str, Any] = {
        "id": "hold",
        "kind": "steps",
        "prompt": "Approve to go on.",
        "prompt_gates": [approval()],
        "on_fail": [{"do": "wait_human"}],
        "steps": [
            ASK,
            {"id": "second", "builtin": "log", "params": {"message": "${vars.asked.status}"}},
        ],
    }
    run = scene.start(hold)
    asked(scene, run, "hold")
    approvals.decide(scene.engine, HUMAN, run, "hold")
    scene.work()
    assert scene.attempt(run, "hold").reason.startswith("Step 'second'")
    control.retry(scene.engine, HUMAN, run, "hold")
    promised = leads_to(scene.engine, overview_of(scene.engine, run), "approve", "hold")
    assert promised == "If you approve, the server starts 1 step: second."
