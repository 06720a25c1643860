"""The editor of a template: its gates and inputs are forms made from their schema, and lint answers while one types."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import Scene, approval, command, expr, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.templates.versions import clone, keep_version

Visit = Callable[[str], Tab_]


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    def go(address: str) -> Tab_:
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("(to) => { location.hash = to; }", address)
        tab.page.wait_for_selector("h1")
        return tab.page

    return go


def definition(shown: Tab_) -> dict[str, Any]:
    shown.get_by_role("button", name="JSON").click()
    found = json.loads(shown.get_by_label("Definition as JSON").input_value())
    shown.get_by_role("button", name="Form").click()
    return found


@pytest.mark.requirement("S1-06")
def test_a_gate_is_a_form_of_its_schema(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan", command("test"), approval(phrase="YES")))
    shown = visit("/templates/drill")
    gates = shown.locator(".gate")
    expect(gates.nth(0)).to_contain_text("commandtest")
    gates.nth(0).locator("summary").first.click()
    check = gates.nth(0).get_by_label("check", exact=True)
    expect(check).to_have_value("test")
    expect(gates.nth(0)).to_contain_text("The name of the check")
    check.fill("lint")
    gates.nth(0).get_by_text("More: ").first.click()
    gates.nth(0).get_by_label("if_missing").select_option("note")
    gates.nth(1).locator("summary").first.click()
    expect(gates.nth(1).get_by_label("phrase")).to_have_value("YES")
    assert definition(shown)["phases"][0]["gates"] == [
        {"kind": "command", "check": "lint", "if_missing": "note"},
        {"kind": "approval", "assurance": "human", "phrase": "YES"},
    ]


def test_a_new_gate_begins_as_its_schema_shows_and_lint_names_what_it_lacks(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill")
    offered = shown.get_by_label("Add a gate").locator("option")
    for place, kind in enumerate(("command", "files", "expr", "opinion", "approval"), 1):
        expect(offered.nth(place)).to_contain_text(f"{kind}: ")
    shown.get_by_label("Add a gate").select_option("opinion")
    expect(shown.locator(".problems")).to_contain_text("unknown role 'builder'")
    gate = shown.locator(".gate")
    expect(gate.locator(".error").first).to_contain_text("unknown role 'builder'")
    gate.get_by_role("button", name="Remove the opinion gate").click()
    expect(shown.locator(".problems")).to_have_count(0)
    assert definition(shown)["phases"][0].get("gates", []) == []


def test_the_sentence_of_a_gate_is_edited_and_stands_for_it(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan", expr("${size(artifacts.plan_note.title) > 2}")))
    shown = visit("/templates/drill")
    gate = shown.locator(".gate").first
    gate.locator("summary").first.click()
    gate.get_by_text("More: ").first.click()
    gate.get_by_label("rule").fill("The title has three letters")
    expect(gate.locator("summary").first).to_contain_text("exprThe title has three letters")
    assert definition(shown)["phases"][0]["gates"] == [
        {"kind": "expr", "assert": "${size(artifacts.plan_note.title) > 2}", "rule": "The title has three letters"}
    ]


def test_gates_are_moved_and_removed_and_the_focus_goes_along(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan", command("test"), expr("${true}"), approval()))
    shown = visit("/templates/drill")
    gates = shown.locator(".gate > details > summary b")
    up, down = (shown.get_by_role("button", name=f"Move the approval gate {way}") for way in ("up", "down"))
    up.press("Enter")
    expect(gates).to_have_text(["command", "approval", "expr"])
    expect(up).to_be_focused()
    shown.keyboard.press("Enter")
    expect(gates).to_have_text(["approval", "command", "expr"])
    expect(down).to_be_focused()
    for _ in range(2):
        shown.keyboard.press("Enter")
    expect(gates).to_have_text(["command", "expr", "approval"])
    expect(up).to_be_focused()
    shown.get_by_role("button", name="Remove the command gate").press("Enter")
    expect(shown.locator(".gate > details > summary").first).to_be_focused()
    for kind in ("approval", "expr"):
        shown.get_by_role("button", name=f"Remove the {kind} gate").press("Enter")
    expect(shown.get_by_label("Add a gate")).to_be_focused()
    assert definition(shown)["phases"][0].get("gates", []) == []


def test_what_another_tab_saved_meanwhile_is_no_longer_called_valid(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), title="A drill")
    shown = visit("/templates/drill")
    shown.get_by_label("Title of the template").fill("A long drill")
    shown.get_by_label("Version").fill("7.0.0")
    expect(shown.get_by_role("status").filter(has_text="7.0.0 is valid")).to_be_visible()
    keep_version(scene.engine, {**definition(shown), "title": "Another drill"}, "saved")
    shown.get_by_role("button", name="Save a version").click()
    expect(shown.get_by_role("alert")).to_contain_text("7.0.0")
    expect(shown.get_by_role("status").filter(has_text="is valid")).to_have_count(0)


def test_inputs_are_added_renamed_and_required(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill")
    goal = shown.get_by_role("group", name="Input goal")
    goal.get_by_label("What it is").fill("What is better afterwards")
    goal.get_by_label("required").check()
    shown.get_by_role("button", name="Add an input").click()
    added = shown.get_by_role("group", name="Input input_2")
    added.get_by_label("Kind").select_option("list of texts")
    name = added.get_by_label("Name")
    name.fill("files")
    name.blur()
    expect(shown.get_by_role("group", name="Input files")).to_be_visible()
    expect(shown.locator(".note.yes")).to_be_visible()
    assert definition(shown)["inputs"] == {
        "type": "object",
        "properties": {
            "goal": {"type": "string", "minLength": 1, "description": "What is better afterwards"},
            "files": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["goal"],
    }


def test_a_template_that_cannot_be_read_is_named_where_one_is_chosen(scene: Scene, visit: Visit) -> None:
    scene.write(".wfe/templates/mine.yaml", "format: wfe/1\nname: mine\n")
    for address in ("/templates", "/start"):
        shown = visit(address)
        expect(shown.get_by_text("One template cannot be read:")).to_be_visible()
    shown.get_by_role("link", name="mine", exact=True).click()
    expect(shown.get_by_role("alert")).to_contain_text("it looks like YAML")


def test_what_was_edited_outlives_a_reload_and_can_be_discarded(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), title="A drill")
    shown = visit("/templates/drill")
    title = shown.get_by_label("Title of the template")
    expect(title).to_have_value("A drill")
    title.fill("A long drill")
    for leave in (shown.reload, lambda: (shown.evaluate("location.hash = '/inbox'"), shown.go_back())):
        leave()
        expect(title).to_have_value("A long drill")
        expect(shown.get_by_role("button", name="Save a version")).to_be_enabled()
    shown.get_by_role("button", name="Discard the changes").click()
    expect(title).to_have_value("A drill")
    shown.reload()
    expect(title).to_have_value("A drill")
    expect(shown.get_by_role("button", name="Save a version")).to_be_disabled()


def test_a_new_phase_is_open_to_be_filled_in_and_stays_so_while_it_gets_its_name(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill")
    shown.get_by_role("button", name="Add a phase").click()
    name = shown.get_by_label("Id", exact=True).last
    expect(name).to_have_value("phase_2")
    name.fill("")
    name.press_sequentially("build")
    expect(name).to_have_value("build")
    expect(name).to_be_focused()


def test_the_name_of_a_copy_is_typed_over_the_proposed_one(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill")
    shown.get_by_role("button", name="Clone…").click()
    shown.keyboard.type("other")
    expect(shown.get_by_label("Name of the copy")).to_have_value("other")


def test_a_definition_that_no_form_shows_is_refused_as_text_and_the_page_stays(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill/json")
    text = shown.get_by_label("Definition as JSON")
    for typed in ('{"phases": [null]}', '{"phases": [{"id": "a", "gates": [3]}]}', "[]", "{"):
        text.fill(typed)
        expect(shown.get_by_text("This is not a template yet")).to_be_visible()
        expect(text).to_have_value(typed)


def test_a_new_phase_has_a_schema_that_there_is(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill")
    shown.get_by_role("button", name="Add a phase").click()
    expect(shown.get_by_text("Checking…")).to_be_visible()
    expect(shown.get_by_text("Checking…")).to_be_hidden()
    expect(shown.locator("main")).not_to_contain_text("no schema is named")


def test_a_template_opened_by_its_version_has_it_once_below_its_title(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill@1.0.0")
    expect(shown.locator("header.runhead p").first).to_have_text(re.compile(r"^drill 1\.0\.0, "))


def test_a_phase_moved_below_one_that_needs_it_leaves_the_page_to_undo_it(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), phase("build", needs=["plan"]))
    shown = visit("/templates/drill")
    shown.get_by_role("button", name="Move down").click()
    expect(shown.locator(".react-flow__node")).to_have_count(2)
    shown.get_by_role("button", name="Discard the changes").click()
    assert [each["id"] for each in definition(shown)["phases"]] == ["plan", "build"]


def test_what_is_wrong_with_a_saved_template_is_said_as_it_opens(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    shown = visit("/templates/drill")
    later = {**definition(shown), "version": "2.0.0", "webhooks": [{"url": "https://example.org"}]}
    expect(shown.locator(".problems")).to_have_count(0)
    keep_version(scene.engine, later, "saved")
    shown = visit("/templates/drill@2.0.0")
    problems = shown.locator(".problems")
    expect(problems).to_contain_text("/webhooks")
    shown.get_by_label("Title").first.fill("Another drill")
    expect(problems).to_contain_text("/webhooks")
    shown.get_by_role("button", name="Discard the changes").click()
    expect(problems).to_contain_text("/webhooks")


def test_the_page_of_a_template_that_cannot_be_read_has_its_name_why_and_a_way_on(scene: Scene, visit: Visit) -> None:
    scene.write(".wfe/templates/mine.yaml", "format: wfe/1\nname: mine\n")
    scene.write(".wfe/templates/list/template.json", "[]")
    for name, why in {"mine": "it looks like YAML", "list": "a template must be a JSON object"}.items():
        for address in (f"/templates/{name}", f"/templates/{name}/json", f"/start/{name}"):
            shown = visit(address)
            expect(shown.locator("h1")).to_have_text(name)
            expect(shown.get_by_role("alert")).to_contain_text(why)
            expect(shown.get_by_role("link", name="Show all templates")).to_be_visible()


def test_a_version_is_listed_as_soon_as_it_is_stored_and_compared_with_what_it_was_made_from(
    scene: Scene, visit: Visit
) -> None:
    scene.define(phase("plan"))
    clone(scene.engine, "drill", "copy")
    shown = visit("/templates/copy")
    stored = shown.locator("section", has=shown.get_by_role("heading", name="Stored versions")).get_by_role("link")
    expect(stored).to_have_count(1)
    expect(stored).to_contain_text("1.0.0")
    shown.get_by_label("Version").fill("7.0.0")
    shown.get_by_role("button", name="Save a version").click()
    expect(stored).to_have_count(2)
    expect(stored.first).to_contain_text("7.0.0")
    stored.last.click()
    expect(shown.locator("header.runhead p").first).to_contain_text("copy 1.0.0")
    stored.first.click()
    expect(shown.locator("header.runhead p").first).to_contain_text("copy 7.0.0")
    shown.get_by_role("button", name="Changes").click()
    expect(shown.get_by_role("region", name="Changes").get_by_role("status")).to_contain_text("to copy 7.0.0")
