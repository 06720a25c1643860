"""What is new since a person's last visit, on the page; a program's look is none of theirs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.chromium import Tab
from tests.dashboard.play import Play, played
from tests.engine.conftest import blank
from tests.engine.scene import phase
from wfe_mcp.engine.approvals.decision_page import page_at
from wfe_mcp.engine.people.looks import FILE

__all__ = ["blank"]


@pytest.fixture
def play(tmp_path: Path, blank: Path, chromium: Chromium) -> Iterator[Play]:
    with played(tmp_path, blank, chromium) as made:
        yield made


def looks(play: Play) -> Path:
    return play.scene.store.path.parent / FILE


def look_at(tab: Tab, address: str) -> None:
    app = tab.page.url.partition("#")[0]
    tab.page.goto("about:blank")  # else the answer to the look before could be taken for this one's
    with tab.page.expect_response("**/api/v1/look") as answer:
        tab.page.goto(f"{app}#{address}")
    assert answer.value.ok


def visit_ends(play: Play) -> None:
    """The next look is one of another visit."""
    kept = json.loads(looks(play).read_text())
    for own in kept.values():
        for pair in own.values():
            pair[0] = pair[1]
    looks(play).write_text(json.dumps(kept))


def test_the_first_page_and_the_board_mark_what_is_new_and_lead_to_all_of_it(play: Play) -> None:
    old = play.scene.start(phase("plan"), name="old", title="Old news")
    look_at(play.tab, "/inbox")
    expect(play.page.locator(".news")).to_have_count(0)
    visit_ends(play)
    run = play.scene.start(phase("plan"), name="new", title="Fix the door")
    look_at(play.tab, "/inbox")
    news = play.page.get_by_role("region", name="Since your last visit")
    expect(news).to_contain_text("ago: 1 run changed")
    expect(news).to_contain_text("Fix the door")
    expect(news).not_to_contain_text("Old news")
    look_at(play.tab, "/inbox")
    expect(news, "a page that is loaded again shows the same").to_contain_text("Fix the door")
    play.to("/board")
    expect(play.page.locator(".card").filter(has_text="Fix the door").locator(".flag")).to_have_text("new")
    expect(play.page.locator(".card").filter(has_text="Old news").locator(".flag")).to_have_count(0)
    play.to("/inbox")
    news.get_by_role("link", name="Show all").click()
    events = play.page.locator(".events")
    expect(events).to_contain_text("Fix the door")
    expect(events).not_to_contain_text("Old news")
    play.page.get_by_role("button", name="show everything").click()
    expect(events).to_contain_text("Old news")
    assert old != run
    assert not [each for each in play.tab.console if each.startswith("error")], play.tab.console


def test_two_pages_show_the_same_and_one_that_no_one_sees_is_no_look(play: Play, chromium: Chromium) -> None:
    look_at(play.tab, "/inbox")
    visit_ends(play)
    app = play.page.url.partition("#")[0]
    play.page.goto("about:blank")
    play.scene.start(phase("plan"), name="new", title="Fix the door")
    kept = looks(play).read_text()
    hidden = "Object.defineProperty(document, 'hidden', { get: () => true })"
    second = Tab.open(chromium)
    try:
        second.page.add_init_script(hidden)
        with second.page.expect_response("**/api/v1/look"):
            second.page.goto(link(play))
        assert looks(play).read_text() == kept, "a page in the background is no look"
    finally:
        second.close()
    play.page.goto(app)
    for _ in range(2):
        look_at(play.tab, "/inbox")
        expect(play.page.locator(".news")).to_contain_text("Fix the door")


def link(play: Play) -> str:
    return page_at(play.scene.engine, may_start=False, plain=False) or ""
