"""Every address of the application, and every plain page: no wider than a phone, and nothing on it that a program left behind."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.backlog import add, filled
from tests.dashboard.browser import PIN
from tests.dashboard.chromium import Tab, is_live
from tests.dashboard.rich import rich
from tests.dashboard.stage import Stage
from tests.engine.scene import Scene
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link

SOURCES = Path(__file__).resolve().parents[2] / "web" / "src"
NARROWEST, WIDEST = 320, 1280
ADDRESSES = [
    "/inbox",
    "/inbox/{request}",
    "/inbox/{loud_request}",
    "/board",
    "/runs",
    "/runs?q=none",
    "/runs/{waiting}",
    "/runs/{working}/graph",
    "/runs/{working}/graph/docs",
    "/runs/{stopped}/list",
    "/runs/{stopped}/list/build",
    "/runs/{stopped}/timeline",
    "/runs/{stopped}/events",
    "/runs/{stopped}/lineage",
    "/runs/{done}",
    "/runs/{human}/list/choose",
    "/runs/{loud}/graph",
    "/runs/{loud}/list",
    "/runs/{loud}/list/{long_phase}",
    "/runs/{loud}/timeline",
    "/runs/{loud}/events",
    "/runs/{loud}/lineage",
    "/runs/{noisy}/graph",
    "/runs/{noisy}/graph/build",
    "/runs/{noisy}/lineage",
    "/runs/{noisy}/events",
    "/runs/{loop}/graph",
    "/runs/{loop}/list",
    "/runs/{loop}/timeline",
    "/ask/{loud}/{long_phase}",
    "/ask/none/plan",
    "/artifact/{loud}/{long_phase}",
    "/artifact/{noisy}/build",
    "/artifact/{waiting}/fix?against=1",
    "/artifact/{waiting}/reproduce",
    "/compare",
    "/compare/{stopped}",
    "/compare/{stopped}/{done}",
    "/compare/{loud}/{noisy}",
    "/form/{human}/choose",
    "/form/{noisy}/build",
    "/form/{loud}/{long_phase}",
    "/start",
    "/start/quick_fix",
    "/start/feature",
    "/start/spec_driven",
    "/templates",
    "/templates/quick_fix",
    "/templates/quick_fix/json",
    "/templates/quick_fix/diff",
    "/templates/spec_driven",
    "/templates/loud",
    "/templates/walks",
    "/queue",
    "/environments",
    "/activity",
    "/projects",
    "/projects/{project}",
    "/settings",
    "/settings/trust",
    "/search?q=parser",
    "/search?q=none",
    "/search?q=a_name",
    "/assistant",
    "/webhooks",
    "/items",
    "/items?status=all",
    "/items/board",
    "/items/decisions",
    "/items/claims",
    "/items/new",
    "/items/new?kind=decision",
    "/items/new?kind=claim",
    "/items/import",
    "/items/{project}/W-1",
    "/items/{project}/W-4",
    "/items/{project}/W-4/edit",
    "/items/{project}/W-17",
    "/items/{project}/W-21",
    "/items/{project}/W-21/edit",
    "/items/{project}/W-99",
    "/runs/none",
    "/nowhere",
]
PLAIN = [
    "/",
    "/decide/{request}",
    "/decide/{request}?split=1",
    "/decide/{loud_request}",
    "/decide/{loud_request}?split=1",
    "/whole/{loud_request}",
    "/diff/{loud_request}?since=0",
    "/edit/{loud_request}",
    "/trust/{project}",
    "/approvers/{project}",
    "/decide/none",
    "/nowhere",
    "/app/",
]
RAW = re.compile(r"\bundefined\b|\bNaN\b|\[object \w+\]|\bInvalid Date\b|(?<![\w\"'])null(?![\w\"'])")
"""What a page shows where a program meant something else. JSON has null: it is looked for outside of it."""
TEXT = """() => {
  const shown = document.body.cloneNode(true);
  for (const each of shown.querySelectorAll("script, style, pre, textarea, table.diff")) each.remove();
  const said = [...document.querySelectorAll("[title], [aria-label], [placeholder], [href]")]
    .filter((each) => !each.closest("pre, textarea, table.diff"))
    .flatMap((each) => ["title", "aria-label", "placeholder", "href"].map((name) => each.getAttribute(name) ?? ""));
  return [document.title, shown.textContent, ...said].join("\\n");
}"""
WIDE = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return "";
  const edge = document.documentElement.clientWidth;
  const clipped = (each) => { for (let up = each.parentElement; up; up = up.parentElement) if (getComputedStyle(up).overflowX !== "visible") return true; return false; };
  const first = [...document.body.querySelectorAll("*")].filter((each) => each.getBoundingClientRect().right > edge + 0.5 && !clipped(each));
  return `${wide} px: ` + first.slice(-3).map((each) => each.outerHTML.slice(0, 120)).join(" | ");
}"""


@pytest.fixture
def phone(scene: Scene, page: Page, chromium: Chromium) -> Iterator[Tab]:
    tab = Tab.open(chromium, NARROWEST, 800)
    tab.set_time(scene.clock.now)
    yield tab
    tab.close()


def test_no_address_scrolls_sideways_on_a_phone_nor_shows_what_a_program_left_behind(
    scene: Scene, stage: Stage, page: Page, phone: Tab
) -> None:
    names = rich(scene, stage)
    filled(scene)
    long = "a_name_without_end_" * 10
    add(scene, long, "task", "ready", body=long * 20, criteria=[long], scopes=[long], tags=[long[:90]], source=long)
    shown = phone.page
    shown.goto(link(scene.engine, page.port))
    is_live(shown)
    found: list[str] = []

    def look(address: str) -> None:
        for width in (WIDEST, NARROWEST):
            shown.set_viewport_size({"width": width, "height": 800})
            wide = shown.evaluate(WIDE)
            found.extend([f"{address} at {width} px: {wide}"] if wide else [])
        found.extend(f"{address}: shows {each!r}" for each in set(RAW.findall(shown.evaluate(TEXT))))

    for each in ADDRESSES:
        shown.evaluate("(to) => { location.hash = to; }", each.format(**names))
        shown.wait_for_selector("h1, [role=alert]")
        expect(shown.locator(".bone, [aria-busy=true]")).to_have_count(0)
        look(each)
    shown.goto(f"{page.url}")
    if shown.locator("input[type=password]").count():
        shown.locator("input[type=password]").fill(PIN)
        shown.get_by_role("button", name="Show").click()
    for each in PLAIN:
        shown.goto(page.url + each.format(**names).removeprefix("/"))
        shown.wait_for_selector("body")
        look(each)
    assert found == [], "\n".join(found)


def test_a_decision_made_on_the_page_shows_no_raw_value(scene: Scene, stage: Stage, page: Page, phone: Tab) -> None:
    shown = phone.page
    shown.goto(link(scene.engine, page.port))
    is_live(shown)
    shown.evaluate("(to) => { location.hash = to; }", f"/inbox/{stage.request}")
    shown.get_by_role("button", name="Approve", exact=True).click()
    assert RAW.findall(shown.evaluate(TEXT)) == []
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.locator("body")).to_contain_text("Approved by")
    assert RAW.findall(shown.evaluate(TEXT)) == [], shown.inner_text("main")


def test_the_addresses_that_are_measured_are_those_of_the_application() -> None:
    text = (SOURCES / "app.tsx").read_text(encoding="utf-8")
    pages = set(re.findall(r'^    case "(\w+)":', text, re.MULTILINE))
    tabs = {
        name.lower()
        for name in re.findall(
            r'"(\w+)"',
            re.findall(r"^const TABS = \[(.*)\]", (SOURCES / "run.tsx").read_text(encoding="utf-8"), re.MULTILINE)[0],
        )
    }
    assert pages, "the switch over pages has moved"
    assert pages <= {re.split(r"[/?]", each)[1] for each in ADDRESSES}
    assert tabs <= {each.split("/")[3] for each in ADDRESSES if each.startswith("/runs/{") and each.count("/") > 2}
