"""The status of a project follows from its runs alone."""

import pytest

from tests.engine.conftest import blank, scene
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.store.layout.tables import PROJECT
from wfe_mcp.views.answers import tool_answers as answers

__all__ = ["blank", "scene"]


@pytest.mark.requirement("B-13", "S1-26", "S1-14")
def test_how_a_project_stands_is_what_its_runs_say_at_that_moment(scene: Scene) -> None:
    first = scene.start(phase("plan", approval()))
    second = answers.start_run(scene.engine, AGENT, "drill").run
    assert second is not None
    scene.do(first, "plan")
    both = answers.status(scene.engine, AGENT)
    assert {row["run"]: row["state"] for row in both.data["runs"]} == {first: "waiting", second: "running"}

    approvals.decide(scene.engine, HUMAN, first, "plan")
    left = answers.status(scene.engine, AGENT)
    assert (left.run, left.run_state) == (second, "running")

    answers.control_run(scene.engine, AGENT, second, "cancel")
    assert answers.status(scene.engine, AGENT).run is None


@pytest.mark.requirement("B-13")
def test_no_row_of_a_project_keeps_a_state_that_could_differ() -> None:
    assert not {"status", "state"} & {column.name for column in PROJECT.columns}
