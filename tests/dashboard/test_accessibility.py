"""axe-core finds nothing on any page, nor in what opens on one, in either theme; no page is wider than a phone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium, Page as Tab_, expect

from tests.dashboard.backlog import filled
from tests.dashboard.browser import asked
from tests.dashboard.chromium import Tab, comment_on, is_live
from tests.dashboard.stage import Stage
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.claims import TYPES
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SOURCES = ROOT / "tests" / "importers"

Open = Callable[[Tab_], object]

PAGES = [
    "/inbox",
    "/inbox/{request}",
    "/board",
    "/runs",
    "/runs/{working}/graph",
    "/runs/{waiting}/list/fix",
    "/runs/{stopped}/lineage",
    "/runs/{waiting}/events",
    "/start",
    "/start/quick_fix",
    "/templates",
    "/templates/quick_fix",
    "/templates/quick_fix/json",
    "/queue",
    "/environments",
    "/activity",
    "/projects",
    "/settings",
    "/ask/none/plan",
    "/search?q=none",
    "/assistant",
    "/webhooks",
    "/artifact/{waiting}/reproduce",
    "/artifact/{waiting}/fix?against=1",
    "/compare",
    "/compare/{stopped}/{done}",
    "/form/{stopped}/build",
    "/form/{human}/choose",
    "/runs/{stopped}",
    "/runs/{human}/list/choose",
    "/templates/quick_fix/diff",
    "/projects/{project}",
    "/items",
    "/items/board",
    "/items/decisions",
    "/items/claims",
    "/items/new",
    "/items/new?kind=claim",
    "/items/{project}/W-1",
    "/items/{project}/W-4",
    "/items/{project}/W-6",
    "/items/{project}/W-3/edit",
    "/items/{project}/W-17",
    "/items/{project}/W-99",
    "/items/import",
    "/runs/{stopped}/timeline",
    "/runs/none",
    "/ask/{working}/review",
    "/nowhere",
]


RULES: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}
"""A theme is another set of colours: in the dark one, the rules that look at colours."""


@pytest.fixture
def shown(scene: Scene, page: Page, tab: Tab) -> Iterator[Tab_]:
    """The application with axe-core beside it; nothing is an error in the console."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in web/")
    tab.page.emulate_media(reduced_motion="reduce")  # else a colour is measured on its way from one theme to the other
    tab.clock.set_fixed_time(scene.clock.now)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    client = tab.page.context.new_cdp_session(tab.page)
    # The policy forbids a script tag.
    client.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})  # pyright: ignore[reportUnknownMemberType]
    yield tab.page
    assert [each for each in tab.console if "Failed to load resource" not in each] == []


def to(shown: Tab_, address: str) -> None:
    shown.evaluate("(to) => { location.hash = to; }", address)
    shown.wait_for_selector("h1")
    expect(shown.locator(".bone")).to_have_count(0)


def faults(shown: Tab_, theme: str, name: str) -> list[str]:
    """What axe-core finds now, in a line each."""
    shown.evaluate("(name) => { document.documentElement.dataset.theme = name; }", theme)
    found = shown.evaluate("(rules) => axe.run(document, {resultTypes: ['violations'], ...rules})", RULES[theme])
    return [f"{theme} {name}: {one['id']}: {one['nodes'][0]['html'][:160]}" for one in found["violations"]]


@pytest.mark.requirement("S4-34")
def test_every_page_is_accessible_in_both_themes(scene: Scene, stage: Stage, shown: Tab_) -> None:
    filled(scene)
    found: list[str] = []
    for theme in RULES:
        for each in PAGES:
            to(shown, each.format(**vars_of(stage)))
            found += faults(shown, theme, each)
    assert not found, "\n".join(found)


def press(name: str) -> Open:
    return lambda shown: shown.get_by_role("button", name=name).first.click()


def show_the_policy(shown: Tab_) -> None:
    shown.get_by_role("button", name="Change the policy").click()
    form = shown.get_by_role("form", name="Change the policy")
    form.get_by_role("combobox", name="Changed file of an accepted artifact").select_option("warn")
    form.get_by_role("combobox", name="Agents may start").select_option("named")
    form.get_by_role("button", name="Show the change").click()
    expect(form.get_by_role("region", name="What changes")).to_contain_text("weakens")


def show_an_import(file: str) -> Open:
    return lambda shown: shown.get_by_label("Import a template").set_input_files(SOURCES / file)


def begin_to_approve(shown: Tab_) -> None:
    go_to_the_open_request(shown)
    shown.get_by_role("button", name="Approve").first.click()


def go_to_the_open_request(shown: Tab_) -> None:
    """The template of another run is a file that changed after this was asked, so it was asked again."""
    shown.get_by_role("link", name="Show the open request").click()


def begin_to_send_back(shown: Tab_) -> None:
    go_to_the_open_request(shown)
    comment_on(shown.locator("tr.add").first, "Name the unit.")
    shown.get_by_role("button", name="Send back").first.click()


def add_faulty_tests(shown: Tab_) -> None:
    shown.get_by_label("Title").fill("Answers are fast")
    for number, kind in enumerate(TYPES, 1):
        shown.get_by_role("button", name="Add a test").click()
        test = shown.get_by_role("group", name=f"Test {number}", exact=True)
        test.get_by_label("Type").select_option(kind)
    shown.get_by_role("button", name="Add it").evaluate("(button) => { button.form.noValidate = true; }")
    shown.get_by_role("button", name="Add it").click()


OPENED: dict[str, tuple[str, Open, str]] = {
    "the palette": ("/inbox", lambda shown: shown.keyboard.press("Control+k"), "[role=dialog][aria-label=Commands]"),
    "the palette, nothing found": (
        "/inbox",
        lambda shown: (shown.keyboard.press("Control+k"), shown.keyboard.type("zzzz")),
        "[role=dialog] [aria-disabled]",
    ),
    "the keys": ("/inbox", lambda shown: shown.keyboard.press("?"), "dialog[open][aria-label=Keys]"),
    "an approval": ("/inbox/{request}", begin_to_approve, ".decide input[type=password]"),
    "sending back": ("/inbox/{request}", begin_to_send_back, ".decide textarea"),
    "an edit of a prompt": ("/inbox/{prompt}", press("Edit"), ".decide textarea:enabled"),
    "a retry": ("/runs/{stopped}/list", press("Retry"), "dialog[open] input"),
    "a forced phase": ("/runs/{stopped}/list", press("Force-accept"), "dialog[open] textarea"),
    "a rollback": ("/runs/{stopped}/list", press("Roll back to its start"), "dialog[open] .foreseen[aria-busy=false]"),
    "the PIN": ("/items/{project}/W-6", press("Mark done"), "dialog[open] input[type=password]"),
    "the policy": ("/settings", show_the_policy, "form[aria-label='Change the policy'] table"),
    "a new provider": ("/settings", press("Add a provider"), "form[aria-label='Add a provider']"),
    "a role": ("/settings", press("Fill a role"), "form[aria-label='Fill a role']"),
    "an import": ("/templates", show_an_import("afu9/issue_to_pr.json"), "dialog[open] .note"),
    "an imported plan": ("/templates", show_an_import("aiw/first_plan.md"), "dialog[open] pre"),
    "a move of a work item": ("/items/board", press("Move W-13"), "dialog[open] button:disabled"),
    "a blocked work item": ("/items/{project}/W-6", press("Block…"), "dialog[open] input"),
    "a run for a work item": ("/items/{project}/W-6", press("Start a run…"), "dialog[open] button.solid:enabled"),
    "tests of a claim": ("/items/new?kind=claim", add_faulty_tests, ".field.bad"),
    "a copy": ("/templates", press("Clone"), "dialog[open] input"),
}
"""What opens on a page: its address, how it opens, and what is there then."""


@pytest.mark.requirement("S4-34")
def test_what_opens_on_a_page_is_accessible_in_both_themes(scene: Scene, stage: Stage, shown: Tab_) -> None:
    filled(scene)
    run = scene.start(phase("plan", prompt_gates=[approval()]), name="asks_first", title="Asks first")
    names = {**vars_of(stage), "prompt": asked(scene, run)}
    found: list[str] = []
    for name, (address, opens, is_there) in OPENED.items():
        to(shown, "/queue")  # what was open goes with its page
        to(shown, address.format(**names))
        opens(shown)
        expect(shown.locator(is_there).first).to_be_visible()
        for theme in RULES:
            found += faults(shown, theme, name)
        shown.keyboard.press("Escape")
        expect(shown.locator("dialog[open], [role=dialog]")).to_have_count(0)
    assert not found, "\n".join(found)


def vars_of(stage: Stage) -> dict[str, str]:
    return {
        name: getattr(stage, name) for name in ("waiting", "request", "working", "stopped", "done", "human", "project")
    }


def test_no_page_is_wider_than_a_phone(scene: Scene, stage: Stage, chromium: Chromium, page: Page) -> None:
    filled(scene)
    tab = Tab.open(chromium, 400, 860)
    try:
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        wide: list[str] = []
        for each in PAGES:
            to(tab.page, each.format(**vars_of(stage)))
            if tab.overflow > 0:
                wide.append(f"{each}: {tab.overflow} px")
        assert wide == []
    finally:
        tab.close()
