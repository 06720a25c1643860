"""The first screen of the application: what a first week needs; the rest is listed apart."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page as Tab_, Route, expect

from tests.dashboard.browser import asked
from tests.dashboard.chromium import Tab, is_live
from tests.dashboard.stage import Stage
from tests.engine.scene import AGENT, Scene, approval, phase
from tests.store.scene import tamper
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.runs.control import control
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.views.answers import tool_answers as answers

Visit = Callable[..., Tab_]


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    def go(address: str = "/inbox") -> Tab_:
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        to(tab.page, address)
        return tab.page

    return go


def to(shown: Tab_, address: str) -> None:
    shown.evaluate("(to) => { location.hash = to; }", address)


def test_the_navigation_holds_what_a_first_week_needs_and_the_rest_behind_more(visit: Visit) -> None:
    shown = visit()
    menu = shown.get_by_role("navigation", name="Main")
    names = [text.split("\n")[0] for text in menu.locator(":scope > a").all_inner_texts()]
    assert names == ["Inbox", "Board", "Runs", "Work", "Templates"]
    expect(menu.get_by_role("link", name="Queue")).to_be_hidden()
    for width in (1280, 360):
        shown.set_viewport_size({"width": width, "height": 800})
        menu.locator("summary").click()
        expect(menu.get_by_role("link", name="Settings")).to_be_in_viewport(ratio=1)
        shown.keyboard.press("Escape")
        expect(menu.get_by_role("link", name="Settings")).to_be_hidden()
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    menu.locator("summary").click()
    menu.get_by_role("link", name="Queue").click()
    expect(shown.locator("h1")).to_have_text("Queue")
    expect(menu.locator("summary")).to_contain_text("More", use_inner_text=True)  # no room for a longer name
    shown.set_viewport_size({"width": 1280, "height": 800})
    expect(menu.locator("summary")).to_contain_text("Queue", use_inner_text=True)
    expect(menu.get_by_role("link", name="Settings")).to_be_hidden()


def test_templates_for_special_cases_are_listed_apart(visit: Visit) -> None:
    shown = visit("/templates")
    parts = shown.locator("main table tbody")
    expect(parts).to_have_count(2)
    expect(parts.first).to_contain_text("quick_fix")
    expect(parts.last).to_contain_text("More, for special cases")
    expect(parts.last).to_contain_text("jpa_mt")
    to(shown, "/start")
    expect(shown.get_by_role("heading", name="More, for special cases")).to_be_visible()
    expect(shown.locator("main section").first).not_to_contain_text("jpa_mt")


@pytest.mark.requirement("S1-01", "S1-03", "S2-29")
def test_five_hundred_phases_are_a_graph_and_a_list(scene: Scene, visit: Visit) -> None:
    many = [phase(f"p{n}", needs=[f"p{n - 1}"] if n % 7 else []) for n in range(500)]
    run = scene.start(*many)
    shown = visit(f"/runs/{run}/graph")
    expect(shown.locator(".react-flow__node").first).to_be_visible()
    to(shown, f"/runs/{run}/list")
    expect(shown.locator("section[aria-label=List] tbody tr")).to_have_count(500)


def test_a_run_leads_to_its_decision_and_says_the_day_of_what_took_longer(
    scene: Scene, stage: Stage, visit: Visit, tab: Tab
) -> None:
    scene.clock.advance(days=3)
    tab.set_time(scene.clock.now)
    shown = visit(f"/runs/{stage.waiting}/list")
    expect(shown.locator(".axis span").first).to_have_text(re.compile(r"^Mar \d, \d\d:\d\d$"))
    expect(shown.locator(".figures")).to_contain_text("waiting for you 3 days")
    expect(shown.locator("main")).not_to_contain_text("awaits approval")
    shown.locator(".turn").get_by_role("link", name="fix").click()
    expect(shown.locator("h1")).to_contain_text("Approve fix: natural_list")
    assert "#/inbox/rq-" in shown.url


def test_a_paused_run_is_in_the_column_of_paused_ones(scene: Scene, stage: Stage, visit: Visit) -> None:
    control(scene.engine, scene.human, stage.working, "pause")
    shown = visit("/board")
    card = shown.get_by_role("region", name="Paused", exact=True).locator(f"a.card[href='#/runs/{stage.working}']")
    expect(card).to_contain_text("paused")
    expect(card).not_to_contain_text("waiting for you")


def test_the_field_of_a_search_follows_its_address(stage: Stage, visit: Visit) -> None:
    shown = visit("/search?q=parser")
    expect(shown.get_by_label("Words to search for")).to_have_value("parser")
    to(shown, "/search?q=columns")
    expect(shown.get_by_label("Words to search for")).to_have_value("columns")
    shown.go_back()
    expect(shown.get_by_label("Words to search for")).to_have_value("parser")


def test_every_run_is_reached_from_the_list_and_each_view_says_that_it_shows_the_newest(
    scene: Scene, visit: Visit
) -> None:
    scene.define(phase("plan"))
    for number in range(201):
        scene.clock.advance(seconds=1)
        answers.start_run(scene.engine, AGENT, "drill", {"goal": f"run {number}"})
    shown = visit("/runs")
    rows = shown.locator("main tbody tr")
    expect(rows).to_have_count(100)
    expect(shown.locator("main header")).to_contain_text("the newest 100 runs")
    shown.get_by_role("link", name="Older runs").click()
    expect(rows.first).to_contain_text("run 100")
    expect(shown.locator("main header")).to_contain_text("100 older runs")
    shown.get_by_role("link", name="Older runs").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("run 0")
    expect(shown.get_by_role("link", name="Older runs")).to_be_hidden()
    oldest = rows.get_by_role("link").get_attribute("href") or ""
    shown.get_by_role("button", name="paused").click()
    expect(shown.locator("main")).to_contain_text("No run is paused")

    to(shown, "/board")
    expect(shown.locator("main header")).to_contain_text("the newest 200 runs")
    to(shown, oldest.removeprefix("#").replace("/runs/", "/compare/"))
    expect(shown.get_by_label("One run")).to_have_value(oldest.removeprefix("#/runs/"))
    expect(shown.locator("main")).to_contain_text("The newest 200 runs can be chosen.")
    other = shown.get_by_label("The other run")
    expect(other.locator("option")).to_have_count(201)
    shown.get_by_role("button", name="List older runs too").click()
    expect(other.locator("option")).to_have_count(202)
    expect(other).to_contain_text("run 0 (")
    expect(shown.get_by_role("button", name="List older runs too")).to_have_count(0)


def test_the_queue_says_that_it_shows_the_newest_jobs_only_where_there_are_more(scene: Scene, visit: Visit) -> None:
    def add_jobs(count: int) -> None:
        with scene.store.tx() as tx:
            for _ in range(count):
                tx.jobs.enqueue(NewJob("opinion", f"llm:{scene.engine.project_id}", {"about": "plan"}))

    add_jobs(200)
    shown = visit("/queue")
    rows = shown.locator("main tbody tr")
    expect(rows).to_have_count(200)
    expect(shown.locator("main header")).not_to_contain_text("the newest")
    add_jobs(1)
    shown.reload()
    expect(shown.locator("main header")).to_contain_text("the newest 200 jobs")
    expect(rows).to_have_count(200)


def test_a_tab_that_is_opened_beside_another_says_that_it_is_live(scene: Scene, page: Page, visit: Visit) -> None:
    first = visit()
    first.evaluate(
        "() => Object.defineProperty(document, 'hidden', { get: () => true })"
    )  # as it is behind the new one
    second = first.context.new_page()
    second.goto(f"{page.url}app/#/runs")
    is_live(second)
    run = scene.start(phase("plan"), title="Fix the door")
    expect(second.locator("main tbody a").first).to_have_attribute("href", f"#/runs/{run}")


def test_an_answer_to_words_that_are_no_longer_typed_is_not_offered(stage: Stage, visit: Visit) -> None:
    shown = visit("/runs")
    held: list[Route] = []
    shown.route("**/api/v1/search?query=skipped*", lambda route: held.append(route))
    shown.keyboard.press("Control+k")
    with shown.expect_request("**/api/v1/search?query=skipped*"):
        shown.get_by_role("combobox").fill("skipped")
    shown.get_by_role("combobox").fill("nothing-like-it")
    offered = shown.get_by_role("listbox")
    expect(offered).to_contain_text("Nothing is called that.")
    with shown.expect_response("**/api/v1/search?query=skipped*"):
        held[0].continue_()
    shown.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert "Nothing is called that." in offered.inner_text()


PLACES = """(element) => {
  const [range, text] = [document.createRange(), element.firstChild];
  return [0, text.length - 1].map((at) => {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  });
}"""
"""Where the first and the last letter of a text are."""


def test_a_text_begins_at_its_own_side_whatever_script_the_page_is_in(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()), title="إصلاح (123)")
    scene.begin(run, "plan")
    scene.write(".env.example", "A=1\n")
    scene.submit(run, "plan")
    shown = visit("/runs")
    in_list = shown.locator("main table").get_by_role("link").first
    expect(in_list).to_have_text("إصلاح (123)")
    first, last = in_list.evaluate(PLACES)
    assert first > last
    to(shown, f"/runs/{run}")
    first, last = shown.locator("h1", has_text="إصلاح").evaluate(PLACES)
    assert first > last
    to(shown, f"/inbox/{asked(scene, run)}")
    path = shown.locator(".outline").get_by_text(".env.example")
    first, last = path.evaluate(PLACES)
    assert first < last, "its dot is where it belongs"


def test_what_is_begun_on_the_page_of_a_project_is_of_that_project(scene: Scene, shop: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), name="ours")
    shop.define(phase("sell"), name="theirs")
    shown = visit(f"/projects/{shop.engine.project_id}")
    shown.get_by_role("link", name="Start one.").click()
    shown.locator("main").get_by_role("link", name="theirs").click()
    expect(shown.get_by_label("Project")).to_have_value(shop.engine.project_id)
    shown.get_by_role("button", name="Start the run").click()
    expect(shown.get_by_role("navigation", name="Breadcrumb")).to_contain_text(shop.root.name)


def test_the_inputs_of_a_new_run_outlive_a_reload_and_are_gone_once_it_is_started(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/start/drill")
    expect(shown).to_have_title("Start: A drill · wfe")
    shown.get_by_label("goal").fill("Sort the roads")
    shown.get_by_label("Title").fill("Roads")
    shown.reload()
    expect(shown.get_by_label("goal")).to_have_value("Sort the roads")
    expect(shown.get_by_label("Title")).to_have_value("Roads")
    shown.get_by_role("button", name="Start the run").click()
    expect(shown.locator("h1")).to_have_text("Roads")
    to(shown, "/start/drill")
    expect(shown.get_by_label("goal")).to_have_value("")


def test_a_page_that_cannot_be_drawn_says_so_and_the_others_work(visit: Visit) -> None:
    def broken(route: Route) -> None:
        route.fulfill(json={"ok": True, "data": {"runs": [None]}})

    shown = visit()
    shown.route("**/api/v1/runs?*", broken)
    to(shown, "/runs")
    expect(shown.locator("h1")).to_have_text("This page cannot be shown")
    expect(shown.get_by_role("button", name="Load it again", exact=True)).to_be_visible()
    to(shown, "/templates")
    expect(shown.locator("h1")).to_have_text("Templates")


def test_what_is_snoozed_does_not_wait_by_the_heading_and_is_woken_beside_it(scene: Scene, visit: Visit) -> None:
    for _ in range(2):
        run = scene.start(phase("plan", approval()))
        scene.do(run, "plan")
        asked(scene, run)
    shown = visit()
    heading = shown.locator("main header").first
    expect(heading).to_contain_text("2 things wait for you in 1 project")
    shown.keyboard.press("h")
    expect(heading).to_contain_text("1 thing waits for you in 1 project")
    expect(shown.get_by_role("link", name="Inbox 1 wait for you")).to_be_visible()
    expect(shown).to_have_title("(1) Inbox · wfe")
    shown.keyboard.press("h")
    expect(heading).to_contain_text("0 things wait for you now")
    shown.get_by_role("button", name="Wake 2 snoozed items").click()
    expect(heading).to_contain_text("2 things wait")


def test_after_an_item_is_snoozed_the_next_one_is_chosen(scene: Scene, visit: Visit) -> None:
    for title in ("first", "second", "third"):
        run = scene.start(phase("plan", approval()), title=title)
        scene.do(run, "plan")
        asked(scene, run)
        scene.clock.advance(minutes=1)
    shown = visit()
    chosen = shown.get_by_role("list", name="What waits for you").locator("[aria-current=true]")
    expect(chosen).to_contain_text("first")
    shown.keyboard.press("j")
    expect(chosen).to_contain_text("second")
    shown.keyboard.press("h")
    expect(chosen).to_contain_text("third")


def test_the_title_of_the_tab_says_what_is_shown(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/runs/{stage.working}")
    expect(shown).to_have_title(re.compile(r"^\(\d+\) Add weeks to naturaldelta\(\) · wfe$"))
    to(shown, "/compare")
    expect(shown).to_have_title(re.compile(r"^\(\d+\) Compare two runs · wfe$"))
    for address, heading in (("compare/{}", "Compare two runs"), ("artifact/{}/note/1", "note_note")):
        to(shown, "/" + address.format(stage.done))
        expect(shown).to_have_title(re.compile(rf"^\(\d+\) {heading} · run {stage.done} · wfe$"))


def test_who_comes_back_finds_the_filter_the_place_and_the_link_that_they_followed(stage: Stage, visit: Visit) -> None:
    shown = visit("/runs")
    shown.set_viewport_size({"width": 1280, "height": 240})
    states = shown.get_by_role("group", name="State")
    states.get_by_role("button", name="cancelled").click()
    expect(shown.locator("main")).to_contain_text("No run is cancelled")
    states.get_by_role("button", name="waiting").click()
    last = shown.locator("main tbody a").last
    expect(shown.locator("main tbody tr")).to_have_count(2)
    last.focus()
    y = shown.evaluate("() => scrollY")
    shown.keyboard.press("Enter")
    expect(shown.get_by_role("group", name="View")).to_be_visible()
    shown.go_back()
    expect(states.get_by_role("button", name="waiting")).to_have_attribute("aria-pressed", "true")
    expect(last).to_be_focused()
    shown.wait_for_function("(y) => scrollY === y", arg=y)
    assert y > 0


def test_the_address_of_a_part_of_the_settings_shows_that_part(visit: Visit) -> None:
    shown = visit("/settings/notifications")
    for part in ("Notifications", "Credentials"):
        to(shown, f"/settings/{part.lower()}")
        expect(shown.get_by_role("heading", name=part, exact=True)).to_be_in_viewport()


def test_of_two_addresses_at_once_the_last_is_shown_at_its_place(visit: Visit) -> None:
    shown = visit()
    shown.set_viewport_size({"width": 1280, "height": 300})
    shown.evaluate("() => { location.hash = '/settings/notifications'; location.hash = '/settings/credentials'; }")
    expect(shown.get_by_role("heading", name="Credentials", exact=True)).to_be_in_viewport()


def test_the_command_that_starts_a_lost_server_again_is_not_taken_for_a_longer_one(visit: Visit) -> None:
    shown = visit()
    shown.route("**/api/v1/templates*", lambda route: route.abort())
    to(shown, "/templates")
    expect(shown.get_by_role("alert")).to_contain_text("Start it again: wfe-mcp ui [lost]")


def test_a_run_without_progress_says_so_on_the_board_and_on_its_page(scene: Scene, stage: Stage, visit: Visit) -> None:
    assert stage.working
    scene.clock.advance(hours=1)
    shown = visit("/board")
    card = shown.locator("a.card", has_text="Add weeks to naturaldelta()")
    expect(card).to_contain_text("stuck")
    expect(shown.locator("a.card", has_text="Say what is new")).not_to_contain_text("stuck")
    card.click()
    expect(shown.locator("main")).to_contain_text(re.compile(r"Running\s*no progress for"))


def test_a_search_says_what_is_not_searched_yet(scene: Scene, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [scene.start(phase("plan"), name=f"old-{number}", title=f"Old words {number}") for number in range(3)]
    tamper(scene.url, "DELETE FROM find_run")
    monkeypatch.setattr("wfe_mcp.engine.search.finding.CATCH_UP_S", 0)
    monkeypatch.setattr("wfe_mcp.engine.search.finding.STEP_EVENTS", 1)
    shown = visit("/search?q=words")
    said = shown.get_by_role("status").filter(has_text="not indexed yet: search again")
    expect(said).to_be_visible()
    for _ in runs:
        shown.reload()
        expect(shown.locator(".plist li")).to_have_count(len(runs))
    expect(said).to_have_count(0)
