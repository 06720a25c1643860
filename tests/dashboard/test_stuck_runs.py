"""Runs at work without progress on the pages of the application: the line below the inbox, and the list that it leads to."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.chromium import Tab
from tests.dashboard.test_application import to, visit as visit
from tests.dashboard.test_asked_again import PAUSE_MS, Watched, look_at, watched as watched
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.runs import control

Visit = Callable[..., Tab_]


def at_work(scene: Scene, title: str) -> str:
    """A run whose agent works on its phase."""
    run = scene.start(phase("plan"), inputs={"goal": title})
    scene.begin(run)
    scene.clock.advance(seconds=1)
    return run


def twelve(scene: Scene, shop: Scene) -> None:
    """Three stuck, one of them stale, one paused, two that wait for a decision, and five whose agents are at work."""
    at_work(scene, "Left alone")
    scene.clock.advance(days=8)
    at_work(scene, "Fix the door")
    at_work(shop, "Sell it")
    scene.clock.advance(hours=2)
    control.control(scene.engine, scene.human, at_work(scene, "Wait for the rain to end"), "pause")
    for number in range(2):
        run = scene.start(phase("plan", approval()), inputs={"goal": f"Decide {number}"}, name="decided")
        scene.do(run, "plan")
    for number in range(5):
        at_work(scene, f"Work {number}")


@pytest.mark.parametrize("width", [1200, 390, 320])
def test_the_line_below_the_inbox_leads_to_the_list_of_the_same_runs(
    scene: Scene, shop: Scene, visit: Visit, tab: Tab, width: int
) -> None:
    twelve(scene, shop)
    tab.page.set_viewport_size({"width": width, "height": 800})
    shown = visit("/runs")
    shown.get_by_label("Project").select_option(label="shop")  # a choice that the other pages keep
    to(shown, "/inbox")
    line = shown.get_by_role("region", name="Stuck runs")

    expect(line).to_have_text(
        "3 runs have made no progress for 1 h or longer: Sell it, Fix the door and Left alone. Show them"
    )
    expect(shown.get_by_role("list", name="What waits for you").get_by_role("listitem")).to_have_count(3)
    expect(shown).to_have_title("(3) Inbox · wfe")
    line.get_by_role("link", name="Show them").click()

    rows = shown.get_by_role("table").get_by_role("row").filter(has=shown.get_by_role("link"))
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="stuck")).to_have_count(3)
    expect(shown.get_by_role("button", name="stuck")).to_have_attribute("aria-pressed", "true")
    expect(shown.locator("main")).to_contain_text("wfe-mcp list --stuck --all")
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown.get_by_role("navigation").get_by_role("link", name="Runs").click()
    expect(shown.get_by_role("button", name="all", exact=True)).to_have_attribute("aria-pressed", "true")


def test_an_inbox_with_nothing_in_it_has_the_line_and_its_names_lead_to_the_runs(scene: Scene, visit: Visit) -> None:
    for number in range(5):
        at_work(scene, f"Work {number}")
    scene.clock.advance(hours=2)
    shown = visit()
    line = shown.get_by_role("region", name="Stuck runs")
    expect(shown.locator("main")).to_contain_text("Nothing waits for you.")
    expect(line).to_have_text(
        "5 runs have made no progress for 1 h or longer: Work 4, Work 3, Work 2 and 2 more. Show all"
    )
    line.get_by_role("link", name="Work 3").click()
    expect(shown.locator("main")).to_contain_text("no progress for 2 h")
    expect(shown.locator("main")).to_contain_text("Tell your agent: Continue with wfe.")


def test_a_state_that_no_run_has_leaves_out_none(scene: Scene, visit: Visit) -> None:
    at_work(scene, "Fix the door")
    shown = visit("/runs?status=nope")
    expect(shown.locator("main")).to_contain_text("Fix the door")
    expect(shown.get_by_role("button", name="all", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(shown.get_by_role("alert")).to_have_count(0)


def submit_nothing(scene: Scene, run: str) -> None:
    """A submission that is refused."""
    with pytest.raises(Refused, match="resubmit"):
        scene.submit(run, "plan", {"title": ""})


def test_the_line_comes_and_goes_by_itself_and_nothing_is_asked_before(scene: Scene, watched: Watched) -> None:
    run = at_work(scene, "Fix the door")
    submit_nothing(scene, run)
    look_at(watched, scene, "/inbox", "Nothing waits for you", run)
    line = watched.shown.get_by_role("region", name="Stuck runs")
    assert watched.passes(59 * 60 * PAUSE_MS) == {}, "a run at work that says nothing is asked about when it is stuck"
    scene.clock.advance(minutes=61)
    assert watched.passes(2 * 60 * PAUSE_MS) == {"/inbox": 1}
    expect(line).to_contain_text("1 run has made no progress for 1 h or longer: Fix the door.")
    assert watched.passes(60 * 60 * PAUSE_MS) == {}

    submit_nothing(scene, run)  # its agent is there again: the log notes it, and nothing waits for a person by it
    watched.hears(scene, run)

    assert watched.passes(2 * PAUSE_MS) == {"/inbox": 1}
    expect(line).to_have_count(0)
    freed = {"position": 0, "run": run, "project": scene.engine.project_id, "type": "LeaseLost", "seq": 1}
    watched.receives({"event": freed})
    assert watched.passes(PAUSE_MS) == {"/inbox": 1}, "a phase that is free again is a change of its run"
