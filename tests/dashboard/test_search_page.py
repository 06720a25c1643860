"""The search of the application: every hit can be reached, and the palette leads to it with what was typed."""

from playwright.sync_api import expect

from tests.dashboard.backlog import add
from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.scene import Scene

__all__ = ["visit"]


def test_every_hit_can_be_reached_page_by_page(scene: Scene, visit: Visit) -> None:
    for number in range(60):
        add(scene, f"Repair harbour light {number}")
    shown = visit("/search?q=harbour")
    hits = shown.locator("main ul.plist > li")
    expect(hits.first).to_be_visible()
    more = shown.get_by_role("button", name="Show more")
    while (before := hits.count()) < 60:
        more.click()
        expect(hits.nth(before)).to_be_visible()
    expect(more).to_have_count(0)
    titles = set(hits.all_inner_texts())
    assert len({each.split("light ")[1].split(",")[0].split()[0] for each in titles}) == 60
    to(shown, "/search?q=light+0")
    expect(hits).to_have_count(1)


def test_the_palette_searches_for_what_was_typed(scene: Scene, visit: Visit) -> None:
    add(scene, "Repair harbour light")
    shown = visit("/runs")
    shown.keyboard.press("Control+k")
    shown.get_by_role("combobox").fill("nothing-like-it")
    offered = shown.get_by_role("listbox")
    expect(offered).to_contain_text("Nothing is called that.")
    shown.keyboard.press("Enter")
    expect(shown.get_by_label("Words to search for")).to_have_value("nothing-like-it")
    shown.keyboard.press("Control+k")
    shown.get_by_role("combobox").fill("light & harbour")
    offered.get_by_role("option", name="Search for").click()
    expect(shown.get_by_label("Words to search for")).to_have_value("light & harbour")
