"""A verdict on a failure is an artifact: typed, gated, immutable and found again."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, expr, refused
from wfe_mcp.artifacts.registry import json_schema
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.views.answers.find import find_text

VERDICT: dict[str, Any] = json_schema("verdict@1")["examples"][0]
SURE = expr("${artifacts.verdict.confidence >= 50 && artifacts.verdict.proposed_action != 'ABORT'}")


def judging(scene: Scene) -> str:
    """A run whose only phase submits a verdict that must be sure."""
    output = {"artifact": "verdict", "schema": "verdict@1"}
    return scene.start({"id": "judge", "prompt": "Judge it.", "output": output, "gates": [SURE]})


@pytest.mark.requirement("S2-14")
def test_a_verdict_passes_its_gate_stays_as_it_is_and_is_found_by_its_fingerprint(scene: Scene) -> None:
    run = judging(scene)
    scene.do(run, "judge", VERDICT)
    assert scene.attempt(run, "judge").status == "completed"

    other = refused(scene.submit, run, "judge", VERDICT | {"confidence": 99})
    assert other.code == "stale_revision"
    [hit] = find_text(scene.engine, AGENT, VERDICT["fingerprint"], kind="artifact").data["hits"]
    assert (hit["run"], hit["phase"]) == (run, "judge")


@pytest.mark.requirement("S2-14")
@pytest.mark.parametrize(
    ("change", "faulty"),
    [
        ({"confidence": 101}, "/confidence"),
        ({"proposed_action": "RETRY"}, "/proposed_action"),
        ({"verdict": "YELLOW"}, "/verdict"),
        ({"fingerprint": " "}, "/fingerprint"),
    ],
)
def test_a_verdict_outside_its_scale_is_refused(scene: Scene, change: dict[str, Any], faulty: str) -> None:
    run = judging(scene)
    scene.begin(run, "judge")
    no = refused(scene.submit, run, "judge", VERDICT | change)

    assert (no.code, [detail.path for detail in no.details]) == ("invalid_artifact", [faulty])


@pytest.mark.requirement("S2-14")
def test_an_unsure_verdict_does_not_pass_its_gate(scene: Scene) -> None:
    run = judging(scene)
    scene.do(run, "judge", VERDICT | {"confidence": 20})
    assert [each.status for each in scene.state(run).attempts[PhasePath("judge")]] == ["superseded", "running"]
