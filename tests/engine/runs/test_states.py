"""The state of what a run works on follows from the phases it has completed."""

import pytest

from tests.engine.scene import Scene, expr, phase
from wfe_mcp.views.run_models import RunView

LIFE = {"OPEN": ["BUILT"], "BUILT": ["OPEN", "DONE"], "DONE": []}


@pytest.mark.requirement("S2-18")
def test_a_completed_phase_moves_the_state_and_status_shows_it(scene: Scene) -> None:
    phases = [phase(name, reaches=state, skip="never") for name, state in (("build", "BUILT"), ("ship", "DONE"))]
    run = scene.start(*phases, states=LIFE, initial_state="OPEN")

    seen = [scene.status(run).shown(RunView).reached]
    for name in ("build", "ship"):
        scene.do(run, name)
        seen.append(scene.status(run).shown(RunView).reached)
    assert seen == ["OPEN", "BUILT", "DONE"]


@pytest.mark.requirement("S2-18")
def test_a_phase_that_failed_moves_nothing(scene: Scene) -> None:
    run = scene.start(
        phase("build", expr("${false}"), reaches="BUILT", skip="never"), states=LIFE, initial_state="OPEN"
    )

    scene.do(run, "build")
    assert scene.status(run).shown(RunView).reached == "OPEN"
