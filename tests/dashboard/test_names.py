"""Runs of two projects differ by what they are about on every page that lists them, and a page shows one project or all."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.browser import asked
from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import Scene, approval, command, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.maintenance.projects import rename

Visit = Callable[..., Tab_]
SLUGS, PRICES = "slug('v1.2') gives 'v1.2'; it should give 'v1-2'", "Prices are rounded twice"


@pytest.fixture
def runs(scene: Scene, shop: Scene) -> tuple[str, str]:
    """A run in each project; that of the second one waits for a decision."""
    scene.check("test", "print('1 passed')")
    slugs = scene.start(phase("reproduce", command("test")), phase("fix"), title_from="goal", inputs={"goal": SLUGS})
    scene.do(slugs, "reproduce")
    prices = shop.start(phase("plan", approval()), name="tidy", title_from="goal", inputs={"goal": PRICES})
    shop.do(prices, "plan")
    asked(shop, prices)
    scene.clock.advance(minutes=12)
    return slugs, prices


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    def go(address: str) -> Tab_:
        tab.set_time(scene.clock.now)
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("(to) => { location.hash = to; }", address)
        return tab.page

    return go


def test_a_card_of_the_board_says_what_where_and_how_far(scene: Scene, runs: tuple[str, str], visit: Visit) -> None:
    shown = visit("/board")
    cards = shown.locator("a.card")
    expect(cards).to_have_count(2)
    at_work = shown.get_by_role("region", name="At work").locator("a.card")
    expect(at_work).to_contain_text(SLUGS)
    for text in ("fix 1/2", "12 min", scene.root.name, "drill"):
        expect(at_work).to_contain_text(text)
    expect(shown.get_by_role("region", name="Waiting for you").locator("a.card")).to_contain_text("shop")

    shown.get_by_label("Project").select_option("shop")

    expect(cards).to_have_count(1)
    expect(cards).to_contain_text(PRICES)
    expect(shown.locator("code", has_text=re.compile("^wfe-mcp --project [^ ]+ list$"))).to_be_visible()


def test_the_chosen_project_is_kept_for_the_other_pages(
    scene: Scene, shop: Scene, runs: tuple[str, str], visit: Visit
) -> None:
    shown = visit("/runs")
    rows = shown.locator("table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text=SLUGS)).to_contain_text("fix 1/2")
    expect(rows.filter(has_text=PRICES)).to_contain_text("shop")
    shown.get_by_label("Project").select_option("shop")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(PRICES)

    shown.evaluate("location.hash = '/activity'")
    expect(shown.get_by_label("Project")).to_have_value(shop.engine.project_id)
    expect(shown.locator(".events .line a").first).to_have_text(PRICES)
    expect(shown.locator(".events .line a", has_text=SLUGS)).to_have_count(0)

    shown.evaluate("location.hash = '/templates'")
    expect(shown.get_by_role("link", name="tidy", exact=True)).to_be_visible()
    expect(shown.get_by_role("link", name="drill", exact=True)).to_have_count(0)
    shown.get_by_role("link", name="tidy", exact=True).click()
    expect(shown.get_by_label("Breadcrumb")).to_contain_text("tidy")
    expect(shown.locator("h1")).to_have_text("A drill")

    shown.evaluate("location.hash = '/start/tidy'")
    expect(shown.get_by_label("Project")).to_have_value(shop.engine.project_id)

    shown.evaluate("location.hash = '/queue'")
    expect(shown.locator("table")).to_have_count(0)
    shown.get_by_label("Project").select_option(scene.root.name)
    expect(shown.locator("table tbody tr")).to_contain_text(SLUGS)

    shown.evaluate("location.hash = '/activity'")
    shown.get_by_label("Project").select_option("all projects")
    expect(shown.locator(".events .line a", has_text=f"{SLUGS} ({scene.root.name})").first).to_be_visible()
    expect(shown.locator(".events .line a", has_text=f"{PRICES} (shop)").first).to_be_visible()


def test_a_project_has_the_name_that_it_was_given(shop: Scene, runs: tuple[str, str], visit: Visit) -> None:
    with shop.store.read() as tx:
        record = next(each for each in tx.projects.all() if each.id == shop.engine.project_id)
    rename(shop.store, record, "Corner shop")
    shown = visit("/inbox")
    expect(shown.get_by_role("complementary", name="Preview")).to_contain_text(
        "Corner shop, tidy 1.0.0, plan, attempt 1"
    )
    expect(shown.get_by_label("What waits for you").locator(".meta").first).to_contain_text("Corner shop")
    shown.evaluate("location.hash = '/runs'")
    shown.get_by_label("Project").select_option("Corner shop")
    expect(shown.locator("table tbody tr")).to_contain_text(PRICES)


def test_the_palette_finds_runs_by_what_they_are_about_in_all_projects(runs: tuple[str, str], visit: Visit) -> None:
    shown = visit("/inbox")
    preview = shown.get_by_role("complementary", name="Preview")
    expect(preview).to_contain_text(PRICES)
    expect(preview).to_contain_text("shop, tidy 1.0.0, plan, attempt 1")
    shown.keyboard.press("Control+k")
    shown.get_by_role("combobox").fill("prices")
    option = shown.get_by_role("option").filter(has_text="shop, plan 0/1, waiting")
    expect(option).to_contain_text(PRICES)
    option.click()
    expect(shown.locator("h1")).to_contain_text(PRICES)


def test_a_search_has_the_hits_of_all_projects_with_their_run(runs: tuple[str, str], visit: Visit) -> None:
    shown = visit("/search?q=rounded")
    expect(shown.get_by_role("main").locator(".plist a").first).to_contain_text(PRICES)
    expect(shown.get_by_role("main").locator(".plist a").first).to_contain_text("shop")


@pytest.mark.parametrize("address", ["/board", "/runs", "/activity", "/queue", "/templates", "/search?q=rounded"])
def test_the_choice_of_a_project_fits_a_phone(runs: tuple[str, str], visit: Visit, tab: Tab, address: str) -> None:
    tab.page.set_viewport_size({"width": 360, "height": 800})
    shown = visit(address)
    expect(shown.get_by_label("Project")).to_be_visible()
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_completed_run_is_called_so_in_the_search_too(scene: Scene, visit: Visit) -> None:
    """A phase passes its gates; a run is completed, as the list of runs and the terminal say."""
    done = scene.start(phase("plan"), name="done", title="Done")
    scene.do(done, "plan")
    shown = visit("/runs")
    shown.keyboard.press("Control+k")
    shown.get_by_role("combobox").fill(done)
    expect(shown.get_by_role("option").first).to_contain_text("completed")
