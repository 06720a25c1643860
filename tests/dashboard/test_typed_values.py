"""What a person types into the fields of a form is what is sent, also while it is no whole value yet."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.chromium import Tab
from tests.engine.scene import Scene, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link

INPUTS = {
    "type": "object",
    "properties": {"share": {"type": "number"}, "names": {"type": "array", "items": {"type": "string"}}},
}

Open = Callable[[str], Tab_]


@pytest.fixture
def open_page(scene: Scene, page: Page, tab: Tab) -> Open:
    def go(address: str) -> Tab_:
        tab.page.goto(link(scene.engine, page.port))
        tab.page.wait_for_selector("header.topbar")
        tab.page.evaluate("(to) => { location.hash = to; }", address)
        return tab.page

    return go


def test_a_number_with_a_fraction_and_a_list_with_an_empty_line_are_typed(scene: Scene, open_page: Open) -> None:
    scene.define(phase("plan"), schema=INPUTS)
    shown = open_page("/start/drill")
    share, names = shown.get_by_label("share"), shown.get_by_label("names")
    share.press_sequentially("0.05")
    expect(share).to_have_value("0.05")
    names.press_sequentially("ada\n\nbo\n")
    expect(names).to_have_value("ada\n\nbo\n")
    shown.get_by_role("button", name="Start the run").click()
    shown.wait_for_url("**#/runs/*")
    with scene.store.read() as tx:
        loaded = tx.runs.load(RunId(shown.url.rpartition("/")[2]))
        assert loaded is not None
        assert tx.documents.load(loaded.record.inputs_sha256) == {"share": 0.05, "names": ["ada", "bo"]}


def test_what_a_description_names_as_code_is_shown_as_code(open_page: Open) -> None:
    shown = open_page("/start/quick_fix")
    hint = shown.locator(".hint").filter(has_text="Globs of test files")
    expect(hint.locator("code")).to_have_text(["reproduce", "fix"])
    shown.evaluate("() => { location.hash = '/templates'; }")
    expect(shown.locator("main code", has_text="subflow")).to_be_visible()


def test_an_address_with_a_percent_sign_is_a_page(open_page: Open) -> None:
    shown = open_page("/runs/100%")
    expect(shown.get_by_role("main")).to_contain_text("There is no run '100%'.")


def test_a_field_says_that_it_takes_json_and_no_default_that_is_empty(scene: Scene, open_page: Open) -> None:
    named: dict[str, object] = {
        "where": {"type": "string", "description": "Where to.", "default": ""},
        "names": {"type": "array", "items": {"type": "string"}, "default": []},
        "done": {"type": "array", "items": {"type": "object"}},
        "size": {"type": "integer", "default": 0},
    }
    scene.define(phase("plan"), schema={"type": "object", "properties": named})
    shown = open_page("/start/drill")
    expect(shown.get_by_label("done")).to_have_attribute("placeholder", "JSON")
    expect(shown.locator(".field .hint", has_text="Without one")).to_have_text(["Without one: 0"])
    expect(shown.locator(".field", has_text="where").locator("p.hint")).to_have_text("Where to.")
