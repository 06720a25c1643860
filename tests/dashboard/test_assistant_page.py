"""The page of the assistant: a question, its words as they come, what it read, and the commands to copy."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.assistant_model import Models, home, models
from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import Scene, phase
from tests.fake_models.script import Call, Turn
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link

__all__ = ["home", "models"]

pytestmark = pytest.mark.requirement("S4-34", "S1-33")


def test_a_question_is_answered_with_what_was_read_and_a_command_to_copy(
    scene: Scene, page: Page, tab: Tab, models: Models
) -> None:
    run = scene.start(phase("draft"))
    models(
        Turn(calls=(Call("status", {"run": run}),)),
        Turn(text=f"It waits for **work** on draft.\n\nStop it: `wfe-mcp cancel {run}`"),
        Turn(text="<img src=x onerror=alert(1)> still **draft**"),
    )
    tab.set_time(scene.clock.now)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.evaluate("location.hash = '/assistant'")
    field = tab.page.get_by_label("Question", exact=True)
    field.fill("Why does it wait?")
    field.press("Enter")

    answer = tab.page.get_by_role("region", name="Why does it wait?")
    expect(answer.locator("strong")).to_have_text("work")
    expect(answer.get_by_role("link", name=f"run {run}")).to_have_attribute("href", f"#/runs/{run}/list")
    expect(answer.get_by_text(f"wfe-mcp cancel {run}", exact=True).last).to_be_visible()
    field.fill("And now?")
    tab.page.get_by_role("button", name="Ask", exact=True).click()
    again = tab.page.get_by_role("region", name="And now?")
    expect(again).to_contain_text("<img src=x onerror=alert(1)> still draft")
    expect(again.locator("img")).to_have_count(0)


def test_a_refusal_is_shown_and_the_question_stays(scene: Scene, page: Page, tab: Tab, home: Path) -> None:
    assert not home.exists()
    tab.set_time(scene.clock.now)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.evaluate("location.hash = '/assistant'")
    field = tab.page.get_by_label("Question", exact=True)
    field.fill("Why does it wait?")
    field.press("Enter")
    expect(tab.page.get_by_text("wfe-mcp providers role assistant")).to_be_visible()
    expect(field).to_have_value("Why does it wait?")
