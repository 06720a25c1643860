"""``title_from`` names a text among the inputs."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import lint

INPUTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "goal": {"type": "string"},
        "number": {"type": "integer"},
        "plan": {"type": "object", "properties": {"title": {"type": "string"}, "loose": True}},
    },
}
PHASE = {"id": "plan", "prompt": "Plan it.", "output": {"artifact": "plan", "schema": "plan@1"}}


def faults(title_from: str, inputs: dict[str, Any] = INPUTS) -> dict[str, str]:
    made = {"format": "wfe/1", "name": "one", "version": "1", "inputs": inputs, "title_from": title_from}
    return {fault.path: fault.message for fault in lint(made | {"phases": [PHASE]}).errors}


@pytest.mark.parametrize("name", ["", "goal", "plan.title"])
def test_a_text_among_the_inputs_can_be_the_title(name: str) -> None:
    assert faults(name) == {}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gaol", "no input 'gaol'; did you mean 'goal'?"),
        ("plan.name", "no input 'name'"),
        ("goal.title", "no input 'title'"),
        ("number", "'number' is not text"),
        ("plan", "'plan' is not text"),
        ("plan.loose", "'plan.loose' is not text"),
    ],
)
def test_anything_else_is_an_error_at_its_place(name: str, says: str) -> None:
    found = faults(name)

    assert list(found) == ["/title_from"]
    assert found["/title_from"].startswith(says)


def test_without_inputs_there_is_no_title_to_take() -> None:
    assert "no input 'goal'" in faults("goal", {"type": "object"})["/title_from"]
