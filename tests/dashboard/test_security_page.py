"""The page that says what protects a PIN, where a PIN is asked for: an installation has no other page with it."""

import re
from pathlib import Path

from tests.dashboard.browser import Browser
from tests.dashboard.test_links import waiting
from tests.engine.scene import AGENT, Scene
from wfe_mcp.views.approvals.answers import ask_approval

SECURITY = Path(__file__).resolve().parents[2] / "SECURITY.md"


def test_the_field_for_the_pin_leads_to_its_row(scene: Scene, browser: Browser) -> None:
    request = ask_approval(scene.engine, AGENT, waiting(scene), "plan").data["request"]
    shown = browser.get(f"/decide/{request}").text
    (address,) = {*re.findall(r'href="(/security#[^"]+)"', shown)}
    page, _, row = address.partition("#")
    answer = browser.get(page)
    assert answer.status == 200
    assert f'<tr id="{row}"><td>approve, reject or trust in your place</td>' in answer.text


def test_every_row_has_an_address_and_nothing_is_a_link_that_leads_nowhere(browser: Browser) -> None:
    text = browser.get("/security").text
    rows = re.findall(r'<tr id="([a-z0-9-]+)">', text)
    written = [line for line in SECURITY.read_text(encoding="utf-8").split("\n") if line.startswith("| ")]
    assert len({*rows}) == len(rows) == len(written) - 1, "all but the header"
    assert {*re.findall(r'href="([^"]+)"', text)} <= {
        "/open/inbox",
        "/icon.svg",
        "/tokens.css",
        "/common.css",
        "/style.css",
    }
    assert "docs/" not in text
    assert "<U+" not in text
