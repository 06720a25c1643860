"""The pictures of the application in docs/images/dashboard, made from a staged project.

WFE_SCREENSHOTS=docs/images/dashboard pytest tests/dashboard/test_screenshots.py
"""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.backlog import filled
from tests.dashboard.chromium import Tab, is_live
from tests.dashboard.stage import Stage
from tests.decision_scenes import playground, requirements
from tests.engine.scene import Scene
from wfe_mcp.core.model import By
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.decision_page import link

PAGES = {
    "inbox": "/inbox",
    "decision": "/inbox/{0.request}",
    "run": "/runs/{0.working}/graph/docs",
    "board": "/board",
    "template": "/templates/quick_fix",
    "activity": "/activity",
    "runs": "/runs",
}
"""Those that a page of the documentation shows; each as ``name.png``, and as ``name-400.png`` for a look at a narrow one."""
WORK = {"work": "/items/board", "item": "/items/{0.project}/W-4"}
"""The same, once there are work items."""
PLAIN = """(pairs) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) for (const [from, to] of pairs) texts.currentNode.data = texts.currentNode.data.replaceAll(from, to);
}"""
"""Paths of this machine as those of anyone's."""
SIZES = {"": (1280, 900), "-400": (400, 860)}


pytestmark = pytest.mark.skipif(
    "WFE_SCREENSHOTS" not in os.environ, reason="pictures are made on request: set WFE_SCREENSHOTS to a folder"
)


def test_every_page_that_the_documentation_shows_is_pictured(
    scene: Scene, stage: Stage, page: Page, chromium: Chromium
) -> None:
    pages = {name: address.format(stage) for name, address in PAGES.items()}
    pictured(chromium, lambda: link(scene.engine, page.port), pages, str(scene.root), scene.clock.now)
    filled(scene)
    pages = {name: address.format(stage) for name, address in WORK.items()}
    pictured(chromium, lambda: link(scene.engine, page.port), pages, str(scene.root), scene.clock.now)


def test_the_decision_about_a_specification_is_pictured(tmp_path: Path, chromium: Chromium) -> None:
    with playground(tmp_path) as project:
        run, phase = requirements(project)
        request = approvals.ask(project.engine, By(), run, phase).request.id
        with serve_page(project.engine, 0) as page:
            assert isinstance(page, Page)
            pages = {"decision-spec": f"/inbox/{request}"}
            pictured(chromium, lambda: link(project.engine, page.port), pages, str(project.root))


def pictured(
    chromium: Chromium, address: Callable[[], str], pages: dict[str, str], root: str, now: datetime | None = None
) -> None:
    """Write a picture of each page, by its name, in each size."""
    folder = Path(os.environ["WFE_SCREENSHOTS"])
    for size, (width, height) in SIZES.items():
        tab = Tab.open(chromium, width, height)
        if now:
            tab.set_time(now)
        tab.page.goto(address())  # a link opens once
        is_live(tab.page)
        tab.page.evaluate("document.documentElement.dataset.theme = 'light'; dispatchEvent(new Event('wfe-theme'));")
        for name, at in pages.items():
            tab.page.evaluate("(to) => { location.hash = to; }", at)
            tab.page.wait_for_selector("h1")
            expect(tab.page.locator(".bone, [aria-busy=true]")).to_have_count(0)
            tab.page.wait_for_timeout(250)  # the graph centres itself
            tab.page.evaluate(PLAIN, [[sys.executable, "python"], [root, "~/work/lists"]])
            tab.page.screenshot(path=folder / f"{name}{size}.png", animations="disabled")
        tab.close()
