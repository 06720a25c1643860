"""What the run of a milestone means for its items, and what their runs mean for the milestone."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from tests.store.scene import tamper
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import Item
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs.control import control, retry
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.views.values.model import plain
from wfe_mcp.views.work.answers import work
from wfe_mcp.views.work.reports import report

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


def test_a_run_of_a_milestone_works_its_ideas_and_leaves_its_decisions_to_a_person(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone")
    idea = add_item(scene.engine, AGENT, "idea", {"title": "Stream it", "parent": milestone}).id
    decided, proposed = (
        add_item(scene.engine, AGENT, "decision", {"title": title, "parent": milestone}).id for title in ("CSV", "JSON")
    )
    change_item(scene.engine, HUMAN, decided, {}, "accepted")
    scene.define(LOOP, schema=PLAN)
    run = start_item(scene.engine, AGENT, milestone, "drill").record.id
    assert [*scene.state(run).loops[PhasePath("task")].keys] == [idea]
    scene.do(run, f"task[{idea}].code")

    statuses = [item(scene, name).status for name in (milestone, idea, decided, proposed)]
    assert statuses == ["done", "done", "accepted", "proposed"]
    assert verify(scene.engine).findings == ()


def test_a_decision_neither_keeps_its_milestone_nor_opens_it_again(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone")
    task = add(scene, "Stream it", parent=milestone)
    add_item(scene.engine, AGENT, "decision", {"title": "CSV", "parent": milestone})
    change_item(scene.engine, HUMAN, task, {}, "done")
    assert item(scene, milestone).status == "done"
    add_item(scene.engine, AGENT, "decision", {"title": "JSON", "parent": milestone})
    assert item(scene, milestone).status == "done"


def in_work(scene: Scene) -> dict[str, tuple[str, str]]:
    """What ``work list`` says of the items that the run of a milestone works: their status, and why one of them stopped."""
    lines = plain(work(scene.engine, AGENT, "list").view)["items"]
    return {line["id"]: (line["status"], line.get("stopped", "")) for line in lines if line.get("in_work")}


@pytest.mark.requirement("S4-17")
def test_a_task_is_in_work_while_the_run_of_its_milestone_works_it(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone", sequential=True)
    first, second = add(scene, "Stream it", parent=milestone), add(scene, "Test it", parent=milestone)
    scene.define(LOOP, schema=PLAN)
    assert in_work(scene) == {}
    run = start_item(scene.engine, AGENT, milestone, "drill").record.id
    assert in_work(scene) == {first: ("ready", "")}
    shown = work(scene.engine, AGENT, "show", id=first)
    assert (plain(shown.view)["in_work"], shown.next[0].args) == (run, {"run": run})
    assert shown.summary == f"{first} 'Stream it': ready task, in work by run {run}"
    assert f"- {first} Stream it, in work by run {run}\n" in report(scene.engine, "status")

    scene.do(run, f"task[{first}].code")
    assert in_work(scene) == {second: ("ready", "")}
    going.rollback(scene.engine, HUMAN, run, f"task[{first}].code")
    again = plain(work(scene.engine, AGENT, "show", id=first).view)
    assert (in_work(scene), again["status"], again["in_work"]) == ({}, "done", run)
    going.undo(scene.engine, HUMAN, run)
    assert in_work(scene) == {second: ("ready", "")}
    control(scene.engine, HUMAN, run, "cancel")
    assert in_work(scene) == {}


@pytest.mark.requirement("S3-20")
def test_a_task_that_stopped_in_the_run_of_its_milestone_says_why(scene: Scene) -> None:
    fails = {
        "gates": [{"kind": "expr", "assert": "${artifacts.code_note.title == 'Thanks'}", "rule": "It says thanks"}],
        "on_fail": [{"do": "wait_human"}],
    }
    milestone = add(scene, "Export", "milestone")
    first = add(scene, "Stream it", parent=milestone)
    scene.define(LOOP | {"phases": [phase("code", **fails)]}, schema=PLAN)
    run = start_item(scene.engine, AGENT, milestone, "drill").record.id
    scene.do(run, f"task[{first}].code")
    ((_, why),) = in_work(scene).values()
    assert "It says thanks" in why
    assert f"stopped in run {run}: " in work(scene.engine, AGENT, "show", id=first).summary
    retry(scene.engine, HUMAN, run, f"task[{first}].code")
    assert in_work(scene) == {first: ("ready", "")}


def test_a_run_that_cannot_be_read_hides_no_item(scene: Scene) -> None:
    milestone = add(scene, "Export", "milestone")
    first = add(scene, "Stream it", parent=milestone)
    scene.define(LOOP, schema=PLAN)
    start_item(scene.engine, AGENT, milestone, "drill")
    tamper(scene.url, "UPDATE run SET state = '{{', last_hash = 'x'")
    lines = plain(work(scene.engine, AGENT, "list").view)["items"]
    assert [(line["id"], line.get("in_work", "")) for line in lines] == [(milestone, ""), (first, "")]
