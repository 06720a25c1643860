"""What an artifact leaves open is said to who submitted it and shown to who decides."""

from typing import Any

import pytest

from tests.engine.scene import Scene, approval, phase
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

OUTPUT = {"artifact": "plan_note", "schema": "plan@1"}
STEP: dict[str, Any] = {"id": "S-1", "title": "Guard the average", "acceptance": []}
ASKED = "What shows that S-1 is done? It has no acceptance criterion."


@pytest.mark.requirement("S4-19")
def test_who_submits_and_who_decides_get_the_questions(scene: Scene) -> None:
    run = scene.start(phase("plan", approval(), output=OUTPUT))
    found = scene.do(run, "plan", {"steps": [STEP]})
    assert (found.state, found.data["questions"]) == ("awaiting", [ASKED])
    shown = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert shown is not None and shown.artifact is not None
    assert shown.artifact.questions == (ASKED,)


def test_a_complete_artifact_leaves_nothing_open(scene: Scene) -> None:
    run = scene.start(phase("plan", approval(), output=OUTPUT))
    found = scene.do(run, "plan", {"steps": [{**STEP, "acceptance": ["average([]) returns 0"]}]})
    assert "questions" not in found.data
