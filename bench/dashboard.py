"""The browser application: its size, how fast a run of 500 phases is drawn, and how soon an event of another process shows."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure, median

if TYPE_CHECKING:
    from bench.scene import Scene

__all__ = ["measure"]

BUILT = Path(__file__).resolve().parents[1] / "wfe_mcp" / "dashboard" / "static" / "app" / "index.html"
PHASES = 500
EVENTS = 20
_HEARD = "() => window.heard"


def measure(scene: Scene) -> list[Figure]:
    """Without a Chromium here only the size."""
    size = len(gzip.compress(BUILT.read_bytes(), 9, mtime=0))
    figures = [Figure("page, compressed", size / 1000, "kB", 700)]
    from scripts.chromium import found

    program = found()
    if program is None:
        return [*figures, Figure("no Chromium here: rendering is not measured", 0, "")]
    return figures + _in_browser(scene, program)


def _in_browser(scene: Scene, program: str) -> list[Figure]:
    from playwright.sync_api import sync_playwright

    from wfe_mcp.core.model import By
    from wfe_mcp.dashboard.serving import Page, served
    from wfe_mcp.engine.approvals.decision_page import link
    from wfe_mcp.engine.factory import create_engine
    from wfe_mcp.views import tool_answers as answers
    from wfe_mcp.workspace.system.location import project_at

    scene.add_template(_template())
    engine = create_engine(project_at(scene.root), environment=scene.environment)
    run = answers.start_run(engine, By(), "wide", {}).run
    assert run is not None
    with served(engine, 0) as page, sync_playwright() as playwright:
        assert isinstance(page, Page)
        browser = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox"])
        tab = browser.new_page()
        tab.goto(link(engine, page.port))
        tab.wait_for_selector("header.topbar")
        drawn: list[float] = []
        for _ in range(4):
            tab.evaluate("() => { location.hash = '/queue'; }")
            tab.wait_for_selector("h1:has-text('Queue')")
            drawn.append(float(tab.evaluate(_DRAW, run)))
        tab.evaluate("() => { location.hash = '/queue'; }")
        other = create_engine(engine.project, environment=scene.environment)
        heard: list[float] = []
        for number in range(EVENTS):
            tab.evaluate(_LISTEN)
            began = time.perf_counter()
            answers.control_run(other, By(), run, action="pause" if number % 2 == 0 else "resume")
            tab.wait_for_function(_HEARD, polling=5)
            heard.append((time.perf_counter() - began) * 1000)
        browser.close()
        other.close()
    engine.close()
    return [
        Figure(f"a run of {PHASES} phases is drawn", median(drawn), "ms", 1000, "from the address to the first nodes, requests included"),
        Figure("an event of another engine is in the page (p50)", median(heard), "ms", 300, f"{EVENTS} events, poll of the test included"),
    ]  # fmt: skip


_DRAW = """(run) => new Promise((resolve) => {
  const began = performance.now();
  location.hash = `/runs/${run}/graph`;
  const look = () => document.querySelectorAll('.react-flow__node').length ? resolve(performance.now() - began) : requestAnimationFrame(look);
  look();
})"""
_LISTEN = """() => {
  window.heard = false;
  const channel = new BroadcastChannel('wfe-events');
  channel.onmessage = ({ data }) => { if (data.event) { window.heard = true; channel.close(); } };
}"""


def _template() -> dict[str, object]:
    def phase(number: int) -> dict[str, object]:
        needs = [f"p{number - 1}"] if number % 7 else []
        output = {"artifact": f"a{number}", "schema": {"type": "object"}}
        return {"id": f"p{number}", "prompt": "Do it.", "needs": needs, "output": output}

    return {
        "format": "wfe/1", "name": "wide", "version": "1.0.0", "title": "Wide", "inputs": {"type": "object"},
        "phases": [phase(number) for number in range(PHASES)],
    }  # fmt: skip
