"""The plain pages that the application leads to lead back to it, and without a session or a script to the plain list."""

from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.browser import PIN, Browser
from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import Scene, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.views.approvals.trust import trust_path


def needing_trust(scene: Scene) -> None:
    scene.check("test", "print('fine')", trusted=False)
    scene.start(phase("plan"))


def test_who_has_trusted_goes_back_to_the_inbox_of_the_application(scene: Scene, page: Page, tab: Tab) -> None:
    needing_trust(scene)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.locator(".inbox a", has_text="Review and trust").click()
    tab.page.get_by_label("Your PIN").fill(PIN)
    tab.page.get_by_role("button", name="Show").click()
    tab.page.get_by_label("Your PIN").fill(PIN)
    tab.page.get_by_role("button", name="Sign trust").click()
    expect(tab.page.locator("h1")).to_have_text("Nothing needs your trust")
    tab.page.get_by_role("link", name="Inbox").click()
    is_live(tab.page)
    assert tab.page.url.endswith("/app/#/inbox")
    expect(tab.page.locator("main h1")).to_have_text("Inbox")
    assert tab.console == []


def test_who_does_not_trust_goes_back_before_the_pin(scene: Scene, page: Page, tab: Tab) -> None:
    needing_trust(scene)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.goto(page.url + trust_path(scene.engine))
    tab.page.get_by_role("link", name="wfe").click()
    is_live(tab.page)
    assert tab.page.url.endswith("/app/#/inbox")


def test_a_tab_without_a_session_goes_back_to_the_plain_list(scene: Scene, page: Page, tab: Tab) -> None:
    needing_trust(scene)
    tab.page.goto(page.url + trust_path(scene.engine))
    tab.page.get_by_label("Your PIN").fill(PIN)
    tab.page.get_by_role("button", name="Show").click()
    tab.page.get_by_role("link", name="Inbox").click()
    expect(tab.page.locator("h1")).to_have_text("What waits for you")
    assert tab.page.url == page.url


def test_without_a_script_the_way_back_is_the_plain_list(
    scene: Scene, page: Page, chromium: Chromium, browser: Browser
) -> None:
    needing_trust(scene)
    assert 'content="0; url=/"' in browser.get("/open/inbox").text
    context = chromium.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(page.url + trust_path(scene.engine))
    shown.get_by_label("Your PIN").fill(PIN)
    shown.get_by_role("button", name="Show").click()
    shown.get_by_role("link", name="Inbox").click()
    expect(shown.locator("h1")).to_have_text("What waits for you")
    assert shown.url == page.url
    context.close()
