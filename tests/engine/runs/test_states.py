"""The state of what a run works on follows from the phases it has completed."""

from sqlite3 import connect

import pytest

from tests.engine.scene import HUMAN, Scene, expr, phase
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.runs.models import RunView

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


@pytest.mark.requirement("S2-18")
def test_the_row_of_a_run_has_its_state_which_the_log_confirms(scene: Scene) -> None:
    phases = [phase(name, reaches=state, skip="never") for name, state in (("build", "BUILT"), ("ship", "DONE"))]
    run = scene.start(*phases, states=LIFE, initial_state="OPEN")
    other = scene.start(phase("plan"))
    scene.do(run, "build")
    with scene.store.read() as tx:
        assert [each.id for each in tx.runs.page(scene.engine.project_id, reached=("BUILT", "DONE")).runs] == [run]
        assert tx.runs.page(scene.engine.project_id, reached=("OPEN",)).runs == ()
        assert tx.runs.reached_states(scene.engine.project_id) == ["BUILT"]
        assert tx.verification.problems(scene.engine.load(tx, run).record.id) == []
        assert scene.engine.load(tx, other).record.reached is None
    answers.retry_phase(scene.engine, HUMAN, run, "build")
    with scene.store.read() as tx:
        assert scene.engine.load(tx, run).record.reached == "OPEN"


@pytest.mark.requirement("S2-18")
def test_a_state_that_someone_wrote_into_the_row_is_found(scene: Scene) -> None:
    run = scene.start(phase("build", reaches="BUILT", skip="never"), states=LIFE, initial_state="OPEN")
    with connect(str(scene.root.parent / "wfe.db")) as database:
        database.execute("UPDATE run SET reached = 'DONE'")
    with scene.store.read() as tx:
        (problem,) = tx.verification.problems(scene.engine.load(tx, run).record.id)
    assert "reached" in problem.message
