"""An approval before steps binds what they call, with every value, and the commit."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import rows, step_states, steps
from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workflow.lint import lint

ASKED: dict[str, Any] = {"prompt_gates": [approval()]}
NUMBER = {"type": "object", "properties": {"number": {"type": "integer"}}}


def push(scene: Scene, **keys: Any) -> dict[str, Any]:
    scene.check("push", "open('pushed.txt', 'a').write('x')")
    return steps({"id": "push", "check": "push", **keys}, **ASKED)


@pytest.mark.requirement("S2-19")
def test_nothing_unresolved_is_asked(scene: Scene) -> None:
    call = {"id": "call", "tool": "github.merge", "params": {"number": "${inputs.number}"}}
    run = scene.start(steps(call, **ASKED), schema=NUMBER)

    tried = scene.attempt(run, "ci")
    assert tried.status is AttemptStatus.FAILED
    assert "step 'call' (tool github.merge) has a value that is not known yet" in tried.reason
    assert "inputs.number" in tried.reason
    assert "ApprovalAsked" not in scene.events(run)
    assert refused(approvals.ask, scene.engine, AGENT, run, "ci").code == "illegal_transition"


@pytest.mark.requirement("S2-19")
def test_lint_refuses_an_approval_of_what_its_own_phase_finds() -> None:
    find = {"id": "find", "tool": "github.list", "assign": "found"}
    merge = {"id": "merge", "tool": "github.merge", "params": {"number": "${vars.found[0].number}"}}
    late = {"id": "say", "builtin": "log", "params": {"message": "${vars.found}"}}
    made = {"format": "wfe/1", "name": "m", "version": "1"}

    (fault,) = lint(made | {"phases": [steps(find, merge, late, **ASKED)]}).errors
    assert (fault.path, "'vars.found' is only known then" in fault.message) == ("/phases/0/steps/1", True)
    assert lint(made | {"phases": [steps(find, merge, late)]}).errors == ()


@pytest.mark.requirement("S2-19")
def test_a_step_whose_condition_is_false_is_no_part_of_the_target(scene: Scene) -> None:
    never = {"id": "never", "tool": "github.merge", "params": {"n": "${inputs.number}"}, "if": "${has(inputs.number)}"}
    say = {"id": "say", "builtin": "log", "params": {"message": "hi"}}
    run = scene.start(steps(say, never, **ASKED), schema=NUMBER)

    request = approvals.ask(scene.engine, AGENT, run, "ci").request
    assert "target" not in request.data


@pytest.mark.requirement("S2-19")
def test_what_was_approved_at_one_commit_does_not_run_at_another(scene: Scene) -> None:
    run = scene.start(push(scene))
    request = approvals.ask(scene.engine, AGENT, run, "ci").request
    head = scene.git("rev-parse", "HEAD").strip()
    assert request.data["target"] == {
        "head": head,
        "calls": [{"step": "push", "action": "check push", "sha256": sha256_of(["check push", None])}],
    }
    approvals.decide(scene.engine, HUMAN, run, "ci")
    scene.git("commit", "-q", "--allow-empty", "-m", "meanwhile")
    scene.work()

    tried = scene.attempt(run, "ci")
    assert tried.status is AttemptStatus.FAILED
    assert f"it was approved at commit {head[:12]}" in tried.reason
    assert not (scene.root / "pushed.txt").exists()
    answers.retry_phase(scene.engine, HUMAN, run, "ci")
    scene.work()
    approvals.decide(scene.engine, HUMAN, run, "ci")
    scene.work()
    assert (scene.root / "pushed.txt").exists()


@pytest.mark.requirement("S2-19")
def test_a_call_with_other_values_than_the_approved_ones_is_not_made(scene: Scene) -> None:
    call = {"id": "call", "tool": "github.merge", "params": {"by": "${size(vars) > 0 ? 2 : 1}"}}
    found = {"id": "found", "builtin": "set", "params": {"n": 2}, "assign": "found"}
    run = scene.start(steps(found, call, **ASKED))
    approvals.decide(scene.engine, HUMAN, run, "ci")
    scene.work()

    assert step_states(scene, run) == {"found": "done", "call": "failed"}
    assert "its values changed since" in rows(scene, run)["call"].error


@pytest.mark.requirement("S2-19")
def test_other_approvals_are_as_before(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    assert approvals.ask(scene.engine, AGENT, run, "plan").request.data == {}
