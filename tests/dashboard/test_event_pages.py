"""The ways out in a real browser: a test of notifications on the settings, a test of a webhook on its page."""

import threading

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab, is_live
from tests.engine.conftest import home
from tests.engine.notifications.test_notify import command, configure as notifies, heard
from tests.engine.scene import Scene, phase
from tests.engine.webhooks.receiver import receiving
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.webhooks.deliveries import send_test

__all__ = ["home"]


@pytest.mark.requirement("S4-28")
@pytest.mark.usefixtures("home")
def test_a_person_sees_how_they_are_notified_and_sends_a_test_of_each_way(scene: Scene, page: Page, tab: Tab) -> None:
    notifies(scene, command(quiet="22:00-07:00"))
    with receiving(scene) as receiver:
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("location.hash = '/settings'")
        part = tab.page.locator("#notifications")
        expect(part).to_contain_text("22:00-07:00")
        part.get_by_role("button", name="Send a test").click()
        expect(part).to_contain_text("Notified you by command.")
        assert [one["event"] for one in heard(scene)] == ["test"]
        notifies(scene, command(command=["/nowhere/at-all"]))
        part.get_by_role("button", name="Send a test").click()
        expect(part.get_by_role("alert")).to_contain_text("/nowhere/at-all")

        tab.page.evaluate("location.hash = '/webhooks'")
        expect(tab.page.locator("main")).to_contain_text("Nothing has been sent yet.")
        n8n = tab.page.locator("section").filter(has_text=receiver.origin)
        n8n.get_by_role("button", name="Send a test to n8n").click()
        expect(n8n).to_contain_text("n8n answered 204: it gets what happens.")
        expect(tab.page.locator("table tbody tr").first).to_contain_text("webhook.test")
        receiver.answer = lambda _: (500, {}, b"")
        n8n.get_by_role("button", name="Send a test to n8n").click()
        expect(tab.page.get_by_role("alert")).to_contain_text("it answered 500")
        expect(n8n).not_to_contain_text("it gets what happens")

        run = scene.start(phase("plan"))
        tab.page.reload()
        expect(tab.page.get_by_role("button", name="Redeliver webhook.test of test to n8n").first).to_be_visible()
        tab.page.get_by_role("link", name=run).first.click()
        expect(tab.page.get_by_label("Breadcrumb")).to_contain_text(run)


@pytest.mark.usefixtures("home")
def test_what_is_sent_again_is_delivered_on_the_page_without_loading_it_again(
    scene: Scene, page: Page, tab: Tab
) -> None:
    with receiving(scene) as receiver:
        receiver.answer = lambda _: (410, {}, b"")
        send_test(scene.engine, "n8n")
        scene.work()
        may_answer = threading.Event()
        receiver.answer = lambda _: (204, {}, b"") if may_answer.wait(60) else None
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("location.hash = '/webhooks'")
        row = tab.page.locator("table tbody tr").first
        row.get_by_role("button", name="Redeliver webhook.test of test to n8n").click()
        expect(row).to_contain_text("sending")
        may_answer.set()
        expect(row).to_contain_text("delivered")
