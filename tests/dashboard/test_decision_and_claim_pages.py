"""The pages about decisions on the architecture and about claims."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.backlog import add
from tests.dashboard.test_work_pages import Visit, item, of, sign, to, visit
from tests.engine.scene import AGENT, Scene
from wfe_mcp.engine.work.items import add_item

__all__ = ["visit"]


# -- decisions -------------------------------------------------------------------------------------------------------


def test_a_decision_is_proposed_accepted_with_the_pin_and_superseded_by_another(scene: Scene, visit: Visit) -> None:
    add(scene, "Tables are plain text", "decision")
    shown = visit("/items/decisions")
    shown.get_by_role("link", name="Propose a decision").click()
    shown.get_by_label("Title").fill("Tables are Markdown")
    shown.get_by_role("button", name="Propose it").click()
    expect(shown.locator(".turn")).to_contain_text("Proposed")
    to(shown, "/items/decisions")
    lines = shown.get_by_role("list", name="Decisions").get_by_role("listitem")
    for id_ in ("W-1", "W-2"):
        shown.get_by_role("button", name=f"Accept {id_}").click()
        sign(shown)
        expect(lines.filter(has_text=id_)).to_contain_text("accepted")

    shown.get_by_role("button", name="Supersede… W-1").click()
    asks = shown.get_by_role("dialog", name="W-1 becomes superseded")
    asks.get_by_label("The decision that takes its place").select_option("W-2")
    asks.get_by_role("button", name="Make it superseded").click()
    sign(shown)
    expect(lines).to_have_count(1)
    assert (item(scene, "W-1").status, item(scene, "W-1").reason) == ("superseded", "replaced by W-2")
    to(shown, of(scene, "W-1"))
    expect(shown.get_by_role("region", name="Changes").locator("li", has_text="signed")).to_have_count(2)


# -- claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("S4-34")
def test_a_claim_is_tested_judged_and_in_the_ledger(scene: Scene, visit: Visit) -> None:
    scene.check("bench", "print('p95: 80')")
    test = {"type": "benchmark", "check": "bench", "regex": "p95: (.+)", "threshold": 100, "comparison": "lte"}
    looks = {"type": "manual", "name": "looks", "checklist": ["It feels fast"]}
    made = add_item(scene.engine, AGENT, "claim", {"title": "Answers are fast", "tests": [test, looks]})
    shown = visit("/items/claims")
    shown.get_by_role("list", name="Claims").get_by_role("link", name="Answers are fast").click()
    shown.get_by_role("button", name="Run the tests").click()
    scene.work()
    tests = shown.get_by_role("region", name="Tests").get_by_role("listitem")
    expect(tests.first).to_contain_text("80, wanted at most 100")
    shown.get_by_label("What you answer").select_option("looks")
    shown.get_by_label("What you have seen").fill("It lags")
    shown.get_by_role("button", name="It contradicts the claim").click()
    sign(shown)
    expect(shown.locator(".turn")).to_contain_text("Falsified")
    assert item(scene, made.id).reason == "looks: It lags"
    expect(shown.locator(".note.warn")).to_contain_text("It has no follow-up yet")
    to(shown, "/items/claims")
    expect(shown.get_by_role("region", name="Ledger").get_by_role("listitem")).to_contain_text("looks: It lags")
