"""The page of a run shows what a model writes while it works a phase, and its tool calls, by themselves."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.api.test_live_text import LOOKS, PLAN, other_worker
from tests.dashboard.chromium import Tab, is_live
from tests.engine.conftest import home
from tests.engine.model_scene import ROLES, configure, server
from tests.engine.scene import Scene
from tests.fake_models.script import Turn
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.runs import control

__all__ = ["home"]

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.requirement("S1-33", "S1-01")]


def test_the_text_of_a_model_grows_on_the_page_of_its_run_and_ends_with_the_phase(
    scene: Scene, page: Page, tab: Tab
) -> None:
    words = "".join(f"Step {number} of the plan. " for number in range(10))
    with server([LOOKS, Turn(text=words, stall=True)]) as models:
        configure(scene, models)
        run = scene.start(PLAN, roles=ROLES)
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate(f"location.hash = '/runs/{run}/list'")
        expect(tab.page.locator(".side")).to_contain_text("plan")
        with other_worker(scene):
            writes = tab.page.get_by_role("region", name="What the model writes in plan")
            expect(writes).to_contain_text("I look at the file.", timeout=20_000)
            tab.page.evaluate(f"location.hash = '/runs/{run}/list/plan'")
            expect(tab.page.locator(".side header b")).to_have_text("plan")
            expect(writes).to_contain_text("I look at the file.")  # a page that opens later begins with the text so far
            tab.page.get_by_role("tab", name="Tools").click()
            expect(tab.page.locator(".calls summary")).to_contain_text('read {"path":"app.py"}')
            expect(writes).to_contain_text("Step 2 of the plan.", timeout=20_000)
            control.control(scene.engine, scene.human, run, "cancel", reason="enough")
            expect(tab.page.locator(".turn")).to_contain_text("Cancelled")
            expect(writes).to_have_count(0)


def test_the_first_page_asks_once_what_its_session_may(scene: Scene, page: Page, tab: Tab) -> None:
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url) if request.method == "GET" else None)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    expect(tab.page.locator("main h1")).to_be_visible()
    tab.page.wait_for_load_state("load")
    assert len([url for url in asked if url.endswith("/api/v1/session")]) == 1
