"""The page of each kind of decision in a real browser: readable on a phone and on a wide screen, dark and light, without a script.

WFE_SCREENSHOTS=FOLDER writes the pictures, to be looked at after a change.
"""

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium

from tests.dashboard.chromium import Tab
from tests.decision_scenes import SCENES, playground
from wfe_mcp.core.model import By
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decide as approvals

SEEN = {
    "quick_fix": ("problem", "slug.py", "test_dots_become_dashes", "opinion: skipped", "failing_test", "2 passed"),
    "spec_driven": ("Alternatives considered", "specs/accents/design.md", "definitions are shown", "not a script here"),
    "plan_generate_review": ("You generate the planned files", "exactly as the agent gets it"),
    "role_pipeline": ("failed, as this gate requires", "Tests of the dots", "breakdown"),
    "fork": (
        "A decision was carried over",
        "It was made in run",
        "letters.md",
        "ß becomes ss",
        "Alternatives considered",
    ),
}
"""What a person reads on each page."""


@dataclass
class Asked:
    """A scene whose decision page is open."""

    name: str
    url: str
    engine_page: Page


@pytest.fixture(scope="module", params=SCENES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Asked]:
    with playground(tmp_path_factory.mktemp(str(request.param))) as project:
        run, phase = SCENES[request.param](project)
        stored = approvals.ask(project.engine, By(), run, phase).request.id
        with serve_page(project.engine, 0) as page:
            assert isinstance(page, Page)
            yield Asked(str(request.param), f"{page.url}decide/{stored}", page)


@pytest.fixture(scope="module")
def one_tab(chromium: Chromium) -> Generator[Tab]:
    tab = Tab.open(chromium)
    yield tab
    tab.close()


@pytest.fixture
def tab(one_tab: Tab) -> Tab:
    """The tab of all tests here: each loads its page, and none leaves anything in the browser."""
    one_tab.page.goto("about:blank")  # after this, nothing of the page before is on its way to the console
    one_tab.console.clear()
    one_tab.page.emulate_media(color_scheme="light")
    one_tab.page.set_viewport_size({"width": 1200, "height": 900})
    return one_tab


@pytest.mark.requirement("E-03")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_is_readable_without_a_script(asked: Asked, tab: Tab, width: int, scheme: str) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    tab.page.goto(asked.url)
    words = tab.page.evaluate("() => document.body.textContent")
    missing = [each for each in SEEN[asked.name] if each not in words]
    hidden_form = tab.page.locator("#pin-approve").is_visible()
    overflow = tab.overflow
    shot(tab, f"{asked.name}-{width}-{scheme}")
    tab.page.check("#c-yes")
    chosen = tab.page.locator("#pin-approve").is_visible(), tab.page.locator("#pin-reject").is_visible()
    shot(tab, f"{asked.name}-{width}-{scheme}-approve", whole=False)
    assert (missing, hidden_form, chosen, overflow, tab.console) == ([], False, (True, False), 0, [])


@pytest.mark.requirement("E-03")
def test_the_outline_follows_the_page_and_no_prompt_has_a_part_out_of_sight(asked: Asked, tab: Tab) -> None:
    tab.page.goto(asked.url)
    named = tab.page.evaluate(
        "() => [...document.querySelectorAll('.outline > ul > li > a')].map(a => a.hash.slice(1))"
    )
    there = tab.page.evaluate("() => [...document.querySelectorAll('section.section')].map(each => each.id)")
    scrolls = tab.page.evaluate(
        "() => [...document.querySelectorAll('.prompt')].some(e => e.scrollHeight > e.clientHeight)"
    )
    assert (named, scrolls) == (there, False)


@pytest.mark.requirement("E-04")
def test_the_whole_change_is_one_step_away(asked: Asked, tab: Tab) -> None:
    tab.page.goto(asked.url)
    links = tab.page.locator("#change a", has_text="As text")
    if links.count():
        links.first.click()
        assert "+++ " in tab.words
    else:
        change = tab.page.locator("#change").inner_text()
        assert "unknown" in change or "no files" in change


def shot(tab: Tab, name: str, *, whole: bool = True) -> None:
    """A picture for people, where they ask for one."""
    folder = os.environ.get("WFE_SCREENSHOTS")
    if folder:
        # The folder of a test is that of one machine.
        tab.page.evaluate(
            "() => document.querySelectorAll('.crumbs > *').forEach(e => { if (e.textContent.startsWith('/')) e.textContent = '~/project' })"
        )
        tab.page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)
