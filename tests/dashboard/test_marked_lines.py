"""Where a page has a list, j and k mark its lines, Enter opens the marked one, and the marked one is in view."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.stage import Stage
from tests.dashboard.test_navigation import Visit, visit
from tests.engine.scene import AGENT, Scene
from wfe_mcp.engine.work.items import add_item

__all__ = ["visit"]

LISTS = {
    "/board": "main .card",
    "/runs": "main tr td:first-child > a",
    "/templates": "main td:first-child > a",
    "/activity": "main .line > a",
    "/items": "main tr td:first-child > a",
    "/items/decisions": "main .lines .grow > a",
    "/items/claims": "main .lines .grow > a",
}


def with_items(scene: Scene) -> None:
    for kind in ("task", "decision", "claim"):
        for title in ("Sort the roads", "Show the moon"):
            add_item(scene.engine, AGENT, kind, {"title": title})


@pytest.mark.parametrize("address", LISTS)
def test_j_and_k_mark_the_lines_of_the_list_of_a_page_and_enter_opens_one(
    scene: Scene, stage: Stage, visit: Visit, address: str
) -> None:
    with_items(scene)
    shown = visit(address)
    marked = shown.locator("main [aria-current=true]")
    lines = shown.locator(LISTS[address])
    expect(marked).to_have_count(1)
    names = [text.split("\n")[0] for text in lines.all_inner_texts()]
    assert len(names) > 1
    for key, at in (("j", 1), ("k", 0), ("k", 0), ("j", 1)):
        shown.keyboard.press(key)
        expect(marked).to_contain_text(names[at])
    place = lines.nth(1).get_attribute("href")
    shown.keyboard.press("Enter")
    expect(shown).to_have_url(shown.url.split("#")[0] + str(place))


@pytest.mark.parametrize("address", ["/runs", "/templates", "/activity", "/board"])
def test_the_marked_line_of_a_long_list_comes_into_view_and_takes_the_focus_along(
    stage: Stage, visit: Visit, address: str
) -> None:
    shown = visit(address)
    shown.set_viewport_size({"width": 800, "height": 220})
    lines = shown.locator(LISTS[address])
    expect(lines.nth(4)).to_be_attached()
    for _ in range(4):
        shown.keyboard.press("j")
    expect(shown.locator("main [aria-current=true]")).to_be_in_viewport()
    lines.first.focus()
    shown.keyboard.press("j")
    expect(lines.nth(1)).to_be_focused()
