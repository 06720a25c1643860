"""What is read of a template as it is written is what its parsed form says, defaults included."""

from typing import Any

import pytest

from tests.engine.scene import Scene
from wfe_mcp.core.attempt_states import Gating
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.template_cache import STEPS_REPORT, CompiledTemplate, compile_template
from wfe_mcp.engine.templates.catalogue import find_template
from wfe_mcp.resources import shipped_folder

SCHEMA = {"type": "object"}
BARE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "bare",
    "version": "1.0.0",
    "title": "As little as possible",
    "phases": [
        {
            "id": "draft",
            "prompt": "Write it.",
            "output": {"artifact": "draft", "schema": SCHEMA},
            "prompt_gates": [{"kind": "approval"}],
            "gates": [{"kind": "expr", "assert": "${true}"}, {"kind": "approval"}],
        },
        {"id": "early", "prompt": "Write it.", "output": {"artifact": "early", "schema": SCHEMA, "seal": "on_submit"}},
        {"id": "talk", "prompt": "Talk."},
    ],
}
"""What the shipped templates write out, left out."""
NAMES = sorted(each.name for each in shipped_folder("templates").iterdir() if (each / "template.json").is_file())


def from_models(plan: CompiledTemplate, path: str) -> tuple[object, ...]:
    """The facts of a phase by its parsed form."""
    phase = plan.phases[path]
    output = phase.output
    schema = output.schema_ if output is not None else STEPS_REPORT if phase.kind == "steps" else None
    assurances = [getattr(gate, "assurance", "human") for gate in (*phase.prompt_gates, *phase.gates)]
    seals = output is not None and output.seal == "on_submit"
    return None if output is None else output.artifact, schema, seals, assurances


def as_asked(plan: CompiledTemplate, path: str) -> tuple[object, ...]:
    """The same as a status asks for it: of most phases without parsing them."""
    phase, place = plan.phases[path], PhasePath(path)
    try:
        schema: object = plan.schema(place)
    except Refused:
        schema = None
    attempts = [
        Attempt(place, 1, 1, state=Gating(stage=stage, gate=number))
        for stage, gates in ((Stage.BEFORE, phase.prompt_gates), (Stage.AFTER, phase.gates))
        for number in range(len(gates))
    ]
    seals = plan.seals_on_submit(place)
    return plan.artifact_name(place), schema, seals, [plan.assurance(attempt) for attempt in attempts]


@pytest.mark.parametrize("name", ["bare", *NAMES])
def test_each_phase_is_read_as_it_is_parsed(scene: Scene, name: str) -> None:
    plan = compile_template(BARE) if name == "bare" else find_template(scene.engine, name)
    assert {path: as_asked(plan, path) for path in plan.phases} == {
        path: from_models(plan, path) for path in plan.phases
    }
