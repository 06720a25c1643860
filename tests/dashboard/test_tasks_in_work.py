"""What the board and the pages of items say while the run of a milestone works one of its tasks."""

from playwright.sync_api import expect

from tests.dashboard.backlog import add
from tests.dashboard.test_work_pages import Visit, card, of, to, visit
from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.engine.runs.item_runs import start_item

__all__ = ["visit"]


def test_a_task_that_the_run_of_its_milestone_works_says_so_on_its_card_and_on_its_page(
    scene: Scene, visit: Visit
) -> None:
    milestone = add(scene, "Tables", "milestone", "ready")
    part = add(scene, "Read the harmonics", "task", "ready", parent=milestone)
    tasks = {"in": "${inputs.plan.milestones[0].tasks}", "as": "task"}
    plan = {"type": "object", "required": ["plan"], "properties": {"plan": {"type": "object"}}}
    scene.define({"id": "task", "kind": "loop", "for_each": tasks, "phases": [phase("code")]}, schema=plan)
    run = start_item(scene.engine, AGENT, milestone, "drill").record.id
    shown = visit("/items/board")
    expect(card(shown, "ready", "Read the harmonics")).to_contain_text(f"in work by run {run}")
    to(shown, of(scene, milestone))
    expect(shown.get_by_role("region", name="Items under it").locator("li")).to_contain_text(f"in work by run {run}")
    to(shown, of(scene, part))
    shown.locator("header.runhead").get_by_role("link", name=f"run {run}").click()
    expect(shown).to_have_url(f"{shown.url.split('#')[0]}#/runs/{run}")
