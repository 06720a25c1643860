"""The pages about work items: the list, the board, the page of an item, the forms, and decisions about the architecture."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page as Tab_, expect

from tests.cli.commands.test_attach import PICTURE
from tests.dashboard.backlog import add, filled
from tests.dashboard.browser import PIN, WRONG
from tests.dashboard.chromium import Tab
from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.core.items import Item
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.work.items import add_item, change_item

Visit = Callable[..., Tab_]


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    def go(address: str = "/items") -> Tab_:
        tab.set_time(scene.clock.now)
        tab.page.goto(link(scene.engine, page.port))
        tab.page.wait_for_selector("header.topbar")
        to(tab.page, address)
        return tab.page

    return go


def to(shown: Tab_, address: str) -> None:
    shown.evaluate("(to) => { location.hash = to; }", address)


def item(scene: Scene, id_: str) -> Item:
    with scene.store.read() as tx:
        return tx.items.get(scene.engine.project_id, id_)


def of(scene: Scene, id_: str) -> str:
    return f"/items/{scene.engine.project_id}/{id_}"


def card(shown: Tab_, column: str, title: str) -> Locator:
    return shown.get_by_role("region", name=column, exact=True).locator("article", has_text=title)


def sign(shown: Tab_, pin: str = PIN) -> None:
    asks = shown.get_by_role("dialog", name="Only you decide this")
    asks.get_by_label("PIN").fill(pin)
    asks.get_by_role("button", name="Sign").click()


# -- the list --------------------------------------------------------------------------------------------------------


def test_a_board_of_more_items_than_it_shows_counts_all_and_leads_to_the_rest(scene: Scene, visit: Visit) -> None:
    for title in ("first", "second", "third"):
        add_item(scene.engine, AGENT, "task", {"title": title})
    shown = visit("/items")
    shown.route("**/backlog?limit=500*", lambda route: route.continue_(url=route.request.url.replace("500", "2")))
    shown.get_by_role("link", name="board", exact=True).click()
    planned = shown.get_by_role("region", name="planned", exact=True)
    expect(planned.locator("article")).to_have_count(2)
    expect(planned.get_by_role("heading")).to_have_text("Planned 3")
    planned.get_by_role("link", name="1 more in the list").click()
    expect(shown.get_by_role("row")).to_have_count(4)


def test_the_list_has_what_is_to_do_by_priority_and_is_narrowed_by_words_status_and_kind(
    scene: Scene, visit: Visit
) -> None:
    filled(scene)
    shown = visit()
    rows = shown.locator("table tbody tr")
    expect(rows).to_have_count(14)
    expect(rows.first).to_contain_text("Predict low water")
    expect(rows.first).to_contain_text("10 critical")
    expect(rows.filter(has_text="High water is")).to_contain_text("same files as W-4")
    expect(rows.filter(has_text="Print a table")).to_contain_text("waits for W-3, W-4")
    expect(rows.filter(has_text="Tables for every harbour")).to_contain_text("1 of 4")

    shown.get_by_label("Words that an item has").fill("water")
    expect(rows).to_have_count(3)
    shown.get_by_label("Kind").select_option("bug")
    expect(rows).to_have_count(1)
    shown.get_by_label("Words that an item has").fill("")
    shown.get_by_label("Status").select_option("done")
    expect(rows).to_contain_text(["A year without tides is refused"])


def test_the_list_is_worked_by_keyboard_alone(scene: Scene, visit: Visit, tab: Tab) -> None:
    add(scene, "Name the license", priority=9)
    add(scene, "Show the moon")
    shown = visit("/inbox")
    expect(shown.locator("h1")).to_have_text("Inbox")
    shown.keyboard.press("g")
    shown.keyboard.press("w")
    expect(shown.locator("tbody tr")).to_have_count(2)
    shown.keyboard.press("j")
    expect(shown.locator("tr[aria-current]")).to_contain_text("Show the moon")
    shown.keyboard.press("m")
    shown.get_by_role("dialog", name="Move W-2").get_by_role("button", name="Make ready").press("Enter")
    expect(shown.locator("tr[aria-current]")).to_contain_text("ready")
    shown.keyboard.press("k")
    shown.keyboard.press("Enter")
    expect(shown.locator("h1")).to_have_text("Name the license")
    assert tab.console == []


def test_items_of_two_projects_name_their_project_and_one_project_is_chosen(
    scene: Scene, shop: Scene, visit: Visit
) -> None:
    add(scene, "Name the license")
    add(shop, "Round prices once")
    shown = visit()
    rows = shown.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="prices")).to_contain_text("shop")
    rows.filter(has_text="prices").get_by_role("link").click()
    expect(shown.locator(".crumbs")).to_contain_text("shop")
    to(shown, "/items/board")
    expect(card(shown, "planned", "prices")).to_contain_text("shop")
    shown.get_by_label("Project").select_option("shop")
    expect(shown.locator("article.card")).to_have_count(1)


# -- the board -------------------------------------------------------------------------------------------------------


def test_a_card_is_dragged_to_where_the_table_allows_it_and_refused_with_the_reason_elsewhere(
    scene: Scene, visit: Visit
) -> None:
    add(scene, "Name the license")
    add(scene, "A year without tides", "bug", "ready", "done")
    shown = visit("/items/board")
    license = card(shown, "planned", "Name the license")
    license.drag_to(shown.get_by_role("region", name="ready", exact=True))
    expect(card(shown, "ready", "Name the license")).to_be_visible()
    assert item(scene, "W-1").status == "ready"

    card(shown, "done", "A year").drag_to(shown.get_by_role("region", name="active", exact=True))
    expect(shown.get_by_role("alert")).to_contain_text("W-2 is done, and cannot become active. It can become: planned.")
    expect(card(shown, "done", "A year")).to_be_visible()


def test_what_is_not_ready_says_what_is_missing_where_it_is_moved(scene: Scene, visit: Visit) -> None:
    add(scene, "Show the moon", "idea")
    shown = visit("/items/board")
    card(shown, "idea", "moon").drag_to(shown.get_by_role("region", name="ready", exact=True))
    expect(shown.get_by_role("alert")).to_contain_text("W-1 is not ready: it does not say what is to be done and")
    shown.get_by_role("button", name="Move W-1").click()
    asks = shown.get_by_role("dialog", name="Move W-1")
    expect(asks.get_by_role("button", name="Make ready")).to_be_disabled()
    asks.get_by_role("button", name="Plan").click()
    expect(card(shown, "planned", "moon")).to_be_visible()


def test_a_plan_is_pasted_looked_at_and_imported_and_a_fault_is_named_where_it_is(
    scene: Scene, visit: Visit, tab: Tab
) -> None:
    shown = visit()
    shown.get_by_role("link", name="Import…").click()
    shown.get_by_label("Its text").fill("# Tides")
    shown.get_by_role("button", name="Show what it would do").click()
    expect(shown.get_by_role("alert")).to_contain_text("plan.md has")
    hostile = (
        "## M1 - Read <img src=x onerror=alert(1)>\nGoal: It is in\nTasks:\n- Add a table\n  Acceptance: Dover is in\n"
    )
    shown.get_by_label("Its text").fill(hostile)
    shown.get_by_role("button", name="Show what it would do").click()
    expect(shown.get_by_role("status")).to_contain_text(["plan.md: Nothing was stored; it would be: 2 added"])
    expect(shown.get_by_role("region", name="What it would do")).to_contain_text("milestone: Read <img")
    shown.get_by_role("button", name="Import them").click()
    expect(shown.get_by_role("link", name="Add a table")).to_be_visible()
    assert item(scene, "W-2").source == "plan.md#TASK-001"

    to(shown, "/items/import")
    shown.get_by_label("Open issues").check()
    shown.get_by_role("button", name="Show what it would do").click()
    expect(shown.get_by_role("alert")).to_contain_text("There is no remote 'origin'.")
    assert [each for each in tab.console if "status of" not in each] == []


def test_cards_are_moved_by_keyboard_with_a_reason_and_a_pin_where_those_are_needed(
    scene: Scene, visit: Visit, tab: Tab
) -> None:
    add(scene, "Sell it to fishermen", "idea")
    add(scene, "Name the license")
    add(scene, "The map is upside down", "bug", "ready")
    shown = visit("/items/board")
    expect(shown.locator("article.card")).to_have_count(3)
    shown.keyboard.press("j")
    shown.keyboard.press("l")
    expect(card(shown, "planned", "license").get_by_role("link")).to_be_focused()
    shown.keyboard.press("m")
    shown.get_by_role("dialog").get_by_role("button", name="Block…").press("Enter")
    shown.get_by_label("What it cannot continue without").press_sequentially("The office answers")
    shown.keyboard.press("Enter")
    expect(card(shown, "blocked", "license")).to_be_visible()
    assert item(scene, "W-2").reason == "The office answers"

    card(shown, "ready", "map").get_by_role("link").focus()
    shown.keyboard.press("m")
    shown.get_by_role("dialog").get_by_role("button", name="Drop…").press("Enter")
    shown.get_by_label("Why it will not be done").press_sequentially("It is a globe now")
    shown.keyboard.press("Enter")
    sign(shown, WRONG)
    sign(shown)
    expect(card(shown, "dropped", "map")).to_be_visible()
    to(shown, of(scene, "W-3"))
    expect(shown.get_by_role("region", name="Changes").locator("li").first).to_contain_text("signed")
    assert [each for each in tab.console if "403" not in each] == []


# -- the page of an item ---------------------------------------------------------------------------------------------


def test_the_page_of_an_item_shows_what_it_says_what_is_around_it_and_who_changed_it(
    scene: Scene, visit: Visit
) -> None:
    run = filled(scene)
    shown = visit(of(scene, "W-4"))
    expect(shown.locator("h1")).to_have_text("Predict low water")
    expect(shown.locator(".crumbs")).to_contain_text("W-1 Tables for every harbour")
    expect(shown.locator(".prose strong")).to_have_text("Brest")
    expect(shown.locator(".prose td").first).to_have_text("Brest")
    expect(shown.get_by_role("region", name="Done when")).to_contain_text("Low water of Brest is within a minute.")
    about = shown.get_by_role("complementary", name="About it")
    expect(about).to_contain_text("Print a table")
    expect(about).to_contain_text("src/tides/low.py")
    expect(shown.get_by_role("region", name="Changes").locator("li").first).to_contain_text("active")
    expect(shown.get_by_role("region", name="Changes").locator("li").last).to_contain_text("Added as a planned task")

    about.get_by_role("link", name="Predict low water").click()
    expect(shown).to_have_url(f"{shown.url.split('#')[0]}#/runs/{run}")
    shown.locator(".figures").get_by_role("link", name="W-4").click()
    expect(shown.locator("h1")).to_have_text("Predict low water")

    to(shown, of(scene, "W-6"))
    expect(shown.locator(".note.warn")).to_contain_text("W-4 is active and touches src/tides: Predict low water")
    to(shown, of(scene, "W-1"))
    under = shown.get_by_role("region", name="Items under it")
    expect(under).to_contain_text("1 of 4")
    expect(under.locator("li")).to_have_count(4)


@pytest.mark.requirement("S4-33")
def test_a_screenshot_is_attached_to_a_bug_shown_and_saved(scene: Scene, visit: Visit) -> None:
    bug = add(scene, "The map is upside down", "bug")
    shown = visit(of(scene, bug))
    files = shown.get_by_role("region", name="Files")
    given = [("shot.png", "image/png", PICTURE), ("said.txt", "text/plain", b"All green.")]
    files.get_by_label("Attach files").set_input_files(
        [{"name": name, "mimeType": kind, "buffer": content} for name, kind, content in given]
    )
    expect(files.locator("li")).to_have_count(2)
    picture = files.get_by_role("img", name="shot.png")
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.naturalWidth") == 1
    with shown.expect_download() as download:
        files.get_by_role("button", name="Save said.txt").click()
    assert download.value.path().read_bytes() == b"All green."
    expect(shown.get_by_role("region", name="Changes")).to_contain_text("files: shot.png, said.txt")
    assert [each.name for each in item(scene, bug).files] == ["shot.png", "said.txt"]
    files.get_by_role("button", name="Detach shot.png").click()
    expect(files.locator("li")).to_have_count(1)
    assert [each.name for each in item(scene, bug).files] == ["said.txt"]


def test_an_item_that_waits_is_started_with_a_reason_and_the_pin(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), name="drill", title="A short drill")
    add(scene, "Name the license", "task", "ready")
    add(scene, "Print it", "task", "ready", needs=["W-1"])
    shown = visit(of(scene, "W-2"))
    expect(shown.locator(".note.warn")).to_contain_text("W-2 waits for W-1")
    shown.locator(".runhead").get_by_role("button", name="Start a run…").click()
    asks = shown.get_by_role("dialog", name="Start a run for W-2")
    asks.get_by_label("Template").select_option("drill")
    asks.get_by_label("W-2 waits for W-1").fill("The license is known by word of mouth")
    asks.get_by_role("button", name="Start the run").click()
    sign(shown)
    expect(shown).to_have_url(re.compile("#/runs/"))
    assert (item(scene, "W-2").status, item(scene, "W-2").reason) == (
        "active",
        "The license is known by word of mouth",
    )


def test_a_run_is_started_for_what_is_ready_next_from_the_first_page(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), name="drill", title="A short drill")
    add(scene, "Name the license", "task", "ready", priority="high")
    add(scene, "Print it", "task", "ready", needs=["W-1"])
    shown = visit("/inbox")
    ready = shown.get_by_role("region", name="Ready next")
    expect(ready.locator("li")).to_have_count(1)
    ready.get_by_role("button", name="Start a run for W-1").click()
    asks = shown.get_by_role("dialog", name="Start a run for W-1")
    asks.get_by_label("Template").select_option("drill")
    asks.get_by_role("button", name="Start the run").click()
    expect(shown.locator("h1")).to_have_text("Name the license")
    assert item(scene, "W-1").status == "active"
    expect(shown.locator(".figures")).to_contain_text("W-1")


def test_an_idea_becomes_a_requirement_and_then_ready(scene: Scene, visit: Visit) -> None:
    add(scene, "Show the moon", "idea", body="People ask for it.")
    shown = visit(of(scene, "W-1"))
    shown.get_by_label("Plan it as").select_option("requirement")
    expect(shown.locator(".turn")).to_contain_text("Planned")
    shown.get_by_role("button", name="Make ready").click()
    expect(shown.locator(".turn")).to_contain_text("Ready")
    assert (item(scene, "W-1").kind, item(scene, "W-1").criteria) == (
        "requirement",
        ("A test shows the required behaviour.",),
    )


def test_a_change_of_another_process_is_shown_at_once(scene: Scene, visit: Visit) -> None:
    add(scene, "Name the license")
    shown = visit(of(scene, "W-1"))
    expect(shown.locator(".live.live")).to_be_visible()
    expect(shown.locator(".turn")).to_contain_text("Planned")
    change_item(scene.process(), AGENT, "W-1", {"title": "Name two licenses"}, "ready")
    expect(shown.locator("h1")).to_have_text("Name two licenses")
    expect(shown.locator(".turn")).to_contain_text("Ready")
    to(shown, "/items")
    change_item(scene.process(), AGENT, "W-1", {}, "planned")
    expect(shown.locator("tbody tr")).to_contain_text("planned")


# -- forms -----------------------------------------------------------------------------------------------------------


def test_an_item_is_added_and_what_is_typed_outlives_a_reload_and_a_refusal(scene: Scene, visit: Visit) -> None:
    shown = visit()
    shown.get_by_role("link", name="Add an item").click()
    shown.get_by_label("Title").fill("Print a table")
    shown.get_by_label("What is to be done").fill("On *paper*")
    shown.get_by_label("Done when").fill("It fits a page.\nIt names the port.")
    shown.get_by_label("Needs").fill("W-9")
    shown.reload()
    expect(shown.get_by_label("Title")).to_have_value("Print a table")
    shown.get_by_role("button", name="Add it").click()
    expect(shown.get_by_role("alert")).to_contain_text("There is no work item 'W-9'")
    shown.get_by_label("Needs").fill("")
    shown.get_by_label("Priority").select_option("8")
    shown.get_by_role("button", name="Add it").click()
    expect(shown.locator("h1")).to_have_text("Print a table")
    made = item(scene, "W-1")
    assert (made.criteria, made.priority, made.needs) == (("It fits a page.", "It names the port."), 8, ())


def test_what_another_changed_while_one_types_is_refused_shown_and_nothing_typed_is_lost(
    scene: Scene, visit: Visit
) -> None:
    add(scene, "Name the license", priority=5)
    shown = visit(of(scene, "W-1"))
    expect(shown.locator("h1")).to_have_text("Name the license")
    shown.keyboard.press("e")
    shown.get_by_label("Title").fill("Name the license and its year")
    change_item(scene.process(), AGENT, "W-1", {"title": "Name two licenses", "priority": 9, "tags": ["law"]})
    meanwhile = shown.get_by_role("alert").filter(has_text="has changed W-1 since you began")
    expect(meanwhile).to_contain_text("is now: Name two licenses")
    expect(shown.get_by_label("Title")).to_have_value("Name the license and its year")
    expect(shown.get_by_label("Priority")).to_have_value("9")

    shown.get_by_role("button", name="Save", exact=True).click()
    expect(shown.get_by_role("alert").filter(has_text="conflict")).to_contain_text("since you opened it: ")
    assert item(scene, "W-1").title == "Name two licenses"
    shown.reload()
    expect(shown.get_by_label("Title")).to_have_value("Name the license and its year")
    meanwhile.get_by_role("button", name="Save my title over it").click()
    expect(shown.locator("h1")).to_have_text("Name the license and its year")
    kept = item(scene, "W-1")
    assert (kept.title, kept.priority, kept.tags) == ("Name the license and its year", 9, ("law",))


# -- search ----------------------------------------------------------------------------------------------------------


def test_the_palette_and_the_search_find_an_item_by_its_words(scene: Scene, visit: Visit) -> None:
    filled(scene)
    shown = visit("/inbox")
    expect(shown.locator("h1")).to_have_text("Inbox")
    shown.keyboard.press("Control+k")
    expect(shown.get_by_role("combobox", name="Search or run a command")).to_be_focused()
    shown.keyboard.type("forged")
    found = shown.get_by_role("option").filter(has_text="Tides can be forged")
    expect(found).to_contain_text("work item")
    found.click()
    expect(shown.locator("h1")).to_have_text("Tides can be forged by a proxy")
    to(shown, "/search?q=harmonics")
    shown.get_by_role("button", name="work item").click()
    expect(shown.locator(".plist li").first).to_contain_text("W-")
    shown.locator(".plist a", has_text="W-2 ").click()
    expect(shown.locator("h1")).to_have_text("Read the harmonics")
