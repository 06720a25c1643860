"""What the pages of a run say about it: its graph with loops, its attempts, automatic mode; what happened over all runs."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page as Tab_, Route, expect

from tests.dashboard.browser import PIN, asked
from tests.dashboard.chromium import Tab, is_live
from tests.dashboard.rich import rich
from tests.dashboard.stage import Stage
from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH, approved, delivered, operations
from tests.engine.scene import HUMAN, Scene, approval, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.history.rollback import rollback, undo
from wfe_mcp.engine.runs import control

Visit = Callable[[str], Tab_]
BOXES = """(names) => names.map((name) => {
  const found = [...document.querySelectorAll(".react-flow__node")].find((each) => each.dataset.id === name);
  const { left, top, right, bottom } = found.getBoundingClientRect();
  return [left, top, right, bottom];
})"""
"""At one moment: the view may still move."""


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    def go(address: str) -> Tab_:
        tab.set_time(scene.clock.now)
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("(to) => { location.hash = to; }", address)
        tab.page.wait_for_selector("h1")
        return tab.page

    return go


def test_a_loop_is_drawn_around_what_it_repeats_and_the_next_phase_below_it(
    scene: Scene, stage: Stage, visit: Visit
) -> None:
    run = rich(scene, stage)["loop"]
    shown = visit(f"/runs/{run}/graph")
    expect(shown.locator(".react-flow__node")).to_have_count(4)
    walk, draft, check, after = shown.evaluate(BOXES, ["walk", "walk[0].draft", "walk[0].check", "after"])
    for inner in (draft, check):
        assert walk[0] < inner[0] and walk[1] < inner[1] and inner[2] < walk[2] and inner[3] < walk[3]
    assert draft[3] < check[1]
    assert walk[3] < after[1]


def test_automatic_mode_is_shown_as_it_is(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"))
    shown = visit(f"/runs/{run}")
    expect(shown.get_by_role("button", name="Auto: on")).to_be_visible()
    control.control(scene.engine, HUMAN, run, "auto_off")
    expect(shown.get_by_role("button", name="Auto: off")).to_be_visible()


def test_what_changed_before_the_stream_of_events_began_is_shown_once_it_has(
    scene: Scene, page: Page, tab: Tab
) -> None:
    run = scene.start(phase("plan"))
    held: list[Route] = []
    tab.page.route("**/api/v1/events", lambda route: held.append(route))
    tab.page.goto(link(scene.engine, page.port))
    tab.page.evaluate("(to) => { location.hash = to; }", f"/runs/{run}")
    expect(tab.page.get_by_role("button", name="Auto: on")).to_be_visible()
    control.control(scene.engine, HUMAN, run, "auto_off")
    held[0].continue_()
    expect(tab.page.get_by_role("button", name="Auto: off")).to_be_visible()


def test_why_an_attempt_failed_is_shown_once_in_its_lineage(scene: Scene, stage: Stage, visit: Visit) -> None:
    shown = visit(f"/runs/{stage.stopped}/lineage")
    reasons = [
        attempt.reason for attempt in scene.state(stage.stopped).attempts[scene.attempt(stage.stopped, "build").phase]
    ]
    shown_text = shown.locator(".lineage").inner_text()
    assert shown_text.count("line too long\nNext:") == len(reasons) == 2


def test_an_attempt_says_who_decided_on_it(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    asked(scene, run)
    approvals.decide(scene.engine, HUMAN, run, "plan", comment="as we agreed")
    shown = visit(f"/runs/{run}/lineage")
    expect(shown.locator(".lineage")).to_contain_text(f"Approved by {HUMAN.actor}, 0 s ago: as we agreed")


def test_a_provider_that_no_role_uses_is_no_failure(scene: Scene, visit: Visit) -> None:
    shown = visit("/settings")
    providers = shown.locator("#providers")
    expect(providers).to_contain_text("None is needed")
    expect(providers.locator(".s-failed")).to_have_count(0)


def test_settings_say_in_plain_words_how_the_page_starts_and_where_the_database_is(scene: Scene, visit: Visit) -> None:
    shown = visit("/settings")
    page = shown.locator("section", has=shown.get_by_role("heading", name="Decision page"))
    expect(page.locator("dl")).to_have_text("Startsby itself when a person is needed")
    database = shown.locator("section", has=shown.get_by_role("heading", name="Database"))
    expect(database.locator("dt")).to_have_text(["Where", "Version of its tables"])
    scene.write(".wfe/config.toml", "[ui]\nauto = false\n")
    scene.trust_config()
    shown.reload()
    expect(page.locator("dl")).to_have_text("Startswhen you start it: wfe-mcp ui")


def test_who_goes_back_from_the_pin_of_a_rollback_gets_no_message_and_nothing_is_done(
    scene: Scene, visit: Visit
) -> None:
    run = scene.start(phase("plan", auto_proceed=False), phase("build"))
    scene.do(run, "plan")
    control.control(scene.engine, HUMAN, run, "proceed")
    events = len(scene.events(run))
    shown = visit(f"/runs/{run}/list")
    shown.locator(".cps li").last.get_by_role("button", name="Roll back").click()
    shown.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    asks = shown.get_by_role("dialog", name="Only you decide this")
    expect(asks).to_contain_text("This reverses your decision")
    asks.get_by_role("button", name="Back").click()
    expect(asks).to_have_count(0)
    first = shown.locator(".cps li").last
    first.get_by_role("button", name=f"Fork… at {first.locator('b').inner_text()}", exact=True).click()
    shown.get_by_role("dialog").get_by_role("button", name="Start no run").click()
    expect(shown.get_by_role("alert")).to_have_count(0)
    assert len(scene.events(run)) == events


def test_a_rollback_that_another_tab_did_meanwhile_is_not_done_again(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", auto_proceed=False), phase("build"))
    scene.do(run, "plan")
    control.control(scene.engine, HUMAN, run, "proceed")
    slow = visit(f"/runs/{run}/list")
    quick = slow.context.new_page()
    quick.goto(slow.url)
    for shown in (slow, quick):
        shown.locator(".cps li").last.get_by_role("button", name="Roll back").click()
        shown.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        shown.get_by_role("dialog", name="Only you decide this").get_by_label("PIN").fill(PIN)
    quick.get_by_role("button", name="Sign").click()
    expect(quick.get_by_role("button", name="Undo the last command")).to_have_attribute(
        "title", re.compile("the rollback")
    )
    events = len(scene.events(run))
    slow.get_by_role("button", name="Sign").click()
    expect(slow.get_by_role("alert")).to_contain_text("The run continued after you were shown what this would do.")
    expect(slow.get_by_role("alert")).to_contain_text("Look again")
    assert len(scene.events(run)) == events
    slow.get_by_role("button", name="Undo the last command").click()
    expect(slow.get_by_role("region", name="What would change")).to_contain_text("Command: the rollback")
    slow.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
    slow.get_by_role("dialog", name="Only you decide this").get_by_label("PIN").fill(PIN)
    slow.get_by_role("button", name="Sign").click()
    expect(quick.get_by_role("button", name="Redo…")).to_be_visible()
    assert scene.attempt(run, "plan").status == "completed"


def test_a_rollback_asks_before_it_replaces_what_no_checkpoint_has(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.write("mine.txt", "of this morning")
    shown = visit(f"/runs/{run}")
    shown.set_viewport_size({"width": 400, "height": 800})
    unsaved = shown.get_by_role("dialog", name="Replace changes that no checkpoint has?")

    def roll_back() -> None:
        shown.get_by_role("button", name="Roll back…").last.click()
        shown.get_by_role("dialog").get_by_role("button", name="Roll back").click()

    roll_back()
    expect(unsaved).to_contain_text("mine.txt")
    unsaved.get_by_role("button", name="Keep them").click()
    expect(shown.locator("main")).to_contain_text("Nothing was restored")
    assert (scene.root / "mine.txt").exists()
    roll_back()
    unsaved.get_by_role("button", name="Replace them").click()
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign", exact=True).click()
    expect(shown.locator("main")).to_contain_text("attempt 2")
    assert not (scene.root / "mine.txt").exists()
    undo(scene.engine, scene.human, run)
    assert (scene.root / "mine.txt").read_text(encoding="utf-8") == "of this morning"


def test_what_an_undo_of_a_delivery_would_do_is_shown_before_the_pin_is_asked_for(scene: Scene, visit: Visit) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    with ThreadPoolExecutor(1) as other:  # the browser's loop runs in this thread
        other.submit(scene.work).result()
    shown = visit(f"/runs/{run}/list")
    delivery = shown.get_by_role("region", name="Delivery")
    begin = delivery.get_by_role("button", name="Undo the delivery…")
    begin.click()
    dialog = shown.get_by_role("dialog", name="Undo the delivery?")
    expect(dialog).to_contain_text("An undo of the delivery would reverse 3 operations: git.push ")
    dialog.get_by_role("button", name="Keep it as it is").click()
    assert not any(operation.undone for operation in operations(scene, run))

    scene.git("commit", "-q", "--allow-empty", "-m", "by hand")
    begin.click()
    expect(dialog.get_by_role("alert")).to_contain_text("has commits that this run did not record: it stays.")
    expect(dialog.get_by_role("button", name="Undo the delivery")).to_be_disabled()
    dialog.get_by_role("button", name="Keep it as it is").click()

    scene.git("reset", "-q", "--soft", "HEAD~1")
    begin.click()
    dialog.get_by_role("button", name="Undo the delivery").click()
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign", exact=True).click()
    expect(delivery.locator("li").filter(has_text="undone")).to_have_count(3)
    assert all(operation.undone for operation in operations(scene, run))


@pytest.mark.requirement("S1-33")
def test_activity_says_what_happened_in_sentences(scene: Scene, stage: Stage, visit: Visit) -> None:
    shown = visit("/activity")
    lines = shown.locator(".events .line")
    expect(lines.first).to_contain_text("The agent asked for a decision on fix")
    expect(lines.first).to_contain_text("gives 'a, None and b'")
    expect(lines.first.locator("time")).to_have_text("12 min ago")
    assert "2026-03-01T" in (lines.first.locator("time").get_attribute("title") or "")
    expect(shown.locator(".events")).to_contain_text("Gate 1 of fix passed: Check 'test'")
    expect(shown.locator(".events")).not_to_contain_text("Recorded")
    shown.get_by_label("Also what the engine notes for itself").check()
    expect(shown.locator(".events")).to_contain_text("Recorded")
    lines.first.get_by_role("button").click()
    expect(shown.get_by_role("dialog")).to_contain_text("ApprovalAsked")


def test_a_state_of_an_attempt_is_said_in_words(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build", needs=["plan"]))
    scene.do(run, "plan")
    rollback(scene.engine, HUMAN, run, "plan")
    expect(visit(f"/runs/{run}/lineage").locator(".lineage")).to_contain_text("rolled back")
