"""Drives a real Chromium, where one is installed, with virtual authenticators."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from scripts.chromium import found

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WAIT_MS = 60_000


@contextmanager
def launched(home: Path) -> Generator[Browser]:
    """Chromium with a profile of its own, or a skipped test; in CI scripts/chromium.py has seen to it that there is one."""
    program = found()
    if program is None:
        pytest.skip("no Chromium here: install it, or name it in WFE_CHROMIUM")
    expect.set_options(timeout=WAIT_MS)
    env: dict[str, str | float | bool] = {**os.environ, "HOME": str(home)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), env=env, timeout=WAIT_MS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A tab of somebody's browser; what it said on its console, and what it could not load."""

    page: Page
    console: list[str] = field(default_factory=list[str])
    _cdp: Any = None

    @classmethod
    def open(cls, browser: Browser, width: int = 1200, height: int = 900) -> "Tab":
        page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        page.set_default_timeout(WAIT_MS)
        tab = cls(page)

        def heard(message: ConsoleMessage) -> None:
            tab.console.append(f"{message.type}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: tab.console.append(f"error: {error}"))
        return tab

    def close(self) -> None:
        self.page.context.close()

    def add_key(self) -> str:
        """Plug in an authenticator whose person says yes to everything; its id."""
        if self._cdp is None:
            self._cdp = self.page.context.new_cdp_session(self.page)
            self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
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
