"""What the run of a milestone means for its items, and what their runs mean for the milestone."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import Item
from wfe_mcp.engine.runs.control import control
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item

LOOP: dict[str, Any] = {
    "id": "task",
    "kind": "loop",
    "for_each": {"in": "${inputs.plan.milestones[0].tasks}", "as": "task", "max_parallel": 1},
    "phases": [phase("code")],
}
PLAN = {"type": "object", "required": ["plan"], "properties": {"plan": {"type": "object"}}}


def add(scene: Scene, title: str, kind: str = "task", **values: Any) -> str:
    given = {"title": title, "body": "What is to be done", "criteria": ["it is there"], **values}
    made = add_item(scene.engine, AGENT, kind, given).id
    change_item(scene.engine, AGENT, made, {}, "ready")
    return made


def item(scene: Scene, name: str) -> Item:
    with scene.store.read() as tx:
        return tx.items.get(scene.engine.project_id, name)


@pytest.mark.requirement("S4-17", "S3-10")
def test_a_task_of_a_milestone_is_done_as_soon_as_the_run_of_the_milestone_has_done_it(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone", sequential=True)
    first, second = add(scene, "Stream it", parent=milestone), add(scene, "Test it", parent=milestone)
    scene.define(LOOP, schema=PLAN)
    run = start_item(scene.engine, AGENT, milestone, "drill").record.id
    scene.do(run, f"task[{first}].code")

    assert (item(scene, first).status, item(scene, first).runs) == ("done", (run,))
    assert (item(scene, second).status, item(scene, milestone).status) == ("ready", "active")
    with pytest.raises(Refused, match="is worked as a whole"):
        start_item(scene.engine, AGENT, second, "drill")
    control(scene.engine, HUMAN, run, "cancel")
    assert (item(scene, milestone).status, item(scene, second).status) == ("ready", "ready")
    again = start_item(scene.engine, AGENT, milestone, "drill").record.id
    scene.do(again, f"task[{second}].code")
    assert [item(scene, each).status for each in (milestone, first, second)] == ["done"] * 3


@pytest.mark.requirement("S4-17")
def test_a_milestone_is_over_with_its_last_item_however_that_ended(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone")
    first, second = add(scene, "Stream it", parent=milestone), add(scene, "Test it", parent=milestone)
    change_item(scene.engine, HUMAN, first, {}, "done")
    assert item(scene, milestone).status == "ready"
    change_item(scene.engine, HUMAN, second, {}, "dropped", "no need")
    assert item(scene, milestone).status == "done"


def test_a_milestone_of_which_all_was_dropped_is_not_done(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone")
    only = add(scene, "Stream it", parent=milestone)
    change_item(scene.engine, HUMAN, only, {}, "dropped", "no need")
    assert item(scene, milestone).status == "ready"
