"""The pictures of the application in docs/images/dashboard, made from a staged project.

WFE_SCREENSHOTS=docs/images/dashboard pytest tests/dashboard/test_screenshots.py
"""

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.backlog import filled
from tests.dashboard.chromium import Tab, is_live
from tests.dashboard.stage import Stage
from tests.engine.scene import Scene
from wfe_mcp.dashboard.serving import Page
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


@pytest.mark.skipif(
    "WFE_SCREENSHOTS" not in os.environ, reason="pictures are made on request: set WFE_SCREENSHOTS to a folder"
)
def test_every_page_that_the_documentation_shows_is_pictured(
    scene: Scene, stage: Stage, page: Page, chromium: Chromium
) -> None:
    folder = Path(os.environ["WFE_SCREENSHOTS"])
    picture(PAGES, folder, scene, stage, page, chromium)
    filled(scene)
    picture(WORK, folder, scene, stage, page, chromium)


def picture(pages: dict[str, str], folder: Path, scene: Scene, stage: Stage, page: Page, chromium: Chromium) -> None:
    for size, (width, height) in SIZES.items():
        tab = Tab.open(chromium, width, height)
        tab.set_time(scene.clock.now)
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("document.documentElement.dataset.theme = 'light'; dispatchEvent(new Event('wfe-theme'));")
        for name, address in pages.items():
            tab.page.evaluate("(to) => { location.hash = to; }", address.format(stage))
            tab.page.wait_for_selector("h1")
            expect(tab.page.locator(".bone, [aria-busy=true]")).to_have_count(0)
            tab.page.wait_for_timeout(250)  # the graph centres itself
            tab.page.evaluate(PLAIN, [[sys.executable, "python"], [str(scene.root), "~/work/lists"]])
            tab.page.screenshot(path=folder / f"{name}{size}.png", animations="disabled")
        tab.close()
