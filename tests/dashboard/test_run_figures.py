"""What a run's page says of phases, states and what a model took: readable on a phone, and nothing where nothing is expected."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.stage import Stage
from tests.dashboard.test_navigation import Visit, visit
from tests.engine.call_scene import DOLLAR, MODEL, dollars, job, listener
from tests.engine.scene import AGENT, Scene, approval, command, expr, phase
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.history.rollback import rollback

__all__ = ["visit"]

LETTERS = """() => {
  const name = document.querySelector(".flow .node .name");
  return name.getBoundingClientRect().height / name.offsetHeight * parseFloat(getComputedStyle(name).fontSize);
}"""
"""The size of a phase's name on the screen, in px."""


@pytest.mark.parametrize("width", [360, 400])
def test_a_graph_on_a_phone_has_its_full_size_and_scrolls_in_its_panel(stage: Stage, visit: Visit, width: int) -> None:
    shown = visit()
    shown.set_viewport_size({"width": width, "height": 860})
    shown.evaluate("(to) => { location.hash = to; }", f"/runs/{stage.working}/graph")
    working = shown.locator(".flow .node", has_text="docs")
    expect(working).to_be_in_viewport(ratio=1)
    assert shown.evaluate(LETTERS) >= 13
    expect(shown.locator(".flow .node", has_text="site")).not_to_be_in_viewport(ratio=1)
    shown.locator(".flow-panel").evaluate("(panel) => { panel.scrollLeft = panel.scrollWidth; }")
    expect(shown.locator(".flow .node", has_text="site")).to_be_in_viewport(ratio=1)
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_run_is_completed_in_its_list_as_in_the_filter_and_the_command(stage: Stage, visit: Visit) -> None:
    shown = visit("/runs")
    row = shown.locator("tbody tr", has_text=stage.done)
    expect(row.locator(".state").first).to_have_text("completed")
    shown.get_by_role("button", name="completed", exact=True).click()
    expect(shown.locator("tbody tr")).to_have_count(1)
    expect(shown.locator(".filters .cli code")).to_contain_text("--status completed")
    shown.evaluate("location.hash = '/compare'")
    expect(shown.get_by_label("One run").locator(f"option[value='{stage.done}']")).to_contain_text(", completed, ")


def test_a_run_without_models_says_nothing_of_tokens_and_one_with_them_what_is_missing(
    scene: Scene, stage: Stage, visit: Visit
) -> None:
    shown = visit(f"/runs/{stage.working}/list/docs")
    expect(shown.locator("section[aria-label=List] tbody tr")).to_have_count(6)
    expect(shown.locator("aside")).to_contain_text("docs")
    assert "not reported" not in shown.inner_text("main")
    expect(shown.get_by_role("columnheader", name="Tokens")).to_have_count(0)

    heard = listener(scene, job(scene, stage.working, "docs"))
    heard.before_call(MODEL, DOLLAR)
    heard.after_call(MODEL, dollars(0.5), None)
    shown.reload()
    rows = shown.locator("section[aria-label=List] tbody tr")
    expect(rows.nth(2)).to_contain_text("$0.50")
    expect(rows.nth(0)).to_contain_text("not reported")
    expect(rows.nth(4)).not_to_contain_text("not reported")


def test_a_run_shows_what_it_was_given_whole_and_folds_what_is_long(scene: Scene, visit: Visit) -> None:
    goal = "A cell keeps its line breaks.\nNow they become spaces, also in HTML."
    long = "\n".join(f"step {number}" for number in range(40))
    fields = {name: {"type": "string"} for name in ("goal", "steps", "mood")}
    fields["mood"]["default"] = "calm"
    inputs = {"goal": goal, "steps": long, "mood": "calm"}
    shown = visit(f"/runs/{scene.start(phase('plan'), schema={'type': 'object', 'properties': fields}, inputs=inputs)}")
    given = shown.locator("dl[aria-label=Inputs]")
    expect(given.locator("dd").first).to_have_text(goal, use_inner_text=True)
    expect(given).not_to_contain_text("calm")
    expect(given.get_by_text("step 39")).to_be_hidden()
    given.locator("summary").click()
    expect(given.get_by_text("step 39")).to_be_visible()


def test_a_phase_that_a_person_does_waits_for_them_wherever_it_is_shown(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/runs/{stage.human}/graph")
    expect(shown.locator(".turn")).to_contain_text("You: fill in choose")
    expect(shown.locator(".flow .node", has_text="choose")).to_contain_text("waiting for you")
    expect(shown.get_by_label("Phases at work")).to_contain_text("waiting for you")
    expect(shown.locator(".figures")).to_contain_text("waiting for you")
    expect(shown.locator(".figures")).not_to_contain_text("waiting for you 0 s")
    shown.evaluate("(to) => { location.hash = to; }", f"/runs/{stage.human}/list/choose")
    expect(shown.locator("tbody tr", has_text="choose").first).to_contain_text("waiting for you")
    expect(shown.get_by_label("Phase choose")).to_contain_text("waiting for you")


def test_a_loop_over_one_item_counts_one_item(scene: Scene, visit: Visit) -> None:
    walk = {
        "id": "walk",
        "kind": "loop",
        "for_each": {"in": "${inputs.names}", "as": "name"},
        "phases": [phase("draft")],
    }
    names = {"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}}
    run = scene.start(walk, schema=names, inputs={"names": ["ada"]})
    shown = visit(f"/runs/{run}/list")
    expect(shown.locator("tbody tr", has_text="walk").first.locator(".state")).to_have_text("running, 0 of 1 item")


def test_two_gates_of_a_kind_have_each_its_own_verdict(scene: Scene, visit: Visit) -> None:
    run = scene.start(
        phase("plan", *({**expr("${1 == 1}"), "rule": f"{name} rule"} for name in ("First", "Second")), approval())
    )
    scene.do(run, "plan")
    gates = visit(f"/runs/{run}/list/plan").locator("aside [role=tabpanel] li")
    expect(gates.nth(0)).to_contain_text("First rule")
    expect(gates.nth(1)).to_contain_text("Second rule")
    expect(gates.nth(2)).to_contain_text("awaiting")


def test_a_phase_whose_agent_was_killed_says_that_it_is_gone(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"))
    neighbour, other = scene.neighbour()
    scene.begin(run, "plan", other)
    shown = visit(f"/runs/{run}/list")
    head, row = shown.locator("header.runhead"), shown.locator("section[aria-label=List] tbody tr").first
    expect(head).to_contain_text("Working on plan")
    neighbour.end()
    shown.reload()
    expect(head).to_contain_text("The worker of plan is gone; any agent can take it over")
    expect(row).to_contain_text("its worker is gone")
    scene.begin(run, "plan")
    expect(head).to_contain_text("Working on plan")


def test_the_list_of_phases_with_figures_fits_beside_the_panel_of_a_phase(scene: Scene, visit: Visit) -> None:
    gates = [expr("${true}") for _ in range(5)]
    run = scene.start(phase("requirements"), phase("acceptance", *gates, approval(), needs=["requirements"]))
    scene.begin(run, "requirements")
    heard = listener(scene, job(scene, run, "requirements"))
    heard.before_call(MODEL, DOLLAR)
    heard.after_call(MODEL, dollars(0.5), None)
    scene.submit(run, "requirements")
    for words in ("say more", "say it again"):
        scene.do(run, "acceptance")
        request = approvals.ask(scene.engine, AGENT, run, "acceptance").request
        approvals.reject(scene.engine, scene.human, run, "acceptance", words, sha256=request.sha256)
    scene.begin(run, "acceptance")
    scene.clock.advance(minutes=61)
    shown = visit(f"/runs/{run}/list/acceptance")
    table = shown.locator("section[aria-label=List] table")
    expect(table).to_contain_text("$0.50")
    right = "(box) => Math.floor(box.getBoundingClientRect().right)"
    for width in (1200, 1000, 1600):
        shown.set_viewport_size({"width": width, "height": 900})
        edge = shown.locator("section[aria-label=List]").evaluate(right)
        assert max(table.locator("td").nth(number).evaluate(right) for number in range(14)) <= edge
        assert table.get_by_role("link", name="requirements").evaluate("(link) => link.getClientRects().length") == 1


def test_a_phase_of_the_list_or_the_timeline_opens_in_a_tab_of_its_own(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/runs/{stage.working}/list")
    for part in ("List", "Timeline"):
        expect(shown.get_by_role("region", name=part).get_by_role("link", name="docs")).to_have_attribute(
            "href", f"#/runs/{stage.working}/list/docs"
        )
    shown.get_by_role("region", name="Timeline").get_by_role("link", name="docs").click()
    expect(shown.get_by_role("complementary", name="Phase docs")).to_be_visible()
    shown.get_by_role("region", name="List").get_by_role("link", name="plan").click()
    expect(shown.get_by_role("complementary", name="Phase plan")).to_be_visible()


def test_a_phase_that_was_rolled_back_is_in_its_box_and_neither_at_work_nor_beside_what_is(
    scene: Scene, visit: Visit
) -> None:
    loop = {"in": "${artifacts.plan.items}", "as": "each", "key": "${each}"}
    inner = phase("code")
    walk = {"id": "build", "kind": "loop", "for_each": loop, "phases": [inner]}
    plan = phase("plan")
    plan["output"] = {"artifact": "plan", "schema": {"type": "object", "properties": {"items": {"type": "array"}}}}
    run = scene.start(plan, walk)
    scene.do(run, "plan", {"items": ["one"]})
    scene.begin(run, "build[one].code")
    scene.write("code.py", "x = 1\n")
    scene.clock.advance(minutes=3)
    shown = visit(f"/runs/{run}/graph")
    expect(shown.locator(".track .bar.running")).to_have_count(1)
    rollback(scene.engine, scene.human, run, "plan", files=True, discard=True)
    scene.clock.advance(minutes=1)
    shown.reload()
    expect(shown.locator(".flow .node", has_text="build").first).to_contain_text("not started")
    expect(shown.locator(".flow .node", has_text="plan")).to_contain_text("ready to start, attempt 2")
    old = shown.locator(".flow .node.old")
    expect(old).to_contain_text("rolled back, 3 min")
    edges = "(box) => [box, box.querySelector('.sub')].map((part) => part.getBoundingClientRect().bottom)"
    outer, text = old.evaluate(edges)
    assert text <= outer
    now = shown.get_by_role("complementary", name="Phases at work")
    expect(now).to_contain_text("plan")
    expect(now).not_to_contain_text("rolled back")
    expect(shown.locator(".track .bar.running")).to_have_count(0)
    expect(shown.locator(".cps li").first).to_contain_text("Before files were put back")


def test_every_checkpoint_of_a_run_can_be_shown(scene: Scene, visit: Visit) -> None:
    names = [f"p{number}" for number in range(8)]
    run = scene.start(*(phase(name) for name in names))
    for name in names:
        scene.do(run, name)
    shown = visit(f"/runs/{run}/graph")
    expect(shown.locator(".cps li")).to_have_count(12)
    shown.get_by_role("button", name="Show 4 older checkpoints").click()
    expect(shown.locator(".cps li")).to_have_count(16)
    expect(shown.locator(".cps li").last).to_contain_text("Before p0")


def test_what_a_check_printed_keeps_its_columns_in_a_failed_phase(scene: Scene, visit: Visit) -> None:
    scene.check("ok", "print('name   12'); print('other   3'); raise SystemExit(1)")
    run = scene.start(phase("plan", command("ok"), on_fail=[{"do": "wait_human"}]))
    scene.begin(run, "plan")
    scene.submit(run, "plan")
    for address in (f"/runs/{run}/list", f"/runs/{run}/list/plan"):
        printed = visit(address).locator(".words .code", has_text="other   3").first
        expect(printed).to_have_css("font-family", re.compile("mono"))
