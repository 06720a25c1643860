"""The browser application: its size, how fast a run of 500 phases is drawn, how soon an event of another process shows, and
how smoothly 10,000 events scroll."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from bench.figures import Figure, median

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from bench.scene import Scene


BUILT = Path(__file__).resolve().parents[1] / "wfe_mcp" / "dashboard" / "static" / "app" / "index.html"
PHASES = 500
EVENTS = 20
LOG = 10_000
"""Events of the log that is scrolled. The test answers the requests for them: what is measured is the page."""
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
    from wfe_mcp.dashboard.serving import Page, serve_page
    from wfe_mcp.engine.approvals.decision_page import link
    from wfe_mcp.engine.factory import create_engine
    from wfe_mcp.views.answers import tool_answers as answers
    from wfe_mcp.workspace.system.location import project_at

    scene.add_template(_template())
    engine = create_engine(project_at(scene.root), environment=scene.environment)
    run = answers.start_run(engine, By(), "wide", {}).run
    assert run is not None
    with serve_page(engine, 0) as page, sync_playwright() as playwright:
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
        tab.route("**/api/v1/runs/*/events?*", _log)
        tab.evaluate("(run) => { location.hash = `/runs/${run}/events`; }", run)
        tab.wait_for_function(
            "(most) => document.querySelector('.filters option')?.textContent === `all ${most}`", arg=LOG
        )
        frames = sorted(float(each) for each in tab.evaluate(_SCROLL))
        browser.close()
        other.close()
    engine.close()
    return [
        Figure(
            f"a run of {PHASES} phases is drawn",
            median(drawn),
            "ms",
            1000,
            "from the address to the first nodes, requests included",
        ),
        Figure(
            "an event of another engine is in the page (p50)",
            median(heard),
            "ms",
            300,
            f"{EVENTS} events, poll of the test included",
        ),
        Figure(
            f"a frame while {LOG:,} events scroll (p95)",
            frames[int(len(frames) * 0.95)],
            "ms",
            34,
            f"{len(frames)} frames from the first to the last event; 16.7 is every frame of the screen",
        ),
        Figure(f"the longest frame while {LOG:,} events scroll", frames[-1], "ms"),
    ]


_DRAW = """(run) => new Promise((resolve) => {
  const began = performance.now();
  location.hash = `/runs/${run}/graph`;
  const look = () => document.querySelectorAll('.react-flow__node').length ? resolve(performance.now() - began) : requestAnimationFrame(look);
  look();
})"""
_SCROLL = """() => new Promise((resolve) => {
  const box = document.querySelector('.events'), steps = 240, frames = [];
  let last = performance.now(), step = 0;
  const next = (now) => {
    frames.push(now - last);
    last = now;
    box.scrollTop = (step / steps) * (box.scrollHeight - box.clientHeight);
    if (step++ < steps) requestAnimationFrame(next);
    else resolve(frames.slice(2));
  };
  requestAnimationFrame(next);
})"""
_LISTEN = """() => {
  window.heard = false;
  const channel = new BroadcastChannel('wfe-events');
  channel.onmessage = ({ data }) => { if (data.event) { window.heard = true; channel.close(); } };
}"""


def _log(route: Route) -> None:
    """The next events of a log with ``LOG`` of them."""
    asked = parse_qs(urlsplit(route.request.url).query)
    after, limit = int(asked.get("after", ["0"])[0]), int(asked.get("limit", ["500"])[0])
    found = [
        {
            "seq": seq,
            "at": "2026-03-01T12:00:00+00:00",
            "type": ("PhaseStarted", "ArtifactSubmitted", "GateJudged")[seq % 3],
            "actor": "agent",
            "channel": "mcp",
            "payload": {"phase": f"p{seq % PHASES}", "attempt": 1},
        }
        for seq in range(after + 1, min(LOG, after + limit) + 1)
    ]
    route.fulfill(json={"ok": True, "data": {"events": found}})


def _template() -> dict[str, object]:
    def phase(number: int) -> dict[str, object]:
        needs = [f"p{number - 1}"] if number % 7 else []
        output = {"artifact": f"a{number}", "schema": {"type": "object"}}
        return {"id": f"p{number}", "prompt": "Do it.", "needs": needs, "output": output}

    return {
        "format": "wfe/1",
        "name": "wide",
        "version": "1.0.0",
        "title": "Wide",
        "inputs": {"type": "object"},
        "phases": [phase(number) for number in range(PHASES)],
    }
