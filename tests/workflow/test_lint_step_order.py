"""Steps need earlier steps of their phase."""

from typing import Any

from wfe_mcp.workflow.lint import lint


def template(steps: list[dict[str, Any]], **keys: Any) -> dict[str, Any]:
    phase = {"id": "ci", "kind": "steps", "steps": steps, **keys}
    return {"format": "wfe/1", "name": "drill", "version": "1", "phases": [phase]}


def test_a_step_that_needs_what_is_no_earlier_step_is_an_error_at_its_place() -> None:
    steps: list[dict[str, Any]] = [
        {"id": "one", "builtin": "log", "needs": ["two"]},
        {"id": "two", "builtin": "log", "needs": ["two", "on"]},
        {"id": "three", "builtin": "log", "needs": ["one", "two"]},
    ]
    found = {fault.path: fault.message for fault in lint(template(steps)).errors}

    assert found == {
        "/phases/0/steps/0/needs/0": "step 'one' needs a later step; a step needs earlier ones",
        "/phases/0/steps/1/needs/0": "step 'two' needs itself; a step needs earlier ones",
        "/phases/0/steps/1/needs/1": "the phase has no step 'on'; did you mean 'one'?",
    }


def test_a_step_cannot_name_a_result_that_it_does_not_need() -> None:
    steps: list[dict[str, Any]] = [
        {"id": "one", "builtin": "set", "params": {"n": 1}, "assign": "first"},
        {"id": "two", "builtin": "log", "needs": [], "params": {"message": "${vars.first.n}"}},
        {"id": "three", "builtin": "log", "needs": ["one"], "params": {"message": "${vars.first.n}"}},
    ]
    found = [fault.path for fault in lint(template(steps)).errors]

    assert found == ["/phases/0/steps/1/params/message"]


def test_steps_that_undo_a_phase_have_no_order_of_their_own() -> None:
    undo: list[dict[str, Any]] = [{"id": "back", "builtin": "log", "needs": []}]
    rules = [{"do": "compensate"}, {"do": "fail"}]
    found = lint(template([{"id": "one", "builtin": "log"}], compensate=undo, on_fail=rules)).errors

    assert [fault.path for fault in found] == ["/phases/0/compensate/0/needs"]
