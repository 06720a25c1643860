"""Drives a real Chromium, where one is installed, with virtual authenticators.

A new browser context costs Chromium 0.7 s of CPU, more than the page that is looked at in it. A tab gives its context back
as it closes: without pages, cookies, stored values and cached answers. Routes and scripts are set by the tab on its own page.
A clock is of the whole context: one that has had a test's clock (``Tab.clock``) serves no other.

Chromium itself, with the program that drives it, costs 2 s until its first page is there. So it is started once per process;
between the modules that use it, it waits (``at_hand``).
"""

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from scripts.chromium import found

if TYPE_CHECKING:
    from playwright.sync_api._generated import Clock

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 60_000
FIXED_TIME = """{
  const Real = Date;
  globalThis.Date = class Date extends Real {
    constructor(...given) { super(...(given.length ? given : [AT_MS])); }
    static now() { return AT_MS; }
  };
}"""

_free: dict[Browser, list[BrowserContext]] = {}
"""The contexts that no tab uses. Each has one empty page: without any, Chromium would start the next one from nothing."""
_loops: dict[Browser, asyncio.AbstractEventLoop] = {}
"""The event loop of each browser's driver."""


@contextmanager
def launched(home: Path) -> Generator[Browser]:
    """Chromium with a profile of its own, for use with ``at_hand``, or a skipped test.

    In CI scripts/chromium.py has seen to it that there is one.
    """
    program = found()
    if program is None:
        pytest.skip("no Chromium here: install it, or name it in WFE_CHROMIUM")
    expect.set_options(timeout=WAIT_MS)
    env: dict[str, str | float | bool] = {**os.environ, "HOME": str(home)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), env=env, timeout=WAIT_MS)
        _free[browser], _loops[browser] = [], (loop := asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        try:
            yield browser
        finally:
            asyncio._set_running_loop(loop)
            del _free[browser], _loops[browser]
            browser.close()


@contextmanager
def at_hand(browser: Browser) -> Generator[Browser]:
    """``browser`` can be used during the block, and asynchronous tests before and after it.

    Between two calls Playwright marks its own loop as the one that runs here, beside which no other can start.
    """
    asyncio._set_running_loop(_loops[browser])
    try:
        yield browser
    finally:
        asyncio._set_running_loop(None)


@dataclass
class Tab:
    """A tab of someone's browser; what it said on its console, and what it could not load."""

    page: Page
    console: list[str] = field(default_factory=list[str])
    _origins: set[str] = field(default_factory=set[str])
    _cdp: Any = None
    _has_clock: bool = False

    @classmethod
    def open(cls, browser: Browser, width: int = 1200, height: int = 900) -> "Tab":
        free = _free[browser]
        context = free.pop() if free else browser.new_context()
        if not context.pages:
            context.new_page()
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(WAIT_MS)
        tab = cls(page)

        def heard(message: ConsoleMessage) -> None:
            tab.console.append(f"{message.type}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: tab.console.append(f"error: {error}"))
        page.on("framenavigated", lambda frame: tab._origins.add("/".join(frame.url.split("/")[:3])))
        return tab

    def close(self) -> None:
        """Close its pages, and clear what they left in the context."""
        context = self.page.context
        if self._has_clock:
            context.close()
            return
        empty, *own = context.pages
        cdp: Any = context.new_cdp_session(empty)
        for each in own:
            each.close()
        for each in {each for each in self._origins if each.startswith("http")}:
            cdp.send("Storage.clearDataForOrigin", {"origin": each, "storageTypes": "all"})
        cdp.send("Network.clearBrowserCache")
        cdp.detach()
        context.clear_cookies()
        browser = context.browser
        assert browser is not None
        _free[browser].append(context)

    @property
    def clock(self) -> "Clock":
        """The clock of its pages, for the test to set."""
        self._has_clock = True
        return self.page.clock

    def set_time(self, now: datetime) -> None:
        """Each document that is opened from here on takes ``now`` for the time, as long as it is open."""
        self.page.add_init_script(FIXED_TIME.replace("AT_MS", str(int(now.timestamp() * 1000))))

    def add_key(self) -> str:
        """Plug in an authenticator whose person approves everything; its id."""
        if self._cdp is None:
            self._cdp = self.page.context.new_cdp_session(self.page)
            self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "usb",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        return str(self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"])

    def touch(self, key: str, *, at_once: bool) -> None:
        """Whether the person touches this authenticator as soon as it blinks."""
        self._cdp.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": key, "enabled": at_once})

    def unplug(self, key: str) -> None:
        self._cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})

    @property
    def words(self) -> str:
        return self.page.inner_text("body")

    @property
    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(
            self.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )


def is_live(shown: Page) -> None:
    """Wait until the application hears of events: what was asked for before that is not asked for again by itself."""
    expect(shown.locator("header.topbar .live")).to_have_text("live")


def comment_on(line: Locator, words: str) -> None:
    """Say ``words`` on a line of a change, as a draft that goes with the decision."""
    line.hover()
    line.get_by_role("button", name="Comment on line").click()
    line.page.get_by_role("textbox", name="Comment").fill(words)
    line.page.get_by_role("button", name="Keep the comment").click()
