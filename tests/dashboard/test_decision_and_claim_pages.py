"""The pages about decisions on the architecture and about claims."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.backlog import add
from tests.dashboard.test_every_address import NARROWEST, WIDE
from tests.dashboard.test_work_pages import Visit, item, of, sign, to, visit
from tests.engine.scene import AGENT, Scene
from wfe_mcp.core.claims import TYPES
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
    shown.get_by_role("button", name="Deprecate").click()
    command = f"wfe-mcp work edit {made.id} --status deprecated --reason"
    expect(shown.get_by_role("dialog")).to_contain_text(command)
    shown.get_by_role("button", name="Back", exact=True).click()
    shown.get_by_label("What you answer").select_option("looks")
    shown.get_by_label("What you have seen").fill("It lags")
    shown.get_by_role("button", name="It contradicts the claim").click()
    sign(shown)
    expect(shown.locator(".turn")).to_contain_text("Falsified")
    assert item(scene, made.id).reason == "looks: It lags"
    expect(shown.locator(".note.warn")).to_contain_text("It has no follow-up yet")
    to(shown, "/items/claims")
    expect(shown.get_by_role("region", name="Ledger").get_by_role("listitem")).to_contain_text("looks: It lags")


@pytest.mark.requirement("S4-22", "S4-34")
def test_a_claim_is_added_with_tests_by_keyboard_and_a_fault_is_shown_at_its_field(scene: Scene, visit: Visit) -> None:
    scene.check("bench", "print('p95: 80')")
    shown = visit("/items/claims")
    shown.get_by_role("link", name="Add a claim").press("Enter")
    expect(shown.locator("h1")).to_have_text("Add a claim")
    shown.get_by_label("Title").fill("Answers are fast")
    shown.get_by_label("What it means").fill("At *most* 100 ms")
    add_test = shown.get_by_role("button", name="Add a test")
    expect(add_test).to_be_enabled()  # once the types of tests are there
    add_test.press("Enter")
    one = shown.get_by_role("group", name="Test 1")
    expect(one.get_by_label("Type")).to_be_focused()
    one.get_by_label("Type").select_option("benchmark")
    expect(one).to_contain_text("A figure in the output of the check")
    one.get_by_label("check").select_option("bench")
    one.get_by_label("threshold").fill("ten")
    one.get_by_label("comparison").select_option("lte")
    one.get_by_label("regex").fill("p95: (")
    add_test.press("Enter")
    two = shown.get_by_role("group", name="Test 2")
    two.get_by_label("Type").select_option("manual")
    two.get_by_label("checklist").fill("It feels fast\nNothing jumps\n")
    shown.reload()
    expect(one.get_by_label("regex")).to_have_value("p95: (")

    shown.get_by_role("button", name="Add it").press("Enter")
    regex = one.get_by_label("regex")
    expect(regex).to_have_attribute("aria-invalid", "true")
    expect(one.locator(".field.bad")).to_contain_text(["a threshold that is no number", "cannot be read"])
    expect(regex).to_have_accessible_description(re.compile("cannot be read"))
    expect(two.locator(".field.bad")).to_have_count(0)
    one.get_by_label("threshold").fill("100")
    regex.fill("p95: (.+)")
    shown.get_by_role("button", name="Add it").press("Enter")
    expect(shown.locator("h1")).to_have_text("Answers are fast")
    expect(shown.locator(".turn")).to_contain_text("Pending")
    bench, looks = item(scene, "W-1").tests
    assert (bench["regex"], bench["threshold"], bench["comparison"]) == ("p95: (.+)", 100, "lte")
    assert looks["checklist"] == ["It feels fast", "Nothing jumps"]


def test_each_type_of_test_has_its_fields_on_a_phone_and_keeps_those_that_another_has_too(
    scene: Scene, visit: Visit
) -> None:
    scene.check("bench", "pass")
    scene.check("a_name_without_end_" * 3, "pass")
    shown = visit("/items/new?kind=claim")
    shown.set_viewport_size({"width": NARROWEST, "height": 800})
    shown.get_by_role("button", name="Add a test").click()
    one = shown.get_by_role("group", name="Test 1")
    one.get_by_label("check").select_option("bench")
    for name, kind in TYPES.items():
        one.get_by_label("Type").select_option(name)
        expect(one).to_contain_text(kind.passes)
        one.get_by_text("More: name, stages").click()
        for key in (*kind.needs, *kind.may, "name", "stages"):
            expect(one.get_by_label(re.compile(rf"^{key}\b"))).to_be_visible()
        assert shown.evaluate(WIDE) == "", name
        if name == "gold_set":
            expect(one).to_contain_text("none is configured")
            expect(one.get_by_label("check")).to_have_value("bench")
    shown.get_by_role("button", name="Take out test 1").click()
    expect(one).to_have_count(0)
    expect(shown.get_by_role("button", name="Add a test")).to_be_focused()


def test_a_claim_is_changed_but_not_what_is_claimed_nor_how_it_is_tested(scene: Scene, visit: Visit) -> None:
    looks = {"type": "manual", "checklist": ["It feels fast"]}
    made = add_item(scene.engine, AGENT, "claim", {"title": "Answers are fast", "tests": [looks]})
    add(scene, "Make it faster")
    shown = visit(of(scene, made.id))
    expect(shown.locator("h1")).to_have_text("Answers are fast")
    shown.keyboard.press("e")
    expect(shown.get_by_label("Title")).not_to_be_editable()
    expect(shown.get_by_role("button", name="Add a test")).to_have_count(0)
    shown.get_by_label("What it means").fill("On the small machine")
    shown.get_by_label("Follow-ups").fill("W-2")
    shown.get_by_label("Tags").fill("speed")
    shown.get_by_role("button", name="Save", exact=True).click()
    expect(shown.get_by_role("region", name="What it means")).to_contain_text("On the small machine")
    kept = item(scene, made.id)
    assert (kept.body, kept.needs, kept.tags) == ("On the small machine", ("W-2",), ("speed",))


def test_a_claim_about_an_item_is_added_from_its_page(scene: Scene, visit: Visit) -> None:
    add(scene, "Make it faster")
    shown = visit(of(scene, "W-1"))
    shown.get_by_role("link", name="Claim something about it").click()
    shown.get_by_label("Title").fill("It is fast")
    shown.get_by_role("button", name="Add it").click()
    expect(shown.locator(".turn")).to_contain_text("Pending")
    assert (item(scene, "W-2").parent, item(scene, "W-2").tests) == ("W-1", ())
