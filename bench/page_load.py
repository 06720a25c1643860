"""What an open page costs while agents work: CPU of its server, and how long a call of an agent takes beside it.

A real ``wfe-mcp ui``, a real Chromium that shows one page of the application, and an agent whose calls make ``EVENTS`` events a
second. Each page is measured beside the same work without a browser; what the browser itself uses is not counted.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.decisions import await_page, cpu_ms, free_port
from bench.figures import Figure, median

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

    from bench.scene import Scene, Server

EVENTS = 33
SHARE = 10
"""Percent of a core."""
_QUIET_MS = 20
_OTHERS = 10
"""Runs that are open all the time."""


def measure(scene: Scene, seconds: float) -> list[Figure]:
    """The share and the calls beside each page, for ``seconds`` each. Without a Chromium here nothing."""
    from playwright.sync_api import sync_playwright

    from scripts.chromium import found
    from wfe_mcp.engine.approvals.decision_page import link
    from wfe_mcp.engine.factory import create_engine
    from wfe_mcp.workspace.system.location import project_at

    program = found()
    if program is None:
        return [Figure("no Chromium here: the load of a page is not measured", 0, "")]
    port = free_port()
    words = [sys.executable, "-m", "wfe_mcp", "ui", "--no-browser", "--port", str(port)]
    engine = create_engine(project_at(scene.root), environment=scene.environment)
    with scene.server() as server, sync_playwright() as playwright:
        server.hello()
        watched = [_start(server) for _ in range(_OTHERS)][-1]
        page = subprocess.Popen(words, cwd=scene.root, env=scene.environment, stderr=subprocess.DEVNULL)
        try:
            await_page(port)
            _await_quiet(page.pid)
            work = _Work(server, scene, watched)
            figures = [*_beside(work, seconds, page.pid, "no page", None)]
            browser = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox"])
            tab = browser.new_page()
            tab.goto(link(engine, port))
            tab.wait_for_selector("header.topbar")
            for address in ("inbox", "runs", f"runs/{watched}"):
                tab.evaluate("(to) => { location.hash = `/${to}`; }", address)
                _await_quiet(page.pid)
                figures += _beside(work, seconds, page.pid, address.replace(watched, "RUN"), tab)
            browser.close()
        finally:
            page.terminate()
            page.wait()
            engine.close()
    return figures


def _beside(work: _Work, seconds: float, page: int, name: str, tab: Page | None) -> list[Figure]:
    asked: Counter[str] = Counter()

    def count(request: Request) -> None:
        asked[urlsplit(request.url).path.removeprefix("/api/v1/").split("/")[0]] += 1

    if tab is not None:
        tab.on("request", count)
    before, began = cpu_ms(page), time.perf_counter()
    took, made = work.go(seconds)
    wall = time.perf_counter() - began
    share = (cpu_ms(page) - before) / wall / 10
    if tab is not None:
        tab.wait_for_timeout(1)  # what the browser asked is told
        tab.remove_listener("request", count)
    how_often = ", ".join(f"{path} {times / wall:.1f}/s" for path, times in asked.most_common())
    budget = None if tab is None else SHARE
    return [
        Figure(
            f"{name}: the server of the page, of a core", share, "%", budget, f"{made / wall:.0f} events/s; {how_often}"
        ),
        Figure(f"{name}: a call of an agent (p50)", median(took), "ms"),
    ]


class _Work:
    """An agent: it starts and ends runs, and pauses and resumes the one that is watched."""

    def __init__(self, server: Server, scene: Scene, watched: str) -> None:
        self._server, self._database, self._watched = server, scene.database, watched

    def go(self, seconds: float) -> tuple[list[float], int]:
        """Work for ``seconds``: milliseconds of each call, and how many events there are more."""
        first, began, took = self._events(), time.perf_counter(), list[float]()
        while (passed := time.perf_counter() - began) < seconds:
            if self._events() - first > passed * EVENTS:
                time.sleep(0.005)
                continue
            for action in ("pause", "resume"):
                self._call(took, "control_run", run=self._watched, action=action)
            run = self._call(took, "start_run", template="bench")["structuredContent"]["run"]
            self._call(took, "start_phase", run=run)
            self._call(took, "submit_artifact", run=run, phase="work", artifact={"front": {}, "body": "words"})
        return took, self._events() - first

    def _call(self, took: list[float], tool: str, **arguments: Any) -> dict[str, Any]:
        began = time.perf_counter()
        answer = self._server.call(tool, **arguments)
        took.append((time.perf_counter() - began) * 1000)
        return answer

    def _events(self) -> int:
        connection = sqlite3.connect(self._database)
        (found,) = connection.execute("SELECT max(rowid) FROM event").fetchone()
        connection.close()
        return int(found)


def _await_quiet(page: int) -> None:
    """Until the server has loaded what it loads once, and has answered what a page asks at first."""
    for _ in range(30):
        before = cpu_ms(page)
        time.sleep(1)
        if cpu_ms(page) - before < _QUIET_MS:
            return


def _start(server: Server) -> str:
    return str(server.call("start_run", template="bench")["structuredContent"]["run"])
