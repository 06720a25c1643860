"""Real processes on one database: the page, clients of agents, and a browser that stays open from test to test."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser as Chromium, Page as Tab_

from tests.dashboard.browser import PIN
from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import HUMAN, Clock, Scene, environment
from wfe_mcp.engine.approvals import pin
from wfe_mcp.store import Store
from wfe_mcp.testing.stdio_client import StdioClient

ROOT = Path(__file__).resolve().parents[2]
HOMES = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "LOCALAPPDATA", "APPDATA")


class Now(Clock):
    """The real time, as the other processes have it."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Play:
    """A project, ``wfe-mcp ui`` beside it, and one tab."""

    scene: Scene
    port: int
    env: dict[str, str]
    ui: subprocess.Popen[str] = field(init=False)
    tab: Tab = field(init=False)

    @property
    def page(self) -> Tab_:
        return self.tab.page

    def begin(self) -> str:
        """Start ``wfe-mcp ui``; the link that it prints."""
        self.ui = subprocess.Popen(
            [sys.executable, "-m", "wfe_mcp", "ui", "--port", str(self.port), "--no-browser", "--json"],
            cwd=self.scene.root,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.ui.stdout is not None
        return str(json.loads(self.ui.stdout.readline())["data"]["link"])

    def end(self) -> None:
        self.ui.kill()
        self.ui.wait()
        assert self.ui.stdout is not None
        self.ui.stdout.close()

    def to(self, address: str) -> Tab_:
        """Go to a page of the application."""
        self.page.evaluate("(to) => { location.hash = to; }", address)
        return self.page

    def sign(self) -> None:
        """Type the PIN into the question that asks for it."""
        asks = self.page.get_by_role("dialog", name="Only you decide this")
        asks.get_by_label("PIN").fill(PIN)
        asks.get_by_role("button", name="Sign").click()

    def agent(self) -> StdioClient:
        """An agent's client with a server of its own, both other processes than the page."""
        argv = [sys.executable, "-m", "wfe_mcp", "serve", "--project", str(self.scene.root)]
        return StdioClient(argv, cwd=self.scene.root, env=self.env, patience_s=120)


@contextmanager
def played(folder: Path, blank: Path, chromium: Chromium) -> Generator[Play]:
    """The scene, its page and its tab, while the block runs."""
    shutil.copytree(blank, folder, dirs_exist_ok=True)
    home = {name: str(folder / "home") for name in HOMES}
    url = f"sqlite:///{folder / 'wfe.db'}"
    clock = Now()
    scene = Scene(folder / "project", Store.open(url, clock=clock), clock, environment(folder))
    try:
        scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = int(found.getsockname()[1])
        env = {**os.environ, **home, "WFE_DATABASE_URL": url, "PYTHONPATH": str(ROOT), "WFE_MODEL_KEY": "k-secret"}
        play = Play(scene, port, env)
        link = play.begin()
        try:
            play.tab = Tab.open(chromium)
            play.page.goto(link)
            is_live(play.page)
            yield play
            play.tab.close()
        finally:
            play.end()
    finally:
        scene.close()
