"""Addresses of what is not there, a session that is over, a request that did not arrive: the page says so, and what to do next."""

from urllib.parse import unquote

import pytest
from playwright.sync_api import Page as Tab, expect

from tests.dashboard.browser import PIN, asked
from tests.dashboard.chromium import is_live
from tests.dashboard.stage import Stage
from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.access import tokens
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.maintenance.pruning import prunable, prune

__all__ = ["visit"]

MISSING = {
    "/runs/zzz": ("There is no run 'zzz'.", "#/runs"),
    "/artifact/zzz/plan": ("There is no run 'zzz'.", "#/runs"),
    "/form/zzz/plan": ("There is no run 'zzz'.", "#/runs"),
    "/ask/zzz/plan": ("There is no run 'zzz'.", "#/inbox"),
    "/inbox/zzz": ("There is no request 'zzz', or its folder is gone.", "#/inbox"),
    "/projects/zzz": ("There is no project 'zzz', or its folder is gone.", "#/projects"),
    "/items/zzz/W-1": ("There is no project 'zzz', or its folder is gone.", "#/items"),
    "/items/{project}/W-99": ("There is no work item 'W-99' in this project.", "#/items"),
    "/templates/zzz": ("No template is called 'zzz'.", "#/templates"),
    "/start/zzz": ("No template is called 'zzz'.", "#/start"),
}


def test_an_address_of_what_is_not_there_names_it_and_leads_to_the_list(stage: Stage, visit: Visit) -> None:
    shown = visit()
    for address, (heading, leads_to) in MISSING.items():
        to(shown, address.format(project=stage.project))
        expect(shown.locator("h1")).to_have_text(heading)
        expect(shown.locator("main a")).to_have_attribute("href", leads_to)
        expect(shown.locator("main")).not_to_contain_text("GET")

    for address in ("runs/..", "runs/%2e%2e", "projects/%2E%2e", "inbox/..", "runs/%2F", f"runs/{stage.done}/list/.."):
        to(shown, f"/{address}")
        expect(shown.locator("h1")).to_have_text(f"There is no page {unquote(address)}")
        expect(shown.locator("main a")).to_have_attribute("href", "#/inbox")

    to(shown, f"/ask/{stage.working}/review")
    refused = shown.get_by_role("alert")
    expect(refused).to_contain_text(
        "You cannot approve 'review' while it is pending. Run wfe-mcp status to see what is open."
    )
    expect(refused).to_contain_text("[illegal_transition]")


def test_a_link_to_a_pruned_run_says_who_removed_it(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"))
    scene.do(run, "plan")
    prune(scene.engine, prunable(scene.engine, [run]).runs, scene.human)
    shown = visit()
    for address in (f"/runs/{run}", f"/artifact/{run}/plan"):
        to(shown, address)
        expect(shown.locator("h1")).to_contain_text(f"Run '{run}' was removed by wfe-mcp prune")
        expect(shown.locator("main a")).to_have_attribute("href", "#/runs")


def test_a_run_of_a_project_whose_folder_is_gone_names_it_and_leads_to_where_it_is_moved(
    scene: Scene, shop: Scene, visit: Visit
) -> None:
    run = shop.start(phase("plan", approval()))
    shop.do(run, "plan")
    shop.root.rename(shop.root.parent / "elsewhere")
    shown = visit()
    for address in (f"/runs/{run}", f"/ask/{run}/plan"):
        to(shown, address)
        expect(shown.locator("h1")).to_have_text(f"The folder of 'shop' is gone: {shop.root}")
    shown.get_by_role("link", name="Say where it is now").click()
    expect(shown.get_by_role("region", name="shop, missing")).to_contain_text("folder missing")


@pytest.mark.usefixtures("stage")
def test_a_page_whose_session_is_over_says_how_it_is_opened_again(scene: Scene, visit: Visit) -> None:
    shown = visit()
    scene.clock.advance(seconds=tokens.SESSION_S + tokens.LOOKS_S + 1)
    to(shown, "/runs")
    expect(shown.locator("h1")).to_have_text("Open this page by its command")
    shown.reload()
    expect(shown.locator("h1")).to_have_text("Open this page by its command")


def sent_back(scene: Scene, visit: Visit) -> Tab:
    """A decision that is about to be sent back."""
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}")
    shown.get_by_role("button", name="Send back").click()
    return shown


def test_what_a_session_that_is_over_refuses_is_done_with_that_of_a_new_tab(
    scene: Scene, page: Page, visit: Visit
) -> None:
    shown = sent_back(scene, visit)
    shown.get_by_label("What should be different?").fill("Say why")
    scene.clock.advance(seconds=tokens.SESSION_S + tokens.LOOKS_S + 1)
    signs = shown.get_by_role("button", name="Sign and send back")
    shown.get_by_label("PIN").fill(PIN)
    signs.click()
    expect(shown.get_by_role("alert")).to_contain_text("Nothing was decided. The session of this page is over.")
    other = shown.context.new_page()
    other.goto(link(scene.engine, page.port))
    is_live(other)
    shown.get_by_label("PIN").fill(PIN)
    signs.click()
    expect(shown.locator("main")).to_contain_text("Say why")
    expect(shown.locator("main")).to_contain_text("Rejected by")


def test_the_top_of_a_decision_says_that_the_session_is_over_and_not_that_the_server_is_lost(
    scene: Scene, page: Page, visit: Visit
) -> None:
    shown = sent_back(scene, visit)
    scene.clock.advance(seconds=tokens.SESSION_S + tokens.LOOKS_S + 1)
    scene.start(phase("build"), name="other")
    expect(shown.locator("header.topbar .live")).to_have_text("session over")
    other = shown.context.new_page()
    other.goto(link(scene.engine, page.port))
    is_live(other)
    is_live(shown)


@pytest.mark.usefixtures("stage")
def test_a_tab_without_a_session_has_that_of_a_new_one_once_it_is_looked_at(
    scene: Scene, page: Page, visit: Visit
) -> None:
    shown = visit("/items/new")
    shown.get_by_label("Title").fill("Sort the roads")
    scene.clock.advance(seconds=tokens.SESSION_S + tokens.LOOKS_S + 1)
    to(shown, "/runs")
    expect(shown.locator("h1")).to_have_text("Open this page by its command")
    shown.go_back()
    other = shown.context.new_page()
    other.goto(link(scene.engine, page.port))
    is_live(other)
    shown.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(shown.get_by_label("Title")).to_have_value("Sort the roads")


def test_what_did_not_arrive_is_asked_for_again(stage: Stage, visit: Visit) -> None:
    shown = visit()
    shown.route("**/api/v1/runs/*", lambda route: route.abort(), times=1)
    to(shown, f"/runs/{stage.done}")
    expect(shown.get_by_role("alert")).to_contain_text("The server does not answer.")
    expect(shown.locator("h1")).to_have_text("Say what is new")


def test_an_inbox_that_a_busy_server_refused_is_asked_for_again(visit: Visit) -> None:
    refusal = {"ok": False, "error": {"code": "unavailable", "message": "The database is busy."}}
    shown = visit("/runs")
    shown.route("**/api/v1/inbox", lambda route: route.fulfill(status=503, json=refusal), times=2)
    shown.reload()
    to(shown, "/inbox")
    expect(shown.get_by_role("alert")).to_contain_text("The database is busy.")
    expect(shown.locator("main")).to_contain_text("Nothing waits for you.")


def test_an_inbox_that_could_not_be_read_says_why(visit: Visit) -> None:
    shown = visit("/runs")
    shown.route("**/api/v1/inbox", lambda route: route.abort())
    shown.reload()
    to(shown, "/inbox")
    expect(shown.get_by_role("alert")).to_contain_text("The server does not answer.")
    shown.unroute("**/api/v1/inbox")
    expect(shown.locator("main")).to_contain_text("Nothing waits for you.")


def test_a_log_that_could_not_be_read_says_so_and_is_asked_for_again(stage: Stage, visit: Visit) -> None:
    shown = visit("/runs")
    shown.route("**/events?after*", lambda route: route.abort())
    shown.route("**/activity?*", lambda route: route.abort())
    for address in (f"/runs/{stage.done}/events", "/activity"):
        to(shown, address)
        expect(shown.get_by_role("alert")).to_contain_text("The server does not answer.")
        expect(shown.locator("main")).not_to_contain_text("No events of this kind.")
        expect(shown.locator("main")).not_to_contain_text("Nothing has happened yet.")
    shown.unroute("**/events?after*")
    shown.unroute("**/activity?*")
    for address in ("/activity", f"/runs/{stage.done}/events"):
        to(shown, address)
        expect(shown.locator(".event-text").first).to_be_visible()
        expect(shown.get_by_role("alert")).to_be_hidden()
